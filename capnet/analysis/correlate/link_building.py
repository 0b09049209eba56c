"""What makes two rows the same packet: the only place that decides it.

A packet seen at several points has the same digest everywhere (`wire.decode`: IP identification, sequence numbers,
payload; nothing that NAT, routing or encapsulation rewrites). Equal digests alone are not proof, because payloads
repeat. So each observation looks for its predecessor, the hop before, among the observations of its digest:

* the two flows must be able to be one: same protocol and ICMP type, not two directions of one conversation, not
  two VNIs, the TTL not higher than before, and at least one end kept, unless TCP's sequence numbers speak for it;
  without those, not two forms that pass both places side by side;
* the candidate that kept most wins, then the one nearest in time; a packet has one hop after it at most.

Packets then vote for links between flows, and a link stands when it is the best one both ways. A digest that
occurs more than once at one place is ambiguous: it still votes, but it is counted and lowers confidence. A flow some of
whose packets go on in one form and some in another one, or come from two, has side links (`votes.side_ways`).

Before that, what one point recorded twice is counted once, and the times of clocks that disagree are corrected
(`correlate.clocks`). Segments that were cut differently are compared by their octets (`correlate.loss`).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import ByDigest, among, by_digest, distinct, in_company, one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import WITH_ID
from capnet.analysis.core.schema import (
    FLOW_DEPTH,
    FLOW_DMAC,
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FRAGMENTS,
    FLOW_KIND,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SMAC,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_VIA,
    FLOW_VIA_VNI,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_FRAME,
    OBS_LENGTH,
    OBS_SEQ,
    OBS_TIME,
    OBS_TTL,
)
from capnet.analysis.correlate.bridge_order import correct_bridge_times
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.correlate.duplicates import (
    is_duplicate,
    is_routed_duplicate,
    observations_by_digest,
    repeated_in_flow,
)
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_votes import best_both_ways, side_ways, unique_pairs, without_detours
from capnet.analysis.correlate.loss import Ways, coverage
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import TCP

# How many observations of one digest back a predecessor is looked for: a path of this many hops, or so many
# repetitions of one payload. Bounds the work on captures full of identical packets.
LOOKBACK = 32

# A host translates a packet within this time. Longer, at one point, it is somebody else's equal packet.
TRANSLATED_NS = 100_000_000

# By how much the TTL falls at most while a packet is translated: on the way from one place to another (no way on the
# Internet is longer), and at one place, where `any` hears it before and behind one or two namespaces.
FARTHEST = 32
NEAREST = 2

# How much two flows have in common, strongest first. 0: they cannot be the same.
SAME_ADDRESSES = 4  # forwarded, wrapped or unwrapped
ROUTED_NAT = 3  # one end kept, TTL lower: what a router's NAT leaves
BRIDGED_NAT = 2  # one end kept, TTL equal: NAT on a bridge
BOTH_REWRITTEN = 1  # neither end kept


def _once(context: Context) -> np.ndarray:
    """The observations without copies, under one clock, in order of digest and time."""
    known = clocks(context)
    seen = correct_bridge_times(context, context.observations)
    order = observations_by_digest(context)
    if is_duplicate(repeated_in_flow(context, seen)).any():
        seen = seen[by_digest(seen[:, OBS_DIGEST], seen[:, OBS_FLOW], seen[:, OBS_TIME], seen[:, OBS_SEQ])]
        copied = is_duplicate(seen)
        seen = seen[~(copied | is_routed_duplicate(context, seen, copied))]
        order = ByDigest.of(seen[:, OBS_DIGEST])
    elif known.any_corrected:
        seen = seen.copy()
    if known.any_corrected:
        seen[:, OBS_TIME] = known.observation_times(context, seen)
    tie = _depth_in_host(context)[seen[:, OBS_FLOW]]
    return seen[order.then_by(seen[:, OBS_DIGEST], seen[:, OBS_TIME], tie, seen[:, OBS_SEQ])]


@derived
def flow_links(context: Context) -> Links:
    """Which flows are the same packets at the next point."""
    flows = context.flows
    seen = _once(context)
    repeated = _repeated(context, seen)
    rank, of = _rank(seen[:, OBS_DIGEST], seen[:, OBS_FLOW])
    before = _predecessors(context, seen, repeated, rank, of)

    # Votes: one per packet that was found at two hops.
    late = np.flatnonzero(before >= 0)
    early = before[late]
    votes = np.stack([seen[early, OBS_FLOW], seen[late, OBS_FLOW]], axis=1)
    pairs, vote_of, count = unique_pairs(votes, len(flows))
    count = without_detours(pairs, count)
    # Fragments without their first one: no flow goes on as one without ports, though some of its packets seem to.
    count[(flows[pairs[:, 0], FLOW_SPORT] < 0) != (flows[pairs[:, 1], FLOW_SPORT] < 0)] = 0
    kept = best_both_ways(pairs, count, len(flows))
    aside = _side_ways(context, pairs, count, vote_of[~(repeated[early] | repeated[late])], kept)
    main = np.arange(len(kept) + len(aside))
    link_of_pair = np.full(len(pairs), -1)
    link_of_pair[kept] = np.arange(len(kept))
    after_pair, before_pair = (np.full(len(flows), -1) for _ in range(2))
    after_pair[pairs[kept, 0]] = before_pair[pairs[kept, 1]] = np.arange(len(kept))
    for number, pair in enumerate(aside.tolist(), start=len(kept)):
        forks = int(after_pair[pairs[pair, 0]])
        main[number] = forks if forks >= 0 else before_pair[pairs[pair, 1]]
    link_of_pair[aside] = np.arange(len(kept), len(main))
    kept = np.concatenate([kept, aside])
    voted = link_of_pair[vote_of]
    aside_early, aside_late = early[voted < 0], late[voted < 0]
    early, late, voted = early[voted >= 0], late[voted >= 0], voted[voted >= 0]
    source, target = pairs[kept, 0], pairs[kept, 1]

    # From the last to the first: of several links of a flow, the main one, which comes first, stays.
    after_flow = np.full(len(flows), -1)
    after_flow[source[::-1]] = np.arange(len(kept))[::-1]
    before_flow = np.full(len(flows), -1)
    before_flow[target[::-1]] = np.arange(len(kept))[::-1]

    delays = seen[late, OBS_TIME] - seen[early, OBS_TIME]
    by_delay = np.lexsort((delays, voted))
    starts = np.searchsorted(voted[by_delay], np.arange(len(kept)))
    ends = np.searchsorted(voted[by_delay], np.arange(len(kept)), side="right")
    size = ends - starts
    spread = np.zeros((len(kept), 4), dtype=np.int64)
    for column, share in enumerate((0.0, 0.5, 0.99, 1.0)):
        at = starts + np.maximum(np.ceil(share * size).astype(np.int64) - 1, 0)
        spread[:, column] = delays[by_delay[at]] if len(kept) else 0

    ttl_delta = seen[late, OBS_TTL] - seen[early, OBS_TTL]
    by_ttl = np.lexsort((ttl_delta, voted))
    by_time = np.lexsort((seen[early, OBS_TIME], voted))
    middle = starts + (size - 1) // 2
    first = by_time[starts] if len(kept) else starts
    frames = np.stack([seen[early[first], OBS_FRAME], seen[late[first], OBS_FRAME]], axis=1)

    pieces = _pieces_apart(context, seen, aside_early, aside_late, after_flow, target)
    ttl_deltas = ttl_delta[by_ttl[middle]] if len(kept) else middle
    # Room for what comes: these are one number or more for each packet.
    del (
        before,
        late,
        early,
        aside_late,
        aside_early,
        votes,
        vote_of,
        voted,
        delays,
        by_delay,
        ttl_delta,
        by_ttl,
        by_time,
    )
    ways = Ways(source, target, main, size, spread[:, 0], spread[:, 3], pieces)
    compared = coverage(context, seen, rank, ways, repeated)
    known = clocks(context)
    clock = known.of_flows(context)
    return Links(
        source=source,
        target=target,
        matched=compared.matched,
        ambiguous=compared.ambiguous,
        missing=compared.missing,
        missing_bytes=compared.missing_bytes,
        outside=compared.outside,
        observed=compared.observed,
        ttl_delta=ttl_deltas,
        delays_ns=spread,
        is_timed=known.are_comparable(clock[source], clock[target]),
        frames=frames,
        after=after_flow,
        before=before_flow,
    )


def _side_ways(
    context: Context, pairs: np.ndarray, count: np.ndarray, sure: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """Side links, as indexes of pairs; `sure`: for which pair each packet votes that nothing else resembles.

    What is sent to a group takes several ways at once.
    """
    flows = context.flows
    votes = np.bincount(sure, minlength=len(pairs))
    if len(kept) == len(pairs) or not len(pairs):
        return np.zeros(0, dtype=np.int64)
    a, b = pairs[:, 0], pairs[:, 1]
    votes[_is_group(flows[b, FLOW_DST_HI], flows[b, FLOW_DST_LO]) | (flows[a, FLOW_DMAC] >> 40 & 1 == 1)] = 0
    return np.concatenate(side_ways(pairs, count, votes, kept, len(flows)))


def _pieces_apart(
    context: Context, seen: np.ndarray, early: np.ndarray, late: np.ndarray, after: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fragments that came before their first one, so that nobody knew their ports: (observation, its packet's link).

    `early`, `late`: observations that are the same packet by no link; `after`: the link that leads on from each flow.
    """
    flows = context.flows
    one, two = seen[early, OBS_FLOW], seen[late, OBS_FLOW]
    apart = (flows[two, FLOW_SPORT] < 0) & (flows[two, FLOW_FRAGMENTS] > 0) & (flows[one, FLOW_SPORT] >= 0)
    apart &= after[one] >= 0
    late, two, link = late[apart], two[apart], after[one[apart]]
    ends = [*_PLACE, FLOW_SRC_HI, FLOW_SRC_LO, FLOW_DST_HI, FLOW_DST_LO]
    here = (flows[two[:, None], ends] == flows[target[link][:, None], ends]).all(axis=1)
    return late[here], link[here]


