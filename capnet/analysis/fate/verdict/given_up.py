"""Connections that a client gives up before its SYN is sent again, and tries again from another port.

Input: flows of SYNs alone, answers. Output: a mask of flow rows. Method: health checks and programs with a short
timeout close a connection within the first second, when only one SYN was sent. One such SYN proves nothing, but the
same client asks the same service again and again, and none of its connections is answered in that time: each later one
shows that the point was still recording. Limits: a client that tries fewer than MIN_ATTEMPTS times.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.numbers import TCP, TCP_CWR, TCP_ECE, TCP_SYN

MIN_ATTEMPTS = 3  # connections: a program that is restarted, or its server, leaves one or two behind
MIN_SPAN_NS = 2_000_000_000  # from the first to the last: what a browser opens side by side is one attempt
_CLIENT_AND_SERVICE = [*schema.FLOW_PLACE, *schema.FLOW_ADDRESSES, schema.FLOW_DPORT]


@derived
def are_given_up(context: Context) -> FlowMask:
    """Per flow: is it a SYN without an answer, one of several that its client sends to the service in vain?"""
    if not are_never_finished(context).any():
        return are_never_finished(context)
    return _are_in_series(context, _has_syns_alone(context) & ~is_answered(context))


@derived
def are_never_finished(context: Context) -> FlowMask:
    """Per flow: the same, of SYNs that may be answered: the client takes no answer, or it would send ACK or RST."""
    return _are_in_series(context, _has_syns_alone(context))


def _has_syns_alone(context: Context) -> FlowMask:
    flags = context.flows[:, schema.FLOW_TCP_FLAGS]
    mask: FlowMask = _has_syn(context) & (flags & ~(TCP_SYN | TCP_ECE | TCP_CWR) == 0)
    return mask


def _has_syn(context: Context) -> FlowMask:
    flows = context.flows
    mask: FlowMask = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    return mask


def _are_in_series(context: Context, is_vain: FlowMask) -> FlowMask:
    """Per flow: is it one of several that follow each other, all in vain, from one client to one service?"""
    flows, mask = context.flows, np.zeros(len(context.flows), dtype=bool)
    if np.count_nonzero(is_vain) < MIN_ATTEMPTS:
        return mask
    rows = np.flatnonzero(_has_syn(context))
    key, first = hash_of(flows, _CLIENT_AND_SERVICE, rows), flows[rows, schema.FLOW_FIRST]
    order = np.lexsort((first, key))
    key, first, rows = key[order], first[order], rows[order]
    is_other = (key[1:] != key[:-1]) | (is_vain[rows[1:]] != is_vain[rows[:-1]])
    starts = np.flatnonzero(np.append(True, is_other))
    sizes = np.diff(np.append(starts, len(rows)))
    spans = first[starts + sizes - 1] - first[starts]
    is_series = is_vain[rows[starts]] & (sizes >= MIN_ATTEMPTS) & (spans >= MIN_SPAN_NS)
    mask[rows[np.repeat(is_series, sizes)]] = True
    return mask
