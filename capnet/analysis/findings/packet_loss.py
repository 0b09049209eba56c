"""packet-loss: packets of a flow are missing at the next point on their way.

Looks at: packets of each hop that are not at the next one, while that point was capturing (`correlate.loss`): by
digest, and by bytes where offload or fragmentation cut them differently. Not where a router refused them as too large
and the sender went on with smaller ones, nor as many as ICMP errors answer (`host-unreachable` and others say why), nor
between a point and itself, which shows no way between two places.
Says: between which two points, how many of how many packets, and of how many flows; whether all are SYNs, or later
fragments. An info about a single packet; and between points that are not of one host where only packets of TCP are
lost, not SYNs alone, and these are rare (`facts.losses.rare_losses`): one or two, or less than 0.5 % of the packets on
that way, and in no flow three or more and 1 % of its packets.
Wrong when: the capture itself dropped packets (`capture-dropped-packets`), or the flow went on by two ways and only one
of them was captured.
Fix: find what drops between the two points: a filter, a queue, an MTU, a full receive ring.
Verify: `tc -s qdisc show dev IFACE`, `ip -s -s link show dev IFACE`, `ethtool -S IFACE | grep -E 'drop|miss'`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import combined_hash, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import (
    FLOW_FRAGMENTS,
    FLOW_POINT,
    FLOW_PROTO,
    ICMP_PACKETS,
    OBS_CONTROL,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_FRAME,
    OBS_FROM,
    PerLink,
    Values,
)
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.path_mtu import learned_path_mtu
from capnet.analysis.facts.losses.rare_losses import are_rare, packets_on_the_wire
from capnet.analysis.facts.tunnels import carrier_flows
from capnet.analysis.fate.answers import quoting_errors
from capnet.analysis.fate.hop_loss import lost_packets
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_ACK, TCP_SYN

NAME = finding_name(__name__)
LEVELS = ("warning", "info")  # info: one packet, or few among many, which needs no action
SCENARIO = "fault packet-loss"
WITNESS = "pcaps/overlay.pcapng"  # a bulk transfer that is cut differently at each point
EXPLAINS = ("retransmissions", "sequence-gap")

PAGE_ZH = """一条流的包在途中的下一个抓包点缺失。

