"""Which packets of one hop are missing at the next one?

A packet whose digest is there arrived. One whose digest is not may still have arrived in other pieces: segmentation
offload and fragmentation cut the same octets differently at different points. So octets are compared: at each position
of the sequence space (of IP datagrams: identification and fragment offset), how often was it here, how often there?
Absence outside the time in which a point was listening proves nothing, and is counted apart.

Where only a sample of packets was compared, the flows' own counters still hold every octet: where both points listened
all along and recorded nothing twice, their difference is what was lost, however it was cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capnet.analysis.core.arrays import among, distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import (
    FLOW_FIRST_DIGEST,
    FLOW_FIRST_SEQ,
    FLOW_FRAGMENTS,
    FLOW_PAYLOAD,
    FLOW_POINT,
    FLOW_PROTO,
    OBS_BYTES,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_FROM,
    OBS_TIME,
)
from capnet.analysis.correlate.clocks import clocks, flow_spans
from capnet.analysis.correlate.duplicates import duplicates
from capnet.wire.numbers import TCP

_CIRCLE = 1 << 32  # sequence numbers
PIECES_NS = 1_000_000  # by which the pieces of a segment may follow its first one
_APART = 1 << 34  # between the positions of two links: no interval reaches from one to the next


@dataclass(frozen=True)
class Coverage:
    """Per link, packets of the hop before: at the next hop too, lost on the way, and so on."""

    matched: np.ndarray
    ambiguous: np.ndarray  # of the matched, those whose digest occurred more than once at their place
    missing: np.ndarray  # not there, though that point was listening; whole or in part
    # Octets of TCP sequence space or IP payload that are not there; in a sample, of transport payload, -1 if unknown.
    missing_bytes: np.ndarray
    outside: np.ndarray  # not there, at a time when that point was not listening
    observed: np.ndarray  # packets compared


@dataclass(frozen=True)
class Ways:
    """Links `source` → `target` (flow rows). A side link leads from or to a flow that another one has, its `main` one.

    `votes`: packets found at both ends; `fastest`, `slowest`: their shortest and longest delay (ns). `apart`: indexes
    of observations in flows of their own, and the link by which each of them came.
    """

    source: np.ndarray
    target: np.ndarray
    main: np.ndarray  # itself, if it is no side link; those come last
    votes: np.ndarray
    fastest: np.ndarray
    slowest: np.ndarray
    apart: tuple[np.ndarray, np.ndarray]

    @property
    def aside(self) -> np.ndarray:
        return np.flatnonzero(self.main != np.arange(len(self.main)))


def coverage(context: Context, seen: np.ndarray, rank: np.ndarray, ways: Ways, repeated: np.ndarray) -> Coverage:
    """Compare both ends of links.

    `seen`: observations in order of digest, without copies; `rank`: which repetition in its flow each one is;
    `repeated`: whether an observation's digest is ambiguous. What left by a side link did not get lost on the main one.
    """
    source, target, main = ways.source, ways.target, ways.main
    flows = len(context.flows)
    after, before = (np.full(flows, -1) for _ in range(2))
    back = np.arange(len(source))[::-1]
    after[source[back]] = back  # of several, the main link, which comes first, stays
    before[target[back]] = main[back]
    flow = seen[:, OBS_FLOW]
    fresh = np.ones(len(seen), dtype=bool)
    fresh[1:] = seen[1:, OBS_DIGEST] != seen[:-1, OBS_DIGEST]
    group = np.cumsum(fresh) - 1
    came_by = before[flow]
    came_by[ways.apart[0]] = main[ways.apart[1]]
    theirs = np.flatnonzero(came_by >= 0)
    links = max(len(source), 1)
    held, counts = _counted(group[theirs] * links + came_by[theirs])

    mine = np.flatnonzero(after[flow] >= 0)
    link = after[flow[mine]]
    wanted = group[mine] * links + main[link]
    at = np.minimum(np.searchsorted(held, wanted), max(len(held) - 1, 0))
    # The k-th packet with some digest is there when that hop has k of them.
    found = (held[at] == wanted) & (counts[at] > rank[mine]) if len(mine) else np.zeros(0, dtype=bool)
    first, last = (times[context.flows[target, FLOW_POINT]] for times in _listening(context))
    np.maximum.at(first, main[ways.aside], first[ways.aside])
    np.minimum.at(last, main[ways.aside], last[ways.aside])
    time = seen[mine, OBS_TIME]
    listening = time + np.maximum(ways.fastest[link], 0) >= first[link]
    listening &= time + np.maximum(ways.slowest[link], 0) <= last[link]

    lost = ~found & listening
    lost_bytes = np.zeros(len(target), dtype=np.int64)
    if context.sample_share == 1.0:
        # Only where something does not add up.
        whole = main[link]
        total = np.bincount(whole[listening], weights=seen[mine[listening], OBS_BYTES], minlength=len(target))
        other = np.bincount(came_by[theirs], weights=seen[theirs, OBS_BYTES], minlength=len(target))
        arrivals = np.bincount(came_by[theirs], minlength=len(target))
        odd = (total > other) | (arrivals != np.bincount(whole[found], minlength=len(target)))
        odd[whole[lost]] = True
        here = odd[whole] & listening
        theirs = theirs[odd[came_by[theirs]]]
        if here.any():
            sent = _positions(context, seen[mine[here]], whole[here], source)
            got = _positions(context, seen[theirs], came_by[theirs], source)
            lost[here], lost_bytes = _octets(sent, got, lost[here], len(target))

    if context.sample_share < 1.0:
        # The first packets of flows are followed besides the sample: they show ways, and count for no share.
        sampled = (seen[mine, OBS_DIGEST] >> 8) & (round(1 / context.sample_share) - 1) == 0
        lost &= sampled
        listening |= ~sampled
        lost_bytes = _by_counters(context, source, target, np.maximum(ways.slowest, 0) + PIECES_NS)
        lost_bytes[ways.aside] = lost_bytes[main[ways.aside]] = -1

    def tally(which: np.ndarray) -> np.ndarray:
        return np.bincount(link[which], minlength=len(target))

    matched, observed = tally(found), tally(np.ones(len(mine), dtype=bool))
    for fork in ways.aside.tolist():
        if after[source[fork]] != fork:  # its packets were counted with those of the main link
            votes = ways.votes[fork]
            for counted in (matched, observed):
                counted[main[fork]] -= min(votes, counted[main[fork]])
                counted[fork] = votes
    return Coverage(
        matched=matched,
        ambiguous=np.minimum(tally(found & repeated[mine]), matched),
        missing=tally(lost),
        missing_bytes=lost_bytes,
        outside=tally(~found & ~listening),
        observed=observed,
    )


def _counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values, sorted, and how often each occurs."""
    values = np.sort(values)
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    return values[starts], np.diff(np.append(starts, len(values)))


