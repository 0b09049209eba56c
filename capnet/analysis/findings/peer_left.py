"""peer-left: an endpoint of tunnels, or a node of a Swarm, answers nothing more from a certain time on.

Looks at: addresses of tunnel endpoints and Swarm nodes that sent packets until a time, and to which several flows go on
for five seconds or more. What comes from them then is nothing at all, or "port unreachable" and RST only.
Says: since when the peer is silent, or refuses, and how many flows to it go on.
Wrong when: its packets take another path from then on, or the network between failed.
Fix: see whether the node is up. If it left, remove it, or let it join again, so that its peers stop sending to it.
Verify: `ping PEER`; `docker node ls` shows it as Down; `bridge fdb show dev vxlan0` in the overlay's namespace still
has its address.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import proto_name, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowMask, FlowRows
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.clocks import clocks, flow_spans
from capnet.analysis.facts.swarm_traffic import swarm_flows
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import ICMP, ICMP_UNREACHABLE, ICMPV6, ICMPV6_UNREACHABLE, TCP, TCP_RST, TCP_SYN, UDP

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # no node of the lab leaves while others send to it
WITNESS = "pcaps/overlay.pcapng"  # both nodes send until the end
EXPLAINS = (
    "connection-cut", "tunnel-one-way", "tunnel-refused", "stops-between", "retransmissions", "packet-loss",
    "connection-unanswered", "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """隧道的端点或 Swarm 的节点从某个时刻起不再应答。

