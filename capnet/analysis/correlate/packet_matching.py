"""Which observation is the same packet at the hop before: the only place that decides it.

Input: observations, each a packet at one point. A packet has the same digest at every point (`wire.digest`: IP
identification, sequence numbers, payload; nothing that NAT, routing or encapsulation rewrites).
Output: for each observation the index of the same packet's observation at the hop before, or -1.
Method: equal digests alone are no proof, because payloads repeat. The two flows must be able to be one
(`flow_similarity`), and the TTL must not rise under one clock. The most similar candidate wins, then the one nearest
in time. A packet has at most one hop after it.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import (
    ByDigest,
    are_repeated,
    by_digest,
    combined_hash,
    distinct,
    is_among,
    repeated_positions,
    row_hash,
)
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowTable, Mask, Observations, PerFlow, PerObservation, Values
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.correlate.duplicates import (
    is_duplicate,
    is_routed_duplicate,
    observations_by_digest,
    repeated_in_flow,
)
from capnet.analysis.correlate.flow_similarity import (
    SAME_ADDRESSES,
    ParallelFlows,
    flow_similarity,
    place_numbers,
)
from capnet.analysis.correlate.order.bridge_order import correct_bridge_times
from capnet.analysis.correlate.order.flooded_copies import without_copies
from capnet.analysis.correlate.order.role_order import depths_in_host, order_ties
from capnet.analysis.correlate.translation_evidence import MAX_NAT_DELAY_NS, MAX_NAT_HOPS, MAX_NAT_HOPS_AT_POINT
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

# How many observations of one digest back a packet is looked for: bounds the work on captures of identical packets.
MAX_LOOKBACK = 32
MAX_PACKET_LIFE_NS = 255_000_000_000  # RFC 791: the TTL is an upper bound of the lifetime, in seconds


class Repeats(NamedTuple):
    """Equal packets of a flow, one entry per observation."""

    rank: PerObservation  # which packet of its digest in its flow it is, by time, from 0
    counts: PerObservation  # how many packets of its digest its flow has


def comparable_observations(context: Context) -> Observations:
    """The observations without duplicates and flooded copies, under one clock, by digest and time."""
    capture_clocks = clocks(context)
    observations = correct_bridge_times(context, context.observations)
    order = observations_by_digest(context)
    if is_duplicate(context, repeated_in_flow(context, observations)).any():
        by_copies = by_digest(
            observations[:, schema.OBS_DIGEST],
            observations[:, schema.OBS_FLOW],
            observations[:, schema.OBS_TIME],
            -observations[:, schema.OBS_TTL],
            observations[:, schema.OBS_SEQ],
        )
        observations = observations.take(by_copies, axis=0)  # copies whole rows, which indexing does not
        is_copy = is_duplicate(context, observations)
        observations = observations[~(is_copy | is_routed_duplicate(context, observations, is_copy))]
        order = ByDigest.of(observations[:, schema.OBS_DIGEST])
    elif capture_clocks.any_corrected:
        observations = observations.copy()
    if capture_clocks.any_corrected:
        observations[:, schema.OBS_TIME] = capture_clocks.observation_times(context, observations)
    depth = depths_in_host(context)[observations[:, schema.OBS_FLOW]]
    by_time = order.then_by(
        observations[:, schema.OBS_DIGEST],
        observations[:, schema.OBS_TIME],
        depth,
        observations[:, schema.OBS_SEQ],
    )
    return order_ties(context, without_copies(context, observations.take(by_time, axis=0)))


def count_repeats(digests: PerObservation, flows: PerObservation) -> Repeats:
    """Rank and count of each packet among the equal ones of its flow; digests are sorted."""
    rank, counts = np.zeros(len(digests), dtype=np.int64), np.ones(len(digests), dtype=np.int64)
    shared = repeated_positions(digests)
    shared = shared[are_repeated(combined_hash([digests[shared], flows[shared]]))]
    digests, flows = digests[shared], flows[shared]
    order = np.lexsort((flows, digests))  # stable: equal packets of a flow stay in order of time
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (digests[order[1:]] != digests[order[:-1]]) | (flows[order[1:]] != flows[order[:-1]])
    starts = np.flatnonzero(is_first)
    group = np.cumsum(is_first) - 1
    sizes = np.diff(np.append(starts, len(order)))
    rank[shared[order]] = np.arange(len(order)) - starts[group]
    counts[shared[order]] = sizes[group]
    return Repeats(rank, counts)


def is_ambiguous(context: Context, observations: Observations) -> PerObservation:
    """For each observation, sorted by digest: does its digest occur more than once at its place, with its TTL?"""
    shared = repeated_positions(observations[:, schema.OBS_DIGEST])
    place = place_numbers(context.flows)[observations[shared, schema.OBS_FLOW]]
    place += observations[shared, schema.OBS_TTL] & 255
    repeats = count_repeats(observations[shared, schema.OBS_DIGEST], place)
    result = np.zeros(len(observations), dtype=bool)
    result[shared[repeats.counts > 1]] = True
    return result


def match_packets(
    context: Context, observations: Observations, repeats: Repeats, ambiguous: PerObservation
) -> PerObservation:
    """For each observation, sorted by digest and time: index of its packet at the hop before, or -1.

    `repeats`, `ambiguous`: results of `count_repeats` and `is_ambiguous`.
    """
    matches = _Matches(context.flows, observations, repeats, ambiguous)
    clock = clocks(context).of_flows(context)[matches.flow]
    matches.look_back(np.arange(len(observations)), matches.digest, clock)
    crowd = _crowd(context.flows, observations)
    keys = row_hash(np.stack([matches.digest[crowd], _ports(context.flows)[matches.flow[crowd]]], axis=1))
    order = np.argsort(keys, kind="stable")
    matches.look_back(crowd[order], keys[order], clock, is_preferred=True)
    matches.drop_crossed_repeats()
    matches.drop_changes_of_network()
    matches.keep_best_next_hop()
    return matches.previous


def _crowd(flows: FlowTable, observations: Observations) -> Values:
    """Indexes of observations, not of TCP, whose digest occurs too often to look back at all of them.

    NAT keeps ports where it can (RFC 4787, REQ-1): where one flow of a place has them, they tell such packets apart.
    """
    digest, flow = observations[:, schema.OBS_DIGEST], observations[:, schema.OBS_FLOW]
    is_far = np.zeros(len(digest), dtype=bool)
    is_far[MAX_LOOKBACK:] = digest[MAX_LOOKBACK:] == digest[:-MAX_LOOKBACK]
    if not is_far.any():
        return np.zeros(0, dtype=np.int64)
    has_ports = (flows[:, schema.FLOW_SPORT] >= 0) & (flows[:, schema.FLOW_PROTO] != TCP)
    crowd = np.flatnonzero(is_among(digest, digest[is_far]) & has_ports[flow])
    rows = distinct(flow[crowd])
    keys = combined_hash([of[rows] for of in (place_numbers(flows), flows[:, schema.FLOW_PROTO], _ports(flows))])
    is_shared = np.zeros(len(flows), dtype=bool)
    order = np.argsort(keys)
    is_shared[rows[order[repeated_positions(keys[order])]]] = True
    return crowd[~is_shared[flow[crowd]]]


def _ports(flows: FlowTable) -> PerFlow:
    ports: PerFlow = (flows[:, schema.FLOW_SPORT] << 16) + flows[:, schema.FLOW_DPORT]
    return ports


class _Matches:
    """The best match of each observation so far: `previous` is the index of the hop before, or -1."""

    def __init__(
        self, flows: FlowTable, observations: Observations, repeats: Repeats, ambiguous: PerObservation
    ) -> None:
        self.flows = flows
        self.digest, self.time, self.ttl, self.flow, self.length = (
            np.ascontiguousarray(observations[:, column])  # values are picked from it in a fifth of the time
            for column in (schema.OBS_DIGEST, schema.OBS_TIME, schema.OBS_TTL, schema.OBS_FLOW, schema.OBS_LENGTH)
        )
        self.repeats, self.ambiguous = repeats, ambiguous
        self.is_tcp = flows[:, schema.FLOW_PROTO] == TCP
        # Other protocols than TCP are cut by fragmentation alone.
        self.may_be_cut = self.is_tcp | (flows[:, schema.FLOW_FRAGMENTS] > 0)
        self.previous = np.full(len(observations), -1)
        self.similarity = np.zeros(len(observations), dtype=np.int64)
        self.delay_ns = np.full(len(observations), np.iinfo(np.int64).max)
        self._parallel: ParallelFlows | None = None  # made when it is needed

    def look_back(self, order: Values, keys: Values, clock: Values, is_preferred: bool = False) -> None:
        """Compare observations, in this order, with the up to MAX_LOOKBACK before them that have the same key.

        `is_preferred`: what is found counts more than what is as similar and nearer.
        """
        active = np.flatnonzero(keys[1:] == keys[:-1]) + 1
        for step in range(1, MAX_LOOKBACK + 1):
            active = active[active >= step]
            active = active[keys[active] == keys[active - step]]
            if not len(active):
                return
            later, earlier = order[active], order[active - step]
            is_falling = self.ttl[later] <= self.ttl[earlier]
            self.offer(earlier[is_falling], later[is_falling], is_preferred)
            # A TTL that rises with time: impossible under one clock, possible where two clocks disagree.
            later, earlier = later[~is_falling], earlier[~is_falling]
            is_between = clock[later] != clock[earlier]
            self.offer(later[is_between], earlier[is_between], is_preferred)

    def offer(self, earlier: Values, later: Values, is_preferred: bool = False) -> None:
        """Take `earlier` as the hop before `later` wherever that is the best match so far."""
        if not len(earlier):
            return
        flow, ttl, rank, counts = self.flow, self.ttl, self.repeats.rank, self.repeats.counts
        similarity = flow_similarity(self.flows, flow[earlier], flow[later], ttl[later] - ttl[earlier])
        is_doubtful = (similarity > 0) & (similarity < SAME_ADDRESSES) & ~self.is_tcp[flow[earlier]]
        doubtful = np.flatnonzero(is_doubtful)
        if len(doubtful):
            similarity[doubtful[self._is_implausible(earlier[doubtful], later[doubtful])]] = 0
        # If both flows carry n equal packets, pair them in order.
        is_in_order = (counts[earlier] != counts[later]) | (rank[earlier] == rank[later])
        fits_length = self.may_be_cut[flow[earlier]] | self.may_be_cut[flow[later]]
        fits_length |= self.length[earlier] == self.length[later]
        similarity = np.where(is_in_order & fits_length & (similarity > 0), similarity * 2 + is_preferred, 0)
        # Signed: also under a clock that runs behind, the packet comes from the last point before this one.
        delay_ns = self.time[later] - self.time[earlier]
        similarity[np.abs(delay_ns) > MAX_PACKET_LIFE_NS] = 0
        is_better = similarity > self.similarity[later]
        is_better |= (similarity == self.similarity[later]) & (delay_ns < self.delay_ns[later])
        is_better &= similarity > 0
        later = later[is_better]
        self.previous[later] = earlier[is_better]
        self.similarity[later], self.delay_ns[later] = similarity[is_better], delay_ns[is_better]

    def _is_implausible(self, earlier: Values, later: Values) -> Mask:
        """For each pair: are these equal packets of two flows rather than one packet before and behind NAT?"""
        if self._parallel is None:
            self._parallel = ParallelFlows(self.flows)
        flow, ttl, ambiguous = self.flow, self.ttl, self.ambiguous
        ttl_loss = ttl[earlier] - ttl[later]
        result = self._parallel.both_at_both_places(flow[earlier], flow[later])
        result |= ttl_loss > MAX_NAT_HOPS
        at_one_place = self._parallel.at_one_place(flow[earlier], flow[later])
        result |= at_one_place & (ttl_loss > MAX_NAT_HOPS_AT_POINT)
        is_late = self.time[later] - self.time[earlier] > MAX_NAT_DELAY_NS
        result |= at_one_place & (ambiguous[earlier] | ambiguous[later] | is_late)
        return result

    def drop_crossed_repeats(self) -> None:
        """Drop matches by which an observation would follow another one of several equal packets.

        No packet passes a place twice in the same form. Where a flow repeats a packet more often than the next one
        shows it, the order does not tell which is which: the shortest delays are believed first.
        """
        previous, counts = self.previous, self.repeats.counts
        is_uneven = (previous >= 0) & (counts != counts[previous])
        if not is_uneven.any():
            return
        matched = np.flatnonzero((previous >= 0) & is_among(self.digest, self.digest[is_uneven]))
        parent: dict[int, int] = {}  # observation → another one of its packet; the root of each packet is no key
        flows_of_packet: dict[int, set[int]] = {}  # by root

        def root(observation: int) -> int:
            while observation in parent:
                observation = parent[observation]
            return observation

        for later in matched[np.argsort(np.abs(self.delay_ns[matched]), kind="stable")].tolist():
            earlier_root, later_root = root(int(previous[later])), root(later)
            earlier_flows = flows_of_packet.get(earlier_root) or {int(self.flow[earlier_root])}
            later_flows = flows_of_packet.get(later_root) or {int(self.flow[later_root])}
            if earlier_flows & later_flows:
                previous[later] = -1
                continue
            parent[earlier_root], flows_of_packet[later_root] = later_root, earlier_flows | later_flows

    def drop_changes_of_network(self) -> None:
        """Drop matches by which a packet would leave one VNI and enter another one without being routed.

        Two networks may carry equal packets: what comes out of one does not go on in the other.
        """
        previous, flow, ttl = self.previous, self.flow, self.ttl
        via, vni = self.flows[:, schema.FLOW_VIA], self.flows[:, schema.FLOW_VIA_VNI]
        matched = np.flatnonzero(previous >= 0)
        entering = matched[(via[flow[matched]] > 0) & (via[flow[previous[matched]]] == 0)]
        origin = previous[entering]
        for _ in range(MAX_LOOKBACK):
            is_outside = (origin >= 0) & (via[flow[origin]] == 0)
            if not is_outside.any():
                break
            origin = np.where(is_outside, previous[origin], origin)
        is_other_vni = vni[flow[origin]] != vni[flow[entering]]
        previous[entering[(origin >= 0) & is_other_vni & (ttl[origin] == ttl[entering])]] = -1

    def keep_best_next_hop(self) -> None:
        """Of several observations with the same hop before, the best match keeps it."""
        matched = np.flatnonzero(self.previous >= 0)
        is_shared = np.bincount(self.previous[matched], minlength=1) > 1
        matched = matched[is_shared[self.previous[matched]]]
        keys = (self.delay_ns[matched], -self.similarity[matched], self.previous[matched])
        order = matched[np.lexsort(keys)]
        is_worse = self.previous[order[1:]] == self.previous[order[:-1]]
        self.previous[order[1:][is_worse]] = -1
