"""Ports of servers that a client wants, whatever becomes of its connections: what it tries there is of no scan.

Input: flows. Output: a mask of flow rows. Method: by point, client, server and port. A port is wanted where the client
has exchanged data with it, before or later, or where it tries more than twice, with another source port each time or
again after a RST. A program that wants to be served insists; a scanner asks a closed port once, and a silent one again.
Who insists on very many ports is an inventory.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import are_repeated, distinct, distinct_rows, hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies, reply_values
from capnet.analysis.core.schema import FlowMask, Values
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.wire.numbers import TCP, TCP_RST

MAX_TRIES = 2  # of a port: the second one is for a packet that was lost
MAX_INSISTED = 100  # ports of a client, at all its servers: more are an inventory that is made again and again

_CLIENT = [schema.FLOW_POINT, *schema.FLOW_SRC]
_PORT = [*_CLIENT, *schema.FLOW_DST_END]


@derived
def are_to_wanted_ports(context: Context) -> FlowMask:
    """Per flow: does it ask for a TCP connection to a port that its client wants?"""
    flows, mask = context.flows, np.zeros(len(context.flows), dtype=bool)
    is_tcp = flows[:, schema.FLOW_PROTO] == TCP
    rows = np.flatnonzero(is_tcp & (flows[:, schema.FLOW_SYNS] > 0))
    if len(rows):
        has_data = (flows[:, schema.FLOW_PAYLOAD] > 0) & (reply_values(context, schema.FLOW_PAYLOAD) > 0)
        served = np.flatnonzero(is_tcp & (replies(context) >= 0) & has_data)
        of_port = hash_of(flows, _PORT, rows).astype(np.int64)
        wanted = np.concatenate((hash_of(flows, _PORT, served).astype(np.int64), _insisted(context, rows, of_port)))
        mask[rows] = is_among(of_port, distinct(wanted))
    return mask


def _insisted(context: Context, rows: Values, of_port: Values) -> Values:
    """Those of the ports, a hash for each row, that their client tries more than MAX_TRIES times."""
    flows = context.flows
    is_repeated = are_repeated(of_port)
    tries = distinct_rows(np.column_stack((of_port, flows[rows, schema.FLOW_SPORT]))[is_repeated])
    ports, counts = np.unique(tries[:, 0], return_counts=True)
    is_refused = (replies(context)[rows] >= 0) & (reply_values(context, schema.FLOW_SYNACK_TIME)[rows] < 0)
    is_refused &= reply_values(context, schema.FLOW_TCP_FLAGS)[rows] & TCP_RST != 0
    is_asked_again = is_refused & (syns_without_duplicates(context)[rows] > MAX_TRIES)
    is_insisted = is_among(of_port, distinct(np.concatenate((ports[counts > MAX_TRIES], of_port[is_asked_again]))))
    clients = hash_of(flows, _CLIENT, rows).astype(np.int64)
    pairs = distinct_rows(np.column_stack((clients, of_port))[is_insisted])
    _, numbers, counts = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    return pairs[counts[numbers] <= MAX_INSISTED, 1]
