"""connection-cut: an established connection gets no answer any more, without having been closed.

Looks at: TCP connections that one end acknowledged something of. Then the other end sends the same bytes four times
or more, or keepalives three times or more, for 1.5 s or longer, and hears nothing, up to the end of the capture. Not
segments of 1000 bytes and more, which may be too large for the path (`mtu-blackhole`), nor a FIN, after which no
program waits. After a pause of 5 s and longer it is `idle-connection-forgotten`, unless nothing comes any more by the
router that the answers of three servers or more came by (`facts.ways.lost_ways`).
Says: which connections, how often they tried, where that was last seen, and whether others to the same service go on.
Of a host that has lost its way: with how many servers, and for how long nothing came.
Where it is what the client sends first, after a handshake that passed: how many bytes.
Wrong when: a capture ends while the path is away for a moment.
Fix: find out what became of the other end: a container that was removed, a rule that was added, or an entry of
connection tracking that was deleted end a connection without a word. What drops the first request alone reads it: a
filter by the name of a TLS server, by the host of HTTP, or by words.
Verify: `ss -tnp` on the server still lists the connection, `conntrack -L -p tcp --orig-port-dst PORT` on the host.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import awaited_acknowledgment, destination, replies, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.idle_connections import forgotten_connections
from capnet.analysis.facts.transport.tcp_connections import MAX_CONNECTIONS, Segment, ahead, is_tcp_with, segments
from capnet.analysis.facts.ways.lost_ways import LostWay, lost_way
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value, mac_text
from capnet.wire.numbers import TCP_ACK, TCP_FIN, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the containers of the scenarios live until their connections are closed
WITNESS = "pcaps/bridge.pcapng"  # connections that are closed
EXPLAINS = ("packet-loss", "retransmissions", "sequence-gap")

PAGE_ZH = """已建立的连接没有关闭，却不再有应答。

