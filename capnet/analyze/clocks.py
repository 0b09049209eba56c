"""Which points' clocks disagree, by how much, and does it change?

Hosts have clocks of their own, and so have files of unknown origin. A packet seen under two clocks bounds the distance
between them: it cannot arrive before it was sent. Packets one way bound it from above, packets the other way from below
(Paxson 1998). Where the bounds allow no distance at all, nothing is corrected; where they exclude that, the middle
between them is the estimate, a line over time if no constant satisfies all of them. Hosts in one file are taken to have
one clock as long as their packets allow it.

Which way a packet went is told by its TTL, and where that is equal by its conversation: of the two directions, the one
with the larger difference (time there minus time here) goes there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from capnet.analyze.arrays import distinct, row_hash
from capnet.analyze.bridges import ports_first
from capnet.analyze.columns import (
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_LAST,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_TIME,
    OBS_TTL,
)
from capnet.analyze.context import Context
from capnet.analyze.rows import host_of

# Time stamps are cut off at a microsecond or taken a little late: less than this is no disagreement.
TOLERANCE_NS = 20_000
WINDOWS = 32  # parts of the common time in which the distance is bounded apart
FEWEST = 4  # bounds of either kind that a window should hold


@dataclass(frozen=True)
class Clock:
    """One clock and its distance to the reference clock: how far ahead it is, in ns, at `since` and by rate."""

    name: str
    ahead: float = 0.0
    drift: float = 0.0  # ns per ns
    since: int = 0
    corrected: bool = False  # proven to disagree with the reference
    sure: bool = True  # bounded from both sides: delays to other clocks mean something
    uncertainty: float = 0.0  # ns
    pairs: int = 0  # packets compared
    reference: str = ""
    span: int = 0  # ns over which it was compared

    def at(self, time: np.ndarray) -> np.ndarray:
        """Distance at times of this clock, whole ns."""
        return np.rint(self.ahead + self.drift * (time - self.since)).astype(np.int64)


class Clocks:
    """The clocks of a capture: `of_point[i]` is the clock of point i, an index into `all`."""

    def __init__(self, of_point: np.ndarray, clocks: list[Clock]) -> None:
        self.of_point = of_point
        self.all = clocks

    @property
    def any_corrected(self) -> bool:
        return any(clock.corrected for clock in self.all)

    def of_flows(self, context: Context) -> np.ndarray:
        """Per flow row: its clock."""
        return self.of_point[context.flows[:, FLOW_POINT]]

    def corrected(self, time: np.ndarray, clock: np.ndarray) -> np.ndarray:
        """Times of the clocks with these indexes, in the time of the reference clock."""
        if not self.any_corrected:
            return time
        time = time.copy()
        for index, each in enumerate(self.all):
            if each.corrected:
                mine = clock == index
                time[mine] -= each.at(time[mine])
        return time

    def sure(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Does a time under clock `one` compare with one under clock `two` (arrays of indexes)?"""
        known = np.array([clock.sure for clock in self.all] or [True])
        return (one == two) | (known[one] & known[two])


def clocks(context: Context) -> Clocks:
    """The clocks of this capture; computed once per context."""
    if context.clocks is None:
        context.clocks = _clocks(context)
    return context.clocks


