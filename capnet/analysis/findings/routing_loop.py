"""routing-loop: routers send packets to each other until their TTL ends.

Looks at: packets (by digest) that one point shows at least four times, each time with a smaller TTL, from a TTL that
no traceroute begins with; and ICMP "time exceeded" about flows that left with such a TTL and got no answer. Not packets
that go from one MAC to one other with TTL - 1 each time: two routers would take 2 a round, and Windows records so what
it sends to its hotspot.
Says: which packets, between which routers, or inside which one, if it alone sends and gets them, at which point, from
which TTL to which. An error where the passes were
captured; a warning where only "time exceeded" was.
Wrong when: more than 32 routers lie on the path, or one of them sets the TTL of packets to a small value.
Fix: compare the routes of both routers to the destination. Usually one routes a whole prefix to the other, which has no
route for this address and returns the packets by its default route; a blackhole route for the prefix there ends it.
Verify: `ip route get DESTINATION` on both routers; while the loop exists, each names the other as its next hop.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import FlowRow
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.fate.speakers import RECEIVED, SENT, speakers
from capnet.analysis.fate.verdict.loops import MIN_TTL, Loop, looping_flows, macs_of_loop
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value, mac_text
from capnet.wire.numbers import ICMP_TIME_EXCEEDED, ICMPV6_TIME_EXCEEDED, TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault routing-loop"
WITNESS = "pcaps/bridge-hairpin-noproxy.pcapng"  # a bridge that records packets twice, some with TTL - 1
EXPLAINS = (
    "connection-cut", "connection-unanswered", "duplicate-observation", "handshake-unfinished", "retransmissions",
)  # fmt: skip

PAGE_ZH = """路由器互相转发包，直到 TTL 用尽。

