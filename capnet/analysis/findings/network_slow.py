"""network-slow: packets take long between two points of one host, or of one Ethernet.

Looks at: the time from one point to the next, there and back added up, so that a difference of clocks cancels out. The
points are on one host, or the packets have the same MACs and TTL at both. It must be 20 ms or more, in the middle of
five packets each way; an Ethernet and a kernel take less than one.
Says: between which points, how long there and back, and in how many connections.
Wrong when: an Ethernet is stretched over a long way on purpose, as by a VPN on layer 2.
Fix: look at the queue of the interface behind the first point, its shaping, and the load of the host.
Verify: `tc -s qdisc show dev IFACE` (backlog, delay); `ip -s -s link show dev IFACE`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of, replies
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import Mask, PerLink, Values
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.quick_tuple import NamedTuple

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # nothing delays packets in the scenarios
WITNESS = "pcaps/overlay.pcapng"  # two hosts whose packets take microseconds
EXPLAINS = ()

PAGE_ZH = """包在同一主机或同一以太网的两个抓包点之间用时很长。

检查：从一个抓包点到下一个的时间，往返相加，使时钟差相互抵消。两个抓包点在同一主机上，或包在两处的 MAC 和 TTL 相同。
每个方向五个包的中位数必须达到 20 毫秒；以太网和内核用不到 1 毫秒。
结论：在哪两个抓包点之间，往返多久，多少个连接。
误判：以太网有意跨越很远，例如二层 VPN。
处理：检查第一个抓包点之后的接口的队列、限速和主机负载。
验证：`tc -s qdisc show dev IFACE`（backlog、delay）；`ip -s -s link show dev IFACE`。
"""

SAYS = Text(
    en="packets take {round_trip} ms from {before} to {after} and back, in {connections:connection}: an Ethernet or a "
    "kernel takes less than one",
    zh="在 {connections} 个连接中，包从 {before} 到 {after} 往返需要 {round_trip} 毫秒：以太网或内核用不到 1 毫秒",
)
FIX = Text(
    en="look at the queue between {before} and {after}: shaping (`tc -s qdisc`), a full buffer, an overloaded host or "
    "switch",
    zh="检查 {before} 和 {after} 之间的队列：限速（`tc -s qdisc`）、缓冲区满、主机或交换机过载",
)

MIN_ROUND_TRIP_NS = 20_000_000  # a scheduler that is busy takes some ms; no Ethernet of one site takes 10 ms one way
MIN_PACKETS = 5  # each way, of which the middle one counts
MEDIAN = 1  # column of `Links.delays_ns`


class _RoundTrips(NamedTuple):
    """Links with those that lead back, arrays of one length. Delays in ns."""

    link: PerLink
    there: Values
    back: Values


def diagnose(context: Context) -> list[Finding]:
    links, flows = flow_links(context), context.flows
    if not len(links):
        return []
    trips = _round_trips(context, links)
    slow = np.flatnonzero(trips.there + trips.back >= MIN_ROUND_TRIP_NS)
    by_points: dict[tuple[int, int], list[int]] = {}
    for number in slow[_is_near(context, links, trips.link[slow])].tolist():
        link = trips.link[number]
        points = tuple(int(flows[row, schema.FLOW_POINT]) for row in (links.source[link], links.target[link]))
        by_points.setdefault((points[0], points[1]), []).append(number)
    findings = []
    for (before, after), numbers in sorted(by_points.items()):
        if before < after or (after, before) not in by_points:  # each connection has links both ways
            findings.append(_finding(context, links, trips, numbers, (before, after)))
    return findings


def _round_trips(context: Context, links: Links) -> _RoundTrips:
    answers = replies(context)
    back_from, back_to = answers[links.target], answers[links.source]
    back = np.where(back_from >= 0, links.after[back_from], -1)
    is_paired = (back >= 0) & (back_to >= 0)
    is_paired &= links.target[back] == back_to
    is_paired &= (links.matched >= MIN_PACKETS) & (links.matched[back] >= MIN_PACKETS)
    link = np.flatnonzero(is_paired)
    return _RoundTrips(link, links.delays_ns[link, MEDIAN], links.delays_ns[back[link], MEDIAN])


def _is_near(context: Context, links: Links, link: PerLink) -> Mask:
    """For each link: does it join points of one host, or of one Ethernet?"""
    flows, source, target = context.flows, links.source[link], links.target[link]
    hosts = [host_of(point.name) for point in context.points]
    numbers = {host: number for number, host in enumerate(dict.fromkeys(hosts))}
    host = np.array([-1 - number if name is None else numbers[name] for number, name in enumerate(hosts)])
    points = flows[source, schema.FLOW_POINT], flows[target, schema.FLOW_POINT]
    macs = [schema.FLOW_SMAC, schema.FLOW_DMAC]
    is_one_ethernet = (flows[source[:, None], macs] == flows[target[:, None], macs]).all(axis=1)
    is_one_ethernet &= (flows[source, schema.FLOW_SMAC] > 0) & (links.ttl_delta[link] == 0)
    is_one_ethernet &= (flows[source, schema.FLOW_VIA] == 0) & (flows[target, schema.FLOW_VIA] == 0)
    near: Mask = (host[points[0]] == host[points[1]]) | is_one_ethernet
    return near & (points[0] != points[1])


def _finding(
    context: Context, links: Links, trips: _RoundTrips, numbers: list[int], points: tuple[int, int]
) -> Finding:
    before, after = (context.points[point].name for point in points)
    slowest = max(numbers, key=lambda number: int(trips.there[number] + trips.back[number]))
    round_trip = round(int(trips.there[slowest] + trips.back[slowest]) / 1e6, 1)
    chosen = trips.link[numbers]
    rows = [(links.source, 0), (links.target, 1)]
    evidence = [
        context.flow_evidence(int(ends[link]), int(links.frames[link, column]))
        for link in chosen.tolist()
        for ends, column in rows
    ]
    return Finding(
        NAME,
        "warning",
        SAYS.fill(round_trip=round_trip, before=before, after=after, connections=len(numbers)),
        FIX.fill(before=before, after=after),
        {"from": before, "to": after, "round_trip_ms": round_trip, "connections": len(numbers)},
        sorted(evidence)[:MAX_EVIDENCE],
    )