检查：隧道端点和 Swarm 节点的地址，到某个时刻为止还在发送，之后仍有多条流发往它们五秒以上。此后来自它们的包完全没
有，或只有 “port unreachable” 和 RST。
结论：对端从何时起静默或拒绝，多少条流继续发往它。
误判：此后它的包走另一条路，或中间的网络出了故障。
处理：检查节点是否在线。如果它已离开，移除它，或让它重新加入，使对端不再发往它。
验证：`ping PEER`；`docker node ls` 显示 Down；overlay 的命名空间中 `bridge fdb show dev vxlan0` 仍有它的地址。
"""

SAYS = Text(
    en="{peer} {does}, {seconds} s before the last packet to it: {flows:flow} to it ({services}) go on without an "
    "answer",
    zh="{peer} {does}，在最后一个发往它的包之前 {seconds} 秒：到它的 {flows} 条流（{services}）继续发送而无应答",
)
PORT = Text(en="{proto} port {port}", zh="{proto} 端口 {port}")
SILENT = Text(en="sends nothing more", zh="不再发送任何包")
REFUSES = Text(en="only refuses what it is sent", zh="只会拒绝收到的包")
FIX = Text(
    en="see whether {peer} is up (`ping {peer}`, `docker node ls`); if it left for good, `docker node rm` it, else let "
    "it join again",
    zh="检查 {peer} 是否在线（`ping {peer}`、`docker node ls`）；如果它已永久离开，执行 `docker node rm`，否则让它重"
    "新加入",
)

MIN_SILENCE_NS = 5_000_000_000  # nodes probe each other every second
MIN_DELAY_NS = 1_000_000_000  # after its last packet: what comes sooner is the end of a conversation
MIN_FLOWS = 2  # to the peer, that go on: one alone may fail for its own reason
MIN_SERVICES = 2  # that these are for
MAX_PEERS = 1000  # addresses that are looked at

_SERVICE = [schema.FLOW_PROTO, schema.FLOW_DPORT]


class _Silence(NamedTuple):
    """When a peer was heard last and packets went to it last [ns], rows of these, and whether it refuses."""

    since: int
    until: int
    rows: FlowRows
    refuses: bool


def diagnose(context: Context) -> list[Finding]:
    is_outside = context.flows[:, schema.FLOW_VIA] == 0
    findings = []
    for peer in _peers(context)[:MAX_PEERS]:
        silence = _silence(context, peer, is_outside)
        if silence is not None:
            findings.append(_finding(context, peer, silence))
    return findings


def _peers(context: Context) -> list[str]:
    """Ends of tunnels and Swarm nodes, sorted."""
    flows, tunnels = context.flows, context.tunnels
    swarm = flows[swarm_flows(context)]
    ends = np.concatenate(
        (
            tunnels[:, [schema.TUNNEL_SRC_HI, schema.TUNNEL_SRC_LO]],
            swarm[:, schema.FLOW_SRC],
        )
    )
    return sorted({address_text(*pair) for pair in ends.tolist()}, key=address_value)


def _silence(context: Context, peer: str, is_outside: FlowMask) -> _Silence | None:
    """Since when a peer is silent though packets go to it; None if it is not."""
    flows, (first, last) = context.flows, flow_spans(context)
    high, low = address_value(peer)
    sent = np.flatnonzero(flows[:, schema.FLOW_SRC_LO] == low)
    sent = sent[is_outside[sent] & (flows[:, schema.FLOW_SRC_HI][sent] == high)]
    received = np.flatnonzero(flows[:, schema.FLOW_DST_LO] == low)
    received = received[is_outside[received] & (flows[:, schema.FLOW_DST_HI][received] == high)]
    if not len(sent) or not len(received):
        return None
    until = int(last[received].max())
    if not _is_refusal(context, sent[last[sent] > until - MIN_SILENCE_NS]).all():
        return None  # it sent something else to the end
    refusals = _is_refusal(context, sent)
    if refusals.all():
        return None
    since = int(last[sent[~refusals]].max())
    refuses = bool((last[sent[refusals]] > since).any()) if refusals.any() else False
    if not refuses:
        since = max(since, _last_arp(context, low))
    if until < since + MIN_SILENCE_NS:
        return None
    received = received[is_one_of(flows[received, schema.FLOW_PROTO], (TCP, UDP))]  # others may need no answer
    rows = received[last[received] >= since + MIN_DELAY_NS]
    services = {tuple(service) for service in flows[rows[:, None], _SERVICE].tolist()}
    new = (first[rows] > since).any()  # a flow that began after: what is old may be one packet sent again
    if len(rows) < MIN_FLOWS or len(services) < MIN_SERVICES or not new:
        return None
    return _Silence(since, until, rows, refuses)


def _is_refusal(context: Context, rows: FlowRows) -> FlowMask:
    """Per row: is it ICMP "unreachable", or RST alone?"""
    columns = (schema.FLOW_PROTO, schema.FLOW_KIND, schema.FLOW_TCP_FLAGS, schema.FLOW_PAYLOAD)
    proto, kind, flags, payload = (context.flows[:, column][rows] for column in columns)
    kind = kind >> 8
    mask: FlowMask = (proto == ICMP) & (kind == ICMP_UNREACHABLE) | (proto == ICMPV6) & (kind == ICMPV6_UNREACHABLE)
    is_rst = (flags & TCP_RST > 0) & (flags & TCP_SYN == 0) & (payload == 0)
    return mask | (proto == TCP) & is_rst


def _last_arp(context: Context, low: int) -> int:
    """When an address last sent ARP, ns by the reference clock; 0 if it never did."""
    arps = context.arps[(context.arps[:, schema.ARP_SENDER_LO] == low) & (context.arps[:, schema.ARP_VIA] == 0)]
    if not len(arps):
        return 0
    clock = clocks(context).of_point[arps[:, schema.ARP_POINT]]
    return int(clocks(context).correct_times(arps[:, schema.ARP_LAST], clock).max())


def _finding(context: Context, peer: str, silence: _Silence) -> Finding:
    flows, rows = context.flows, silence.rows
    services = sorted({tuple(service) for service in flows[rows[:, None], _SERVICE].tolist()})
    names = [PORT.fill(proto=proto_name(proto), port=port) for proto, port in services]
    does = REFUSES if silence.refuses else SILENT
    seconds = round((silence.until - silence.since) / 1e9, 1)
    return Finding(
        NAME,
        "warning",
        SAYS.fill(peer=peer, does=does.fill(), seconds=seconds, flows=len(rows), services=several(names)),
        FIX.fill(peer=peer),
        {
            "peer": peer, "refuses": silence.refuses, "seconds": seconds, "flows": len(rows),
            "services": names[:MAX_EVIDENCE],
            "senders": sorted({source(flows[row]) for row in rows.tolist()}, key=address_value)[:MAX_EVIDENCE],
        },
        sorted(context.first_frames(rows)),
    )  # fmt: skip
