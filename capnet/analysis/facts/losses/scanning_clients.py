"""Clients that try many ports of a server, many addresses, or one port of many neighbours: they get no answer by right.

Input: flows. Output: masks of flow rows. Method: distinct values per key, by sorting.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FlowMask, Values
from capnet.wire.numbers import UDP

MAX_SINGLE_PORTS = 5  # of one address: more are a scan, which is one finding
MAX_ADDRESSES = 20  # of one client that do not accept: more are a scan
MAX_NEIGHBOURS = 10  # of one client, port and /24, that it tries once or twice each: more are a scan
MAX_NEIGHBOUR_TRIES = 2
MAX_DATAGRAM_TRIES = 2  # packets, and source ports: who asks more often wants an answer
WELL_KNOWN = 1024  # ports below are of services (RFC 6335)

CLIENT = [schema.FLOW_POINT, *schema.FLOW_SRC]
_SERVER = [schema.FLOW_POINT, *schema.FLOW_DST]


def is_of_scan(context: Context, is_new: FlowMask, is_closed: FlowMask) -> FlowMask:
    """Per flow: does its client try many ports of its server, or many addresses that do not accept?

    `is_new`: flows with a SYN. `is_closed`: those of them that were not accepted.
    """
    flows = context.flows
    clients = hash_of(flows, CLIENT).astype(np.int64)
    pairs = row_hash(np.column_stack((clients, flows[:, _SERVER]))).astype(np.int64)
    is_scan = np.zeros(len(flows), dtype=bool)
    for chosen, keys, tried, limit in (
        (is_new, pairs, flows[:, schema.FLOW_DPORT], MAX_SINGLE_PORTS),
        (is_closed, clients, hash_of(flows, _SERVER).astype(np.int64), MAX_ADDRESSES),
    ):
        is_scan |= chosen & is_among(keys, _with_many(keys[chosen], tried[chosen], limit))
    return is_scan | _is_of_neighbours(context, is_closed)


@derived
def is_of_datagram_scan(context: Context) -> FlowMask:
    """Per flow: is it of UDP, of a client that tries many well-known ports of its server, none of which answers?"""
    flows = context.flows
    is_tried = (
        (flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_DPORT] < WELL_KNOWN) & (replies(context) < 0)
    )
    is_tried &= flows[:, schema.FLOW_PACKETS] <= MAX_DATAGRAM_TRIES
    rows = np.flatnonzero(is_tried)
    pairs, tried = (
        hash_of(flows, [*CLIENT, *schema.FLOW_DST, *port], rows).astype(np.int64) for port in ([], [schema.FLOW_DPORT])
    )
    is_tried_often = is_among(tried, _with_many(tried, rows, MAX_DATAGRAM_TRIES))
    rows, pairs = rows[~is_tried_often], pairs[~is_tried_often]
    mask = np.zeros(len(flows), dtype=bool)
    mask[rows[is_among(pairs, _with_many(pairs, flows[rows, schema.FLOW_DPORT], MAX_SINGLE_PORTS))]] = True
    return mask


def _is_of_neighbours(context: Context, is_closed: FlowMask) -> FlowMask:
    """Per flow: does its client try its port of one address after the other of a network, and is not accepted?"""
    flows = context.flows
    rows = np.flatnonzero(is_closed)
    network = flows[rows, schema.FLOW_DST_LO] >> 8
    place = flows[rows[:, None], [*CLIENT, schema.FLOW_DPORT, schema.FLOW_DST_HI]]
    keys = row_hash(np.column_stack((place, network))).astype(np.int64)
    tried = row_hash(np.column_stack((keys, flows[rows, schema.FLOW_DST_LO]))).astype(np.int64)
    is_tried_often = is_among(tried, _with_many(tried, rows, MAX_NEIGHBOUR_TRIES))
    scanned = _with_many(keys[~is_tried_often], tried[~is_tried_often], MAX_NEIGHBOURS)
    mask = np.zeros(len(flows), dtype=bool)
    mask[rows[is_among(keys, scanned) & ~is_tried_often]] = True
    return mask


def _with_many(keys: Values, values: Values, limit: int) -> Values:
    """The keys that have more than `limit` different values."""
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    is_new = np.ones(len(keys), dtype=bool)
    is_new[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
    keys = keys[is_new]
    return distinct(keys[limit:][keys[limit:] == keys[:-limit]])
