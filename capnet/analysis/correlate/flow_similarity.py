"""How much two flows have in common: can one be the other after NAT, routing or encapsulation?

Input: rows of the flow table, in pairs: the hop before and the hop after.
Output: for each pair a similarity, from SAME_ADDRESSES down to 0 for flows that cannot be one.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_one_of, numbered, row_hash
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS
from capnet.analysis.core.schema import FlowRows, FlowTable, Mask, PerFlow, Values
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import TCP

# Similarities, the strongest first.
SAME_ADDRESSES = 4  # forwarded, encapsulated or decapsulated
ROUTED_NAT = 3  # one end kept, TTL lower: what a router's NAT leaves
BRIDGED_NAT = 2  # one end kept, TTL equal: NAT on a bridge
BOTH_REWRITTEN = 1  # neither end kept

MAX_PAIRS = 1 << 14  # that are compared at once: two rows of the flow table each, 1 KiB

PLACE_COLUMNS = [*schema.FLOW_PLACE, schema.FLOW_DEPTH]
SOURCE_COLUMNS = schema.FLOW_SRC
TARGET_COLUMNS = schema.FLOW_DST


def flow_similarity(flows: FlowTable, earlier: FlowRows, later: FlowRows, ttl_deltas: Values) -> Values:
    """The similarity of each pair of flow rows; `ttl_deltas`: TTL at the later hop minus TTL at the earlier one."""
    # Many packets ask for few pairs of flows: each pair is compared once.
    codes = (earlier * len(flows) + later) * 2 + (ttl_deltas < 0)
    codes, index = numbered(codes)
    pairs, is_lower = np.divmod(codes, 2)
    earlier, later = np.divmod(pairs, len(flows))
    similarity = np.zeros(len(pairs), dtype=np.int64)
    for start in range(0, len(pairs), MAX_PAIRS):
        of = slice(start, start + MAX_PAIRS)
        similarity[of] = _pair_similarity(flows, earlier[of], later[of], is_lower[of] == 1)
    return similarity[index]


def _pair_similarity(flows: FlowTable, earlier: FlowRows, later: FlowRows, is_ttl_lower: Mask) -> Values:
    """The similarity of each pair; `is_ttl_lower`: at the later hop."""
    before, after = flows[earlier].T, flows[later].T  # by column

    def same(columns: list[int], other_columns: list[int] | None = None) -> Mask:
        """Have these columns before the values that they, or the others, have after?"""
        is_equal: Mask = (before[columns] == after[other_columns or columns]).all(axis=0)
        return is_equal

    protocol = before[schema.FLOW_PROTO]
    is_tcp = protocol == TCP
    no_ports = is_one_of(protocol, ICMP_PROTOCOLS)
    no_ports |= (before[schema.FLOW_SPORT] < 0) | (after[schema.FLOW_SPORT] < 0)
    has_same_sport, has_same_dport = same([schema.FLOW_SPORT]), same([schema.FLOW_DPORT])
    has_same_source, has_same_target = same(SOURCE_COLUMNS), same(TARGET_COLUMNS)
    source_kept = has_same_source & (no_ports | has_same_sport)
    target_kept = has_same_target & (no_ports | has_same_dport)
    one_end_kept = source_kept | target_kept
    # Is the source of a flow the destination of the other one? Then they may be two directions.
    source_is_target, target_is_source = same(SOURCE_COLUMNS, TARGET_COLUMNS), same(TARGET_COLUMNS, SOURCE_COLUMNS)

    # TCP's sequence numbers are proof enough; other protocols keep the sender's MAC on a bridge.
    may_be_bridged = is_tcp | (same([schema.FLOW_SMAC]) & (before[schema.FLOW_SMAC] >= 0))
    at_one_place = same(PLACE_COLUMNS)
    # A container that asks itself through its host: out by its port of the bridge and in again, bridged.
    asks_itself = is_tcp & at_one_place & source_is_target & ~source_kept & ~target_kept
    may_lose_both = is_ttl_lower & (is_tcp | (~no_ports & has_same_sport))
    may_lose_both |= asks_itself
    similarity = np.where(may_lose_both, BOTH_REWRITTEN, 0)
    similarity = np.where(one_end_kept & may_be_bridged, BRIDGED_NAT, similarity)
    similarity = np.where(one_end_kept & is_ttl_lower, ROUTED_NAT, similarity)
    # NAT never rewrites multicast, and a packet that passes one namespace twice has lost one TTL.
    to_group = is_group_address(after[schema.FLOW_DST_HI], after[schema.FLOW_DST_LO])
    is_reverse = source_is_target & (no_ports | (before[schema.FLOW_SPORT] == after[schema.FLOW_DPORT]))
    is_reverse |= target_is_source & (no_ports | (before[schema.FLOW_DPORT] == after[schema.FLOW_SPORT]))
    similarity[to_group | (at_one_place & ~is_ttl_lower & ~asks_itself) | is_reverse] = 0
    same_addresses = has_same_source & has_same_target & has_same_sport & has_same_dport
    similarity = np.where(same_addresses, SAME_ADDRESSES, similarity)

    may_be_one = same([schema.FLOW_PROTO, schema.FLOW_KIND]) & (earlier != later)
    is_in_tunnel = (before[schema.FLOW_VIA] > 0) & (after[schema.FLOW_VIA] > 0)
    return np.where(may_be_one & ~(is_in_tunnel & ~same([schema.FLOW_VIA_VNI])), similarity, 0)


def is_group_address(high: Values, low: Values) -> Mask:
    """Multicast and broadcast addresses, as far as they can be told without a netmask."""
    is_ipv4 = (high == 0) & (low >> 32 == MAPPED >> 32)
    first_octet = low >> 24 & 255
    return (is_ipv4 & (first_octet >= 224)) | (~is_ipv4 & (high >> 56 & 255 == 255))


def place_numbers(flows: FlowTable) -> PerFlow:
    """A number for the place of each flow row, a multiple of 256: point and tunnel."""
    return (hash_of(flows, PLACE_COLUMNS) << np.uint64(8)).view(np.int64)


class ParallelFlows:
    """Tells two flows with equal packets from one flow before and behind a translation.

    A translation shows one form before it and the other one behind it. Two forms that both pass both places are two
    flows: what one client sends to two servers, or two clients send to one.
    """

    def __init__(self, flows: FlowTable) -> None:
        ends = [
            schema.FLOW_PROTO, schema.FLOW_KIND, *SOURCE_COLUMNS, schema.FLOW_SPORT, *TARGET_COLUMNS,
            schema.FLOW_DPORT,
        ]  # fmt: skip
        self._form: PerFlow = hash_of(flows, ends)
        self._place: PerFlow = place_numbers(flows)
        self._seen = distinct(self._key(self._form, self._place))

    def both_at_both_places(self, earlier: FlowRows, later: FlowRows) -> Mask:
        """For each pair of flow rows at different places: was the form of each seen at the other's place too?"""
        earlier_behind, later_before = self._beyond(earlier, later)
        return ~self.at_one_place(earlier, later) & earlier_behind & later_before

    def either_at_both_places(self, earlier: FlowRows, later: FlowRows) -> Mask:
        """For each pair of flow rows at different places: was the form of one of them seen at the other's place too?"""
        earlier_behind, later_before = self._beyond(earlier, later)
        return ~self.at_one_place(earlier, later) & (earlier_behind | later_before)

    def _beyond(self, earlier: FlowRows, later: FlowRows) -> tuple[Mask, Mask]:
        return (
            self._was_seen(self._form[earlier], self._place[later]),
            self._was_seen(self._form[later], self._place[earlier]),
        )

    def at_one_place(self, earlier: FlowRows, later: FlowRows) -> Mask:
        """For each pair of flow rows: were they seen at one place?"""
        return self._place[earlier] == self._place[later]

    def _was_seen(self, form: Values, place: Values) -> Mask:
        wanted = self._key(form, place)
        return self._seen[np.minimum(np.searchsorted(self._seen, wanted), len(self._seen) - 1)] == wanted

    @staticmethod
    def _key(form: Values, place: Values) -> Values:
        return row_hash(np.column_stack([form.astype(np.int64), place]))