检查：一个抓包点至少看到四次的包（按摘要），每次 TTL 更小，且起始 TTL 不是 traceroute 所用的；以及关于以这种 TTL 发
出、没有应答的流的 ICMP “time exceeded”。每次 TTL 只减 1、总是从同一个 MAC 到另一个 MAC 的包不算：两个路由器每圈会减 2，
而 Windows 会这样重复记录它发往自己热点的包。
结论：哪些包，在哪些路由器之间（或在哪一台内部，如果只有它发送和接收它们），在哪个抓包点，
TTL 从多少到多少。抓到了各次经过时为错误；只有 “time exceeded” 时为警
告。
误判：路径上有 32 个以上路由器，或其中一个把包的 TTL 设为很小的值。
处理：比较两个路由器到目的地的路由。通常一个把整个网段路由给另一个，而后者没有该地址的路由，用默认路由把包送回；在那
里为该网段加一条 blackhole 路由即可结束。
验证：在两个路由器上 `ip route get DESTINATION`；环路存在时，各自以对方为下一跳。
"""

SEEN = Text(
    en="{packets:packet} from {sources} to {destinations} went in a circle{between} at {points}: TTL {first} → {last}",
    zh="从 {sources} 到 {destinations} 的 {packets} 个包{between}循环转发，见于 {points}：TTL {first} → {last}",
)
BETWEEN = Text(en=" between {routers}", zh="在 {routers} 之间")
EXPIRED = Text(en="; {senders} answered 'time exceeded'", zh="；{senders} 应答了“time exceeded”")
INSIDE = Text(
    en=" inside {routers}, with its MAC as source and as destination,",
    zh="在 {routers} 内部（源和目的都是它的 MAC）",
)
INSIDE_FIX = Text(
    en="look at that host alone: it sends packets for {destination} to itself. Its route to {destination} leads to an "
    "address of its own, or a program that forwards (VPP, eBPF, a rule with TEE or MARK) takes its own packets in "
    "again (`ip route get {destination}`, `ip rule`)",
    zh="只需检查那台主机：它把发往 {destination} 的包发给了自己。它到 {destination} 的路由指向自己的地址，或做转发的程"
    "序（VPP、eBPF、TEE 或 MARK 规则）又收进了自己的包（`ip route get {destination}`、`ip rule`）",
)
SEEN_FIX = Text(
    en="compare the routes of both routers to {destination}: one sends it to the other, which has no route for it and "
    "sends it back; a blackhole route for the whole prefix ends the loop (`ip route add blackhole PREFIX`). "
    "`ip route get {destination}` on both shows the next hop",
    zh="比较两个路由器到 {destination} 的路由：一个转发给另一个，后者没有路由又送回来；为整个网段加一条 blackhole 路"
    "由可以结束环路（`ip route add blackhole PREFIX`）。在两个路由器上执行 `ip route get {destination}` 查看下一"
    "跳",
)
INFERRED = Text(
    en="packets from {sources} to {destinations} left with TTL {first}, and {senders} answered 'time exceeded': they "
    "probably went in a circle",
    zh="从 {sources} 到 {destinations} 的包以 TTL {first} 发出，{senders} 应答了“time exceeded”：它们很可能被循环转发",
)
INFERRED_FIX = Text(
    en="compare the routes to {destination} on {senders} and on its neighbours (`ip route get {destination}`): two of "
    "them send it to each other",
    zh="比较 {senders} 和它的邻居到 {destination} 的路由（`ip route get {destination}`）：其中两个互相转发",
)

MAX_ERROR_FRAMES = 4  # of "time exceeded" in the evidence

_ENDS = [schema.FLOW_PROTO, *schema.FLOW_ADDRESSES]
_QUOTED_PLACE = [schema.ICMP_POINT, schema.ICMP_VIA, schema.ICMP_VIA_VNI]
_QUOTED_ENDS = [
    schema.ICMP_QUOTED_PROTO, schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO, schema.ICMP_QUOTED_DST_HI,
    schema.ICMP_QUOTED_DST_LO, schema.ICMP_QUOTED_SPORT, schema.ICMP_QUOTED_DPORT,
]  # fmt: skip


class _TimeExceeded(NamedTuple):
    """ICMP errors that are alike: their row, their sender, both addresses of the packets that they quote."""

    row: int
    sender: str
    ends: tuple[str, str]


def diagnose(context: Context) -> list[Finding]:
    loops = looping_flows(context)
    errors = _time_exceeded(context)
    by_routers: dict[tuple[int, ...], list[Loop]] = {}
    for loop in loops:
        by_routers.setdefault(_routers(context, context.flows[loop.row]), []).append(loop)
    looping = {_ends(context.flows[loop.row]) for loop in loops}
    findings = [_seen(context, routers, by_routers[routers], errors) for routers in sorted(by_routers)]
    return findings + _inferred(context, [error for error in errors if error.ends not in looping])


def _seen(context: Context, routers: tuple[int, ...], loops: list[Loop], errors: list[_TimeExceeded]) -> Finding:
    """The finding about loops between the same routers, given by their MACs."""
    flows = context.flows
    ends = {_ends(flows[loop.row]) for loop in loops}
    errors = [error for error in errors if error.ends in ends]
    points = sorted({context.points[flows[loop.row, schema.FLOW_POINT]].name for loop in loops})
    sources = sorted({src for src, _ in ends}, key=address_value)
    destinations = sorted({dst for _, dst in ends}, key=address_value)
    senders = sorted({error.sender for error in errors}, key=address_value)
    names = [_router_name(context, mac, int(flows[loops[0].row, schema.FLOW_POINT])) for mac in routers]
    first, last = max(loop.first_ttl for loop in loops), min(loop.last_ttl for loop in loops)
    packets = sum(loop.packets for loop in loops)
    is_inside = len(routers) == 1 and _is_inside(context, flows[loops[0].row], routers[0])
    between = INSIDE if is_inside else BETWEEN
    says = SEEN.fill(
        packets=packets,
        sources=several(sources),
        destinations=several(destinations),
        between=between.fill(routers=several(names)) if names else "",
        points=several(points),
        first=first,
        last=last,
    )
    return Finding(
        NAME,
        "error",
        says + (EXPIRED.fill(senders=several(senders)) if senders else ""),
        (INSIDE_FIX if is_inside else SEEN_FIX).fill(destination=destinations[0]),
        {
            "points": points,
            "routers": [mac_text(mac) for mac in routers],
            "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE],
            "packets": packets,
            "ttl_first": first,
            "ttl_last": last,
            "time_exceeded_by": senders,
        },
        _evidence(context, loops, errors),
    )


def _inferred(context: Context, errors: list[_TimeExceeded]) -> list[Finding]:
    """Findings where the passes were not captured: flows with a TTL that no path uses up, and without an answer."""
    by_sender: dict[str, list[_TimeExceeded]] = {}
    first_ttls: dict[str, int] = {}
    ttls = _ttls_of_unanswered(context, errors)
    spent = _spent(context, [error for error, ttl in zip(errors, ttls, strict=True) if 0 < ttl < MIN_TTL])
    for error, first_ttl in zip(errors, ttls, strict=True):
        points = spent.get(_packets_of(context, error), set())
        if first_ttl >= MIN_TTL and not points - {_point_of(context, error)}:
            by_sender.setdefault(error.sender, []).append(error)
            first_ttls[error.sender] = max(first_ttls.get(error.sender, 0), first_ttl)
    findings = []
    for sender, of_sender in sorted(by_sender.items()):
        sources = sorted({error.ends[0] for error in of_sender}, key=address_value)
        destinations = sorted({error.ends[1] for error in of_sender}, key=address_value)
        says = INFERRED.fill(
            sources=several(sources), destinations=several(destinations), first=first_ttls[sender], senders=sender
        )
        facts: dict[str, object] = {
            "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE],
            "ttl_first": first_ttls[sender],
            "time_exceeded_by": [sender],
        }
        fix = INFERRED_FIX.fill(destination=destinations[0], senders=sender)
        evidence = sorted(_error_frame(context, error) for error in of_sender)
        findings.append(Finding(NAME, "warning", says, fix, facts, evidence))
    return findings


def _spent(context: Context, errors: list[_TimeExceeded]) -> dict[tuple[object, ...], set[int]]:
    """Packets that are seen near their end with a small TTL → at which points. It was set, or they came from far away.

    A traceroute to the same host sends others, and at the same point.
    """
    spent: dict[tuple[object, ...], set[int]] = {}
    for error in errors:
        spent.setdefault(_packets_of(context, error), set()).add(_point_of(context, error))
    return spent


def _packets_of(context: Context, error: _TimeExceeded) -> tuple[object, ...]:
    """Who reports packets, and what NAT of their source leaves as it is."""
    kept = [schema.ICMP_QUOTED_PROTO, schema.ICMP_QUOTED_SPORT, schema.ICMP_QUOTED_DPORT]
    return error.sender, error.ends[1], *context.icmp_errors[error.row, kept].tolist()


def _point_of(context: Context, error: _TimeExceeded) -> int:
    return int(context.icmp_errors[error.row, schema.ICMP_POINT])


def _ttls_of_unanswered(context: Context, errors: list[_TimeExceeded]) -> list[int]:
    """For each error, the smallest TTL of the flows that it quotes, at its point; 0 without any, or with an answer."""
    if not errors:
        return []
    flows, answers = context.flows, replies(context)
    has_ports = is_one_of(flows[:, schema.FLOW_PROTO], (TCP, UDP))[:, None]
    flow_ports = np.where(has_ports, flows[:, [schema.FLOW_SPORT, schema.FLOW_DPORT]], -1)  # as errors quote them
    flow_keys = row_hash(np.hstack((flows[:, schema.FLOW_PLACE + _ENDS], flow_ports)))
    quoted_keys = row_hash(context.icmp_errors[[error.row for error in errors]][:, _QUOTED_PLACE + _QUOTED_ENDS])
    rows = np.flatnonzero(is_among(flow_keys, quoted_keys))
    if not len(rows):
        return [0] * len(errors)
    rows = rows[np.argsort(flow_keys[rows], kind="stable")]
    keys = flow_keys[rows]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    is_answered = np.maximum.reduceat(answers[rows], starts) >= 0
    ttls = np.where(is_answered, 0, np.minimum.reduceat(flows[rows, schema.FLOW_TTL_MIN], starts))
    ttl_of_key = dict(zip(keys[starts].tolist(), ttls.tolist(), strict=True))
    return [ttl_of_key.get(key, 0) for key in quoted_keys.tolist()]


def _routers(context: Context, flow: FlowRow) -> tuple[int, ...]:
    """MACs that the flow's packets circle between, sorted: those that sent and got them with several TTLs."""
    senders, receivers = (
        macs_of_loop(context, flow, SENT, min_ttls=2),
        macs_of_loop(context, flow, RECEIVED, min_ttls=2),
    )
    if len(receivers) == 1 and receivers <= senders:
        return tuple(receivers)  # it sends to itself; the others sent what came to it
    # On a link that the packets pass in one direction only, one router sends and the other one receives.
    return tuple(sorted(senders & receivers if len(senders & receivers) > 1 else senders | receivers))


