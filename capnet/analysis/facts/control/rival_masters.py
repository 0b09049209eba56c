"""Two masters of one virtual router of VRRP at the same time.

Input: advertisements (`core.payload.VrrpMaster`), flows, own interfaces. Output: `RivalMasters`, one for each two.
Method: their advertisements in order of time, at a point that shows both, else at one point of each, by the reference
clock, where the two hosts are seen to exchange other packets. One is contested that comes while both advertise: each
advertised within three intervals before it, as long as a backup waits (RFC 9568 section 6.1). A backup that takes over
sends after that, and a master that hears a better one sends nothing more: so MIN_CONTESTED of each in a row are no
handover. Both name an address in common: other groups may have the same number.
A worse master discards what a better one says if version, password or, of version 2, interval differ: then one of its
advertisements beside those of the better one, which goes on, is enough.
Limits: MAX_PAIRS; of more than two masters, each two.
"""

from __future__ import annotations

from itertools import combinations, groupby, islice
from operator import itemgetter

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.payload import VrrpMaster
from capnet.analysis.core.results import Evidence
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.facts.outcomes.silent_requests import nothing_comes_back
from capnet.analysis.fate.interface_points import interface_points
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import VRRP

MIN_CONTESTED = 4  # advertisements of each, so that more than three intervals lie between the first and the last
DOWN_INTERVALS = 3  # of silence, after which a backup takes over
MAX_PAIRS = 100  # of masters of one number: more are no network that works


class RivalMasters(NamedTuple):
    """Two masters of one virtual router; `first` is the better one, to which the other should leave the addresses."""

    router: int
    addresses: list[str]  # that both have
    first: VrrpMaster  # its last advertisement of a priority
    second: VrrpMaster
    span_ns: int  # for which they were masters at the same time, at least
    counts: tuple[int, int]  # contested advertisements of each
    is_over: bool  # one of them gave way
    is_deaf: bool  # the second became master beside the first, whose advertisements it discards, and said so seldom
    arrives_at: str  # own interface of the second at which those of the first arrive; "" if none is known
    missing_at: str  # own interface of the second at which they do not arrive, though those of the second are there
    evidence: list[Evidence]


class _Event(NamedTuple):
    """An advertisement; `side` 0 or 1 of two masters."""

    time: int
    side: int
    of: VrrpMaster
    frame: int


@derived
def rival_masters(context: Context) -> list[RivalMasters]:
    """By number of the router and addresses."""
    by_source: dict[tuple[int, str], list[VrrpMaster]] = {}
    for entry in context.vrrp:
        by_source.setdefault((entry.router, entry.source), []).append(entry)
    order = sorted(by_source, key=lambda key: (key[0], address_value(key[1])))
    pairs = (pair for _, group in groupby(order, itemgetter(0)) for pair in combinations(group, 2))
    rivals = (_rivals(context, by_source[first], by_source[second]) for first, second in islice(pairs, MAX_PAIRS))
    return [of for of in rivals if of]


def _rivals(context: Context, of_first: list[VrrpMaster], of_second: list[VrrpMaster]) -> RivalMasters | None:
    common = {address for of in of_first for address in of.addresses} & {
        address for of in of_second for address in of.addresses
    }
    places = _places(context, of_first, of_second) if common else None
    if places is None:
        return None
    events = _events(context, [[of for of in side if of[:3] == place] for side, place in zip(
        (of_first, of_second), places, strict=True)])  # fmt: skip
    contested = max(_contests(events), key=_span_of, default=[]) or _deaf_takeover(events)
    if not contested:
        return None
    last_of = [next(event.of for event in reversed(contested) if event.side == side) for side in (0, 1)]
    first, second = sorted(last_of, key=lambda of: (of.priority, address_value(of.source)), reverse=True)
    counts = {of.source: sum(event.of.source == of.source for event in contested) for of in last_of}
    arrives_at, missing_at = _arrival(context, first, second)
    is_deaf = min(counts.values()) < MIN_CONTESTED
    is_over = not is_deaf and events[-1].time - contested[-1].time > DOWN_INTERVALS * first.interval_ms * 1_000_000
    firsts = [next(event for event in contested if event.side == side) for side in (0, 1)]
    return RivalMasters(
        first.router, sorted(common, key=address_value), first, second, _span_of(contested),
        (counts[first.source], counts[second.source]), is_over, is_deaf, arrives_at, missing_at,
        sorted(context.evidence(event.of.point, event.frame) for event in firsts),
    )  # fmt: skip


