"""Answers at points that do not show what they answer: each half of a tap, `tcpdump -Q`, two networks of a tunnel.

Input: flows, replies. Output: per flow, is there an answer to it at another point, or in another tunnel?
Method: flows without their opposite, paired by both ends and both ports; of ICMP, a request with its kind of reply.
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
from capnet.analysis.fate.answers import answering_replies
from capnet.wire.numbers import ICMP, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST

_THERE = [
    schema.FLOW_PROTO, schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_DST_HI, schema.FLOW_DST_LO,
    schema.FLOW_SPORT, schema.FLOW_DPORT,
]  # fmt: skip
_BACK = [
    schema.FLOW_PROTO, schema.FLOW_DST_HI, schema.FLOW_DST_LO, schema.FLOW_SRC_HI, schema.FLOW_SRC_LO,
    schema.FLOW_DPORT, schema.FLOW_SPORT,
]  # fmt: skip


@derived
def is_answered_elsewhere(context: Context) -> FlowMask:
    """Per flow without a reply at its point: does another point, or another tunnel, show one alone?"""
    flows = context.flows
    mask = np.zeros(len(flows), dtype=bool)
    is_alone = (answering_replies(context) < 0) & (flows[:, schema.FLOW_SPORT] >= 0)
    is_message = is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS)
    asks = np.flatnonzero(is_alone & np.where(is_message, _is_of_kind(flows, *_ECHO), _has_two_ports(flows)))
    if not len(asks):
        return mask
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
