"""SYNs and SYN-ACKs at one point that belong together by their numbers, while one end was translated between them.

Input: rows of the flow table. Output: pairs of rows. Method: a SYN-ACK acknowledges just this SYN and no other one of
these rows, is the only one that does, at the same point and in the same tunnel, and NAT of one kind leaves one end of
the connection as it is. Limits: rows in which several SYNs have one number, as of a scanner, give no pair.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import combined_hash, hash_of
from capnet.analysis.core.flow_rows import awaited_acknowledgment, first_acknowledgment
from capnet.analysis.core.schema import FlowRows, FlowTable, Mask, Values
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

_PLACE = [*schema.FLOW_PLACE, schema.FLOW_DEPTH]


class HalfTranslations(NamedTuple):
    """Flow rows; the n-th answer belongs to the n-th request."""

    requests: FlowRows
    answers: FlowRows


def half_translations(flows: FlowTable, rows: FlowRows) -> HalfTranslations:
    """The pairs among `rows`, which have no reply that mirrors them; other rows than of SYN and SYN-ACK are ignored."""
    rows = rows[flows[rows, schema.FLOW_PROTO] == TCP]
    numbers = flows[rows, schema.FLOW_FIRST_SEQ]
    is_syn, is_synack = (flows[rows, column] >= 0 for column in (schema.FLOW_SYN_TIME, schema.FLOW_SYNACK_TIME))
    if not is_synack.any() or not is_syn.any():
        return HalfTranslations(rows[:0], rows[:0])  # a port scan has SYNs only
    places = hash_of(flows, _PLACE, rows)
    syns, answers = (
        _unique(combined_hash([places[mask], acknowledged[mask]]), rows[mask])
        for mask, acknowledged in (
            (is_syn, awaited_acknowledgment(numbers)),
            (is_synack, first_acknowledgment(numbers)),
        )
    )
    _, at_syn, at_answer = np.intersect1d(syns.keys, answers.keys, assume_unique=True, return_indices=True)
    pairs = HalfTranslations(syns.rows[at_syn], answers.rows[at_answer])
    has_end = share_an_end(flows, *pairs)
    return HalfTranslations(pairs.requests[has_end], pairs.answers[has_end])


def share_an_end(flows: FlowTable, requests: FlowRows, answers: FlowRows) -> Mask:
    """Per pair of rows: does NAT leave one end of the connection as it is?"""
    asked, answering = flows[requests], flows[answers]
    has_client = (asked[:, schema.FLOW_SRC_END] == answering[:, schema.FLOW_DST_END]).all(axis=1)
    has_server = (asked[:, schema.FLOW_DST_END] == answering[:, schema.FLOW_SRC_END]).all(axis=1)
    mask: Mask = has_client | has_server
    return mask


class _Keyed(NamedTuple):
    keys: Values
    rows: FlowRows


def _unique(keys: Values, rows: FlowRows) -> _Keyed:
    """The keys that occur once, sorted, with their rows."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    is_only = np.ones(len(keys), dtype=bool)
    is_same = keys[1:] == keys[:-1]
    is_only[1:] &= ~is_same
    is_only[:-1] &= ~is_same
    return _Keyed(keys[is_only], rows[is_only])
