"""late-packets-untranslated: packets that close a connection leave the host with the container's own address.

Looks at: TCP flows of FIN and RST alone that go on where a flow from another address, to the same destination and port
and from the same MAC, ended: with its next sequence number, after its last packet.
Says: how many such packets of which addresses leave at which point, and as whom their connections were translated
before. They are harmless: the far side drops them, or holds a closed connection a little longer.
Wrong when: a sender changed its address while it was connected, as a host with two addresses may.
Fix: drop what connection tracking calls INVALID. NAT translates packets of connections that it knows, and one whose
entry is gone, after a reset or a timeout, passes as it is.
Verify: `conntrack -L -p tcp --orig-src ADDRESS` has no entry; `iptables -vnL FORWARD` counts the INVALID ones.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import first_sequence_number, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows, Values
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_FIN, TCP_RST, TCP_SYN

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # the connections of the scenarios are closed while their entries live
WITNESS = "pcaps/ipvlan-l3.pcapng"  # containers' own addresses on the wire, by design
EXPLAINS = ("retransmissions",)

PAGE_ZH = """关闭连接的包以容器自己的地址离开主机。

检查：只有 FIN 和 RST 的 TCP 流：从同一 MAC 到同一目的地址和端口、来自另一个地址的流结束之后，它以那条流的下一个序列号
继续。
结论：哪些地址的多少个这样的包从哪里离开，它们的连接之前被转换成谁。它们无害：对端丢弃它们，或把已关闭的连接多保留一
会儿。
误判：发送者在连接期间换了地址，例如有两个地址的主机。
处理：丢弃连接跟踪认为 INVALID 的包。NAT 只转换它知道的连接的包；表项因重置或超时而消失后，包原样通过。
验证：`conntrack -L -p tcp --orig-src ADDRESS` 没有表项；`iptables -vnL FORWARD` 统计 INVALID 的包。
"""

SAYS = Text(
    en="{packets:late packet} (FIN, RST) of {connections:connection} of {addresses} left by {point} with the "
    "container's own address: until then NAT had translated them to {translated}",
    zh="{addresses} 的 {connections} 个连接的 {packets} 个迟到的包（FIN、RST）以容器自己的地址从 {point} 离开：此前 "
    "NAT 把它们转换成 {translated}",
)
FIX = Text(
    en="harmless; to keep them off the network drop what connection tracking does not know: `iptables -I FORWARD -m "
    "conntrack --ctstate INVALID -j DROP`",
    zh="无害；要让它们不出现在网络上，丢弃连接跟踪不认识的包：`iptables -I FORWARD -m conntrack --ctstate INVALID -j "
    "DROP`",
)

MAX_FLOWS = 10_000
_WAY = [*schema.FLOW_PLACE, schema.FLOW_SMAC, *schema.FLOW_DST_END]


class _Late(NamedTuple):
    """A flow of late packets, and the translated flow that it goes on with."""

    row: int
    before: int


def diagnose(context: Context) -> list[Finding]:
    late = sorted(_at_first_points(context, _late_flows(context)), key=lambda pair: _key(context, pair))
    return [_finding(context, list(group)) for _, group in groupby(late, key=lambda pair: _key(context, pair))]


def _late_flows(context: Context) -> list[_Late]:
    """Flows that only close a connection, each with the flow from another address whose next octet they begin with."""
    flows = context.flows
    is_tcp, flags = flows[:, schema.FLOW_PROTO] == TCP, flows[:, schema.FLOW_TCP_FLAGS]
    closes = is_tcp & (flags & (TCP_FIN | TCP_RST) != 0) & (flags & TCP_SYN == 0) & (flows[:, schema.FLOW_SMAC] > 0)
    late = np.flatnonzero(closes & (flows[:, schema.FLOW_PAYLOAD] == 0))[:MAX_FLOWS]
    opened = np.flatnonzero(is_tcp & (flows[:, schema.FLOW_PAYLOAD] > 0))
    if not len(late) or not len(opened):
        return []
    first = first_sequence_number(flows[late, schema.FLOW_FIRST_SEQ])
    wanted = _numbered(context, late, first)
    next_octets = _numbered(context, opened, flows[opened, schema.FLOW_NEXT_SEQ])
    order = np.argsort(next_octets, kind="stable")
    at = np.minimum(np.searchsorted(next_octets[order], wanted), len(order) - 1)
    before = opened[order[at]]
    goes_on = (next_octets[order[at]] == wanted) & (flows[late, schema.FLOW_FIRST] > flows[before, schema.FLOW_LAST])
    goes_on &= (flows[late[:, None], schema.FLOW_SRC] != flows[before[:, None], schema.FLOW_SRC]).any(axis=1)
    return [_Late(*pair) for pair in np.column_stack((late, before))[goes_on].tolist()]


def _at_first_points(context: Context, late: list[_Late]) -> list[_Late]:
    """Of each connection the flow at the point that shows it first: others show it on its way."""
    flows = context.flows
    by_ends: dict[tuple[int, ...], _Late] = {}
    for pair in sorted(late, key=lambda pair: int(flows[pair.row, schema.FLOW_FIRST])):
        by_ends.setdefault(tuple(flows[pair.row, schema.FLOW_SRC_HI : schema.FLOW_DPORT + 1].tolist()), pair)
    return list(by_ends.values())


def _numbered(context: Context, rows: FlowRows, numbers: Values) -> Values:
    """Hashes of the way of each flow and of a sequence number."""
    return row_hash(np.column_stack((hash_of(context.flows, _WAY, rows).astype(np.int64), numbers)))


def _key(context: Context, pair: _Late) -> tuple[int, str]:
    """The point, and the address that NAT gave the connection."""
    return int(context.flows[pair.row, schema.FLOW_POINT]), source(context.flows[pair.before])


def _finding(context: Context, late: list[_Late]) -> Finding:
    flows = context.flows
    rows = [pair.row for pair in late]
    point, translated = context.points[int(flows[rows[0], schema.FLOW_POINT])].name, source(flows[late[0].before])
    packets = int(packets_without_duplicates(context)[rows].sum())
    addresses = sorted({source(flows[row]) for row in rows})
    return Finding(
        NAME,
        "info",
        SAYS.fill(
            packets=packets, connections=len(rows), addresses=several(addresses), point=point, translated=translated
        ),
        FIX.fill(),
        {
            "point": point, "addresses": addresses[:MAX_EVIDENCE], "translated_to": translated, "packets": packets,
            "connections": len(rows),
        },
        sorted(context.first_frames(rows)),
    )  # fmt: skip
