"""pmtu-icmp-lost: a router's "packet too big" passes one point and never reaches the sender.

Looks at: ICMP "fragmentation needed" (RFC 1191) and ICMPv6 "packet too big" (RFC 8201) about a TCP connection, at a
point that the connection passes; the points nearer to its sender, which show the connection, none of these messages,
and other protocols than TCP. The sender must repeat a segment that is too large, and must never get it acknowledged.
Where no point is nearer to the sender, it must repeat it three times, for a second or longer. Likewise a message that
comes to a point which does not show the connection, and not to the one that does.
Says: which router allows which MTU, and between which two points its messages are lost, or where they come instead.
Wrong when: another way that was not captured carries them.
Fix: let ICMP type 3 code 4 and ICMPv6 type 2 pass there.
Verify: `ip route get DESTINATION` in the sender's namespace shows no `mtu` after a try.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import MAX_CONNECTIONS, Segment, ahead, segments
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.numbers import (
    ICMP_FRAGMENTATION_NEEDED,
    ICMP_UNREACHABLE,
    ICMPV6_PACKET_TOO_BIG,
    TCP,
    TCP_ACK,
    TCP_RST,
)

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault pmtu-icmp-lost"
WITNESS = "pcaps/overlay.pcapng"  # large packets, and no router that refuses them
EXPLAINS = (
    "connection-cut", "lost-on-the-wire", "mtu-blackhole", "sequence-gap", "packet-loss", "retransmissions",
    "stops-between",
)  # fmt: skip

PAGE_ZH = """路由器的“packet too big”经过一个抓包点，没有到达发送者。

