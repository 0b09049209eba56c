"""The clocks of a capture: how far apart they are, how fast they drift, and when they were set.

Input: the observations. Each host of each file has a clock of its own.
Output: for every clock its distance to a reference clock in ns, by which times are corrected.
Method: packets seen under two clocks bound the distance between them (`clock_bounds`; Paxson 1998), and so does what
the recording measured (`measured_clocks`). If the bounds allow a distance of zero, nothing is corrected. Else the
estimate is the middle between the bounds, or a line over time if no constant satisfies all of them, or several lines
if the clock was set while packets were recorded.
Limits: hosts in one file, and files of one host, have one clock as long as their packets allow it. If packets passed
one way only, two files of unknown hosts are compared only if the delay is too short to be chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import Mask, Observations, PerFlow, PerObservation, Values
from capnet.analysis.correlate.clock_evidence.clock_bounds import (
    CLOCK_TOLERANCE_NS,
    ClockBounds,
    DistanceBounds,
    clock_bounds,
    fit_line,
    split_at_steps,
)
from capnet.analysis.correlate.clock_evidence.measured_clocks import with_measurements
from capnet.quick_dataclass import value
from capnet.quick_tuple import NamedTuple

MAX_DELAY_NS = 1_000_000_000  # a longer one-way delay of every packet is taken for a difference of clocks
MAX_UNRELATED_NS = 1_000_000  # clocks of unrelated files that agree within this are one clock
MIN_HOP_NS = 1000  # left between two hops where only a one-sided bound is known, so that their order is kept
NEVER = np.iinfo(np.int64)


@value
class ClockStep:
    """A clock was set: from then on it is `ahead_ns` at `since_ns`, and drifts by `drift` ns per ns."""

    begin_ns: int  # by the clock itself
    begin_row: int  # row of the input; tells two equal times of a clock apart that was set back
    ahead_ns: float
    drift: float
    since_ns: int


@value
class Clock:
    """One clock and its distance to the reference clock: `ahead_ns` at `since_ns`, growing by `drift` ns per ns."""

    name: str
    ahead_ns: float = 0.0
    drift: float = 0.0
    since_ns: int = 0
    is_corrected: bool = False  # its packets prove that it disagrees with the reference
    is_comparable: bool = True  # bounded from both sides: delays to other clocks mean something
    uncertainty_ns: float = 0.0
    packets_compared: int = 0
    readings_compared: int = 0  # distances that the recording measured
    reference: str = ""  # name of the reference clock
    span_ns: int = 0  # time over which it was compared
    bound: str = ""  # packets went one way only: the distance is "at least" or "at most" `ahead_ns`
    steps: tuple[ClockStep, ...] = ()  # by time

    def distance_at(self, times_ns: Values, rows: Values | None = None) -> Values:
        """Distance in whole ns at each of these times of this clock.

        `rows`: row of the input of each time. A clock that was set back shows the same time twice.
        """
        distances = self.ahead_ns + self.drift * (times_ns - self.since_ns)
        for step in self.steps:
            is_later = times_ns >= step.begin_ns if rows is None else rows >= step.begin_row
            distances = np.where(is_later, step.ahead_ns + step.drift * (times_ns - step.since_ns), distances)
        return np.rint(distances).astype(np.int64)


class Clocks:
    """The clocks of a capture: `of_point[i]` is the clock of point i, an index into `all`."""

    def __init__(self, of_point: Values, clocks: list[Clock]) -> None:
        self.of_point = of_point
        self.all = clocks
        self.any_corrected = any(clock.is_corrected for clock in clocks)  # does any disagree with its reference?

    def of_flows(self, context: Context) -> PerFlow:
        """Index of the clock of each flow row."""
        return self.of_point.take(context.flows[:, schema.FLOW_POINT])

    def correct_times(self, times_ns: Values, clock_of_time: Values, rows: Values | None = None) -> Values:
        """Times in ns by the reference clock, of times by the clocks with these indexes. `rows`: see `distance_at`."""
        if not self.any_corrected:
            return times_ns
        times_ns = times_ns.copy()
        for index, clock in enumerate(self.all):
            if clock.is_corrected:
                is_of_clock = clock_of_time == index
                rows_of_clock = None if rows is None else rows[is_of_clock]
                times_ns[is_of_clock] -= clock.distance_at(times_ns[is_of_clock], rows_of_clock)
        return times_ns

    def observation_times(self, context: Context, observations: Observations) -> PerObservation:
        """Times of these observations in ns by the reference clock."""
        # In a sample the first packets of flows have no input row.
        rows = observations[:, schema.OBS_SEQ] if context.sample_share == 1.0 else None
        clock_of_time = self.of_flows(context)[observations[:, schema.OBS_FLOW]]
        return self.correct_times(observations[:, schema.OBS_TIME], clock_of_time, rows)

    def are_comparable(self, first: Values, second: Values) -> Mask:
        """For each pair of clock indexes: does a time by the first clock compare with one by the second?"""
        is_comparable = np.array([clock.is_comparable for clock in self.all] or [True])
        return (first == second) | (is_comparable[first] & is_comparable[second])


def flow_spans(context: Context) -> tuple[PerFlow, PerFlow]:
    """First and last time of each flow row, in ns by the reference clock."""
    capture_clocks = clocks(context)
    clock_of_flow = capture_clocks.of_flows(context)
    return (
        capture_clocks.correct_times(context.flows[:, schema.FLOW_FIRST], clock_of_flow),
        capture_clocks.correct_times(context.flows[:, schema.FLOW_LAST], clock_of_flow),
    )


class ListeningTimes(NamedTuple):
    """From when to when each point listened for certain, in ns by the reference clock; one entry per point.

    A recording says it (pcapng, interface statistics block); else these are the times of the first and the last frame.
    A point that shows neither listened from NEVER.max to NEVER.min.
    """

    since: Values
    until: Values
    is_recorded: Mask


@derived
def listening_times(context: Context) -> ListeningTimes:
    """When each point listened."""
    is_recorded = [point.started is not None and point.ended is not None for point in context.points]
    spans = [
        (point.started, point.ended) if recorded else (point.first, point.last)
        for point, recorded in zip(context.points, is_recorded, strict=True)
    ]
    is_known = np.array([None not in span for span in spans] or [False])
    times_ns = np.array([(0, 0) if None in span else span for span in spans] or [(0, 0)], dtype=np.int64)
    capture_clocks = clocks(context)
    since, until = (capture_clocks.correct_times(column, capture_clocks.of_point) for column in times_ns.T)
    since, until = np.where(is_known, since, NEVER.max), np.where(is_known, until, NEVER.min)
    return ListeningTimes(since, until, np.array(is_recorded or [False]))


@derived
def clocks(context: Context) -> Clocks:
    """The clocks of this capture, one for each host of each file."""
    hosts = [(point.file, host_of(point.name) or "") for point in context.points]
    distinct_hosts = list(dict.fromkeys(hosts))
    of_point = np.array([distinct_hosts.index(host) for host in hosts] or [0], dtype=np.int64)
    names = [host or file for file, host in distinct_hosts] or [""]
    names = [name if names.count(name) == 1 else f"{name} in {distinct_hosts[i][0]}" for i, name in enumerate(names)]
    uncorrected = [Clock(name) for name in names]
    if len(uncorrected) < 2 or not len(context.observations):
        return Clocks(of_point, uncorrected)
    bounds = with_measurements(clock_bounds(context, of_point), context, distinct_hosts, of_point)
    return Clocks(of_point, _relate_clocks(uncorrected, distinct_hosts, bounds))


def _relate_clocks(uncorrected: list[Clock], hosts: list[tuple[str, str]], bounds: ClockBounds) -> list[Clock]:
    """Each clock with its distance to a reference: the first clock of each group that packets connect.

    `hosts`: file and host of each clock.
    """
    result = list(uncorrected)
    bounds_of_pair = bounds.by_pair(len(result))
    placed: set[int] = set()

    def placed_beside(clock: int) -> list[Clock]:
        """Clocks already placed that are of the same file, or of the same host by another file."""
        file, host = hosts[clock]
        return [result[i] for i in sorted(placed) if hosts[i][0] == file or (host and hosts[i][1] == host)]

    for start in range(len(result)):
        if start in placed:
            continue
        if beside := placed_beside(start):  # no packet compares this clock with another one
            reference = beside[0]
            result[start] = replace(
                reference,
                name=uncorrected[start].name,
                packets_compared=0,
                readings_compared=0,
                reference=reference.name,
            )
        placed.add(start)
        queue = [start]
        while queue:
            index = queue.pop(0)
            pairs = [pair for pair in bounds_of_pair if index in pair and not placed >= set(pair)]
            # The clocks that most packets compare come first.
            for first, second in sorted(pairs, key=lambda pair: (-len(bounds_of_pair[pair]), pair)):
                neighbour = second if first == index else first
                if neighbour in placed:
                    continue
                distances = bounds.for_clock(bounds_of_pair[first, second], is_second=neighbour == second)
                beside = placed_beside(neighbour)
                result[neighbour] = _fit_clock(uncorrected[neighbour].name, result[index], beside, distances)
                placed.add(neighbour)
                queue.append(neighbour)
    return result


def _fit_clock(name: str, reference: Clock, beside: list[Clock], bounds: DistanceBounds) -> Clock:
    """The clock `name` by its bounds to a clock already placed; `beside`: placed clocks of its file or host."""
    if reference.is_corrected:
        by_reference = bounds.times_ns - bounds.distances_ns
        bounds = bounds._replace(distances_ns=bounds.distances_ns + reference.distance_at(by_reference))
    root = reference.reference or reference.name
    times_ns = bounds.times_ns
    unfitted = Clock(
        name,
        since_ns=int(times_ns.min()),
        packets_compared=int(bounds.is_packet.sum()),
        readings_compared=int((~bounds.is_packet).sum()) // 2,
        reference=root,
        span_ns=int(times_ns.max() - times_ns.min()),
    )
    equal = _equal_clock(unfitted, [*beside, Clock(root)], beside, bounds)
    if equal is not None:
        return equal
    if not bounds.is_two_sided:
        return _one_sided_clock(unfitted, bounds)
    return _two_sided_clock(unfitted, reference, bounds)


def _equal_clock(
    unfitted: Clock, candidates: Iterable[Clock], beside: list[Clock], bounds: DistanceBounds
) -> Clock | None:
    """The first candidate that no bound contradicts, as the clock to be fitted; None if there is none."""
    upper, lower = bounds.is_upper, ~bounds.is_upper
    for candidate in candidates:
        remaining_ns = bounds.distances_ns - candidate.distance_at(bounds.times_ns)
        if (remaining_ns[upper] < -CLOCK_TOLERANCE_NS).any() or (remaining_ns[lower] > CLOCK_TOLERANCE_NS).any():
            continue
        equal = replace(
            candidate,
            name=unfitted.name,
            packets_compared=unfitted.packets_compared,
            readings_compared=unfitted.readings_compared,
            reference=unfitted.reference,
            span_ns=unfitted.span_ns,
        )
        shortest_ns = int(np.abs(remaining_ns).min())
        if bounds.is_two_sided or shortest_ns <= (MAX_DELAY_NS if candidate in beside else MAX_UNRELATED_NS):
            return equal
        if shortest_ns <= MAX_DELAY_NS:  # a long delay or two clocks: the packets do not tell
            return replace(equal, is_comparable=False)
    return None


def _one_sided_clock(unfitted: Clock, bounds: DistanceBounds) -> Clock:
    """A clock whose packets went one way only: its distance is at least or at most what they show."""
    distances_ns, any_upper = bounds.distances_ns, bool(bounds.is_upper.any())
    ahead_ns = float(distances_ns.min() - MIN_HOP_NS if any_upper else distances_ns.max() + MIN_HOP_NS)
    bound = "at least" if (ahead_ns < 0) == any_upper else "at most"
    return replace(unfitted, ahead_ns=ahead_ns, is_corrected=True, is_comparable=False, bound=bound)


def _two_sided_clock(unfitted: Clock, reference: Clock, bounds: DistanceBounds) -> Clock:
    """A clock that packets in both directions bound: one line over time, or one for each time that it was set."""
    pieces = split_at_steps(bounds)
    lines = [fit_line(bounds.take(piece)) for piece in pieces]
    steps = tuple(
        ClockStep(
            int(bounds.times_ns[piece].min()), int(bounds.rows[piece].min()), line.ahead_ns, line.drift, line.since_ns
        )
        for piece, line in zip(pieces[1:], lines[1:], strict=True)
    )
    return replace(
        unfitted,
        ahead_ns=lines[0].ahead_ns,
        drift=lines[0].drift,
        since_ns=lines[0].since_ns,
        is_corrected=True,
        is_comparable=reference.is_comparable and all(line.is_certain for line in lines),
        uncertainty_ns=max(line.uncertainty_ns for line in lines),
        steps=steps,
    )