检查：每一跳中在下一跳没有出现的包，而那个抓包点当时在抓（`correlate.loss`）：按摘要比较；卸载或分片使切分不同时按字
节比较。路由器因过大而拒绝、发送者改发较小的包时不算；有同样多的 ICMP 错误应答的不算（`host-unreachable` 等会说明原
因）；同一抓包点与它自己之间也不算：那里没有两处之间的路。
结论：在哪两个抓包点之间，多少个包中丢了多少个，多少条流；是否都是 SYN 或都是后续分片。只有一个包时仅供参考；
两个抓包点不在同一主机上，丢的只是 TCP 包（不全是 SYN）并且很少时也是（`facts.losses.rare_losses`）：只有一两个，或不
到这条路上的包的 0.5%，并且没有一条流达到三个且占其包的 1%。
误判：抓包本身丢了包（`capture-dropped-packets`），或流分两路走而只抓了一路。
处理：查找两个抓包点之间是什么在丢：过滤规则、队列、MTU、满的接收环。
验证：`tc -s qdisc show dev IFACE`、`ip -s -s link show dev IFACE`、`ethtool -S IFACE | grep -E 'drop|miss'`。
"""

SAYS = Text(
    en="{lost} of {packets:packet} in {flows:flow} passed {before} and did not reach {after}",
    zh="{flows} 条流的 {packets} 个包中，有 {lost} 个经过了 {before}，没有到达 {after}",
)
AMONG = Text(en="; in all, {all:packet} went this way", zh="；走这条路的共 {all} 个包")
FIX = Text(
    en="look at what lies between {before} and {after}: filters, queues, MTU",
    zh="检查 {before} 和 {after} 之间：过滤规则、队列、MTU",
)
KINDS = {
    "syns": Text(en=": all of them are SYNs, and other packets pass", zh="：它们都是 SYN，而其他包通过了"),
    "fragments": Text(
        en=": all of them are later fragments, without which the first ones are useless",
        zh="：它们都是后续分片，没有它们首个分片就没有用",
    ),
}
FIXES = {
    "syns": Text(
        en="look for a limit on new connections between {before} and {after} first: `limit`, `hashlimit`, `connlimit` "
        "or `ct count` (`iptables -vnL`, `nft list ruleset`), a SYN protection; clients wait a second and more for "
        "each lost SYN",
        zh="先查找 {before} 和 {after} 之间对新连接的限制：`limit`、`hashlimit`、`connlimit` 或 `ct count`（`iptables "
        "-vnL`、`nft list ruleset`）、SYN 防护；每丢一个 SYN 客户端要等一秒以上",
    ),
    "fragments": Text(
        en="let later fragments pass between {before} and {after}: they have no ports, and a rule by port drops them; "
        "or send smaller messages (DNS: an EDNS buffer of 1232 octets; else a smaller MTU)",
        zh="让后续分片通过 {before} 和 {after} 之间：它们没有端口，按端口的规则会丢弃它们；或发送较小的消息（DNS："
        "1232 字节的 EDNS 缓冲区；否则用较小的 MTU）",
    ),
}
FRAGMENT_OFFSET = 0xFFFF  # the lower half of OBS_FROM
MIN_OF_A_KIND = 3  # lost packets, by chance one in a few is a SYN
MIN_LOST = 2  # one packet may be what a tap missed, or the kernel while it asked for a MAC or confirmed an entry
CAPTURE_DROPPED = Text(en="; the capture there dropped packets itself", zh="；那里的抓包本身也丢了包")


def diagnose(context: Context) -> list[Finding]:
    flows, links = context.flows, flow_links(context)
    is_left_out = carrier_flows(context) | learned_path_mtu(context)
    quoted = quoting_errors(context)
    refusals = (
        np.where(quoted >= 0, context.icmp_errors[quoted, ICMP_PACKETS], 0) if (quoted >= 0).any() else quoted * 0
    )
    by_points: dict[tuple[int, int], list[int]] = {}
    for link in np.flatnonzero((links.missing > 0) | (links.missing_bytes > 0)).tolist():
        lost = 0 if is_left_out[links.source[link]] else lost_packets(context, links, link) or 0
        if lost > refusals[links.source[link]]:
            points = int(flows[links.source[link], FLOW_POINT]), int(flows[links.target[link], FLOW_POINT])
            if points[0] != points[1]:
                by_points.setdefault(points, []).append(link)
    return [_finding(context, points, by_points[points]) for points in sorted(by_points)]


def _finding(context: Context, points: tuple[int, int], lossy_links: list[int]) -> Finding:
    """The finding about two points, and the links between them on which packets are missing."""
    links = flow_links(context)
    before, after = (context.points[point] for point in points)
    count = sum(lost_packets(context, links, link) or 0 for link in lossy_links)
    packets = sum(int(packets_without_duplicates(context)[links.source[link]]) for link in lossy_links)
    lost = _lost(context, np.array(lossy_links))
    lost_frames, kind = _lost_frames(context, lost), _kind(context, lost, count)
    packets_if_rare = 0 if kind else _packets_if_rare(context, points, lossy_links)
    evidence = [
        context.flow_evidence(links.source[link], frame)
        for link in lossy_links
        for frame in lost_frames.get(link) or [int(links.frames[link, 0])]
    ]
    facts: dict[str, object] = {
        "after": before.name,
        "before": after.name,
        "lost": count,
        "packets": packets,
        "flows": len(lossy_links),
        "bytes": sum(max(int(links.missing_bytes[link]), 0) for link in lossy_links),
        "captures_dropped": after.dropped,
        **({"kind": kind} if kind else {}),
    }
    return Finding(
        NAME,
        "info" if count < MIN_LOST or packets_if_rare else "warning",
        SAYS.fill(lost=count, packets=packets, flows=len(lossy_links), before=before.name, after=after.name)
        + (AMONG.fill(all=packets_if_rare) if packets_if_rare else KINDS[kind].fill() if kind else ""),
        None
        if packets_if_rare
        else FIXES.get(kind, FIX).fill(before=before.name, after=after.name)
        + (CAPTURE_DROPPED.fill() if after.dropped else ""),
        facts,
        sorted(evidence),
    )


def _packets_if_rare(context: Context, points: tuple[int, int], lossy_links: list[int]) -> int:
    """All packets between two points that are not of one host, if only few of them, all of TCP, were lost; else 0."""
    flows, links, host = context.flows, flow_links(context), host_of(context.points[points[0]].name)
    if host is not None and host == host_of(context.points[points[1]].name):
        return 0
    if (flows[links.source[lossy_links], FLOW_PROTO] != TCP).any():
        return 0  # nothing makes up for others
    is_between = (flows[links.source, FLOW_POINT] == points[0]) & (flows[links.target, FLOW_POINT] == points[1])
    frames, on_the_wire = (of(context)[links.source] for of in (packets_without_duplicates, packets_on_the_wire))
    packets = np.where(is_between, on_the_wire, 0)
    lost = np.zeros(len(packets), dtype=np.int64)
    lost[lossy_links] = [lost_packets(context, links, link) or 0 for link in lossy_links]
    lost = lost * on_the_wire // np.maximum(frames, 1)  # a frame of an offload is lost whole
    return int(packets.sum()) if are_rare(lost, packets) else 0


class _Lost(NamedTuple):
    """Observations that left by a link and whose packet its later point has nowhere, with their links."""

    observation: Values
    link: PerLink


def _lost(context: Context, lossy_links: Values) -> _Lost:
    """Those of links of which it is known one by one: not where some left while the later point was not listening."""
    links, observed = flow_links(context), context.observations
    link_of_flow = np.full(len(context.flows), -1)
    link_of_flow[links.source[lossy_links]] = lossy_links
    departures = np.flatnonzero(link_of_flow[observed[:, OBS_FLOW]] >= 0)
    link = link_of_flow[observed[departures, OBS_FLOW]]
    points = context.flows[:, FLOW_POINT]
    arrived = combined_hash([observed[:, OBS_DIGEST], points[observed[:, OBS_FLOW]]]).view(np.int64)
    due = combined_hash([observed[departures, OBS_DIGEST], points[links.target[link]]]).view(np.int64)
    is_lost = ~is_among(due, arrived)
    departures, link = departures[is_lost], link[is_lost]
    is_known = np.bincount(link, minlength=len(links)) == links.missing
    return _Lost(departures[is_known[link]], link[is_known[link]])


def _lost_frames(context: Context, lost: _Lost) -> dict[int, list[int]]:
    """Of each link, the first frames that are lost."""
    frames: dict[int, list[int]] = {}
    for link, frame in zip(lost.link.tolist(), context.observations[lost.observation, OBS_FRAME].tolist(), strict=True):
        frames.setdefault(link, []).append(frame)
    return {link: sorted(numbers)[:MAX_EVIDENCE] for link, numbers in frames.items()}


def _kind(context: Context, lost: _Lost, count: int) -> str:
    """What all lost packets are: `syns`, while other packets pass, or later `fragments`; else empty."""
    observed = context.observations[lost.observation]
    is_tcp = context.flows[observed[:, OBS_FLOW], FLOW_PROTO] == TCP
    if len(observed) != count or count < MIN_OF_A_KIND or len(set(is_tcp.tolist())) > 1:
        return ""
    if is_tcp.all():
        is_syn = (observed[:, OBS_CONTROL] >> 48) & (TCP_SYN | TCP_ACK) == TCP_SYN
        return "syns" if is_syn.all() else ""
    is_later = observed[:, OBS_FROM] & FRAGMENT_OFFSET != 0
    is_cut = context.flows[observed[:, OBS_FLOW], FLOW_FRAGMENTS] > 0
    return "fragments" if (is_later & is_cut).all() else ""