def _predecessors(
    context: Context, seen: np.ndarray, repeated: np.ndarray, rank: np.ndarray, of: np.ndarray
) -> np.ndarray:
    """Per observation (sorted by digest and time): index of its packet at the hop before, or -1.

    `repeated`: whether the digest of an observation is ambiguous at its place. `rank`, `of`: as of `_rank`.
    """
    digest, time, ttl, flow = (seen[:, column] for column in (OBS_DIGEST, OBS_TIME, OBS_TTL, OBS_FLOW))
    clock = clocks(context).of_flows(context)[flow]
    length = seen[:, OBS_LENGTH]
    # Other protocols than TCP are cut by fragmentation alone.
    tcp = context.flows[:, FLOW_PROTO] == TCP
    cut = tcp | (context.flows[:, FLOW_FRAGMENTS] > 0)

    best = np.full(len(seen), -1)
    best_score = np.zeros(len(seen), dtype=np.int64)
    best_gap = np.full(len(seen), np.iinfo(np.int64).max)

    doubts: list[_Namesakes] = []  # when there are any

    def offer(earlier: np.ndarray, later: np.ndarray) -> None:
        strength = _strength(context.flows, flow[earlier], flow[later], ttl[later] - ttl[earlier])
        doubtful = np.flatnonzero((strength > 0) & (strength < SAME_ADDRESSES) & ~tcp[flow[earlier]])
        if len(doubtful):
            one, two = earlier[doubtful], later[doubtful]
            if not doubts:
                doubts.append(_Namesakes(context.flows))
            strangers = doubts[0].both_at_both(flow[one], flow[two])
            strangers |= ttl[one] - ttl[two] > FARTHEST
            here = doubts[0].at_one_place(flow[one], flow[two])
            strangers |= here & (ttl[one] - ttl[two] > NEAREST)
            strangers |= here & (repeated[one] | repeated[two] | (time[two] - time[one] > TRANSLATED_NS))
            strength[doubtful[strangers]] = 0
        # Where both flows repeat a packet equally often, the k-th belongs to the k-th.
        in_step = (of[earlier] != of[later]) | (rank[earlier] == rank[later])
        alike = cut[flow[earlier]] | cut[flow[later]] | (length[earlier] == length[later])
        score = np.where(in_step & alike, strength, 0)
        # Signed: also under a clock that runs behind, the last place before this one is the one it came from.
        gap = time[later] - time[earlier]
        better = (score > best_score[later]) | ((score == best_score[later]) & (gap < best_gap[later]))
        better &= score > 0
        later, earlier = later[better], earlier[better]
        best[later], best_score[later], best_gap[later] = earlier, score[better], gap[better]

    active = np.arange(len(seen))
    for step in range(1, LOOKBACK + 1):
        active = active[active >= step]
        active = active[digest[active] == digest[active - step]]
        if not len(active):
            break
        falling = ttl[active] <= ttl[active - step]
        offer(active[falling] - step, active[falling])
        # A TTL that rises with time: two clocks that disagree. Under one clock that cannot be.
        rising = active[~falling]
        rising = rising[clock[rising] != clock[rising - step]]
        offer(rising, rising - step)

    _part_repetitions(digest, flow, of, best, best_gap)
    _part_networks(context.flows, flow, ttl, best)

    # One hop after each: of several that chose the same predecessor, the best keeps it.
    chosen = np.flatnonzero(best >= 0)
    order = chosen[np.lexsort((best_gap[chosen], -best_score[chosen], best[chosen]))]
    loser = np.flatnonzero(best[order[1:]] == best[order[:-1]]) + 1
    best[order[loser]] = -1
    return best


