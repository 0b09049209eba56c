"""quic-unanswered: a server answers by TCP, and nothing answers what is sent to the same port by UDP, as QUIC is.

Looks at: UDP to port 443 of which all datagrams have 1200 bytes or more, as clients must send them until the server has
answered (RFC 9000 section 14.1), sent again and never answered, by a client whose TCP connections to port 443 of the
same server are accepted. Not: where another datagram of the server to such a client answers; where ICMP refuses them;
where it is known between which two points they stop (`stops-between`).
Says: which client, which servers, how many datagrams, where they were last seen, and that the server is up.
Wrong when: the server is too busy for new connections by QUIC.
Fix: let UDP port 443 pass, or switch QUIC off at the server or the client; until then each connection begins with a
wait, and then goes by TCP.
Verify: `curl --http3-only -v https://SERVER/` is answered; `iptables -vnL` and `nft list ruleset` count what is
dropped.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.fate.answers import quoting_errors
from capnet.analysis.fate.fates import STOPS, fates
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault quic-unanswered"
WITNESS = "pcaps/faults/quic-unanswered.healthy.pcapng"  # the same datagrams, answered
EXPLAINS = ()

PAGE_ZH = """服务器通过 TCP 应答，而用 UDP（QUIC 即如此）发往同一端口的包没有任何应答。

检查：发往 UDP 端口 443、所有数据报都不小于 1200 字节的流（客户端在服务器应答之前必须这样发送，RFC 9000 第 14.1 节），重
发过而从未得到应答；同一客户端到同一服务器端口 443 的 TCP 连接被接受。不包括：服务器的另一个数据报应答了这样的客户端；
ICMP 拒绝了它们；已知它们停在哪两个抓包点之间（`stops-between`）。
结论：哪个客户端，哪些服务器，多少个数据报，最后出现在哪里，以及服务器在线。
误判：服务器太忙，无法接受新的 QUIC 连接。
处理：放行 UDP 端口 443，或在服务器或客户端关闭 QUIC；在此之前每个连接都先等待，再改用 TCP。
验证：`curl --http3-only -v https://SERVER/` 得到应答；`iptables -vnL` 和 `nft list ruleset` 统计丢弃的包。
"""

SAYS = Text(
    en="{clients} got no answer to {packets:datagram} of QUIC (UDP port 443) to {servers}, last seen at {points}; TCP "
    "port 443 there accepts connections, so the server is up, and UDP 443 is blocked or not served",
    zh="{clients} 发往 {servers} 的 {packets} 个 QUIC 数据报（UDP 端口 443）没有应答，最后出现在 {points}；那里的 TCP "
    "端口 443 接受连接，所以服务器在线，而 UDP 443 被阻断或没有服务",
)
FIX = Text(
    en="let UDP port 443 pass behind {point} and at {server}, and its answers (`iptables -vnL`, `nft list ruleset`, "
    "security groups), with an MTU of 1280 or more; or switch QUIC off: until then clients wait before they use TCP",
    zh="在 {point} 之后和 {server} 上放行 UDP 端口 443 及其应答（`iptables -vnL`、`nft list ruleset`、安全组），MTU "
    "不小于 1280；或关闭 QUIC：在此之前客户端要等待之后才改用 TCP",
)

PORT = 443
MIN_DATAGRAM = 1200  # octets of payload, of what may hold a client's first packets (RFC 9000 section 14.1)
MIN_DATAGRAMS, MAX_DATAGRAMS = 2, 50  # of a flow: a client without an answer gives up after a few
MIN_SPAN_NS = 200_000_000  # the first one is sent again after 300 ms or so; several at once are one flight


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    is_of_port = flows[:, schema.FLOW_DPORT] == PORT
    is_quic = is_of_port & (flows[:, schema.FLOW_PROTO] == UDP)
    rows = np.flatnonzero(is_quic & (flow_links(context).after < 0) & ~is_answered(context))
    if not len(rows):
        return []
    is_accepted = is_of_port & (flows[:, schema.FLOW_PROTO] == TCP) & (replies(context) >= 0)
    is_accepted &= reply_values(context, schema.FLOW_SYNACK_TIME) >= 0
    ends, chain = hash_of(flows, schema.FLOW_ADDRESSES), chain_of(context)
    rows = rows[_are_first_packets(context, rows) & ~is_among(chain[rows], _told_otherwise(context))]
    # By the ends that the client itself gave them, which a translation on the way changes.
    began = ends[chain[rows]]
    answered = ends[np.flatnonzero(is_quic & is_answered(context))]
    rows = rows[is_among(began, ends[is_accepted]) & ~is_among(began, answered)]
    groups: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for row in rows.tolist():
        groups.setdefault((address_value(source(flows[chain[row]])),), []).append(row)
    return [_finding(context, groups[key]) for key in sorted(groups)]


def _are_first_packets(context: Context, rows: FlowRows) -> Mask:
    """Are these datagrams as large as a client's must be before it has an answer, and were they sent again?"""
    flows = context.flows[rows]
    packets = packets_without_duplicates(context)[rows]
    is_first = flows[:, schema.FLOW_PAYLOAD] >= packets * MIN_DATAGRAM
    is_first &= (packets >= MIN_DATAGRAMS) & (packets <= MAX_DATAGRAMS) & (flows[:, schema.FLOW_VIA] == 0)
    mask: Mask = is_first & (flows[:, schema.FLOW_LAST] - flows[:, schema.FLOW_FIRST] >= MIN_SPAN_NS)
    return mask


def _told_otherwise(context: Context) -> Values:
    """Flow chains that stop between two points, or of which an ICMP error says what became of them."""
    outcome, chain = fates(context), chain_of(context)
    return np.concatenate((chain[outcome.last[outcome.state == STOPS]], chain[quoting_errors(context) >= 0]))


def _finding(context: Context, rows: list[int]) -> Finding:
    flows, chain = context.flows, chain_of(context)
    clients = sorted({source(flows[chain[row]]) for row in rows}, key=address_value)
    servers = sorted({destination(flows[chain[row]]) for row in rows}, key=address_value)
    points = sorted({context.points[int(flows[row, schema.FLOW_POINT])].name for row in rows})
    packets = int(packets_without_duplicates(context)[rows].sum())
    return Finding(
        NAME,
        "warning",
        SAYS.fill(clients=several(clients), packets=packets, servers=several(servers), points=several(points)),
        FIX.fill(point=points[0], server=servers[0]),
        {
            "client": clients[0], "servers": servers[:MAX_EVIDENCE], "points": points, "datagrams": packets,
            "connections": len(rows),
        },
        hop_evidence(context, rows),
    )  # fmt: skip
