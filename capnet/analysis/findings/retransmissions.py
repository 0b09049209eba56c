"""retransmissions: TCP sent data again.

Looks at: segments that end at or below the highest sequence number of the same flow, at each point; the point that saw
most of them counts. Segments that overtook others by at most 3 ms, or that one point recorded twice
(`duplicate-observation`), do not count. Nor do flows whose sender learned the MTU of the path from a router, nor what
shows no loss behind the point (`facts.outcomes.sent_again`): SYNs again after a refusal, SYN-ACKs to who neither
acknowledges nor asks again, probes with one sequence number, packets that a router or a man in the middle passes on at
the same point, and segments that fill a gap, which were lost before it (`sequence-gap`).
Says: how many segments, and at which point. Packets were lost or late behind the first point that shows them. An info
where they are rare (`facts.losses.rare_losses`): one or two, or less than 0.5 % of TCP's packets there, and in no
connection three or more and 1 % of its packets, as they leave the card: paths of the Internet lose as many, and TCP
makes up for it.
Where all of them arrive at a next point, and more come out of order there than were sent so: between which points they
overtook each other. Where all of them are SYNs of connections that were then accepted: how many, and how long they
waited. Where all of them are long segments that accepted connections repeat to their end in vain: how long these are.
Where all of them are SYN-ACKs, and nothing of the clients is seen there: whose (`facts.syns.lone_syn_acks`).
Wrong when: segments overtook each other by more than 3 ms; or only a sample of packets was compared, and segments
overtook each other at all.
Fix: find the hop behind which packets are missing, or the receiver that is too slow.
Verify: `nstat -az TcpRetransSegs` on the sender, `ss -ti` for one connection.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, reply_values
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.schema import PerFlow
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import MAX_REORDERING_NS
from capnet.analysis.facts.clues import Clue, first_of
from capnet.analysis.facts.losses.path_mtu import learned_path_mtu
from capnet.analysis.facts.losses.rare_losses import are_rare, packets_on_the_wire, sent_again_on_the_wire
from capnet.analysis.facts.outcomes.sent_again import sent_again
from capnet.analysis.facts.syns.lone_syn_acks import lone_syn_acks
from capnet.analysis.facts.transport.full_segments import unacknowledged_length
from capnet.analysis.facts.transport.tcp_connections import segments
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

NAME = finding_name(__name__)
LEVELS = ("warning", "info")  # info: another finding explains them, or they are few
SCENARIO = "fault retransmissions"
WITNESS = "pcaps/bridge-hairpin-noproxy.pcapng"  # TCP that a bridge recorded twice
EXPLAINS = ()

PAGE_ZH = """TCP 重传了数据。