检查：关于 TCP 连接的 ICMP “fragmentation needed”（RFC 1191）和 ICMPv6 “packet too big”（RFC 8201），在该连接经过的
抓包点上；以及离发送者更近的抓包点，它们显示该连接和 TCP 以外的协议，而没有这些消息。发送者必须重发过大的段，且始终
没有得到确认。
结论：哪个路由器允许多大的 MTU，它的消息在哪两个抓包点之间丢失。
误判：消息走了另一条没有抓包的路。
处理：在那里放行 ICMP 类型 3 代码 4 和 ICMPv6 类型 2。
验证：尝试之后，发送者的命名空间中 `ip route get DESTINATION` 没有显示 `mtu`。
"""

SAYS = Text(
    en="{router} says by ICMP that packets from {source} to {destination} must not exceed {mtu} bytes; this reaches "
    "{before} and never {after}: the sender goes on with {size} bytes, sent {tries:time} in vain",
    zh="{router} 用 ICMP 告知：从 {source} 到 {destination} 的包不得超过 {mtu} 字节；该消息到达 {before}，没有到达"
    " {after}：发送者继续发 {size} 字节的包，发了 {tries} 次都没有送达",
)
SAYS_BEHIND = Text(
    en="{router} says by ICMP that packets from {source} to {destination} must not exceed {mtu} bytes; this passes "
    "{before}, and the sender does not heed it: it goes on with {size} bytes, sent {tries:time} in vain",
    zh="{router} 用 ICMP 告知：从 {source} 到 {destination} 的包不得超过 {mtu} 字节；该消息经过 {before}，但发送者没有"
    "理会：它继续发 {size} 字节的包，发了 {tries} 次都没有送达",
)
SAYS_ELSEWHERE = Text(
    en="{router} says by ICMP that packets from {source} to {destination} must not exceed {mtu} bytes; this comes to "
    "{before}, and not to {after}, where the connection is: the sender goes on with {size} bytes, sent {tries:time} in "
    "vain",
    zh="{router} 用 ICMP 告知：从 {source} 到 {destination} 的包不得超过 {mtu} 字节；该消息到了 {before}，而没有到"
    "连接所在的 {after}：发送者继续发 {size} 字节的包，发了 {tries} 次都没有送达",
)
FIX_BEHIND = Text(
    en="look for what drops ICMP type 3 code 4 (IPv6: type 2) between {before} and {source}, in FORWARD or INPUT: it "
    "belongs to the connection (`-m conntrack --ctstate RELATED -j ACCEPT`)",
    zh="查找 {before} 和 {source} 之间（FORWARD 或 INPUT）是什么丢弃了 ICMP 类型 3 代码 4（IPv6：类型 2）：它属于该连接"
    "（`-m conntrack --ctstate RELATED -j ACCEPT`）",
)
FIX_ELSEWHERE = Text(
    en="several hosts have {source}, and what divides the load between them sends ICMP by its own addresses: let it "
    "choose by the quoted packet, hand such messages to all of them, or clamp the MSS to {mss} bytes on the way",
    zh="有多台主机使用 {source}，而分担负载的设备按 ICMP 自己的地址选路：让它按被引用的包选择，或把这类消息发给所有"
    "主机，或在途中把 MSS 限制到 {mss} 字节",
)
FIX = Text(
    en="let ICMP type 3 code 4 (IPv6: type 2) pass between {before} and {after}: it belongs to the connection "
    "(`-m conntrack --ctstate RELATED -j ACCEPT`)",
    zh="在 {before} 和 {after} 之间放行 ICMP 类型 3 代码 4（IPv6：类型 2）：它属于该连接（`-m conntrack --ctstate "
    "RELATED -j ACCEPT`）",
)

MIN_TRIES = 2  # after the router's message: the first one may have crossed it
MIN_TRIES_BEHIND = 3  # if no point is nearer to the sender: it may have heeded the message meanwhile
MIN_WAIT_NS = 1_000_000_000
MAX_FINDINGS = 20


class _Lost(NamedTuple):
    """A message of a router that did not come back to the sender."""

    error: list[int]  # row of the ICMP error table
    rows: tuple[int, int]  # flow rows of the connection: at the last point that shows the message, and at the next; one
    # row twice if no point is nearer to the sender, or if the message comes to another point than the connection
    tries: list[Segment]  # of the sender, after the message


def diagnose(context: Context) -> list[Finding]:
    by_hosts: dict[tuple[int, ...], list[_Lost]] = {}
    seen = {tuple(row[column] for column in _QUOTED) for row in context.icmp_errors.tolist() if _is_too_big(row)}
    for error in [row for row in context.icmp_errors.tolist() if _is_too_big(row)][:MAX_CONNECTIONS]:
        lost = _lost(context, error, seen)
        if lost:
            points = tuple(int(context.flows[row, schema.FLOW_POINT]) for row in lost.rows)
            hosts = (*points, error[schema.ICMP_MTU], *error[schema.ICMP_QUOTED_SRC_HI : schema.ICMP_QUOTED_SPORT])
            by_hosts.setdefault(hosts, []).append(lost)
    return [_finding(context, lost) for lost in by_hosts.values()][:MAX_FINDINGS]


_QUOTED = [
    schema.ICMP_POINT, schema.ICMP_QUOTED_PROTO, schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO,
    schema.ICMP_QUOTED_DST_HI, schema.ICMP_QUOTED_DST_LO, schema.ICMP_QUOTED_SPORT, schema.ICMP_QUOTED_DPORT,
]  # fmt: skip
_FLOW = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]


def _is_too_big(error: list[int]) -> bool:
    kind = error[schema.ICMP_TYPE], error[schema.ICMP_CODE]
    is_kind = kind == (ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED)
    if error[schema.ICMP_IS_V6]:
        is_kind = kind[0] == ICMPV6_PACKET_TOO_BIG
    return is_kind and error[schema.ICMP_QUOTED_PROTO] == TCP and error[schema.ICMP_MTU] > 0


def _lost(context: Context, error: list[int], seen: set[tuple[int, ...]]) -> _Lost | None:
    """Where a message got lost; `seen`: points and quoted connections of all messages."""
    flows, before = context.flows, flow_links(context).before
    quoted = np.array([error[column] for column in _QUOTED])
    at_point = np.flatnonzero((flows[:, _FLOW] == quoted).all(axis=1))
    if not len(at_point):
        return _lost_elsewhere(context, error, seen)
    row = int(at_point[0])
    while before[row] >= 0:
        earlier = int(flow_links(context).source[before[row]])
        if tuple(flows[earlier, _FLOW].tolist()) not in seen:
            tries = _tries(context, earlier, error)
            is_heard = _hears_more_than_tcp(context, int(flows[earlier, schema.FLOW_POINT]))
            return _Lost(error, (row, earlier), tries) if is_heard and len(tries) >= MIN_TRIES else None
        row = earlier
    return _unheeded(context, error, row) if row == at_point[0] else None


def _unheeded(context: Context, error: list[int], row: int) -> _Lost | None:
    """A message that passes the only point of the connection which shows it, if the sender goes on as before."""
    tries = _tries(context, row, error)
    is_long = len(tries) >= MIN_TRIES_BEHIND and tries[-1].time - tries[0].time >= MIN_WAIT_NS
    return _Lost(error, (row, row), tries) if is_long else None


def _lost_elsewhere(context: Context, error: list[int], seen: set[tuple[int, ...]]) -> _Lost | None:
    """A message that comes to a point which does not show the connection, while others that do show no such message."""
    flows = context.flows
    rows = np.flatnonzero((flows[:, _FLOW[1:]] == [error[column] for column in _QUOTED[1:]]).all(axis=1))
    if any(tuple(flows[row, _FLOW].tolist()) in seen for row in rows.tolist()):
        return None
    return next((lost for row in rows.tolist() if (lost := _unheeded(context, error, row))), None)


def _tries(context: Context, row: int, error: list[int]) -> list[Segment]:
    """The too large segments that the sender sends after the message, which are not acknowledged to the end."""
    passed = segments(context, row)
    acks = [s.ack for s in passed if s.is_reply and s.flags & (TCP_ACK | TCP_RST) == TCP_ACK]
    if not acks:
        return []
    awaited = max(acks, key=lambda number: ahead(number, acks[0]))
    repeats = [s for s in passed if not s.is_reply and s.seq == awaited and s.time > error[schema.ICMP_FIRST]]
    return repeats if all(s.ip_length > error[schema.ICMP_MTU] for s in repeats) else []


def _hears_more_than_tcp(context: Context, point: int) -> bool:
    """Does a point show anything but TCP? Else a capture filter may have left out ICMP."""
    flows = context.flows
    is_other = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_PROTO] != TCP)
    return bool(is_other.any() or (context.arps[:, schema.ARP_POINT] == point).any())


def _finding(context: Context, losses: list[_Lost]) -> Finding:
    lost = losses[0]
    sender = context.flows[lost.rows[1]]
    before, after = (context.points[int(context.flows[row, schema.FLOW_POINT])].name for row in lost.rows)
    router = address_text(lost.error[schema.ICMP_SRC_HI], lost.error[schema.ICMP_SRC_LO])
    text, fix = SAYS, FIX
    if lost.rows[0] == lost.rows[1]:
        is_elsewhere = int(sender[schema.FLOW_POINT]) != lost.error[schema.ICMP_POINT]
        text, fix = (SAYS_ELSEWHERE, FIX_ELSEWHERE) if is_elsewhere else (SAYS_BEHIND, FIX_BEHIND)
        before = context.points[lost.error[schema.ICMP_POINT]].name
    says = text.fill(
        router=router, source=source(sender), destination=destination(sender), mtu=lost.error[schema.ICMP_MTU],
        before=before, after=after, size=max(s.ip_length for s in lost.tries), tries=len(lost.tries),
    )  # fmt: skip
    facts: dict[str, object] = {
        "router": router, "source": source(sender), "destination": destination(sender), "from": before, "to": after,
        "mtu": lost.error[schema.ICMP_MTU], "messages": sum(each.error[schema.ICMP_PACKETS] for each in losses),
        "connections": len(losses),
    }  # fmt: skip
    evidence = {context.evidence(each.error[schema.ICMP_POINT], each.error[schema.ICMP_FIRST_FRAME]) for each in losses}
    evidence |= {context.flow_evidence(each.rows[1], s.frame) for each in losses for s in each.tries[:2]}
    origins = [flow_links(context).first_hop(each.rows[1]) for each in losses]  # where the symptoms are shown first
    evidence |= set(context.first_frames(origins))
    mss = lost.error[schema.ICMP_MTU] - (60 if lost.error[schema.ICMP_IS_V6] else 40)
    fix_words = fix.fill(before=before, after=after, source=source(sender), mss=mss)
    return Finding(NAME, "error", says, fix_words, facts, sorted(evidence))
