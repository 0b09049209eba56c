"""duplicate-mac: two stations on different hosts send with one MAC, and the switch delivers to either of them.

Looks at: MACs whose own interface, in a container, is a point of two hosts; both send at the same time, each in
conversations that the other one does not. Packets of such a conversation arrive at the other one.
Says: which MAC, at which two points, how many conversations were torn apart.
Wrong when: one station has two cards with one MAC, and its points are named as those of two hosts.
Fix: give one of them another MAC. Docker derives it from the address, so give each host its own range of addresses.
Verify: `bridge fdb show | grep MAC`, or the switch's table, names one port and then another one.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast_macs, host_of
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.fate.interface_points import interface_points
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import mac_text
from capnet.wire.numbers import TCP_RST

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = None  # Docker gives the containers of the lab's hosts different addresses
WITNESS = "pcaps/bridge-clash.pcapng"  # containers of two hosts with the same address and MAC, on bridges of their own
EXPLAINS = ("connection-unanswered", "duplicate-ip", "handshake-unfinished", "retransmissions")

PAGE_ZH = """不同主机上的两个站点用同一个 MAC 发送，交换机有时送给这个，有时送给那个。

检查：MAC 自己的接口（在容器中）是两台主机上的抓包点；两者同时发送，各有对方没有的会话。这种会话的包到了另一个站点。
结论：哪个 MAC，在哪两个抓包点，多少个会话被打断。
误判：一个站点有两块 MAC 相同的网卡，其抓包点被命名为两台主机的。
处理：给其中一个换 MAC。Docker 由地址推算 MAC，因此给每台主机各自的地址段。
验证：`bridge fdb show | grep MAC` 或交换机的表先后显示不同的端口。
"""

SAYS = Text(
    en="{mac} belongs to {first} and to {second}: packets of {torn:conversation} of one arrived at the other",
    zh="{mac} 既属于 {first} 又属于 {second}：一方的 {torn} 个会话的包到了另一方",
)
FIX = Text(
    en="give one of them another MAC (`--mac-address`); Docker derives it from the address, so reserve another range "
    "on each host (`docker network create --ip-range`)",
    zh="给其中一个换 MAC（`--mac-address`）；Docker 由地址推算 MAC，因此在每台主机上保留不同的地址段（`docker "
    "network create --ip-range`）",
)

MIN_PACKETS = 2  # that went astray
MAX_MACS = 256

_FROM = [schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_SPORT]
_TO = [schema.FLOW_DST_HI, schema.FLOW_DST_LO, schema.FLOW_DPORT]


class _Torn(NamedTuple):
    """Flows of a MAC at one point, and packets to it in those flows that arrived at another point."""

    rows: FlowRows
    astray: FlowRows


def diagnose(context: Context) -> list[Finding]:
    findings = []
    shared = [(mac, points) for mac, points in interface_points(context).items() if len(points) > 1 and mac > 0]
    for mac, points in sorted(shared)[:MAX_MACS]:
        pair = next((pair for pair in combinations(points, 2) if _are_two_hosts(context, *pair)), None)
        if pair is None or not _send_at_once(context, mac, *pair):
            continue
        torn = [_torn(context, mac, *pair), _torn(context, mac, *pair[::-1])]
        astray = [row for of in torn for row in of.astray.tolist()]
        if int(context.flows[astray, schema.FLOW_PACKETS].sum()) >= MIN_PACKETS:
            findings.append(_finding(context, mac, pair, torn))
    return findings


def _finding(context: Context, mac: int, points: tuple[int, int], torn: list[_Torn]) -> Finding:
    rows = [row for of in torn for row in (*of.astray.tolist()[:2], *of.rows.tolist()[:2])]
    count = sum(len(of.astray) for of in torn)
    first, second = (context.points[point].name for point in points)
    evidence = {context.flow_evidence(row, int(context.flows[row, schema.FLOW_FIRST_FRAME])) for row in rows}
    return Finding(
        NAME,
        "error",
        SAYS.fill(mac=mac_text(mac), first=first, second=second, torn=count),
        FIX.fill(),
        {"mac": mac_text(mac), "points": [first, second], "conversations": count},
        sorted(evidence),
    )


def _are_two_hosts(context: Context, first: int, second: int) -> bool:
    """Are two points interfaces of containers on two hosts? On a card, any MAC may be an end of all conversations."""
    points = [context.points[point] for point in (first, second)]
    hosts = [host_of(point.name) for point in points if point.role == "container"]
    return len(hosts) == 2 and None not in hosts and hosts[0] != hosts[1]


def _sent(context: Context, mac: int, point: int) -> FlowRows:
    """Flows that a MAC sends at a point, outside of tunnels, but for those of resets only: they answer a stranger."""
    flows = context.flows
    is_sent = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_SMAC] == mac)
    is_sent &= (flows[:, schema.FLOW_VIA] == 0) & ~are_multicast_macs(flows[:, schema.FLOW_DMAC])
    return np.flatnonzero(is_sent & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_RST == 0))


def _send_at_once(context: Context, mac: int, first: int, second: int) -> bool:
    """Does the MAC send at both points during the same time? Else it has moved."""
    spans = []
    for point in (first, second):
        rows = _sent(context, mac, point)
        if not len(rows):
            return False
        spans.append((context.flows[rows, schema.FLOW_FIRST].min(), context.flows[rows, schema.FLOW_LAST].max()))
    return bool(spans[0][0] <= spans[1][1] and spans[1][0] <= spans[0][1])


def _torn(context: Context, mac: int, own: int, other: int) -> _Torn:
    """Flows that the MAC sends at its own point only, whose answers arrive at the other one."""
    flows = context.flows
    sent, elsewhere = _sent(context, mac, own), _sent(context, mac, other)
    keys = hash_of(flows, [schema.FLOW_PROTO, *_FROM, *_TO], sent)
    sent, keys = (values[~is_among(keys, _keys(context, elsewhere))] for values in (sent, keys))
    is_to_mac = (flows[:, schema.FLOW_POINT] == other) & (flows[:, schema.FLOW_DMAC] == mac)
    arrived = np.flatnonzero(is_to_mac & (flows[:, schema.FLOW_VIA] == 0))
    answers = hash_of(flows, [schema.FLOW_PROTO, *_TO, *_FROM], arrived)
    return _Torn(sent[is_among(keys, answers)], arrived[is_among(answers, keys)])


def _keys(context: Context, rows: FlowRows) -> np.ndarray:
    return hash_of(context.flows, [schema.FLOW_PROTO, *_FROM, *_TO], rows)