def _part_repetitions(digest: np.ndarray, flow: np.ndarray, of: np.ndarray, best: np.ndarray, gap: np.ndarray) -> None:
    """Take back from `best` what would lead an observation to the next of several equal packets.

    Nothing passes a place twice in the same form. Where a flow repeats a packet more often than the next one shows it,
    order does not tell which is which: the shortest ways are believed first.
    """
    uneven = (best >= 0) & (of != of[best])
    if not uneven.any():
        return
    rows = np.flatnonzero((best >= 0) & among(digest, digest[uneven]))
    chain: dict[int, int] = {}  # observation → another one of its way, until one that leads nowhere
    passed: dict[int, set[int]] = {}  # flows on the way of the latter

    def end(at: int) -> int:
        while at in chain:
            at = chain[at]
        return at

    for late in rows[np.argsort(np.abs(gap[rows]), kind="stable")].tolist():
        one, two = end(int(best[late])), end(late)
        here = passed.get(one) or {int(flow[one])}
        there = passed.get(two) or {int(flow[two])}
        if here & there:
            best[late] = -1
            continue
        chain[one], passed[two] = two, here | there


def _part_networks(flows: np.ndarray, flow: np.ndarray, ttl: np.ndarray, best: np.ndarray) -> None:
    """Take back from `best` what would lead out of one VNI and, not routed in between, into another one.

    Two networks may carry equal packets: what comes out of the one does not go on in the other.
    """
    into = (best >= 0) & (flows[flow, FLOW_VIA] > 0) & (flows[flow[best], FLOW_VIA] == 0)
    entering = np.flatnonzero(into)
    at = best[entering]
    for _ in range(LOOKBACK):
        outside = (at >= 0) & (flows[flow[at], FLOW_VIA] == 0)
        if not outside.any():
            break
        at = np.where(outside, best[at], at)
    other = flows[flow[at], FLOW_VIA_VNI] != flows[flow[entering], FLOW_VIA_VNI]
    best[entering[(at >= 0) & other & (ttl[at] == ttl[entering])]] = -1


