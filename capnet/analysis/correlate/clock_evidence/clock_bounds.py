"""Bounds on the distance between two clocks, and the line over time that satisfies them.

Input: observations of packets that were seen under both clocks.
Output: for each packet an upper or a lower bound on the distance in ns, and a fitted `ClockLine`.
Method: a packet does not arrive before it was sent. Packets one way bound the distance from above, packets the other
way from below (Paxson 1998). The TTL tells which way a packet went. Where it is equal at both points, its conversation
does: of the two directions, the one with the larger difference (time at the second clock minus time at the first) went
from the first to the second. A packet that comes back to a host, as to a node port whose pod is on the client's node,
bounds nothing.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import Mask, Observations, Values
from capnet.analysis.correlate.clock_evidence.repeated_digests import is_repeated_digest
from capnet.analysis.correlate.duplicates import observations_by_digest
from capnet.analysis.correlate.order.bridge_order import correct_bridge_times
from capnet.quick_dataclass import frozen
from capnet.quick_tuple import NamedTuple

CLOCK_TOLERANCE_NS = 20_000  # time stamps are cut to a microsecond or taken a little late: less is no disagreement
MAX_WINDOWS = 32  # parts of the common time in which the distance is bounded separately
MIN_BOUNDS_PER_WINDOW = 4  # of either kind; fewer, and the tightest of them is loose
MAX_DRIFT = 1e-3  # ns per ns, ten times what bad oscillators do and twice what Linux slews by; more is a step
MAX_STEPS = 8  # a clock that was set more often is no clock
LINE_ROUNDS = 4  # in which the tightest bounds are chosen anew against the line


class DistanceBounds(NamedTuple):
    """Bounds on how far a clock is ahead of another one, one entry per packet, and two per measurement."""

    distances_ns: Values
    is_upper: Mask  # the distance is at most this; else at least
    times_ns: Values  # by the clock itself
    rows: Values  # of the input, under the clock itself
    is_packet: Mask  # else it was measured by the recording

    @property
    def is_two_sided(self) -> bool:
        """Whether there are upper and lower bounds."""
        return bool(self.is_upper.any() and not self.is_upper.all())

    def take(self, indexes: Values) -> DistanceBounds:
        """The bounds with these indexes."""
        return DistanceBounds(*(column[indexes] for column in self))


@frozen
class ClockBounds:
    """Packets seen under the clocks `first` and `second` (indexes, first < second), one entry per packet.

    The distance is how far the second clock is ahead of the first one. It is bounded from above if the packet went
    from the first to the second, else from below. A measurement has an entry for each side.
    """

    first: Values
    second: Values
    times_ns: Values  # by the second clock
    distances_ns: Values
    is_upper: Mask
    first_rows: Values  # of the input, under the first clock
    second_rows: Values
    is_packet: Mask

    def joined(self, other: ClockBounds) -> ClockBounds:
        """Both as one."""
        return ClockBounds(*(np.concatenate([getattr(each, column) for each in (self, other)]) for column in _COLUMNS))

    def by_pair(self, clock_count: int) -> dict[tuple[int, int], Values]:
        """Indexes of the bounds of each pair of clocks, pairs in order."""
        codes = self.first * clock_count + self.second
        return {divmod(code, clock_count): np.flatnonzero(codes == code) for code in distinct(codes).tolist()}

    def for_clock(self, indexes: Values, is_second: bool) -> DistanceBounds:
        """The bounds with these indexes as seen from the second clock of their pair, or from the first one."""
        distances_ns, times_ns, is_upper = self.distances_ns[indexes], self.times_ns[indexes], self.is_upper[indexes]
        is_packet = self.is_packet[indexes]
        if is_second:
            return DistanceBounds(distances_ns, is_upper, times_ns, self.second_rows[indexes], is_packet)
        return DistanceBounds(-distances_ns, ~is_upper, times_ns - distances_ns, self.first_rows[indexes], is_packet)


_COLUMNS = ("first", "second", "times_ns", "distances_ns", "is_upper", "first_rows", "second_rows", "is_packet")


def clock_bounds(context: Context, clock_of_point: Values) -> ClockBounds:
    """Bounds on the distance of each two clocks, of all packets seen under both; there must be observations."""
    observations = correct_bridge_times(context, context.observations)
    clock = clock_of_point[context.flows[observations[:, schema.OBS_FLOW], schema.FLOW_POINT]]
    order = observations_by_digest(context).then_by(
        observations[:, schema.OBS_DIGEST], clock, observations[:, schema.OBS_TIME]
    )
    observations, clock = observations[order], clock[order]
    digest, time = observations[:, schema.OBS_DIGEST], observations[:, schema.OBS_TIME]
    is_new_digest = np.append(True, digest[1:] != digest[:-1])
    group = np.cumsum(is_new_digest) - 1

    # A run is one packet under one clock: its first and last time, its highest and lowest TTL.
    starts = np.flatnonzero(is_new_digest | np.append(True, clock[1:] != clock[:-1]))
    ends = np.append(starts[1:], len(observations)) - 1
    group_of_run = group[starts]
    is_usable = (group_of_run[1:] == group_of_run[:-1]) & ~is_repeated_digest(context, observations, group)[
        group_of_run[1:]
    ]
    first = np.flatnonzero(is_usable)
    second = first + 1

    lowest_ttl = np.minimum.reduceat(observations[:, schema.OBS_TTL], starts)
    highest_ttl = np.maximum.reduceat(observations[:, schema.OBS_TTL], starts)
    direction = np.sign(lowest_ttl[first] - lowest_ttl[second])  # 1: from first to second, where the TTL is lower
    direction = np.where(direction == 0, np.sign(highest_ttl[first] - highest_ttl[second]), direction)
    comes_back = (lowest_ttl[first] < highest_ttl[second]) & (lowest_ttl[second] < highest_ttl[first])
    by_conversation = _direction_by_conversation(
        context, clock_of_point, observations, starts[first], starts[second], direction == 0
    )
    direction = np.where(direction == 0, by_conversation, direction)

    has_direction = (direction != 0) & ~comes_back
    first, second, is_upper = first[has_direction], second[has_direction], direction[has_direction] > 0
    first_times_ns = np.where(is_upper, time[ends[first]], time[starts[first]])
    second_times_ns = np.where(is_upper, time[starts[second]], time[ends[second]])
    rows = np.minimum.reduceat(observations[:, schema.OBS_SEQ], starts)
    return ClockBounds(
        first=clock[starts[first]],
        second=clock[starts[second]],
        times_ns=second_times_ns,
        distances_ns=second_times_ns - first_times_ns,
        is_upper=is_upper,
        first_rows=rows[first],
        second_rows=rows[second],
        is_packet=np.ones(len(first), dtype=bool),
    )


def _direction_by_conversation(
    context: Context, clock_of_point: Values, observations: Observations, first: Values, second: Values, is_open: Mask
) -> Values:
    """For each packet seen as `first` and as `second`: 1 if it went from first to second, -1 if back, else 0.

    The distances of the two directions of a conversation differ by both delays, which are more than nothing.
    `is_open`: packets whose direction is wanted. 0: only one direction was seen.
    """
    flows = context.flows
    source = schema.FLOW_SRC_END
    target = schema.FLOW_DST_END
    forward = hash_of(flows, [*source, *target, schema.FLOW_PROTO])
    backward = hash_of(flows, [*target, *source, schema.FLOW_PROTO])
    conversation = np.minimum(forward, backward).astype(np.int64)
    is_reverse = forward > backward
    first_flow, second_flow = observations[first, schema.OBS_FLOW], observations[second, schema.OBS_FLOW]
    is_usable = is_open & (forward[first_flow] == forward[second_flow])
    is_usable &= forward[first_flow] != backward[first_flow]
    clock_of_flow = clock_of_point[flows[:, schema.FLOW_POINT]]
    clock_pair = clock_of_flow[first_flow] * len(context.points) + clock_of_flow[second_flow]
    key = row_hash(np.stack([conversation[first_flow], clock_pair], axis=1))
    direction = np.zeros(len(first), dtype=np.int64)
    packets = np.flatnonzero(is_usable)
    if not len(packets):
        return direction
    # Packets next to each other in time, in opposite directions, are compared, so that drift does not matter.
    packets = packets[np.lexsort((observations[second[packets], schema.OBS_TIME], key[packets]))]
    distances_ns = observations[second[packets], schema.OBS_TIME] - observations[first[packets], schema.OBS_TIME]
    sign = np.where(is_reverse[first_flow[packets]], -1, 1)
    is_new_key = key[packets[1:]] != key[packets[:-1]]
    opposite = np.flatnonzero(~is_new_key & (sign[1:] != sign[:-1]))
    index = np.append(0, np.cumsum(is_new_key))
    # 1 if the direction that is not reversed is the one from first to second; the majority decides.
    votes = np.sign(distances_ns[opposite + 1] - distances_ns[opposite]) * sign[opposite + 1]
    sums = np.zeros(index[-1] + 1, dtype=np.int64)
    np.add.at(sums, index[opposite], votes.astype(np.int64))
    direction[packets] = np.sign(sums[index]) * sign
    return direction


def split_at_steps(bounds: DistanceBounds) -> list[Values]:
    """Indexes of the bounds, in one piece for each time between which the clock was set.

    A clock that only drifts is never above an upper bound and soon afterwards below a lower one.
    """
    order = np.argsort(bounds.rows, kind="stable")
    distances_ns, is_upper = bounds.distances_ns[order].astype(np.float64), bounds.is_upper[order]
    times_ns = bounds.times_ns[order]
    max_drift_ns = MAX_DRIFT * np.maximum.accumulate(times_ns - times_ns[0])
    starts = [0]
    while len(starts) <= MAX_STEPS:
        start = starts[-1]
        step = _first_step(distances_ns[start:], is_upper[start:], max_drift_ns[start:])
        if step is None:
            return np.split(order, starts[1:])
        starts.append(start + step)
    return [order]


def _first_step(distances_ns: Values, is_upper: Mask, max_drift_ns: Values) -> int | None:
    """Index of the first bound after the clock was set, None if it was not. `max_drift_ns`: since the beginning."""
    lowest_upper = np.minimum.accumulate(np.where(is_upper, distances_ns - max_drift_ns, np.inf))
    highest_lower = np.maximum.accumulate(np.where(is_upper, -np.inf, distances_ns + max_drift_ns))
    is_broken = np.where(
        is_upper,
        highest_lower > distances_ns + max_drift_ns + CLOCK_TOLERANCE_NS,
        distances_ns - max_drift_ns - CLOCK_TOLERANCE_NS > lowest_upper,
    )
    step = int(np.argmax(is_broken))
    if not is_broken[step]:
        return None
    # Bounds of the other kind just before it hold on either side: they belong to the nearer one.
    kind = is_upper[step]
    same_kind = np.flatnonzero(is_upper[:step] == kind)
    before_ns = distances_ns[same_kind[-1]] if len(same_kind) else distances_ns[0]
    while step > 1 and is_upper[step - 1] != kind:
        distance_ns = distances_ns[step - 1]
        if abs(distance_ns - distances_ns[step]) >= abs(distance_ns - before_ns):
            break
        step -= 1
    return step


class ClockLine(NamedTuple):
    """A clock between two times at which it was set: `ahead_ns` at `since_ns`, growing by `drift` ns per ns."""

    ahead_ns: float
    drift: float
    since_ns: int
    is_certain: bool  # bounded from both sides
    uncertainty_ns: float


class _Windows(NamedTuple):
    """The common time in equal parts: the window of each bound, and of each window the tightest bounds."""

    of_bound: Values
    upper_ns: Values
    lower_ns: Values
    has_both: Mask  # bounded from both sides


def fit_line(bounds: DistanceBounds) -> ClockLine:
    """The middle between the bounds, or a line over time if no constant satisfies all of them."""
    distances_ns, is_upper, times_ns = bounds.distances_ns, bounds.is_upper, bounds.times_ns
    since_ns = int(times_ns.min())
    if not bounds.is_two_sided:
        ahead_ns = float(distances_ns.min() if is_upper.any() else distances_ns.max())
        return ClockLine(ahead_ns, 0.0, since_ns, False, 0.0)
    upper_ns, lower_ns = int(distances_ns[is_upper].min()), int(distances_ns[~is_upper].max())
    if lower_ns <= upper_ns + CLOCK_TOLERANCE_NS:
        return ClockLine((lower_ns + upper_ns) / 2, 0.0, since_ns, True, abs(upper_ns - lower_ns) / 2)
    elapsed_ns = times_ns - since_ns
    ahead_ns, drift = _line_through_windows(distances_ns, is_upper, elapsed_ns, _windows(bounds, since_ns))
    remaining_ns = distances_ns - (ahead_ns + drift * elapsed_ns)
    width_ns = max(float(remaining_ns[is_upper].min()), 0.0) - min(float(remaining_ns[~is_upper].max()), 0.0)
    return ClockLine(ahead_ns, drift, since_ns, abs(drift) <= MAX_DRIFT, width_ns / 2)


def _windows(bounds: DistanceBounds, since_ns: int) -> _Windows:
    distances_ns, is_upper, times_ns = bounds.distances_ns, bounds.is_upper, bounds.times_ns
    span_ns = int(times_ns.max() - since_ns)
    count = max(1, min(MAX_WINDOWS, len(times_ns) // (2 * MIN_BOUNDS_PER_WINDOW)))
    window = np.minimum((times_ns - since_ns) * count // (span_ns + 1), count - 1).astype(np.int64)
    unbounded_ns = np.iinfo(np.int64).max // 4
    upper_ns, lower_ns = np.full(count, unbounded_ns), np.full(count, -unbounded_ns)
    np.minimum.at(upper_ns, window[is_upper], distances_ns[is_upper])
    np.maximum.at(lower_ns, window[~is_upper], distances_ns[~is_upper])
    return _Windows(window, upper_ns, lower_ns, (upper_ns < unbounded_ns) & (lower_ns > -unbounded_ns))


def _line_through_windows(
    distances_ns: Values, is_upper: Mask, elapsed_ns: Values, windows: _Windows
) -> tuple[float, float]:
    """Distance in ns at the beginning, and its drift, through the middles between the bounds of each window."""
    # The tightest bounds of a window are at different times, between which the clocks drift: each round chooses them
    # by their distance from the line of the round before.
    ahead_ns, drift = 0.0, 0.0
    for _ in range(LINE_ROUNDS):
        remaining_ns = distances_ns - (ahead_ns + drift * elapsed_ns)
        middles, times, weights = [], [], []
        for window in np.flatnonzero(windows.has_both).tolist():
            is_inside = windows.of_bound == window
            uppers, lowers = np.flatnonzero(is_inside & is_upper), np.flatnonzero(is_inside & ~is_upper)
            upper, lower = uppers[np.argmin(remaining_ns[uppers])], lowers[np.argmax(remaining_ns[lowers])]
            middles.append((remaining_ns[upper] + remaining_ns[lower]) / 2)
            times.append((elapsed_ns[upper] + elapsed_ns[lower]) / 2)
            weights.append(1 / (abs(float(remaining_ns[upper] - remaining_ns[lower])) + 1000.0))
        if not middles:
            return (float(windows.upper_ns.min()) + float(windows.lower_ns.max())) / 2, drift
        y, x, w = np.array(middles), np.array(times), np.array(weights)
        x_mean, y_mean = np.average(x, weights=w), np.average(y, weights=w)
        spread = np.average((x - x_mean) ** 2, weights=w)
        slope = float(np.average((x - x_mean) * (y - y_mean), weights=w) / spread) if spread > 0 else 0.0
        ahead_ns, drift = ahead_ns + float(y_mean - slope * x_mean), drift + slope
    return ahead_ns, drift