Place = tuple[int, int, int]  # point, tunnel, id


def _places(context: Context, of_first: list[VrrpMaster], of_second: list[VrrpMaster]) -> tuple[Place, Place] | None:
    """Where to look at the advertisements of each: where both are seen, else where each is, if the two talk."""
    seen = [{of[:3]: 0 for of in side} for side in (of_first, of_second)]
    for places, side in zip(seen, (of_first, of_second), strict=True):
        for of in side:
            places[of[:3]] += len(of.times)
    both = {place: min(places[place] for places in seen) for place in seen[0] if place in seen[1]}
    if both:
        place = max(both, key=both.__getitem__)
        return place, place
    first, second = (max(places, key=places.__getitem__) for places in seen)
    of_point = clocks(context).of_point
    own, other = (np.array([of_point[place[0]]]) for place in (first, second))
    is_together = clocks(context).are_comparable(own, other).all()
    if not is_together or not _talk(context, of_first[0].source, of_second[0].source, {first[0], second[0]}):
        return None
    return first, second


def _talk(context: Context, first: str, second: str, points: set[int]) -> bool:
    """Do these points show packets between the two, outside of tunnels? Then they are on one network, at one time."""
    flows = context.flows
    forth = np.array([*address_value(first), *address_value(second)], dtype=np.int64)
    is_theirs = (flows[:, schema.FLOW_ADDRESSES] == forth).all(axis=1)
    is_theirs |= (flows[:, schema.FLOW_OPPOSITE_ADDRESSES] == forth).all(axis=1)
    return points <= {*flows[is_theirs & (flows[:, schema.FLOW_VIA] == 0), schema.FLOW_POINT].tolist()}


def _events(context: Context, sides: list[list[VrrpMaster]]) -> list[_Event]:
    """The advertisements of both sides, in order of time; one to several peers, or that `any` shows twice, is one."""
    capture_clocks = clocks(context)
    events: list[_Event] = []
    for side, masters in enumerate(sides):
        for of in masters:
            times = np.array(of.times, dtype=np.int64)
            clock_of_time = np.full(len(times), capture_clocks.of_point[of.point])
            times = capture_clocks.correct_times(times, clock_of_time)
            events += [
                _Event(time, side, of, frame) for time, frame in zip(times.tolist(), of.frames, strict=True)
            ]  # fmt: skip
    latest: dict[int, _Event] = {}  # by side
    advertised = []
    for event in sorted(events, key=_time_of):
        before = latest.get(event.side)
        if before is None or not _is_same_advertisement(before, event):
            advertised.append(event)
            latest[event.side] = event
    return advertised


def _is_same_advertisement(before: _Event, event: _Event) -> bool:
    is_soon = event.time - before.time < event.of.interval_ms * 1_000_000 / 2
    return is_soon and before.of.priority == event.of.priority


def _time_of(event: _Event) -> tuple[int, int]:
    return event.time, event.side


