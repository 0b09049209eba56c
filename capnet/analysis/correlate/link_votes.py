"""Packets that were found at two hops vote for a link between their flows: which links stand?

The best one of each flow in both directions. What only seems to jump over a hop votes for the links in between.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import one_of

# Pieces that one packet is cut into: 64 KiB in segments of about 1 KiB.
MOST_PIECES = 64

# Hops in a row at which pieces are one whole.
MOST_BETWEEN = 6
MOST_WAYS = 64  # looked at

MOST_BEHIND = 64  # hops that are followed behind where a way leaves another one or joins it

FEWEST_ASIDE = 2  # packets that nothing else resembles, by which a side way is told


def unique_pairs(votes: np.ndarray, flows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (source, target) pairs, which of them each vote is for, and their votes."""
    code, inverse, count = np.unique(votes[:, 0] * max(flows, 1) + votes[:, 1], return_inverse=True, return_counts=True)
    return np.stack(np.divmod(code, max(flows, 1)), axis=1), inverse.reshape(-1), count


def without_detours(pairs: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The votes, those from a hop to one further on given to the links between them.

    A piece of a segment, or a later fragment, is not found where it was part of a whole: it seems to jump from the hop
    before to the hop after. The first piece shows that there are hops between.
    """
    forks = np.bincount(pairs[:, 0])[pairs[:, 0]] > 1 if len(pairs) else np.zeros(0, dtype=bool)
    joins = np.bincount(pairs[:, 1])[pairs[:, 1]] > 1 if len(pairs) else forks
    detours = np.flatnonzero(forks & joins).tolist()
    if not detours:
        return count
    onward = pairs[:, 1].tolist()
    starts = np.searchsorted(pairs[:, 0], np.arange(pairs.max() + 2)).tolist()  # pairs are in order of their source
    votes = count.tolist()
    for detour in detours:
        way = _between(starts, onward, votes, int(pairs[detour, 0]), detour)
        for number in way:
            votes[number] += votes[detour]
        if way:
            votes[detour] = 0
    return np.array(votes, dtype=np.int64)


def _between(starts: list[int], onward: list[int], votes: list[int], source: int, detour: int) -> list[int]:
    """Pairs that lead step by step, two at least, where the pair `detour` leads at once; empty if none do.

    Pairs `starts[flow]` up to `starts[flow + 1]` lead from a flow to `onward`.
    """
    ways: list[tuple[int, list[int]]] = [(source, [])]
    for at, way in ways:  # grows; the shortest come first
        for number in range(starts[at], starts[at + 1]):
            if number == detour or votes[number] * MOST_PIECES < max(votes[detour], 1):
                continue
            if way and onward[number] == onward[detour]:
                return [*way, number]
            if len(way) < MOST_BETWEEN and len(ways) < MOST_WAYS and onward[number] != onward[detour]:
                ways.append((onward[number], [*way, number]))
    return []


def best_both_ways(pairs: np.ndarray, count: np.ndarray, flows: int) -> np.ndarray:
    """Pairs whose target is the source's best and whose source is the target's best; no pair closes a circle."""

    voted = np.flatnonzero(count)

    def best(of: int, other: int) -> np.ndarray:
        order = voted[np.lexsort((pairs[voted, other], -count[voted], pairs[voted, of]))]
        first = np.ones(len(order), dtype=bool)
        first[1:] = pairs[order[1:], of] != pairs[order[:-1], of]
        return order[first]

    both = np.sort(np.concatenate([best(0, 1), best(1, 0)]))  # each has a pair once
    kept = both[1:][both[1:] == both[:-1]]
    return kept[~one_of(kept, _closing(pairs, count, kept))]


def side_ways(
    pairs: np.ndarray, count: np.ndarray, sure: np.ndarray, kept: np.ndarray, flows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs beside those that were kept: (where a flow forks, where flows join), as indexes of pairs.

    Two translations may follow each other under one address (a connection table forgot the first one, a port was used
    again), two cards may share one connection: some packets go on here, the others there. `sure`: per pair, votes of
    packets that nothing else resembles; FEWEST_ASIDE of them, and the best of its own flow, make a side way.
    """
    after, before = (np.full(flows, -1) for _ in range(2))
    after[pairs[kept, 0]], before[pairs[kept, 1]] = pairs[kept, 1], pairs[kept, 0]
    may_be = (count > 0) & (sure >= FEWEST_ASIDE)
    may_be[kept] = False
    fork = may_be & (after[pairs[:, 0]] >= 0) & (before[pairs[:, 1]] < 0)
    join = may_be & (after[pairs[:, 0]] < 0) & (before[pairs[:, 1]] >= 0)
    forks: list[int] = []
    joins: list[int] = []
    for mask, end, found in ((fork, 1, forks), (join, 0, joins)):
        rows = np.flatnonzero(mask)
        rows = rows[np.lexsort((rows, -sure[rows], pairs[rows, end]))]
        first = np.ones(len(rows), dtype=bool)
        first[1:] = pairs[rows[1:], end] != pairs[rows[:-1], end]
        for pair in rows[first].tolist():
            source, target = pairs[pair].tolist()
            at, hops = target, 0  # no way may lead back to where it came from, as far as one is followed
            while at >= 0 and at != source and hops < MOST_BEHIND:
                at, hops = int(after[at]), hops + 1
            if at >= 0:
                continue
            if end == 1:
                before[target] = source
            else:
                after[source] = target
            found.append(pair)
    return np.array(forks, dtype=np.int64), np.array(joins, dtype=np.int64)


def _closing(pairs: np.ndarray, count: np.ndarray, kept: np.ndarray) -> list[int]:
    """Of each circle that links make (a repeated payload, from the last hop to the first), the weakest one."""
    onward = dict(zip(pairs[kept, 0].tolist(), kept.tolist(), strict=True))
    for start in onward.keys() - set(pairs[kept, 1].tolist()):
        while start in onward:
            start = int(pairs[onward.pop(start), 1])
    closing = []
    while onward:
        at, circle = next(iter(onward)), []
        while at in onward:
            circle.append(onward.pop(at))
            at = int(pairs[circle[-1], 1])
        closing.append(min(circle, key=lambda pair: (int(count[pair]), pair)))
    return closing
