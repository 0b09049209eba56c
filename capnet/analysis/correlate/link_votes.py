"""Which links between flows stand, by the votes of packets that were seen at two hops.

Input: for each such packet the flow of the hop before and the flow of the hop after: one vote for that pair of flows.
Output: pairs that are links, as indexes of the pairs.
Method: a pair is a main link if it is the best one of both its flows. Votes of packets that seem to jump over a hop
go to the pairs in between. A flow some of whose packets take another way has side links.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import is_one_of, numbered
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.quick_tuple import NamedTuple

MAX_SEGMENTS = 64  # that one packet is cut into: 64 KiB in segments of about 1 KiB
MAX_HOPS_BETWEEN = 6  # hops in a row at which a packet is whole that is in segments before and behind them
MAX_WAYS = 64  # examined for each pair that jumps over hops
MAX_HOPS_BEHIND = 64  # followed behind the place where a path forks or joins another one; bounds the work
MIN_SIDE_VOTES = 2  # packets that equal no other one; a single one may be chance


class PairVotes(NamedTuple):
    """Distinct pairs of flow rows, in order, and their votes."""

    pairs: FlowRows  # (pairs, 2): the hop before and the hop after
    pair_of_vote: Values
    counts: Values  # votes of each pair


def count_votes(earlier_flows: FlowRows, later_flows: FlowRows, flow_count: int) -> PairVotes:
    """The distinct pairs, and how many votes each has."""
    codes, pair_of_vote = numbered(earlier_flows * max(flow_count, 1) + later_flows)
    counts = np.bincount(pair_of_vote, minlength=len(codes))
    return PairVotes(np.stack(np.divmod(codes, max(flow_count, 1)), axis=1), pair_of_vote, counts)


def without_detours(pairs: FlowRows, counts: Values) -> Values:
    """Votes of each pair, those from a hop to one further on given to the pairs in between.

    A segment or a later fragment is not seen where it was part of a whole: it seems to jump from the hop before to the
    hop after. The first segment shows that there are hops between.
    """
    if not len(pairs):
        return counts
    has_fork = np.bincount(pairs[:, 0])[pairs[:, 0]] > 1
    has_join = np.bincount(pairs[:, 1])[pairs[:, 1]] > 1
    detours = np.flatnonzero(has_fork & has_join).tolist()
    if not detours:
        return counts
    targets = pairs[:, 1].tolist()
    starts = np.searchsorted(pairs[:, 0], np.arange(pairs.max() + 2)).tolist()  # pairs are in order of their source
    votes = counts.tolist()
    for detour in detours:
        between = _pairs_between(starts, targets, votes, int(pairs[detour, 0]), detour)
        for pair in between:
            votes[pair] += votes[detour]
        if between:
            votes[detour] = 0
    return np.array(votes, dtype=np.int64)


def _pairs_between(starts: list[int], targets: list[int], votes: list[int], source: int, detour: int) -> list[int]:
    """Pairs that lead step by step, in two steps at least, where the pair `detour` leads at once; empty if none do.

    Pairs `starts[flow]` up to `starts[flow + 1]` lead from a flow to `targets`.
    """
    ways: list[tuple[int, list[int]]] = [(source, [])]
    for flow, way in ways:  # the list grows; the shortest ways come first
        for pair in range(starts[flow], starts[flow + 1]):
            if pair == detour or votes[pair] * MAX_SEGMENTS < max(votes[detour], 1):
                continue
            if way and targets[pair] == targets[detour]:
                return [*way, pair]
            if len(way) < MAX_HOPS_BETWEEN and len(ways) < MAX_WAYS and targets[pair] != targets[detour]:
                ways.append((targets[pair], [*way, pair]))
    return []


def main_pairs(pairs: FlowRows, counts: Values) -> Values:
    """Indexes of pairs that are the best one of both their flows, but for those that close a circle."""
    voted = np.flatnonzero(counts)

    def best(of: int, other: int) -> Values:
        order = voted[np.lexsort((pairs[voted, other], -counts[voted], pairs[voted, of]))]
        return order[_is_first(pairs[order, of])]

    both = np.sort(np.concatenate([best(0, 1), best(1, 0)]))  # a pair that is the best of both its flows stands twice
    main = both[1:][both[1:] == both[:-1]]
    return main[~is_one_of(main, _weakest_of_circles(pairs, counts, main))]


def side_pairs(pairs: FlowRows, counts: Values, clear_votes: Values, main: Values, flow_count: int) -> Values:
    """Indexes of pairs beside the main ones: those by which a flow forks, then those by which flows join.

    Two translations may follow each other under one address (the connection table forgot the first one, a port was
    used again), or two interfaces share one connection: packets go on by either. `clear_votes`: votes of each pair by
    packets that equal no other one. A side pair has MIN_SIDE_VOTES of them and is the best of its own flow.
    """
    source, target = pairs[:, 0], pairs[:, 1]
    after, before = (np.full(flow_count, -1) for _ in range(2))
    after[source[main]], before[target[main]] = target[main], source[main]
    may_be_link = (counts > 0) & (clear_votes >= MIN_SIDE_VOTES)
    may_be_link[main] = False
    is_fork = may_be_link & (after[source] >= 0) & (before[target] < 0)
    is_join = may_be_link & (after[source] < 0) & (before[target] >= 0)
    side = [pair for pair in _best_of_flow(is_fork, target, clear_votes) if not _leads_back(after, pairs[pair])]
    for pair in _best_of_flow(is_join, source, clear_votes):
        if not _leads_back(after, pairs[pair]):
            after[source[pair]] = target[pair]
            side.append(pair)
    return np.array(side, dtype=np.int64)


def _best_of_flow(is_candidate: Mask, flow_of_pair: FlowRows, clear_votes: Values) -> list[int]:
    """The candidate with the most clear votes of each flow, in order of the flows."""
    candidates = np.flatnonzero(is_candidate)
    candidates = candidates[np.lexsort((candidates, -clear_votes[candidates], flow_of_pair[candidates]))]
    best: list[int] = candidates[_is_first(flow_of_pair[candidates])].tolist()
    return best


def _leads_back(after: FlowRows, pair: FlowRows) -> bool:
    """Whether the path behind a pair comes back to the pair's source within MAX_HOPS_BEHIND hops, or goes on longer."""
    source, flow = pair.tolist()
    hops = 0
    while flow >= 0 and flow != source and hops < MAX_HOPS_BEHIND:
        flow, hops = int(after[flow]), hops + 1
    return bool(flow >= 0)