def _is_inside(context: Context, flow: FlowRow, mac: int) -> bool:
    """Does the one router that the packets circle at send them as well as get them?"""
    senders, receivers = (macs_of_loop(context, flow, how, min_ttls=2) for how in (SENT, RECEIVED))
    return receivers == {mac} and mac in senders


def _router_name(context: Context, mac: int, point: int) -> str:
    """`192.168.111.1 (00:50:56:c0:00:08)`, or the MAC alone if no address of its own is known."""
    speaker = speakers(context, point).get(mac)
    addresses = sorted(speaker.claimed or speaker.own, key=address_value) if speaker else []
    return f"{addresses[0]} ({mac_text(mac)})" if addresses else mac_text(mac)


def _time_exceeded(context: Context) -> list[_TimeExceeded]:
    """The rows of "time exceeded" that quote a packet's addresses, in order of first sight."""
    table = context.icmp_errors
    is_v6 = table[:, schema.ICMP_IS_V6] > 0
    icmp_type = np.where(is_v6, ICMPV6_TIME_EXCEEDED, ICMP_TIME_EXCEEDED)
    is_expired = (table[:, schema.ICMP_TYPE] == icmp_type) & (table[:, schema.ICMP_CODE] == 0)
    is_expired &= table[:, schema.ICMP_QUOTED_PROTO] >= 0
    errors = []
    for row in np.flatnonzero(is_expired).tolist():
        error = table[row].tolist()
        sender = address_text(error[schema.ICMP_SRC_HI], error[schema.ICMP_SRC_LO])
        ends = (
            address_text(error[schema.ICMP_QUOTED_SRC_HI], error[schema.ICMP_QUOTED_SRC_LO]),
            address_text(error[schema.ICMP_QUOTED_DST_HI], error[schema.ICMP_QUOTED_DST_LO]),
        )
        errors.append(_TimeExceeded(row, sender, ends))
    return errors


def _evidence(context: Context, loops: list[Loop], errors: list[_TimeExceeded]) -> list[Evidence]:
    """The first passes at each point, and the first frames of "time exceeded"."""
    error_frames = sorted({_error_frame(context, error) for error in errors})[:MAX_ERROR_FRAMES]
    of_point = {int(context.flows[loop.row, schema.FLOW_POINT]): loop for loop in reversed(loops)}
    share = max(1, (MAX_EVIDENCE - len(error_frames)) // len(of_point))
    passes = [context.evidence(point, frame) for point, loop in of_point.items() for frame in loop.frames[:share]]
    others = [context.flow_evidence(loop.row, loop.frames[0]) for loop in loops]
    return [*sorted([*passes, *error_frames])[:MAX_EVIDENCE], *others]


def _error_frame(context: Context, error: _TimeExceeded) -> Evidence:
    point, frame = context.icmp_errors[error.row, [schema.ICMP_POINT, schema.ICMP_FIRST_FRAME]].tolist()
    return context.evidence(point, frame)


def _ends(flow: FlowRow) -> tuple[str, str]:
    return source(flow), destination(flow)