检查：各抓包点上，结尾不超过同一条流已有最高序列号的段；取看到最多的抓包点。超前其他段不超过 3 毫秒的段，或一个抓包
点记录了两次的段（`duplicate-observation`），不算。发送者从路由器得知路径 MTU 的流也不算。并不表明抓包点之后有丢失的段也
不算（`facts.outcomes.sent_again`）：被拒绝后再发的 SYN；对方既不确认也不再请求的 SYN-ACK；只有一个序列号的探测包；路由
器或中间人在同一抓包点转发的包；填补空缺的段，它们在该点之前丢失（`sequence-gap`）。
结论：多少个段，在哪个抓包点。包在第一个显示它们的抓包点之后丢失或迟到。如果它们很少（`facts.losses.rare_losses`），
只有一两个，或不到该点 TCP 包（按离开网卡时计）的 0.5%，并且没有一个连接达到三个且占其包的 1%，则为提示：互联网上的路
径也会丢这么多，TCP 会补上。如果它们全部到达下一个抓包点，而那里乱序的多于发出时乱序的，则说明它们在哪两个抓包点之间相
互超前。如果它们都是 SYN，而这些连接随后被接受，则说明多少个连接，等了多久。如果它们都是长段，已被接受的连接直到最后都在
徒劳地重发，则说明段有多长。如果它们都是 SYN-ACK，而那里看不到客户端的任何包，则说明是谁的
（`facts.syns.lone_syn_acks`）。
误判：段之间相互超前 3 毫秒以上；或只比较了一部分包，而段有超前。
处理：查找缺包的那一跳，或太慢的接收方。
验证：在发送方 `nstat -az TcpRetransSegs`，对单个连接用 `ss -ti`。
"""

SAYS = Text(en="TCP sent {segments:segment} again at {point}", zh="TCP 在 {point} 重传了 {segments} 个段")
SAYS_FEW = Text(
    en="TCP sent {segments:segment} again at {point}, among {packets:packet}",
    zh="TCP 在 {point} 重传了 {segments} 个段，共 {packets} 个包",
)
OVERTOOK = Text(
    en="; {segments:segment} overtook others between {first} and {last}, where none was lost",
    zh="；{first} 和 {last} 之间有 {segments} 个段超前了其他段，那里没有丢失",
)
SYNS = Text(
    en=": all of them are SYNs, of {connections:connection} that {connections:was|were} then accepted, after up to "
    "{seconds} s",
    zh="：它们都是 SYN，属于随后被接受的 {connections} 个连接，最多等了 {seconds} 秒",
)
FIX_SYNS = Text(
    en="look behind {point} for what drops new connections alone: a limit (`limit`, `hashlimit`, `connlimit`, `ct "
    "count`), a full table of connections (`dmesg | grep conntrack`), a full queue of the server (`nstat -az "
    "TcpExtListenDrops`), one of several ways that is dead (ECMP, a bond)",
    zh="在 {point} 之后查找只丢弃新连接的环节：限制（`limit`、`hashlimit`、`connlimit`、`ct count`）、满的连接跟踪表（"
    "`dmesg | grep conntrack`）、服务器的队列已满（`nstat -az TcpExtListenDrops`）、几条路中有一条不通（ECMP、绑定）",
)
LONG = Text(
    en=": {connections:connection} {connections:was|were} accepted, and no segment as long as these, of {octets} "
    "bytes, was acknowledged",
    zh="：{connections} 个连接已被接受，而这么长（{octets} 字节）的段没有一个得到确认",
)
FIX_LONG = Text(
    en="find the largest packet that passes, by `ping -M do -s SIZE {server}` from the sender: if its MTU is larger, "
    "that is too large for the path (`capnet explain mtu-blackhole`); if no packet passes, the other end is gone",
    zh="从发送方用 `ping -M do -s 长度 {server}` 测出能通过的最大的包：如果发送方的 MTU 更大，则它对这条路径太大（"
    "`capnet explain mtu-blackhole`）；如果没有包能通过，则对端已经不在",
)
FIX_OVERTOOK = Text(
    en="look for what sends one connection by several ways between {first} and {last}: balance-rr of a bond, ECMP for "
    "each packet, several tunnels or queues. A segment behind which three others arrive counts as lost",
    zh="在 {first} 和 {last} 之间查找让同一连接走多条路的环节：绑定的 balance-rr、逐包 ECMP、多条隧道或多个队列。后面先"
    "到了三个段的段会被当作丢失",
)
FIX = Text(
    en="see Paths for the hop that loses packets; if none does, check whether the receiver is too slow",
    zh="在“路径”中查找丢包的一跳；如果没有，检查接收方是否太慢",
)
FIX_AT_ONE_POINT = Text(
    en="packets were lost or late behind this point: capture at the next hop too; or the receiver is too slow",
    zh="包在这个抓包点之后丢失或迟到：在下一跳也抓包；或者接收方太慢",
)


MIN_SYNS = 3  # lost packets, by chance one in a few is a SYN
MAX_EXAMINED = 100  # flows whose segments are looked at one by one


class _Resent(NamedTuple):
    """What TCP sent again, in all and at the point that shows most of it."""

    segments: PerFlow
    rows: list[int]  # of flows with such segments
    counts: dict[str, int]  # by point
    worst: str


def diagnose(context: Context) -> list[Finding]:
    resent = _resent(context)
    if resent is None:
        return []
    few = _few_of_all(context, resent)
    says = (
        SAYS_FEW.fill(segments=few.segments, point=resent.worst, packets=few.packets)
        if few
        else SAYS.fill(segments=resent.counts[resent.worst], point=resent.worst)
    )
    clue = _CAUSE(context, resent) or Clue((FIX if len(context.points) > 1 else FIX_AT_ONE_POINT).fill())
    return [
        Finding(
            NAME,
            "info" if few else "warning",
            says + clue.says,
            None if few else clue.fix,
            {"segments": resent.counts, **clue.facts},
            sorted(_evidence(context, resent.rows)),
        )
    ]


def _resent(context: Context) -> _Resent | None:
    segments = np.where(learned_path_mtu(context), 0, sent_again(context))
    rows = segments.nonzero()[0].tolist()
    if not rows:
        return None
    counts: dict[str, int] = {}
    for row in rows:
        name = _name(context, row)
        counts[name] = counts.get(name, 0) + int(segments[row])
    return _Resent(segments, rows, counts, max(sorted(counts), key=lambda name: counts[name]))


def _overtaking(context: Context, resent: _Resent) -> Clue | None:
    """Segments overtook others, and none was lost."""
    overtook = _overtook(context, resent.rows)
    if overtook is None:
        return None
    ends = {"first": overtook.first, "last": overtook.last}
    return Clue(FIX_OVERTOOK.fill(**ends), OVERTOOK.fill(segments=overtook.segments, **ends))


def _lost_syns(context: Context, resent: _Resent) -> Clue | None:
    """New connections alone lose packets."""
    at_worst = [row for row in resent.rows if _name(context, row) == resent.worst]
    waits_ns = _waits_for_syns(context, resent.segments, at_worst)
    if not waits_ns:
        return None
    says = SYNS.fill(connections=len(waits_ns), seconds=round(max(waits_ns) / 1e9, 1))
    return Clue(FIX_SYNS.fill(point=resent.worst), says, {"syns_of": len(waits_ns)})


def _long_segments(context: Context, resent: _Resent) -> Clue | None:
    """Connections repeat long segments to their end, and get no more answer."""
    at_worst = [row for row in resent.rows if _name(context, row) == resent.worst]
    lengths = [length for row in at_worst[:MAX_EXAMINED] if (length := unacknowledged_length(context, row))]
    if len(lengths) < len(at_worst):
        return None
    octets = min(length.lost for length in lengths)
    if max(length.passed for length in lengths) >= octets:
        return None
    fix = FIX_LONG.fill(server=destination(context.flows[at_worst[0]]))
    return Clue(fix, LONG.fill(connections=len(lengths), octets=octets), {"unacknowledged": octets})


def _lone_syn_acks(context: Context, resent: _Resent) -> Clue | None:
    """Servers answer clients of which the point shows nothing."""
    return lone_syn_acks(context, [row for row in resent.rows if _name(context, row) == resent.worst])


_CAUSE = first_of(_overtaking, _lost_syns, _long_segments, _lone_syn_acks)


def _name(context: Context, row: int) -> str:
    return context.points[context.flows[row, schema.FLOW_POINT]].name


def _waits_for_syns(context: Context, retransmissions: PerFlow, rows: list[int]) -> list[int]:
    """How long these flows waited for their SYN-ACK [ns], if what they sent again is SYNs alone; else empty.

    Not where a server answers the first SYN as well: it was only far away; nor where all waited at one time, as for a
    link that comes up. In a sample, segments are unknown.
    """
    flows, repeated = context.flows, syns_without_duplicates(context) - 1
    accepted_ns = reply_values(context, schema.FLOW_SYNACK_TIME)[rows]
    is_syn = (repeated[rows] == retransmissions[rows]) & (replies(context)[rows] >= 0) & (accepted_ns >= 0)
    if len(rows) > MAX_EXAMINED or not is_syn.all() or repeated[rows].sum() < MIN_SYNS:
        return []
    if flows[rows, schema.FLOW_FIRST].max() < accepted_ns.min():
        return []
    counts = [sum(each.is_syn_ack for each in segments(context, row)) for row in rows]
    waits_ns: list[int] = (accepted_ns - flows[rows, schema.FLOW_FIRST]).tolist()
    return waits_ns if set(counts) == {1} else []


class _Overtook(NamedTuple):
    """Segments that came out of order at a point, and did not leave so the one before."""

    segments: int
    first: str
    last: str


def _overtook(context: Context, rows: list[int]) -> _Overtook | None:
    """Where all flows that were sent again come whole, and less in order than they left; None unless all do."""
    links, flows = flow_links(context), context.flows
    later = set(links.target[links.after[rows][links.after[rows] >= 0]].tolist())
    taken = [int(links.after[row]) for row in rows if row not in later]
    if not taken or min(taken) < 0:
        return None
    if any(counts[taken].any() for counts in (links.missing, links.missing_bytes, links.outside)):
        return None
    before, behind = links.source[taken], links.target[taken]
    segments = flows[behind, schema.FLOW_RETRANSMISSIONS] - flows[before, schema.FLOW_RETRANSMISSIONS]
    ways = set(map(tuple, flows[[before, behind], schema.FLOW_POINT].T.tolist()))
    first, last = ways.pop()
    if ways or first == last or (segments <= 0).any():
        return None
    return _Overtook(int(segments.sum()), context.points[first].name, context.points[last].name)


class _Few(NamedTuple):
    """What TCP sent again, and all its packets; both as the network carries them."""

    segments: int
    packets: int


def _few_of_all(context: Context, resent: _Resent) -> _Few | None:
    """What TCP sent again at the point that shows most of it, if that is little; else None."""
    flows = context.flows
    points = [number for number, point in enumerate(context.points) if point.name == resent.worst]
    is_there = is_one_of(flows[:, schema.FLOW_POINT], points) & (flows[:, schema.FLOW_PROTO] == TCP)
    packets = packets_on_the_wire(context)[is_there]
    segments = sent_again_on_the_wire(context, resent.segments)[is_there]
    return _Few(int(segments.sum()), int(packets.sum())) if are_rare(segments, packets) else None


def _evidence(context: Context, rows: list[int]) -> Iterator[Evidence]:
    """The first segment of each flow that was sent again, where all were observed; else its first frame."""
    for row in rows[:MAX_EXAMINED]:
        resent = _resent_frame(context, row)
        yield context.first_frame(row) if resent is None else context.flow_evidence(row, resent)
    yield from context.first_frames(rows[MAX_EXAMINED:])


def _resent_frame(context: Context, row: int) -> int | None:
    """The first frame whose octets begin where an earlier one's did, longer ago than segments overtake each other."""
    sent_at: dict[int, int] = {}  # sequence number → ns
    sent = (segment for segment in segments(context, row) if not segment.is_reply and segment.octets)
    return next(
        (each.frame for each in sent if each.time - sent_at.setdefault(each.seq, each.time) > MAX_REORDERING_NS), None
    )
