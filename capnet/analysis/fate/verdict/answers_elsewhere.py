"""Answers that do not mirror what they answer: at another point, in another tunnel, or with an end translated.

Each half of a tap, `tcpdump -Q`, two networks of a tunnel; a point that shows the requests behind a translation and the
answers before it, as the loopback interface does of connections that a host redirects to its own proxy.

Input: flows, replies. Output: per flow, is there such an answer to it?
Method: flows without their opposite, paired by both ends and both ports; of ICMP, a request with its kind of reply. At
one point, SYNs and SYN-ACKs that belong together by their numbers (`half_translations`); and answers of DNS that come
from another address, if the client takes them (`accepted_answers`).
Limits: equal ports on both sides, or none, prove no answer (`fate.answers`).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS
from capnet.analysis.core.schema import FlowMask, FlowTable
from capnet.analysis.fate.answers import answering_replies, other_address_answers
from capnet.analysis.fate.verdict.accepted_answers import are_accepted_from_elsewhere
from capnet.analysis.fate.verdict.half_translations import half_translations
from capnet.wire.numbers import ICMP, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST

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
    for rows in half_translations(flows, asks):
        mask[rows] = True
    accepted = np.flatnonzero(are_accepted_from_elsewhere(context))
    mask[accepted] = True
    mask[other_address_answers(context)[accepted]] = True
    answers = np.flatnonzero(is_alone & np.where(is_message, _is_of_kind(flows, *_ECHO_REPLY), _has_two_ports(flows)))
    mask[asks[is_among(hash_of(flows, _THERE, asks), hash_of(flows, _BACK, answers))]] = True
    return mask


_ECHO = ICMP_ECHO_REQUEST, ICMPV6_ECHO_REQUEST
_ECHO_REPLY = ICMP_ECHO_REPLY, ICMPV6_ECHO_REPLY


def _is_of_kind(flows: FlowTable, kind: int, kind_v6: int) -> FlowMask:
    is_v4 = flows[:, schema.FLOW_PROTO] == ICMP
    mask: FlowMask = flows[:, schema.FLOW_KIND] >> 8 == np.where(is_v4, kind, kind_v6)
    return mask


def _has_two_ports(flows: FlowTable) -> FlowMask:
    mask: FlowMask = flows[:, schema.FLOW_SPORT] != flows[:, schema.FLOW_DPORT]
    return mask
