"""Answers that do not mirror what they answer: at another point, in another tunnel, or with an end translated.

Each half of a tap, `tcpdump -Q`, two networks of a tunnel; a point that shows the requests behind a translation and the
answers before it, as the loopback interface does of connections that a host redirects to its own proxy.

Input: flows, replies. Output: per flow, is there such an answer to it?
Method: flows without their opposite, paired by both ends and both ports; of ICMP, a request with its kind of reply. At
one point, a SYN and the only SYN-ACK that acknowledges just this SYN, if they share an end; and answers of DNS that
come from another address, if the client takes them (`accepted_answers`).
Limits: equal ports on both sides, or none, prove no answer (`fate.answers`).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import combined_hash, hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, awaited_acknowledgment, first_acknowledgment
from capnet.analysis.core.schema import FlowMask, FlowRows, FlowTable, Values
from capnet.analysis.fate.answers import answering_replies, other_address_answers
from capnet.analysis.fate.verdict.accepted_answers import are_accepted_from_elsewhere
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST, TCP

_PLACE = [*schema.FLOW_PLACE, schema.FLOW_DEPTH]
_THERE = [schema.FLOW_PROTO, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
_BACK = [schema.FLOW_PROTO, *schema.FLOW_OPPOSITE_ADDRESSES, schema.FLOW_DPORT, schema.FLOW_SPORT]


@derived
def is_answered_elsewhere(context: Context) -> FlowMask:
    """Per flow without a reply that mirrors it: is there one elsewhere, or with an end translated?"""
    flows = context.flows
    mask = np.zeros(len(flows), dtype=bool)
    is_alone = (answering_replies(context) < 0) & (flows[:, schema.FLOW_SPORT] >= 0)
    is_message = is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS)
    asks = np.flatnonzero(is_alone & np.where(is_message, _is_of_kind(flows, *_ECHO), _has_two_ports(flows)))
    if not len(asks):
        return mask
    mask[_half_translated(flows, asks)] = True
    accepted = np.flatnonzero(are_accepted_from_elsewhere(context))
    mask[accepted] = True
    mask[other_address_answers(context)[accepted]] = True
    answers = np.flatnonzero(is_alone & np.where(is_message, _is_of_kind(flows, *_ECHO_REPLY), _has_two_ports(flows)))
    mask[asks[is_among(hash_of(flows, _THERE, asks), hash_of(flows, _BACK, answers))]] = True
    return mask


def _half_translated(flows: FlowTable, alone: FlowRows) -> FlowRows:
    """Of rows without a mirrored reply, the SYNs and the SYN-ACKs that belong together by their numbers."""
    numbers = flows[alone, schema.FLOW_FIRST_SEQ]
    is_tcp = flows[alone, schema.FLOW_PROTO] == TCP
    is_syn, is_synack = (
        is_tcp & (flows[alone, column] >= 0) for column in (schema.FLOW_SYN_TIME, schema.FLOW_SYNACK_TIME)
    )
    expected = awaited_acknowledgment(numbers)
    places = hash_of(flows, _PLACE, alone)
    syns, answers = (
        _unique(combined_hash([places[mask], of[mask]]), alone[mask])
        for mask, of in ((is_syn, expected), (is_synack, first_acknowledgment(numbers)))
    )
    _, at_syn, at_answer = np.intersect1d(syns.keys, answers.keys, assume_unique=True, return_indices=True)
    asks, answers_to = syns.rows[at_syn], answers.rows[at_answer]
    has_end = (flows[asks][:, schema.FLOW_SRC_END] == flows[answers_to][:, schema.FLOW_DST_END]).all(axis=1)
    has_end |= (flows[asks][:, schema.FLOW_DST_END] == flows[answers_to][:, schema.FLOW_SRC_END]).all(axis=1)
    return np.concatenate((asks[has_end], answers_to[has_end]))


class _Keyed(NamedTuple):
    keys: Values
    rows: FlowRows


def _unique(keys: Values, rows: FlowRows) -> _Keyed:
    """The keys that occur once, sorted, with their rows."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    is_one = np.ones(len(keys), dtype=bool)
    is_same = keys[1:] == keys[:-1]
    is_one[1:] &= ~is_same
    is_one[:-1] &= ~is_same
    return _Keyed(keys[is_one], rows[is_one])


_ECHO = ICMP_ECHO_REQUEST, ICMPV6_ECHO_REQUEST
_ECHO_REPLY = ICMP_ECHO_REPLY, ICMPV6_ECHO_REPLY


def _is_of_kind(flows: FlowTable, kind: int, kind_v6: int) -> FlowMask:
    is_v4 = flows[:, schema.FLOW_PROTO] == ICMP
    mask: FlowMask = flows[:, schema.FLOW_KIND] >> 8 == np.where(is_v4, kind, kind_v6)
    return mask


def _has_two_ports(flows: FlowTable) -> FlowMask:
    mask: FlowMask = flows[:, schema.FLOW_SPORT] != flows[:, schema.FLOW_DPORT]
    return mask