检查：一端确认过内容的 TCP 连接。此后另一端把同样的字节发了四次以上，或把 keepalive 发了三次以上，持续 1.5 秒以上，直到
抓包结束都没有任何应答。不包括 1000 字节以上的段，它们可能超过了路径 MTU（`mtu-blackhole`）；也不包括 FIN，其后没有程序
在等待。停顿 5 秒以上之后的见 `idle-connection-forgotten`，除非三台以上服务器的应答所经过的路由器不再送来任何包
（`facts.ways.lost_ways`）。
结论：哪些连接，尝试了多少次，最后在哪里看到，到同一服务的其他连接是否继续。对失去出口的主机：与多少台服务器，多长时间没
有收到包。如果是握手通过之后客户端最先发送的内容，则说明多少字节。
误判：路径暂时中断时抓包就结束了。
处理：查明另一端怎么了：被删除的容器、新加的规则或被删除的连接跟踪表项都会让连接无声地中断。只丢弃第一个请求的环节会
读取其内容：按 TLS 服务器名称、HTTP 主机名或字词的过滤。
验证：服务器上 `ss -tnp` 仍列出该连接，主机上 `conntrack -L -p tcp --orig-port-dst PORT`。
"""

SAYS = Text(
    en="nothing answers {connections:established connection} of {senders} with {peer} any more: the same bytes were "
    "sent {tries:time} in vain, last seen at {point}{others}",
    zh="{senders} 与 {peer} 的 {connections} 个已建立的连接不再有应答：同样的字节发了 {tries} 次，最后在 {point} 看到"
    "{others}",
)
SAYS_FIRST = Text(
    en="{peer} accepts {connections:connection} of {senders}, and nothing answers what the client sends first: "
    "{octets}{most} bytes, sent {tries:time} in vain, last seen at {point}{others}",
    zh="{peer} 接受了 {senders} 的 {connections} 个连接，而客户端最先发送的内容没有应答：{octets}{most} 字节，徒然发了 "
    "{tries} 次，最后在 {point} 看到{others}",
)
FIX_FIRST = Text(
    en="look behind {point} for what lets the handshake pass and drops this request: a firewall, proxy or IPS that "
    "reads the name of the TLS server, the host of HTTP or other words (`-m string`), or one that answers SYNs in the "
    "place of {peer} (a capture there shows whether the connection is its own)",
    zh="在 {point} 之后查找是什么放行握手而丢弃该请求：读取 TLS 服务器名称、HTTP 主机名或其他字词的防火墙、代理或 IPS"
    "（`-m string`），或代替 {peer} 应答 SYN 的设备（在那里抓包可以看出连接是不是它自己的）",
)
MOST = Text(en=" to {octets}", zh=" 到 {octets}")
OTHERS = Text(en="; {alive:other connection} to it went on", zh="；到它的另外 {alive} 个连接仍在继续")
LOST_WAY = Text(
    en="For {seconds} s, from {since} s into the capture on, nothing came to {host}{router}: {connections:established "
    "connection} with {peers:server} got no answer; last seen at {point}",
    zh="从抓包的第 {since} 秒起，{seconds} 秒内 {host} 没有收到任何{router}的包：与 {peers} 台服务器的 {connections} "
    "个已建立的连接没有应答；最后在 {point} 看到",
)
BY_ROUTER = Text(en=" from {mac}", zh="来自 {mac} ")
FIX_LOST_WAY = Text(
    en="look at what they share, not at the servers: the card, cable or network of {host} (`ip -br link`), its address "
    "(a DHCP lease that ended, `ip -br addr`), its gateway (`ip route get {peer}`, `ip neigh`) and the way out of that",
    zh="检查它们共用的部分，而不是服务器：{host} 的网卡、网线或网络（`ip -br link`）、它的地址（到期的 DHCP 租约，"
    "`ip -br addr`）、它的网关（`ip route get {peer}`、`ip neigh`）以及网关的出口",
)
FIX = Text(
    en="find out what became of {peer}: a container that was removed or stopped, a rule that was added, or a deleted "
    "entry of connection tracking ends connections without a word (`docker ps -a`, `conntrack -L`)",
    zh="查明 {peer} 怎么了：被删除或停止的容器、新加的规则或被删除的连接跟踪表项都会让连接无声地中断（`docker ps -a`、"
    "`conntrack -L`）",
)

MIN_TRIES = 4  # of the same bytes
MIN_KEEPALIVES = 3  # a program sends them a second and more apart
MIN_SPAN_NS = 1_500_000_000  # from the first to the last try: three timeouts of a near server
MAX_PAYLOAD = 1000  # bytes: larger segments may be too large for the path
MAX_FINDINGS = 20


class _Cut(NamedTuple):
    """A connection that is not answered any more."""

    row: int  # of the end that goes on
    tries: list[Segment]
    last: int  # row where the tries were last seen
    way: LostWay | None  # of the end that goes on, if it has lost it
    is_first: bool  # they are what the client sends first, and the server sends nothing


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    is_candidate = is_tcp_with(context, TCP_ACK) & (replies(context) >= 0) & (flow_links(context).before < 0)
    is_candidate &= flows[:, schema.FLOW_LAST] - reply_values(context, schema.FLOW_LAST) >= MIN_SPAN_NS
    idle = {of.flow: lost_way(context, of.flow, of.since) for of in forgotten_connections(context)}
    is_candidate[[flow for flow, way in idle.items() if way is None]] = False
    groups: dict[tuple[object, ...], list[_Cut]] = {}
    for row in np.flatnonzero(is_candidate).tolist()[:MAX_CONNECTIONS]:
        tries = _tries(segments(context, row))
        if tries:
            last = _last_shown(context, row, tries[0].time)
            way = lost_way(context, row, tries[0].time)
            service = address_value(destination(flows[row])), int(flows[row, schema.FLOW_DPORT])
            key = (0, *way) if way else (1, *service, int(flows[last, schema.FLOW_POINT]))
            groups.setdefault(key, []).append(_Cut(row, tries, last, way, _is_first(context, row, tries)))
    return [
        _of_lost_way(context, cuts[0].way, cuts) if cuts[0].way else _finding(context, cuts)
        for _, cuts in sorted(groups.items())
    ][:MAX_FINDINGS]


def _tries(passed: list[Segment]) -> list[Segment]:
    """The segments with which one end asks in vain after the last reply; none if it has no reason to wait."""
    number = max((number for number, segment in enumerate(passed) if segment.is_reply), default=-1)
    before, after = passed[: number + 1], passed[number + 1 :]
    if any(segment.flags & TCP_RST or (segment.is_reply and segment.flags & TCP_FIN) for segment in before):
        return []
    acked = [segment.ack for segment in before if segment.is_reply and segment.flags & TCP_ACK]
    if not acked:
        return []
    awaited = max(acked, key=lambda ack: ahead(ack, acked[0]))
    waiting = [segment for segment in after if not segment.flags & TCP_RST and not segment.is_syn]
    data = [segment for segment in waiting if segment.seq == awaited and 0 < segment.payload < MAX_PAYLOAD]
    probes = [segment for segment in waiting if ahead(awaited, segment.seq) == 1 and segment.payload <= 1]
    for tries, enough in ((data, MIN_TRIES), (probes, MIN_KEEPALIVES)):
        if len(tries) >= enough and tries[-1].time - tries[0].time >= MIN_SPAN_NS:
            return tries
    return []


def _is_first(context: Context, row: int, tries: list[Segment]) -> bool:
    """Does nothing but SYNs of both ends precede these segments?"""
    flow, answer = context.flows[row], context.flows[int(replies(context)[row])]
    begins = awaited_acknowledgment(int(flow[schema.FLOW_FIRST_SEQ]))
    is_client = flow[schema.FLOW_SYNS] > 0 and flow[schema.FLOW_SYNACK_TIME] < 0
    return bool(is_client and tries[0].payload > 1 and tries[0].seq == begins and answer[schema.FLOW_PAYLOAD] == 0)


def _last_shown(context: Context, row: int, since: int) -> int:
    """The last hop of a flow that shows packets after this time."""
    flows, links = context.flows, flow_links(context)
    while links.after[row] >= 0:
        following = int(links.target[links.after[row]])
        if flows[following, schema.FLOW_LAST] < since:
            break
        row = following
    return row


def _finding(context: Context, cuts: list[_Cut]) -> Finding:
    flows = context.flows
    first, rows = flows[cuts[0].row], [cut.row for cut in cuts]
    peer = endpoint_text(destination(first), int(first[schema.FLOW_DPORT]))
    senders = sorted({source(flows[row]) for row in rows}, key=address_value)
    point = context.points[int(flows[cuts[0].last, schema.FLOW_POINT])].name
    alive = _alive(context, cuts)
    is_first, lengths = all(cut.is_first for cut in cuts), [cut.tries[0].payload for cut in cuts]
    frames = [context.flow_evidence(cut.row, segment.frame) for cut in cuts for segment in cut.tries]
    return Finding(
        NAME,
        "warning",
        (SAYS_FIRST if is_first else SAYS).fill(
            octets=min(lengths), most=MOST.fill(octets=max(lengths)) if max(lengths) > min(lengths) else "",
            connections=len(cuts), senders=several(senders), peer=peer,
            tries=max(len(cut.tries) for cut in cuts), point=point, others=OTHERS.fill(alive=alive) if alive else "",
        ),
        (FIX_FIRST if is_first else FIX).fill(peer=peer, point=point),
        {
            "senders": senders[:MAX_EVIDENCE], "peer": destination(first), "port": int(first[schema.FLOW_DPORT]),
            "connections": len(cuts), "tries": max(len(cut.tries) for cut in cuts), "point": point, "alive": alive,
        },
        sorted(frames),
    )  # fmt: skip


def _of_lost_way(context: Context, way: LostWay, cuts: list[_Cut]) -> Finding:
    """What is told of connections whose servers are behind one router, by which nothing comes any more."""
    flows, host = context.flows, address_text(*way.host)
    peers = sorted({destination(flows[cut.row]) for cut in cuts}, key=address_value)
    seconds = (max(cut.tries[-1].time for cut in cuts) - way.since) / 1e9
    at = context.points[way.point]
    point = context.points[int(flows[cuts[0].last, schema.FLOW_POINT])].name
    frames = [context.flow_evidence(cut.row, segment.frame) for cut in cuts for segment in cut.tries]
    return Finding(
        NAME,
        "warning",
        LOST_WAY.fill(
            host=host, router=BY_ROUTER.fill(mac=mac_text(way.router)) if way.router > 0 else "",
            connections=len(cuts), peers=len(peers), since=round((way.since - (at.first or way.since)) / 1e9, 1),
            seconds=round(seconds), point=point,
        ),
        FIX_LOST_WAY.fill(host=host, peer=peers[0]),
        {
            "senders": [host], "peers": peers[:MAX_EVIDENCE], "connections": len(cuts), "lost_way": True,
            "router": mac_text(way.router) if way.router > 0 else None, "silent_s": round(seconds, 1), "point": point,
        },
        sorted(frames),
    )  # fmt: skip


def _alive(context: Context, cuts: list[_Cut]) -> int:
    """Other connections to the same service at the same point that are answered after the first try."""
    flows, row = context.flows, cuts[0].row
    same = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_DST_END]
    is_other = (flows[:, same] == flows[row, same]).all(axis=1) & (replies(context) >= 0)
    is_other &= reply_values(context, schema.FLOW_LAST) > min(cut.tries[0].time for cut in cuts)
    is_other[[cut.row for cut in cuts]] = False
    return int(is_other.sum())
