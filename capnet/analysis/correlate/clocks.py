"""Which points' clocks disagree, by how much, and does it change?

Hosts have clocks of their own, and so have files of unknown origin. A packet seen under two clocks bounds the distance
between them: it cannot arrive before it was sent. Packets one way bound it from above, packets the other way from below
(Paxson 1998). Where the bounds allow no distance at all, nothing is corrected; where they exclude that, the middle
between them is the estimate, a line over time if no constant satisfies all of them, and several of those where not even
a clock that drifts does: it was set while packets were recorded. Hosts in one file are taken to have one clock as long
as their packets allow it. Where packets passed one way only, two files of hosts that nobody knows compare only if the
delay is one that could not be chance.

Which way a packet went is told by its TTL, and where that is equal by its conversation: of the two directions, the one
with the larger difference (time there minus time here) goes there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from capnet.analysis.core.arrays import distinct, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import (
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
    OBS_SEQ,
    OBS_TIME,
    OBS_TTL,
)
from capnet.analysis.correlate.bridge_order import ports_first

# Time stamps are cut off at a microsecond or taken a little late: less than this is no disagreement.
TOLERANCE_NS = 20_000
WINDOWS = 32  # parts of the common time in which the distance is bounded apart
FEWEST = 4  # bounds of either kind that a window should hold
MOST_DRIFT = 1e-3  # ns per ns, ten times what bad oscillators do (and twice what Linux slews by): more is a step
MOST_STEPS = 8  # more, and it is no clock
LONGEST_NS = 1_000_000_000  # by which every packet is late on a way, at most; more is a clock's doing
NEARBY_NS = 1_000_000  # clocks that nothing connects agree as well as that only if they are one


@dataclass(frozen=True)
class Step:
    """A clock was set: from then on it is `ahead` at `since`, and drifts.

    `begin`: by its own time; `row`: by the rows of the input.
    """

    begin: int
    row: int
    ahead: float
    drift: float
    since: int


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
    bound: str = ""  # packets went one way: `ahead` is the distance "at least" or "at most"
    steps: tuple[Step, ...] = ()  # in their order

    def at(self, time: np.ndarray, row: np.ndarray | None = None) -> np.ndarray:
        """Distance at times of this clock, whole ns. `row`: of the input, by which a time that came twice is told."""
        distance = self.ahead + self.drift * (time - self.since)
        for step in self.steps:
            later = time >= step.begin if row is None else row >= step.row
            distance = np.where(later, step.ahead + step.drift * (time - step.since), distance)
        return np.rint(distance).astype(np.int64)


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

    def corrected(self, time: np.ndarray, clock: np.ndarray, row: np.ndarray | None = None) -> np.ndarray:
        """Times of the clocks with these indexes, in the time of the reference clock. `row`: see `Clock.at`."""
        if not self.any_corrected:
            return time
        time = time.copy()
        for index, each in enumerate(self.all):
            if each.corrected:
                mine = clock == index
                time[mine] -= each.at(time[mine], None if row is None else row[mine])
        return time

    def observed(self, context: Context, seen: np.ndarray) -> np.ndarray:
        """Times of these observations, in the time of the reference clock."""
        every = context.sample_share == 1.0  # in a sample, the first packets of flows have no row
        return self.corrected(
            seen[:, OBS_TIME], self.of_flows(context)[seen[:, OBS_FLOW]], seen[:, OBS_SEQ] if every else None
        )

    def sure(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Does a time under clock `one` compare with one under clock `two` (arrays of indexes)?"""
        known = np.array([clock.sure for clock in self.all] or [True])
        return (one == two) | (known[one] & known[two])


