"""Which flows with equal packets are two connections, and not one before and behind a translation.

Input: pairs of flow rows that packets vote for (`link_votes`), and what these packets show.
Output: the pairs that are no translation, as indexes.
Method: NAT translates the answer back (RFC 3022 section 2). A pair whose answers are one flow as well is a translation;
a pair with an answer of its own in each form is not. The packets must be those of one connection: a scanner gives all
its probes one sequence number, and clients of one server ask the same. Where both forms pass one place, a translator
received the first and sent the second: the sender changes, the TTL falls by the namespaces in between, at once.
A VTEP that floods a frame sends one copy of it to each peer: equal packets to several addresses, with one TTL.
Limits: of two unanswered flows, each seen at another place, only their packets tell.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import has_icmp_errors, replies
from capnet.analysis.core.schema import FlowRows, FlowTable, Mask, Observations, PerFlow, Values
from capnet.analysis.correlate.flow_similarity import (
    PLACE_COLUMNS,
    SOURCE_COLUMNS,
    TARGET_COLUMNS,
    ParallelFlows,
    place_numbers,
)
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

MAX_NAT_DELAY_NS = 100_000_000  # at one point a host translates faster; later, it is an equal packet of another flow
MAX_NAT_HOPS = 32  # by which the TTL falls between two points; no route on the Internet is longer
MAX_NAT_HOPS_AT_POINT = 2  # at one point: a capture at `any` sees a packet before and behind one or two namespaces
MAX_FORMS_AT_PLACE = 4  # of one connection: as sent, behind DNAT, behind SNAT, and a half-rewritten hairpin
MAX_KERNEL_DELAY_NS = 1_000_000  # one kernel translates within; clients that ask alike are further apart

# Packets, where nothing but packets speaks for a translation:
MIN_CLEAR_PACKETS = 2  # equal to no other one, at one place, of protocols whose payloads repeat; of TCP 1
MIN_CLEAR_OF_ONE_SENDER = 4  # if both forms have one source MAC: MACs are dummies, or one station sent both
MIN_ALIKE_PACKETS = 2  # that follow at once, if other flows have the same: a single one may be chance

_TUPLE_COLUMNS = [*SOURCE_COLUMNS, schema.FLOW_SPORT, *TARGET_COLUMNS, schema.FLOW_DPORT]


class PairPackets(NamedTuple):
    """What the packets of each pair show."""

    matched: Values
    clear: Values  # packets that equal no other one
    ttl_losses: Values  # the largest fall of the TTL
    delays_ns: Values  # (pairs, 2): the shortest and the longest


def measure_pairs(
    observations: Observations, earlier: Values, later: Values, pair: Values, is_clear: Mask, count: int
) -> PairPackets:
    """What packets show of `count` pairs; `earlier`, `later`: observations of each, `pair`: the pair it votes for."""
    ttl_losses = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(ttl_losses, pair, observations[earlier, schema.OBS_TTL] - observations[later, schema.OBS_TTL])
    packet_delays_ns = observations[later, schema.OBS_TIME] - observations[earlier, schema.OBS_TIME]
    delays_ns = np.full((count, 2), (np.iinfo(np.int64).max, np.iinfo(np.int64).min))
    np.minimum.at(delays_ns[:, 0], pair, packet_delays_ns)
    np.maximum.at(delays_ns[:, 1], pair, packet_delays_ns)
    matched, clear = (np.bincount(pairs, minlength=count) for pairs in (pair, pair[is_clear]))
    return PairPackets(matched, clear, ttl_losses, delays_ns)


def rewriting_pairs(flows: FlowTable, pairs: FlowRows) -> Values:
    """Indexes of the pairs whose two flows differ in an address, port or identifier."""
    return np.flatnonzero(~_are_equal(flows, pairs[:, 0], pairs[:, 1], _TUPLE_COLUMNS))


def false_translations(
    context: Context, pairs: FlowRows, candidates: Values, chains: PerFlow, packets: PairPackets
) -> Values:
    """Those of the `candidates`, indexes of `pairs`, that are no translation. `chains`: the chain of each flow row."""
    flows, answers = context.flows, replies(context)
    packets = PairPackets(*(column[candidates] for column in packets))
    first, last = pairs[candidates].T
    has_answers = (answers[first] >= 0) & (answers[last] >= 0) & ~has_icmp_errors(flows)[first]
    is_translated_back = has_answers & (
        (chains[answers[first]] == chains[answers[last]]) | _are_pairs(pairs, answers[last], answers[first], len(flows))
    )
    numbers = _FirstPackets(flows, chains)
    is_translated_back |= has_answers & _enclose_one_answer(
        flows, numbers, (first, last), (answers[first], answers[last])
    )
    is_own = numbers.are_of_one(first, last) | (is_translated_back & numbers.are_of_one(answers[first], answers[last]))
    if not is_own.all():
        is_tcp = flows[first, schema.FLOW_PROTO] == TCP
        is_alone = numbers.are_as_many(first, last) & ~_may_keep_ports(flows, first, last)
        is_own |= _follow_at_once(packets) & (is_tcp | is_alone)
    unsure = np.flatnonzero(is_own & ~is_translated_back & (flows[first, schema.FLOW_PROTO] == TCP))
    if len(unsure):  # counting goes through all flows
        is_own[unsure] = numbers.are_few(first[unsure], last[unsure])
    is_proven = is_own & (is_translated_back | ~has_answers) & (packets.ttl_losses <= MAX_NAT_HOPS)
    is_proven &= ~_are_copies_to_peers(flows, first, last, packets)
    unanswered = np.flatnonzero(is_proven & ~is_translated_back)
    if len(unanswered):
        of_unanswered = PairPackets(*(column[unanswered] for column in packets))
        is_proven[unanswered] = _is_possible(flows, first[unanswered], last[unanswered], of_unanswered)
    return candidates[~is_proven]


def _enclose_one_answer(
    flows: FlowTable, numbers: _FirstPackets, asks: tuple[FlowRows, FlowRows], answers: tuple[FlowRows, FlowRows]
) -> Mask:
    """For each pair: is the first TCP packet of both answers one packet, seen between both forms of the request?

    A bridge in promiscuous mode has its host route a copy of the answer, which reaches the client untranslated, too.
    """
    (first, last), (of_first, of_last) = asks, answers
    is_enclosed = flows[first, schema.FLOW_FIRST] <= flows[last, schema.FLOW_FIRST]
    is_enclosed &= flows[of_last, schema.FLOW_FIRST] <= flows[of_first, schema.FLOW_FIRST]
    result: Mask = is_enclosed & (flows[first, schema.FLOW_PROTO] == TCP) & numbers.are_alike(of_first, of_last)
    return result


def _is_possible(flows: FlowTable, first: FlowRows, last: FlowRows, packets: PairPackets) -> Mask:
    """For each pair without answers in both forms: may a translator stand between the two flows?"""
    at_one_place = _are_equal(flows, first, last, PLACE_COLUMNS)
    is_apart = _follow_at_once(packets) | ~ParallelFlows(flows).either_at_both_places(first, last)
    result: Mask = np.where(at_one_place, _is_passed_on(flows, first, last, packets), is_apart)
    return result


def _are_copies_to_peers(flows: FlowTable, first: FlowRows, last: FlowRows, packets: PairPackets) -> Mask:
    """For each pair: do both carry a tunnel from one endpoint to two, with one TTL? A host between lowers it.

    Head-end replication (RFC 8365 section 5.1.3) sends such copies of broadcasts.
    """
    is_carrier = (flows[first, schema.FLOW_CARRIES] > 0) & (flows[last, schema.FLOW_CARRIES] > 0)
    is_one_source = _are_equal(flows, first, last, SOURCE_COLUMNS)
    is_one_target = _are_equal(flows, first, last, TARGET_COLUMNS)
    result: Mask = is_carrier & is_one_source & ~is_one_target & (packets.ttl_losses <= 0)
    return result


def _may_keep_ports(flows: FlowTable, first: FlowRows, last: FlowRows) -> Mask:
    """For each pair with other ports behind the translation: could one of its flows keep its ports?

    NAT changes ports only where it must (RFC 4787, REQ-1; Linux: nf_nat_core.c, get_unique_tuple). One of both could
    keep them if the other place shows as many flows with its ports and its end that is kept as its own place does.
    """
    ports = [schema.FLOW_SPORT, schema.FLOW_DPORT]
    places = place_numbers(flows)
    result = np.zeros(len(first), dtype=bool)
    is_changed = (flows[first[:, None], ports] != flows[last[:, None], ports]).any(axis=1)
    for end in (SOURCE_COLUMNS, TARGET_COLUMNS):
        columns = flows[:, [schema.FLOW_PROTO, schema.FLOW_KIND, *end, *ports]]
        seen = np.sort(row_hash(np.column_stack([places, columns])))
        is_kept = is_changed & (flows[first[:, None], end] == flows[last[:, None], end]).all(axis=1)
        for own, other in ((first, last), (last, first)):
            counts = []
            for place in (own, other):
                keys = row_hash(np.column_stack([places[place], columns[own]]))
                counts.append(np.searchsorted(seen, keys, side="right") - np.searchsorted(seen, keys))
            result |= is_kept & (counts[1] >= counts[0])
    return result


def _follow_at_once(packets: PairPackets) -> Mask:
    """For each pair: do several packets follow each other as within one kernel?"""
    is_fast = np.abs(packets.delays_ns).max(axis=1) <= MAX_KERNEL_DELAY_NS
    return is_fast & (packets.matched >= MIN_ALIKE_PACKETS)


def _is_passed_on(flows: FlowTable, first: FlowRows, last: FlowRows, packets: PairPackets) -> Mask:
    """For each pair at one place: may a translator have received the first flow and sent the second?"""
    is_tcp = flows[first, schema.FLOW_PROTO] == TCP
    is_short = (packets.ttl_losses <= MAX_NAT_HOPS_AT_POINT) & (packets.delays_ns[:, 0] <= MAX_NAT_DELAY_NS)
    smac, dmac, next_smac = (
        flows[first, schema.FLOW_SMAC],
        flows[first, schema.FLOW_DMAC],
        flows[last, schema.FLOW_SMAC],
    )
    is_one_sender = (smac >= 0) & (smac == next_smac)
    is_received = (dmac >= 0) & (dmac == next_smac) & ~is_one_sender
    min_clear = np.where(is_one_sender, MIN_CLEAR_OF_ONE_SENDER, np.where(is_tcp, 1, MIN_CLEAR_PACKETS))
    return is_short & (is_received | (packets.clear >= min_clear))


def _are_equal(flows: FlowTable, first: FlowRows, last: FlowRows, columns: list[int]) -> Mask:
    """For each two flow rows: have they the same values in these columns?"""
    are_equal = np.ones(len(first), dtype=bool)
    for column in columns:
        are_equal &= flows[first, column] == flows[last, column]
    return are_equal


def _are_pairs(pairs: FlowRows, earlier: FlowRows, later: FlowRows, flow_count: int) -> Mask:
    """For each two flow rows: do packets vote for them?"""
    return is_among(earlier * flow_count + later, pairs[:, 0] * flow_count + pairs[:, 1])


class _FirstPackets:
    """Tells whether the first packets of two flows are those of one connection, or of several that begin alike.

    TCP is compared by its sequence and acknowledgment numbers, other protocols by their digests.
    """

    def __init__(self, flows: FlowTable, chains: PerFlow) -> None:
        self._flows, self._chains = flows, chains
        is_tcp = flows[:, schema.FLOW_PROTO] == TCP
        numbers = np.where(is_tcp, flows[:, schema.FLOW_FIRST_SEQ], flows[:, schema.FLOW_FIRST_DIGEST])
        self._numbers = row_hash(np.stack([flows[:, schema.FLOW_PROTO], numbers], axis=1))
        order = np.lexsort((chains, self._numbers))
        is_first = _is_first(self._numbers[order])
        is_first_of_chain = is_first | _is_first(chains[order])
        group = np.cumsum(is_first) - 1
        self._chain_counts = np.empty(len(flows), dtype=np.int64)  # chains with a flow that begins like this one
        self._chain_counts[order] = np.bincount(group[is_first_of_chain], minlength=len(flows))[group]

    def are_alike(self, first: FlowRows, last: FlowRows) -> Mask:
        """For each pair of flow rows: do both begin with one packet?"""
        result: Mask = self._numbers[first] == self._numbers[last]
        return result

    def are_of_one(self, first: FlowRows, last: FlowRows) -> Mask:
        """For each pair of flow rows: does no flow of a third chain begin like one of them?"""
        own = 1 + (self.are_alike(first, last) & (self._chains[first] != self._chains[last]))
        result: Mask = (self._chain_counts[first] <= own) & (self._chain_counts[last] <= own)
        return result

    def are_as_many(self, first: FlowRows, last: FlowRows) -> Mask:
        """For each pair of flow rows: do as many flows begin alike at the place of the first as at that of the last?

        A sender of copies sends one flow and more than one.
        """
        counts = self._counts_at_place([])
        result: Mask = counts[first] == counts[last]
        return result

    def are_few(self, first: FlowRows, last: FlowRows) -> Mask:
        """For each pair of flow rows: do few flows with their ports begin alike at either place, as of one connection?

        A flood under forged addresses may give all its packets one number, and then looks like one chain.
        """
        counts = self._counts_at_place([schema.FLOW_SPORT, schema.FLOW_DPORT])
        result: Mask = np.maximum(counts[first], counts[last]) <= MAX_FORMS_AT_PLACE
        return result

    def _counts_at_place(self, columns: list[int]) -> PerFlow:
        """Per flow: flows that begin like it, at its place, and have the same values in these columns."""
        own = [self._numbers.view(np.int64), place_numbers(self._flows), *self._flows[:, columns].T]
        at_place = row_hash(np.stack(own, axis=1))
        order = np.argsort(at_place)
        group = np.cumsum(_is_first(at_place[order])) - 1
        counts = np.empty(len(order), dtype=np.int64)
        counts[order] = np.bincount(group)[group]
        return counts


def _is_first(values: Values) -> Mask:
    """For each value: is it the first, or another one than the value before?"""
    result = np.ones(len(values), dtype=bool)
    result[1:] = values[1:] != values[:-1]
    return result