def _contests(events: list[_Event]) -> list[list[_Event]]:
    """Contested advertisements that follow each other, where there are enough of each master."""
    latest: list[int | None] = [None, None]
    runs: list[list[_Event]] = [[]]
    for event in events:
        wait = DOWN_INTERVALS * event.of.interval_ms * 1_000_000
        is_contested = event.of.priority > 0 and all(time is not None and event.time - time <= wait for time in latest)
        if is_contested:
            runs[-1].append(event)
        elif runs[-1]:
            runs.append([])
        latest[event.side] = event.time if event.of.priority else None
    return [run for run in runs if all(sum(event.side == side for event in run) >= MIN_CONTESTED for side in (0, 1))]


def differs(first: VrrpMaster, second: VrrpMaster) -> str:
    """Which setting differs, so that each discards what the other says; "" for none. Version 3 takes any interval."""
    if first.version != second.version:
        return "version"
    if first.password != second.password:
        return "password"
    return "interval" if first.version == 2 and first.interval_ms != second.interval_ms else ""


def _deaf_takeover(events: list[_Event]) -> list[_Event]:
    """All from the first one of a worse master on, beside a better one whose settings differ and that goes on.

    Measured with keepalived 2.2: what it discards puts off its own advertisements, so that it seldom sends any.
    """
    by_side = [[event for event in events if event.side == side and event.of.priority] for side in (0, 1)]
    if not all(by_side):
        return []
    by_side.sort(key=_rank_of)
    worse, better = by_side
    wait = DOWN_INTERVALS * better[0].of.interval_ms * 1_000_000
    took = next((event for event in worse if any(0 <= event.time - of.time <= wait for of in better)), None)
    if took is None or not differs(took.of, better[-1].of):
        return []
    since = [event for event in events if event.time >= took.time and event.of.priority]
    is_lasting = sum(event.side != took.side for event in since) >= MIN_CONTESTED
    gave_up = any(event.of.priority == 0 and event.time > took.time for event in events)
    return since if is_lasting and not gave_up else []


def _rank_of(side: list[_Event]) -> tuple[int, tuple[int, int]]:
    return side[-1].of.priority, address_value(side[-1].of.source)


def _span_of(contested: list[_Event]) -> int:
    return contested[-1].time - contested[0].time


def _arrival(context: Context, first: VrrpMaster, second: VrrpMaster) -> tuple[str, str]:
    """The own interface of the second master at which the first one's advertisements arrive, or do not.

    Those of this router alone: the same two hosts may share others, and tell each other of those.
    """
    flows = context.flows
    is_its = (flows[:, schema.FLOW_PROTO] == VRRP) & (flows[:, schema.FLOW_VIA] == 0)
    of_second = [row for row in np.flatnonzero(is_its).tolist() if source(flows[row]) == second.source]
    macs = {int(flows[row, schema.FLOW_SMAC]) for row in of_second}
    homes = {point for mac in macs for point in interface_points(context).get(mac, ())}
    sends, comes = (
        {of.point for of in context.vrrp if (of.router, of.source, of.via) == (master.router, master.source, 0)}
        for master in (second, first)
    )
    if arrives := sorted(homes & sends & comes):
        return context.points[arrives[0]].name, ""
    for point in sorted((homes & sends) - comes):
        from_point = [row for row in of_second if flows[row, schema.FLOW_POINT] == point]
        # Where nothing comes to the second, one direction is recorded.
        if _reads_all(context, first.source, point) and not nothing_comes_back(context, from_point):
            return "", context.points[point].name
    return "", ""


def _reads_all(context: Context, master: str, point: int) -> bool:
    """Are all VRRP packets of a master at a point among the advertisements, none cut short or above a limit?"""
    flows = context.flows
    is_there = (flows[:, schema.FLOW_PROTO] == VRRP) & (flows[:, schema.FLOW_POINT] == point)
    is_there &= (flows[:, schema.FLOW_VIA] == 0) & (flows[:, schema.FLOW_SRC] == address_value(master)).all(axis=1)
    read = [len(of.times) for of in context.vrrp if (of.point, of.via, of.source) == (point, 0, master)]
    return int(flows[is_there, schema.FLOW_PACKETS].sum()) == sum(read)
