"""container-address-announced: a client sends to a container's own address, which only the container's host knows.

Looks at: clients whose connection to a published port is translated to a container. At the point where that connection
passes with the host's address, the client sends to the container's address itself, gets no answer, and these packets
do not come to the host. So a program in the container told the client its own address: FTP in passive mode, SIP and
RTP, a cluster of Kafka, Redis or MongoDB.
Says: which client sends to which address and ports in vain, and by which address it does reach the container.
Wrong when: the client knows another network with the same address, which is down.
Fix: let the program announce the host's address, and publish the ports that it announces.
Verify: `tcpdump -nA -i IFACE port PORT` shows the container's address in what the program says.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows, Mask
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.icmp_errors import icmp_errors
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the programs of the scenarios announce no addresses
WITNESS = "pcaps/bridge.pcapng"  # a published port, and clients that use nothing else
EXPLAINS = ("arp-unanswered", "connection-unanswered", "host-unreachable", "retransmissions", "stops-between")

PAGE_ZH = """客户端发往容器自己的地址，而只有容器的主机知道这个地址。

检查：到端口映射的连接被转换到容器的客户端。在该连接以主机地址经过的抓包点上，客户端又直接发往容器的地址，没有应答，并且
这些包没有到达主机。所以容器中的程序把自己的地址告诉了客户端：被动模式的 FTP、SIP 和 RTP，Kafka、Redis 或 MongoDB 的集
群。
结论：哪个客户端发往哪个地址和哪些端口而没有应答，用哪个地址能到达该容器。
误判：客户端还知道另一个有同样地址、已停机的网络。
处理：让程序通告主机的地址，并映射它通告的端口。
验证：`tcpdump -nA -i IFACE port PORT` 在程序所说的内容中显示容器的地址。
"""

SAYS = Text(
    en="{client} sends {packets:packet} to {container} ({ports}) and gets no answer: that is the address of a "
    "container inside its host, which the client reaches as {published}",
    zh="{client} 向 {container}（{ports}）发了 {packets} 个包，没有应答：这是容器在其主机内部的地址，客户端用 "
    "{published} 才能到达它",
)
FIX = Text(
    en="let the program announce {host} instead of {container}, and publish the ports that it announces: "
    "pasv_address of FTP, the external address of SIP and RTP, advertised.listeners of Kafka, "
    "cluster-announce-ip of Redis",
    zh="让程序通告 {host} 而不是 {container}，并映射它通告的端口：FTP 的 pasv_address、SIP 和 RTP 的外部地址、Kafka 的 "
    "advertised.listeners、Redis 的 cluster-announce-ip",
)

MIN_PACKETS = 2  # one alone may be the last of the capture
MAX_FINDINGS = 20

_CLIENT = schema.FLOW_SRC
_SERVER = schema.FLOW_DST


class _Published(NamedTuple):
    """Connections to a published port, before and behind their translation."""

    outside: FlowRows
    inside: FlowRows


def diagnose(context: Context) -> list[Finding]:
    flows, published = context.flows, _published(context)
    if not len(published.outside):
        return []
    rows = np.flatnonzero(_are_lost(context, published))
    groups: dict[bytes, list[int]] = {}
    for row in rows[np.argsort(flows[rows, schema.FLOW_FIRST], kind="stable")].tolist():
        groups.setdefault(flows[row, [*_CLIENT, *_SERVER]].tobytes(), []).append(row)
    findings = [_finding(context, published, group) for group in groups.values()]
    return [finding for finding in findings if finding][:MAX_FINDINGS]


def _published(context: Context) -> _Published:
    """Links that translate the destination and leave the source alone."""
    flows, links = context.flows, flow_links(context)
    is_dnat = (flows[links.source[:, None], _SERVER] != flows[links.target[:, None], _SERVER]).any(axis=1)
    is_dnat &= (flows[links.source[:, None], _CLIENT] == flows[links.target[:, None], _CLIENT]).all(axis=1)
    is_dnat &= is_answered(context)[links.source]
    return _Published(links.source[is_dnat], links.target[is_dnat])


def _are_lost(context: Context, published: _Published) -> Mask:
    """Flows of these clients to the containers' own addresses, unanswered, that the hosts' points do not show."""
    flows = context.flows
    wanted = hash_of(flows, [*_CLIENT, *_SERVER], published.inside)
    lost = is_one_of(flows[:, schema.FLOW_PROTO], (TCP, UDP)) & ~is_answered(context)
    lost &= is_among(hash_of(flows, [*_CLIENT, *_SERVER]), wanted) & (flow_links(context).before < 0)
    # At the points of the published connection outside, and in no chain that shows the host.
    chain = chain_of(context)
    outside = is_among(chain, chain[published.outside])
    lost &= is_among(flows[:, schema.FLOW_POINT], flows[outside, schema.FLOW_POINT])
    ends = row_hash(np.column_stack((flows[:, schema.FLOW_POINT], flows[:, _CLIENT])))
    lost &= is_among(ends, row_hash(np.column_stack((flows[outside, schema.FLOW_POINT], flows[outside][:, _CLIENT]))))
    hosts = flows[np.concatenate((published.outside, published.inside)), schema.FLOW_POINT]
    return lost & ~is_among(chain, chain[is_among(flows[:, schema.FLOW_POINT], hosts)])


def _finding(context: Context, published: _Published, rows: list[int]) -> Finding | None:
    flows, first = context.flows, context.flows[rows[0]]
    packets = int(packets_without_duplicates(context)[rows].sum())
    if packets < MIN_PACKETS:
        return None
    is_of_client = (flows[published.inside[:, None], [*_CLIENT, *_SERVER]] == first[[*_CLIENT, *_SERVER]]).all(axis=1)
    outside = flows[published.outside[is_of_client][0]]
    container, host = destination(first), destination(outside)
    services = sorted({int(flows[row, schema.FLOW_DPORT]) for row in rows})
    reached = endpoint_text(host, int(outside[schema.FLOW_DPORT]))
    frames = context.first_frames(rows)
    ends = source(first), container
    errors = [error for error in icmp_errors(context) if (error.quoted.src, error.quoted.dst) == ends]
    frames += [frame for error in errors for frame in error.evidence]
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            client=ends[0], packets=packets, container=container, published=reached,
            ports=several([str(port) for port in services]),
        ),
        FIX.fill(host=host, container=container),
        {
            "client": ends[0], "container": container, "ports": services[:MAX_EVIDENCE], "packets": packets,
            "published": reached,
        },
        sorted(frames),
    )  # fmt: skip