def flow_spans(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Per flow row: first and last time, under one clock."""
    known = clocks(context)
    clock = known.of_flows(context)
    return (known.corrected(context.flows[:, column], clock) for column in (FLOW_FIRST, FLOW_LAST))  # type: ignore[return-value]


@derived
def clocks(context: Context) -> Clocks:
    """The clocks of this capture: one for each host of each file."""
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
    rows: tuple[np.ndarray, np.ndarray]  # of the input: under clock `one`, under clock `two`


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
        return _Bounds(nothing, nothing, nothing, nothing, nothing.astype(bool), (nothing, nothing))
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
    row = np.minimum.reduceat(seen[:, OBS_SEQ], starts)
    return _Bounds(clock[starts[a]], clock[starts[b]], there, there - here, upper, (row[a], row[b]))


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
                row = bounds.rows[sign > 0][rows]
                near = found[at]
                if near.corrected:
                    distance = distance + near.at(time - distance)
                mates = [found[each] for each in sorted(placed) if files[each] == files[other] and each != other]
                found[other] = _fit(clocks_[other].name, near, mates, distance, upper, time, row)
    return found


def _fit(
    name: str,
    near: Clock,
    mates: list[Clock],
    distance: np.ndarray,
    upper: np.ndarray,
    time: np.ndarray,
    row: np.ndarray,
) -> Clock:
    """The clock `name` by its bounds: `distance` at `time` is an upper bound or a lower one; `mates`: of its file."""
    reference = near.reference or near.name
    start, span = int(time.min()), int(time.max() - time.min())
    two_sided = bool(upper.any() and (~upper).any())
    bounded = {"pairs": len(distance), "reference": reference, "span": span}
    for mate in [*mates, Clock(reference)]:
        left = distance - mate.at(time)
        if (left[upper] >= -TOLERANCE_NS).all() and (left[~upper] <= TOLERANCE_NS).all():
            late = int(np.abs(left).min())
            if two_sided or late <= (LONGEST_NS if mate in mates else NEARBY_NS):
                return replace(mate, name=name, pairs=len(distance), reference=reference, span=span)
            if late <= LONGEST_NS:  # a long way, or two clocks: nobody can tell
                return replace(mate, name=name, sure=False, pairs=len(distance), reference=reference, span=span)
    if not two_sided:
        # The distance or more where they contradict, else the distance or less; a microsecond keeps the order of hops.
        ahead = float(distance.min() - 1000 if upper.any() else distance.max() + 1000)
        bound = "at least" if (ahead < 0) == bool(upper.any()) else "at most"
        return Clock(name, ahead, since=start, corrected=True, sure=False, bound=bound, **bounded)  # type: ignore[arg-type]
    pieces = _pieces(distance, upper, time, row)
    evens = [_even(distance[piece], upper[piece], time[piece]) for piece in pieces]
    steps = tuple(
        Step(int(time[piece].min()), int(row[piece].min()), even.ahead, even.drift, even.since)
        for piece, even in zip(pieces[1:], evens[1:], strict=True)
    )
    return Clock(
        name,
        evens[0].ahead,
        evens[0].drift,
        since=evens[0].since,
        corrected=True,
        sure=near.sure and all(even.sure for even in evens),
        uncertainty=max(even.uncertainty for even in evens),
        steps=steps,
        **bounded,  # type: ignore[arg-type]
    )


def _pieces(distance: np.ndarray, upper: np.ndarray, time: np.ndarray, row: np.ndarray) -> list[np.ndarray]:
    """The bounds, as indexes, in as many pieces as there are times between which the clock was set.

    No clock that only drifts is more than an upper bound says, and soon afterwards less than a lower one says.
    """
    order = np.argsort(row, kind="stable")
    values, above = distance[order].astype(np.float64), upper[order]
    grows = MOST_DRIFT * np.maximum.accumulate(time[order] - time[order[0]])
    starts = [0]
    while len(starts) <= MOST_STEPS:
        at = starts[-1]
        here, up, late = values[at:], above[at:], grows[at:]
        least = np.minimum.accumulate(np.where(up, here - late, np.inf))
        most = np.maximum.accumulate(np.where(up, -np.inf, here + late))
        broken = np.where(up, most > here + late + TOLERANCE_NS, here - late - TOLERANCE_NS > least)
        first = int(np.argmax(broken))
        if not broken[first]:
            return np.split(order, starts[1:])
        # Bounds of the other kind just before it hold on either side: they belong to the nearer one.
        other = np.flatnonzero(up[:first] == up[first])
        old = here[other[-1]] if len(other) else here[0]
        kind = up[first]
        while first > 1 and up[first - 1] != kind and abs(here[first - 1] - here[first]) < abs(here[first - 1] - old):
            first -= 1
        starts.append(at + first)
    return [order]  # no clock at all


@dataclass(frozen=True)
class _Even:
    """A clock between two times at which it was set."""

    ahead: float
    drift: float
    since: int
    sure: bool
    uncertainty: float


def _even(distance: np.ndarray, upper: np.ndarray, time: np.ndarray) -> _Even:
    start, span = int(time.min()), int(time.max() - time.min())
    if not (upper.any() and (~upper).any()):
        return _Even(float(distance.min() if upper.any() else distance.max()), 0.0, start, False, 0.0)
    highest, lowest = int(distance[upper].min()), int(distance[~upper].max())
    if lowest <= highest + TOLERANCE_NS:
        return _Even((lowest + highest) / 2, 0.0, start, True, abs(highest - lowest) / 2)
    count = max(1, min(WINDOWS, len(time) // (2 * FEWEST)))
    window = np.minimum((time - start) * count // (span + 1), count - 1).astype(np.int64)
    nowhere = np.iinfo(np.int64).max // 4
    above, below = np.full(count, nowhere), np.full(count, -nowhere)
    np.minimum.at(above, window[upper], distance[upper])
    np.maximum.at(below, window[~upper], distance[~upper])
    usable = (above < nowhere) & (below > -nowhere)
    ahead, drift = _line(distance, upper, time - start, window, usable, above, below)
    left = distance - (ahead + drift * (time - start))
    gap = max(float(left[upper].min()), 0.0) - min(float(left[~upper].max()), 0.0)
    return _Even(ahead, drift, start, abs(drift) <= MOST_DRIFT, gap / 2)


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
