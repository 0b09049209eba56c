"""How much two flows have in common: can one be the other after NAT, routing or encapsulation?

Input: rows of the flow table, in pairs: the hop before and the hop after.
Output: for each pair a similarity, from SAME_ADDRESSES down to 0 for flows that cannot be one.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_one_of, row_hash
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS
from capnet.analysis.core.schema import FlowRows, FlowTable, Mask, PerFlow, Values
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import TCP

# Similarities, the strongest first.
SAME_ADDRESSES = 4  # forwarded, encapsulated or decapsulated
ROUTED_NAT = 3  # one end kept, TTL lower: what a router's NAT leaves
BRIDGED_NAT = 2  # one end kept, TTL equal: NAT on a bridge
BOTH_REWRITTEN = 1  # neither end kept

PLACE_COLUMNS = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_VIA_VNI, schema.FLOW_DEPTH]
SOURCE_COLUMNS = [schema.FLOW_SRC_HI, schema.FLOW_SRC_LO]
TARGET_COLUMNS = [schema.FLOW_DST_HI, schema.FLOW_DST_LO]


def flow_similarity(flows: FlowTable, earlier: FlowRows, later: FlowRows, ttl_deltas: Values) -> Values:
    """The similarity of each pair of flow rows; `ttl_deltas`: TTL at the later hop minus TTL at the earlier one."""
    # Many packets ask for few pairs of flows: each pair is compared once.
    codes = (earlier * len(flows) + later) * 2 + (ttl_deltas < 0)
    codes, index = np.unique(codes, return_inverse=True)
    pairs, is_lower = np.divmod(codes, 2)
    return _pair_similarity(flows, *np.divmod(pairs, len(flows)), is_lower == 1)[index.reshape(-1)]


def _pair_similarity(flows: FlowTable, earlier: FlowRows, later: FlowRows, is_ttl_lower: Mask) -> Values:
    """The similarity of each pair; `is_ttl_lower`: at the later hop."""

    def same(*columns: int) -> Mask:
        is_equal = np.ones(len(earlier), dtype=bool)
        for column in columns:
            is_equal &= flows[earlier, column] == flows[later, column]
        return is_equal

    def source_is_target(rows: FlowRows, other_rows: FlowRows) -> Mask:
        """Is the source of a flow the destination of the other one? Then they are two directions."""
        is_equal = _is_same(flows, rows, SOURCE_COLUMNS, other_rows, TARGET_COLUMNS)
        return is_equal & (no_ports | (flows[rows, schema.FLOW_SPORT] == flows[other_rows, schema.FLOW_DPORT]))

    protocol = flows[earlier, schema.FLOW_PROTO]
    is_tcp = protocol == TCP
    no_ports = is_one_of(protocol, ICMP_PROTOCOLS)
    no_ports |= (flows[earlier, schema.FLOW_SPORT] < 0) | (flows[later, schema.FLOW_SPORT] < 0)
    source_kept = same(*SOURCE_COLUMNS) & (no_ports | same(schema.FLOW_SPORT))
    target_kept = same(*TARGET_COLUMNS) & (no_ports | same(schema.FLOW_DPORT))
    one_end_kept = source_kept | target_kept

    # TCP's sequence numbers are proof enough; other protocols keep the sender's MAC on a bridge.
    may_be_bridged = is_tcp | (same(schema.FLOW_SMAC) & (flows[earlier, schema.FLOW_SMAC] >= 0))
    at_one_place = same(*PLACE_COLUMNS)
    # A container that asks itself through its host: out by its port of the bridge and in again, bridged.
    asks_itself = is_tcp & at_one_place & _is_same(flows, earlier, SOURCE_COLUMNS, later, TARGET_COLUMNS)
    asks_itself &= ~source_kept & ~target_kept
    may_lose_both = is_ttl_lower & (is_tcp | (~no_ports & same(schema.FLOW_SPORT)))
    may_lose_both |= asks_itself
    similarity = np.where(may_lose_both, BOTH_REWRITTEN, 0)
    similarity = np.where(one_end_kept & may_be_bridged, BRIDGED_NAT, similarity)
    similarity = np.where(one_end_kept & is_ttl_lower, ROUTED_NAT, similarity)
    # NAT never rewrites multicast, and a packet that passes one namespace twice has lost one TTL.
    to_group = is_group_address(flows[later, schema.FLOW_DST_HI], flows[later, schema.FLOW_DST_LO])
    is_reverse = source_is_target(earlier, later) | source_is_target(later, earlier)
    similarity[to_group | (at_one_place & ~is_ttl_lower & ~asks_itself) | is_reverse] = 0
    same_addresses = same(*SOURCE_COLUMNS, *TARGET_COLUMNS, schema.FLOW_SPORT, schema.FLOW_DPORT)
    similarity = np.where(same_addresses, SAME_ADDRESSES, similarity)

    may_be_one = same(schema.FLOW_PROTO, schema.FLOW_KIND) & (earlier != later)
    is_in_tunnel = (flows[earlier, schema.FLOW_VIA] > 0) & (flows[later, schema.FLOW_VIA] > 0)
    return np.where(may_be_one & ~(is_in_tunnel & ~same(schema.FLOW_VIA_VNI)), similarity, 0)


def _is_same(
    flows: FlowTable, rows: FlowRows, columns: list[int], other_rows: FlowRows, other_columns: list[int]
) -> Mask:
    """For each pair of flow rows: have these columns the values that the others have in the other row?"""
    is_equal = np.ones(len(rows), dtype=bool)
    for column, other_column in zip(columns, other_columns, strict=True):
        is_equal &= flows[rows, column] == flows[other_rows, other_column]
    return is_equal


def is_group_address(high: Values, low: Values) -> Mask:
    """Multicast and broadcast addresses, as far as they can be told without a netmask."""
    is_ipv4 = (high == 0) & (low >> 32 == MAPPED >> 32)
    first_octet = low >> 24 & 255
    return (is_ipv4 & (first_octet >= 224)) | (~is_ipv4 & (high >> 56 & 255 == 255))


def place_numbers(flows: FlowTable, rows: FlowRows | None = None) -> Values:
    """A number for the place of each flow row (of `rows`, or of all), a multiple of 256: point and tunnel."""
    places = flows[:, PLACE_COLUMNS] if rows is None else flows[rows[:, None], PLACE_COLUMNS]
    return (row_hash(places) << np.uint64(8)).view(np.int64)


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
