"""Requests over TCP and their answers: turns of a connection from the client's octets to the server's.

Input: observations, none of them left out. Output: for each turn the flow row of the client, and the indexes of the
last segment of the request and of the first one of the answer. Method: the octets of both directions in the order in
which they passed, without keep-alive probes; a turn is where the direction changes. Limits: connections whose client
speaks first, at their first point.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import are_keepalives
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_PSH, TCP_SYN, TCP_SYN_ACK

UNPROMPTED_NS = 1_000_000_000  # between messages of one end: parts of one come sooner


class Exchanges(NamedTuple):
    """One entry for each request, in order of connections and time; arrays of one length."""

    client: FlowRows
    request: Values  # observation of its last segment
    answer: Values  # observation of the first segment of the answer, -1 without one


@derived
def exchanges(context: Context) -> Exchanges:
    """The requests of all connections and their answers; nothing in a sample."""
    client, segments = _segments_with_octets(context)
    is_reply = context.observations[segments, schema.OBS_FLOW] != client
    is_first = np.ones(len(client), dtype=bool)
    is_first[1:] = client[1:] != client[:-1]
    speaks_first = ~is_reply[is_first][np.cumsum(is_first) - 1] if len(client) else is_reply
    ends_request = ~is_reply & speaks_first
    has_next = np.append(~is_first[1:], False) if len(client) else is_first
    ends_request[:-1] &= is_reply[1:] | ~has_next[:-1]
    positions = np.flatnonzero(ends_request)
    following = np.minimum(positions + 1, max(len(segments) - 1, 0))
    answer = np.where(has_next[positions], segments[following], -1)
    return Exchanges(client[positions], segments[positions], answer)


def unprompted_messages(context: Context, rows: FlowRows) -> Values:
    """Of each connection, by its client's flow row: how many messages follow, after 1 s, another one of the same end.

    An end that sends them waits for no answer: a timer makes it speak, or a person.
    """
    client, segments = _segments_with_octets(context)
    is_of_rows = np.zeros(len(context.flows), dtype=bool)
    is_of_rows[rows] = True
    chosen = np.flatnonzero(is_of_rows[client])
    columns = (schema.OBS_FLOW, schema.OBS_TIME, schema.OBS_CONTROL, schema.OBS_FROM, schema.OBS_BYTES)
    flow, time, control, seq, octets = (context.observations[segments[chosen], column] for column in columns)
    is_next = (flow[1:] == flow[:-1]) & (control[:-1] >> 48 & TCP_PSH != 0)
    is_next &= np.diff(time) >= UNPROMPTED_NS
    is_next &= (seq[1:] - seq[:-1] - octets[:-1]) % (1 << 32) < 1 << 31  # no repeat
    return np.bincount(client[chosen][1:][is_next], minlength=len(context.flows))[rows]


@derived
def _segments_with_octets(context: Context) -> tuple[FlowRows, Values]:
    """Client's flow row and index of each segment with payload, by connection and in the order in which they passed."""
    flows, observations, answers = context.flows, context.observations, replies(context)
    if context.sample_share < 1.0 or not len(flows):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    rows = np.arange(len(flows))
    is_client = _asks(context) & (flow_links(context).before < 0) & (answers >= 0)
    client_of = np.full(len(flows), -1)
    client_of[answers[is_client]] = rows[is_client]
    client_of[rows[is_client]] = rows[is_client]
    flow = observations[:, schema.OBS_FLOW]
    control = observations[:, schema.OBS_CONTROL]
    payload = observations[:, schema.OBS_BYTES] - (control >> 48 & 1) - (control >> 49 & 1)
    chosen = np.flatnonzero((client_of[flow] >= 0) & (control >= 0) & (payload > 0))
    chosen = chosen[np.argsort(client_of[flow[chosen]], kind="stable")]
    has_single_octet = flow[chosen[payload[chosen] == 1]]
    if len(has_single_octet):  # of few flows: the others have no probes
        chosen = chosen[~is_among(chosen, _keepalives(context, has_single_octet))]
    return client_of[flow[chosen]], chosen


def _keepalives(context: Context, flow_rows: FlowRows) -> Values:
    """Indexes of the keep-alive probes of flows."""
    observations = context.observations
    flow, seq, octets, control = (
        observations[:, column] for column in (schema.OBS_FLOW, schema.OBS_FROM, schema.OBS_BYTES, schema.OBS_CONTROL)
    )
    is_of_rows = np.zeros(len(context.flows), dtype=bool)
    is_of_rows[flow_rows] = True
    chosen = np.flatnonzero(is_of_rows[flow] & (control >= 0) & (octets > 0))
    return chosen[are_keepalives(flow[chosen], seq[chosen], octets[chosen], control[chosen] >> 48)]


def _asks(context: Context) -> Mask:
    """Per flow: is it the direction of a TCP client, by its SYN, or by its port where no SYN was captured?"""
    flows = context.flows
    flags = flows[:, schema.FLOW_TCP_FLAGS]
    is_by_port = (flags & TCP_SYN == 0) & (flows[:, schema.FLOW_SPORT] > flows[:, schema.FLOW_DPORT])
    has_asked = (flows[:, schema.FLOW_SYNS] > 0) & (flags & schema.USED_AGAIN == 0)
    mask: Mask = (flows[:, schema.FLOW_PROTO] == TCP) & (has_asked | is_by_port)
    return mask & ((flags & TCP_SYN_ACK) != 0)