def _strength(flows: np.ndarray, a: np.ndarray, b: np.ndarray, ttl_delta: np.ndarray) -> np.ndarray:
    """What flows `a` (hop before) and `b` (hop after) have in common: one of the constants above, or 0."""
    # Many packets ask the same about few pairs of flows.
    code = (a * len(flows) + b) * 2 + (ttl_delta < 0)
    code, which = np.unique(code, return_inverse=True)
    pair, lower = np.divmod(code, 2)
    return _strength_of_pairs(flows, *np.divmod(pair, len(flows)), lower == 1)[which.reshape(-1)]


def _strength_of_pairs(flows: np.ndarray, a: np.ndarray, b: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """`lower`: whether the TTL is, at `b`."""

    def same(*columns: int) -> np.ndarray:
        equal = np.ones(len(a), dtype=bool)
        for column in columns:
            equal &= flows[a, column] == flows[b, column]
        return equal

    def crossed(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
        equal = flows[src, FLOW_SRC_HI] == flows[dst, FLOW_DST_HI]
        equal &= flows[src, FLOW_SRC_LO] == flows[dst, FLOW_DST_LO]
        return equal & (portless | (flows[src, FLOW_SPORT] == flows[dst, FLOW_DPORT]))

    proto = flows[a, FLOW_PROTO]
    tcp = proto == TCP
    portless = one_of(proto, WITH_ID) | (flows[a, FLOW_SPORT] < 0) | (flows[b, FLOW_SPORT] < 0)
    source_kept = same(FLOW_SRC_HI, FLOW_SRC_LO) & (portless | same(FLOW_SPORT))
    target_kept = same(FLOW_DST_HI, FLOW_DST_LO) & (portless | same(FLOW_DPORT))

    untouched = same(FLOW_SRC_HI, FLOW_SRC_LO, FLOW_DST_HI, FLOW_DST_LO, FLOW_SPORT, FLOW_DPORT)
    bridged = tcp | (same(FLOW_SMAC) & (flows[a, FLOW_SMAC] >= 0))
    strength = np.where(lower & (tcp | (~portless & same(FLOW_SPORT))), BOTH_REWRITTEN, 0)
    strength = np.where((source_kept | target_kept) & bridged, BRIDGED_NAT, strength)
    strength = np.where((source_kept | target_kept) & lower, ROUTED_NAT, strength)
    # A rewritten packet is a rewritten unicast packet, and it does not pass the same place with the same TTL.
    group = _is_group(flows[b, FLOW_DST_HI], flows[b, FLOW_DST_LO])
    here = same(FLOW_POINT, FLOW_VIA, FLOW_VIA_VNI, FLOW_DEPTH)
    strength[group | (here & ~lower) | crossed(a, b) | crossed(b, a)] = 0
    strength = np.where(untouched, SAME_ADDRESSES, strength)

    possible = same(FLOW_PROTO, FLOW_KIND) & (a != b)
    other_vni = (flows[a, FLOW_VIA] > 0) & (flows[b, FLOW_VIA] > 0) & ~same(FLOW_VIA_VNI)
    return np.where(possible & ~other_vni, strength, 0)


class _Namesakes:
    """Were two flows seen side by side? A translation shows one form before it and the other behind.

    Two that pass both of two places are two flows with equal packets: what one client sends to two servers, what two
    clients send to one. Only TCP's sequence numbers tell more than that.
    """

    def __init__(self, flows: np.ndarray) -> None:
        ends = [FLOW_PROTO, FLOW_KIND, FLOW_SRC_HI, FLOW_SRC_LO, FLOW_SPORT, FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
        self._form = row_hash(flows[:, ends])
        self._place = _places(flows)
        self._seen = distinct(self._key(self._form, self._place))

    def both_at_both(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Per pair of flow rows at different places: were the addresses of each seen at the other's place too?"""
        a_there, b_there = self._at(self._form[a], self._place[b]), self._at(self._form[b], self._place[a])
        return ~self.at_one_place(a, b) & a_there & b_there

    def at_one_place(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Per pair of flow rows: were they seen at one place?"""
        return self._place[a] == self._place[b]

    def _at(self, form: np.ndarray, place: np.ndarray) -> np.ndarray:
        wanted = self._key(form, place)
        return self._seen[np.minimum(np.searchsorted(self._seen, wanted), len(self._seen) - 1)] == wanted

    @staticmethod
    def _key(form: np.ndarray, place: np.ndarray) -> np.ndarray:
        return row_hash(np.column_stack([form.astype(np.int64), place]))


def _is_group(hi: np.ndarray, lo: np.ndarray) -> np.ndarray:
    """Multicast and broadcast destinations, as far as they can be told without a netmask."""
    mapped = (hi == 0) & (lo >> 32 == MAPPED >> 32)
    first_octet = lo >> 24 & 255
    return (mapped & (first_octet >= 224)) | (~mapped & (hi >> 56 & 255 == 255))


def _rank(digest: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per observation, sorted by digest: which repetition of its digest in its flow it is (from 0), and of how many."""
    rank, of = np.zeros(len(digest), dtype=np.int64), np.ones(len(digest), dtype=np.int64)
    some = in_company(digest)
    digest, flow = digest[some], flow[some]
    order = np.lexsort((flow, digest))  # stable: time within
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (digest[order[1:]] != digest[order[:-1]]) | (flow[order[1:]] != flow[order[:-1]])
    starts = np.flatnonzero(fresh)
    group = np.cumsum(fresh) - 1
    sizes = np.diff(np.append(starts, len(order)))
    rank[some[order]] = np.arange(len(order)) - starts[group]
    of[some[order]] = sizes[group]
    return rank, of


def _repeated(context: Context, seen: np.ndarray) -> np.ndarray:
    """Per observation, sorted by digest: does its digest occur more than once at its place with its TTL?"""
    some = in_company(seen[:, OBS_DIGEST])
    place = _places(context.flows, seen[some, OBS_FLOW]) + (seen[some, OBS_TTL] & 255)
    _, of = _rank(seen[some, OBS_DIGEST], place)
    repeated = np.zeros(len(seen), dtype=bool)
    repeated[some[of > 1]] = True
    return repeated


def _places(flows: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Per flow row (of `rows`, or of all): a number for where it was seen, tunnel included; a multiple of 256."""
    where = flows[:, _PLACE] if rows is None else flows[rows[:, None], _PLACE]
    return (row_hash(where) << np.uint64(8)).view(np.int64)


_PLACE = [FLOW_POINT, FLOW_VIA, FLOW_VIA_VNI, FLOW_DEPTH]


def _depth_in_host(context: Context) -> np.ndarray:
    """Per flow row: which of two points with the same time stamp comes first.

    A frame is stamped once, when it is received; the bridge above the port that received it shows the same stamp, and
    so does a child of the card that did (macvlan, ipvlan). What is sent gets a stamp of its own at each place.
    """
    upper = [
        0 if point.role == "parent" else 2 if point.role == "bridge" or point.name.endswith("/br0") else 1
        for point in context.points
    ]
    return np.array(upper or [0])[context.flows[:, FLOW_POINT]]