def _by_counters(context: Context, source: np.ndarray, target: np.ndarray, slowest: np.ndarray) -> np.ndarray:
    """Per link, octets of payload that its flows counted here and not there; -1 where the counters do not tell.

    They do where each point listened as long as the flow lasted at the other, where neither recorded packets twice, and
    where nothing but TCP was cut.
    """
    flows = context.flows
    first, last = _listening(context)
    begin, end = flow_spans(context)
    here, there = flows[source, FLOW_POINT], flows[target, FLOW_POINT]
    same_start = flows[source, FLOW_FIRST_DIGEST] == flows[target, FLOW_FIRST_DIGEST]
    known = same_start | ((first[there] <= begin[source]) & (first[here] <= begin[target] - slowest))
    known &= (end[source] <= last[there]) & (end[target] - slowest <= last[here])
    twice = distinct(flows[duplicates(context).flow_rows, FLOW_POINT])
    known &= ~among(here, twice) & ~among(there, twice)
    whole = (flows[:, FLOW_PROTO] == TCP) | (flows[:, FLOW_FRAGMENTS] == 0)
    known &= whole[source] & whole[target]
    octets = flows[source, FLOW_PAYLOAD] - flows[target, FLOW_PAYLOAD]
    return np.where(known & (octets >= 0), octets, -1)


def _listening(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Per point: first and last time it heard anything, under one clock."""
    nowhere = np.iinfo(np.int64)
    known = clocks(context)
    of_point = known.of_point
    first = np.array([0 if p.first is None else p.first for p in context.points] or [0])
    last = np.array([0 if p.last is None else p.last for p in context.points] or [0])
    silent = np.array([p.first is None or p.last is None for p in context.points] or [True])
    first, last = known.correct_times(first, of_point), known.correct_times(last, of_point)
    first[silent], last[silent] = nowhere.max, nowhere.min
    return first, last


@dataclass(frozen=True)
class _Intervals:
    """Octets as positions on one line on which every link has a stretch of its own."""

    start: np.ndarray
    stop: np.ndarray
    known: np.ndarray  # has octets, and their place is known


def _positions(context: Context, seen: np.ndarray, link: np.ndarray, source: np.ndarray) -> _Intervals:
    start = seen[:, OBS_FROM].copy()
    tcp = context.flows[source[link], FLOW_PROTO] == TCP
    # TCP's numbers are turned so that half the circle lies on each side of where the flow began.
    begin = (context.flows[source[link], FLOW_FIRST_SEQ] >> 32) + (1 << 31)
    start[tcp] = (start[tcp] - begin[tcp] + (1 << 31)) % _CIRCLE
    size = seen[:, OBS_BYTES]
    known = (seen[:, OBS_FROM] >= 0) & (size > 0)
    start = start + link * _APART
    return _Intervals(start, start + size, known)


def _octets(sent: _Intervals, got: _Intervals, lost: np.ndarray, links: int) -> tuple[np.ndarray, np.ndarray]:
    """Per packet sent: is it lost, whole or in part; and per link the octets lost. `lost`: by its digest it is."""
    s, g = sent.known, got.known
    keys = np.concatenate([sent.start[s], sent.stop[s], got.start[g], got.stop[g]])
    here = np.concatenate([np.ones(s.sum()), -np.ones(s.sum()), np.zeros(2 * g.sum())]).astype(np.int64)
    there = np.concatenate([np.zeros(2 * s.sum()), np.ones(g.sum()), -np.ones(g.sum())]).astype(np.int64)
    order = np.argsort(keys, kind="stable")
    keys, here, there = keys[order], np.cumsum(here[order]), np.cumsum(there[order])
    length = np.append(np.diff(keys), 0)
    short = np.maximum(here - there, 0) * length  # octets sent more often than they arrived
    nowhere = np.where((here > 0) & (there == 0), length, 0)

    def inside(weight: np.ndarray) -> np.ndarray:
        """Sum of `weight` within each packet sent."""
        so_far = np.append(0, np.cumsum(weight))
        return so_far[np.searchsorted(keys, sent.stop)] - so_far[np.searchsorted(keys, sent.start)]

    # Found by its digest: damaged if some of it never arrived. Not found: lost if some of it arrived less often.
    result = np.where(s, np.where(lost, inside(short) > 0, inside(nowhere) > 0), lost)
    missing = np.zeros(links, dtype=np.int64)
    np.add.at(missing, np.minimum(keys // _APART, links - 1), short)
    return result, missing