def flow_spans(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Per flow row: first and last time, under one clock."""
    known = clocks(context)
    clock = known.of_flows(context)
    return (known.corrected(context.flows[:, column], clock) for column in (FLOW_FIRST, FLOW_LAST))  # type: ignore[return-value]


def _clocks(context: Context) -> Clocks:
    hosts = [(point.file, host_of(point.name) or "") for point in context.points]
    distinct = list(dict.fromkeys(hosts))
    of_point = np.array([distinct.index(each) for each in hosts] or [0], dtype=np.int64)
    names = [host or file for file, host in distinct] or [""]
    names = [name if names.count(name) == 1 else f"{name} in {distinct[i][0]}" for i, name in enumerate(names)]
    plain = [Clock(name) for name in names]
    if len(plain) < 2 or not len(context.observations):
        return Clocks(of_point, plain)
    return Clocks(of_point, _chained(plain, [file for file, _ in distinct], _bounds(context, of_point)))


@dataclass(frozen=True)
class _Bounds:
    """Packets seen under clocks `one` and `two` (indexes, one < two): their distance (two - one) at `time` of `two`.

    `upper`: the packet went from one to two, so that the clocks' distance is at most `distance`; else at least that.
    """

    one: np.ndarray
    two: np.ndarray
    time: np.ndarray
    distance: np.ndarray
    upper: np.ndarray


def _bounds(context: Context, of_point: np.ndarray) -> _Bounds:
    seen = ports_first(context, context.observations)
    clock = of_point[context.flows[seen[:, OBS_FLOW], FLOW_POINT]]
    order = np.lexsort((seen[:, OBS_TIME], clock, seen[:, OBS_DIGEST]))
    seen, clock = seen[order], clock[order]
    digest = seen[:, OBS_DIGEST]

    # A digest that any flow repeats tells packets apart no more.
    pairs = row_hash(seen[:, [OBS_DIGEST, OBS_FLOW]])
    _, inverse, count = np.unique(pairs, return_inverse=True, return_counts=True)
    fresh = np.ones(len(seen), dtype=bool)
    fresh[1:] = digest[1:] != digest[:-1]
    group = np.cumsum(fresh) - 1
    spoiled = np.zeros(group[-1] + 1 if len(group) else 0, dtype=bool)
    spoiled[group[count[inverse.reshape(-1)] > 1]] = True

    # One row per packet and clock: its first and last sight there, its highest and lowest TTL.
    starts = np.flatnonzero(fresh | np.append(True, clock[1:] != clock[:-1]))
    if not len(starts):
        nothing = np.zeros(0, dtype=np.int64)
        return _Bounds(nothing, nothing, nothing, nothing, nothing.astype(bool))
    ends = np.append(starts[1:], len(seen)) - 1
    low = np.minimum.reduceat(seen[:, OBS_TTL], starts)
    high = np.maximum.reduceat(seen[:, OBS_TTL], starts)
    both = np.flatnonzero((group[starts[1:]] == group[starts[:-1]]) & ~spoiled[group[starts[1:]]])
    a, b = both, both + 1

    forward = np.sign(low[a] - low[b])  # 1: from a to b, whose TTL is lower
    forward = np.where(forward == 0, np.sign(high[a] - high[b]), forward)
    forward = np.where(forward == 0, _by_conversation(context, of_point, seen, starts[a], starts[b], forward), forward)
    known = np.flatnonzero(forward != 0)
    a, b, upper = a[known], b[known], forward[known] > 0
    here = np.where(upper, seen[ends[a], OBS_TIME], seen[starts[a], OBS_TIME])
    there = np.where(upper, seen[starts[b], OBS_TIME], seen[ends[b], OBS_TIME])
    return _Bounds(clock[starts[a]], clock[starts[b]], there, there - here, upper)


def _by_conversation(
    context: Context, of_point: np.ndarray, seen: np.ndarray, a: np.ndarray, b: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """1: from a to b, -1: from b to a, 0: only one direction was seen; for packets `seen[a]` that are `seen[b]`.

    The two directions of a conversation differ by what both ways take together, which is more than nothing. `known`:
    nonzero where that is needed no more.
    """
    flows = context.flows
    source = [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_SPORT]
    target = [FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
    proto = flows[:, [FLOW_PROTO]]
    onward = row_hash(np.hstack([flows[:, source + target], proto]))
    backward = row_hash(np.hstack([flows[:, target + source], proto]))
    conversation = np.minimum(onward, backward)
    turned = onward > backward
    row_a, row_b = seen[a, OBS_FLOW], seen[b, OBS_FLOW]
    usable = (onward[row_a] == onward[row_b]) & (onward[row_a] != backward[row_a]) & (known == 0)
    clock_pair = of_point[flows[row_a, FLOW_POINT]] * len(context.points) + of_point[flows[row_b, FLOW_POINT]]
    key = row_hash(np.stack([conversation[row_a].astype(np.int64), clock_pair], axis=1))
    result = np.zeros(len(a), dtype=np.int64)
    rows = np.flatnonzero(usable)
    if not len(rows):
        return result
    # Neighbours in time in opposite directions are compared, so that drift does not matter; the majority says.
    time = seen[b[rows], OBS_TIME]
    rows = rows[np.lexsort((time, key[rows]))]
    distance = seen[b[rows], OBS_TIME] - seen[a[rows], OBS_TIME]
    same = key[rows[1:]] == key[rows[:-1]]
    opposite = np.flatnonzero(same & (turned[row_a[rows[1:]]] != turned[row_a[rows[:-1]]]))
    _, index = np.unique(key[rows], return_inverse=True)
    index = index.reshape(-1)
    # +1 when the direction that is not turned is the one from a to b.
    vote = np.sign(distance[opposite + 1] - distance[opposite]) * np.where(turned[row_a[rows[opposite + 1]]], -1, 1)
    says = np.zeros(index.max() + 1, dtype=np.int64)
    np.add.at(says, index[opposite], vote.astype(np.int64))
    result[rows] = np.sign(says[index]) * np.where(turned[row_a[rows]], -1, 1)
    return result


def _chained(clocks_: list[Clock], files: list[str], bounds: _Bounds) -> list[Clock]:
    """Every clock's distance to a reference: the first clock of each group that packets connect."""
    found = list(clocks_)
    edges: dict[tuple[int, int], np.ndarray] = {}
    code = bounds.one * len(clocks_) + bounds.two
    for pair in distinct(code).tolist():
        one, two = divmod(pair, len(clocks_))
        edges[one, two] = np.flatnonzero(code == pair)
    placed: set[int] = set()
    for start in range(len(clocks_)):
        if start in placed:
            continue
        mates = [found[each] for each in sorted(placed) if files[each] == files[start]]
        if mates:  # nothing is known of this one
            found[start] = replace(mates[0], name=clocks_[start].name, pairs=0, reference=mates[0].name)
        placed.add(start)
        queue = [start]
        while queue:
            at = queue.pop(0)
            nearby = [edge for edge in edges if at in edge and not placed >= set(edge)]
            for one, two in sorted(nearby, key=lambda edge: (-len(edges[edge]), edge)):
                other = two if one == at else one
                if other in placed:
                    continue
                placed.add(other)
                queue.append(other)
                rows = edges[one, two]
                sign = 1 if other == two else -1
                distance, upper = bounds.distance[rows] * sign, bounds.upper[rows] if sign > 0 else ~bounds.upper[rows]
                time = bounds.time[rows] - (0 if sign > 0 else bounds.distance[rows])
                near = found[at]
                if near.corrected:
                    distance = distance + near.at(time - distance)
                mates = [found[each] for each in sorted(placed) if files[each] == files[other] and each != other]
                found[other] = _fit(clocks_[other].name, near, mates, distance, upper, time)
    return found


def _fit(
    name: str, near: Clock, mates: list[Clock], distance: np.ndarray, upper: np.ndarray, time: np.ndarray
) -> Clock:
    """The clock `name` by its bounds: `distance` at `time` is an upper bound or a lower one; `mates`: of its file."""
    reference = near.reference or near.name
    start, span = int(time.min()), int(time.max() - time.min())
    count = max(1, min(WINDOWS, len(time) // (2 * FEWEST)))
    window = np.minimum((time - start) * count // (span + 1), count - 1).astype(np.int64)
    nowhere = np.iinfo(np.int64).max // 4
    above = np.full(count, nowhere)
    below = np.full(count, -nowhere)
    np.minimum.at(above, window[upper], distance[upper])
    np.maximum.at(below, window[~upper], distance[~upper])
    two_sided = bool(upper.any() and (~upper).any())
    bounded = {"pairs": len(distance), "reference": reference, "span": span, "since": start}
    for mate in [*mates, Clock(reference)]:
        left = distance - mate.at(time)
        if (left[upper] >= -TOLERANCE_NS).all() and (left[~upper] <= TOLERANCE_NS).all():
            return replace(mate, name=name, pairs=len(distance), reference=reference, span=span)
    high, low = above < nowhere, below > -nowhere
    if not two_sided:
        # At least this much; a microsecond more keeps the order of the hops.
        ahead = float(above.min() - 1000 if upper.any() else below.max() + 1000)
        return Clock(name, ahead, corrected=True, sure=False, **bounded)  # type: ignore[arg-type]
    if below.max() <= above.min() + TOLERANCE_NS:
        ahead, gap = (below.max() + above.min()) / 2, (above.min() - below.max()) / 2
        return Clock(name, float(ahead), 0.0, corrected=True, sure=near.sure, uncertainty=abs(float(gap)), **bounded)  # type: ignore[arg-type]
    ahead, drift = _line(distance, upper, time - start, window, high & low, above, below)
    left = distance - (ahead + drift * (time - start))
    gap = max(float(left[upper].min()), 0.0) - min(float(left[~upper].max()), 0.0)
    return Clock(name, ahead, drift, corrected=True, sure=near.sure, uncertainty=gap / 2, **bounded)  # type: ignore[arg-type]


def _line(
    distance: np.ndarray,
    upper: np.ndarray,
    time: np.ndarray,
    window: np.ndarray,
    usable: np.ndarray,
    above: np.ndarray,
    below: np.ndarray,
) -> tuple[float, float]:
    """Distance at time 0 and its change per ns, through the middles between the bounds of each window."""
    # The tightest bounds of a window are at different times, between which the clocks drift: refined against the line.
    ahead, drift = 0.0, 0.0
    for _ in range(4):
        left = distance - (ahead + drift * time)
        middles, times, weights = [], [], []
        for number in np.flatnonzero(usable).tolist():
            mine = window == number
            ups, downs = np.flatnonzero(mine & upper), np.flatnonzero(mine & ~upper)
            up, down = ups[np.argmin(left[ups])], downs[np.argmax(left[downs])]
            middles.append((left[up] + left[down]) / 2)
            times.append((time[up] + time[down]) / 2)
            weights.append(1 / (abs(float(left[up] - left[down])) + 1000.0))
        if not middles:
            return (float(above.min()) + float(below.max())) / 2, drift
        y, x, w = np.array(middles), np.array(times), np.array(weights)
        x_mean, y_mean = np.average(x, weights=w), np.average(y, weights=w)
        spread = np.average((x - x_mean) ** 2, weights=w)
        slope = float(np.average((x - x_mean) * (y - y_mean), weights=w) / spread) if spread > 0 else 0.0
        ahead, drift = ahead + float(y_mean - slope * x_mean), drift + slope
    return ahead, drift