def _is_first(values: Values) -> Mask:
    """For each of sorted values: is it the first of its kind?"""
    result = np.ones(len(values), dtype=bool)
    result[1:] = values[1:] != values[:-1]
    return result


def _have_circle(pairs: FlowRows) -> bool:
    """Do pairs lead in a circle, of which each flow is the first flow of one at most, and the second of one?"""
    if not len(pairs):
        return False
    pair_from = np.full(int(pairs.max()) + 1, -1)
    pair_from[pairs[:, 0]] = np.arange(len(pairs))
    ahead = pair_from[pairs[:, 1]]  # of each pair the next one, then those 2, 4, 8 pairs ahead; -1: there is none
    for _ in range(len(pairs).bit_length()):
        if (ahead < 0).all():
            return False
        ahead = np.where(ahead >= 0, ahead[ahead], -1)
    return True


def _weakest_of_circles(pairs: FlowRows, counts: Values, main: Values) -> list[int]:
    """The weakest pair of each circle that links make: a repeated payload seems to lead from the last hop to the first.

    Pairs that lead from or to no circle are taken away first.
    """
    if not _have_circle(pairs[main]):
        return []
    pair_from = dict(zip(pairs[main, 0].tolist(), main.tolist(), strict=True))
    for flow in pair_from.keys() - set(pairs[main, 1].tolist()):
        while flow in pair_from:
            flow = int(pairs[pair_from.pop(flow), 1])
    weakest = []
    while pair_from:
        flow, circle = next(iter(pair_from)), []
        while flow in pair_from:
            circle.append(pair_from.pop(flow))
            flow = int(pairs[circle[-1], 1])
        weakest.append(min(circle, key=lambda pair: (int(counts[pair]), pair)))
    return weakest
