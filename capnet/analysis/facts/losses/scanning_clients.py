"""Clients that try many ports of a server, many addresses, or one port of many neighbours: they get no answer by right.

So do clients that ask for many neighbors that are not there (`address-scan`) and try those that are once or twice.

Input: flows, and questions of ARP and Neighbor Discovery. Output: masks of flow rows. Method: distinct values per key,
by sorting. Who tries many addresses while none is answered that shares the way has lost this way, and scans nothing.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, replies, reply_values
from capnet.analysis.core.schema import FlowMask, Values
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, UDP

MAX_SINGLE_PORTS = 5  # of one address: more are a scan, which is one finding
MAX_ADDRESSES = 20  # of one client that do not accept: more are a scan
MAX_LOST_WAYS = 100  # clients of many addresses that are looked at one by one
MIN_SHARE_OF_ROUTER = 0.9  # of silent flows that go to one MAC: the others are to neighbours
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
    of_ports = _with_many(pairs[is_new], flows[is_new, schema.FLOW_DPORT], MAX_SINGLE_PORTS)
    is_scan |= is_new & is_among(pairs, of_ports)
    servers = hash_of(flows, _SERVER).astype(np.int64)
    of_addresses = _with_many(clients[is_closed], servers[is_closed], MAX_ADDRESSES)
    lost = [
        client for client in of_addresses[:MAX_LOST_WAYS].tolist() if _has_lost_way(context, is_new, clients == client)
    ]
    is_scan |= is_closed & is_among(clients, of_addresses) & ~is_among(clients, np.array(lost, dtype=np.int64))
    return is_scan | _is_of_neighbours(context, is_closed) | _is_of_address_scan(context, is_closed)


def _has_lost_way(context: Context, is_new: FlowMask, is_of_client: FlowMask) -> bool:
    """Is no server answered while most of a client's SYNs are silent, of those that its router leads to?

    A scan finds hosts in between. Without a router in common, all servers count. What routers have passed comes from
    elsewhere: that has its way to here, and tries addresses that may not be there, as those of a darknet.
    """
    flows, answers = context.flows, replies(context)
    rows = np.flatnonzero(is_new & is_of_client)
    silent, answered = rows[answers[rows] < 0], rows[answers[rows] >= 0]
    if not len(silent) or not is_one_of(flows[silent, schema.FLOW_TTL], INITIAL_TTLS).all():
        return False
    macs, counts = np.unique(flows[silent, schema.FLOW_DMAC], return_counts=True)
    if counts.max() >= MIN_SHARE_OF_ROUTER * len(silent):
        answered = answered[flows[answered, schema.FLOW_DMAC] == macs[counts.argmax()]]
    begin, end = np.quantile(flows[silent, schema.FLOW_FIRST], [0.25, 0.75])
    started = flows[answered, schema.FLOW_FIRST]
    return not ((started >= begin) & (started <= end)).any()


@derived
def is_of_syn_scan(context: Context) -> FlowMask:
    """Per flow: `is_of_scan` of connections that were not accepted."""
    flows = context.flows
    is_new = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    is_closed = is_new & ((replies(context) < 0) | (reply_values(context, schema.FLOW_SYNACK_TIME) < 0))
    return is_of_scan(context, is_new, is_closed)


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


def _is_of_address_scan(context: Context, is_closed: FlowMask) -> FlowMask:
    """Per flow: does its client look for MAX_ADDRESSES neighbors in vain, and try this server once or twice?

    Not what it forwards with its own address: a router asks for all that a scan behind it tries.
    """
    flows = context.flows
    sought: dict[str, set[str]] = {}
    for exchange in neighbours(context):
        if exchange.requests and not exchange.replies and not exchange.is_probe:
            sought.setdefault(exchange.asker, set()).add(exchange.target)
    mask = np.zeros(len(flows), dtype=bool)
    rows = np.flatnonzero(is_closed & is_one_of(flows[:, schema.FLOW_TTL], INITIAL_TTLS))
    for asker in (asker for asker, targets in sought.items() if len(targets) >= MAX_ADDRESSES):
        mask[rows[(flows[rows[:, None], schema.FLOW_SRC] == address_value(asker)).all(axis=1)]] = True
    tried = hash_of(flows, [*CLIENT, *schema.FLOW_DST, schema.FLOW_DPORT], rows).astype(np.int64)
    mask[rows[is_among(tried, _with_many(tried, rows, MAX_NEIGHBOUR_TRIES))]] = False
    return mask


def _with_many(keys: Values, values: Values, limit: int) -> Values:
    """The keys that have more than `limit` different values."""
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    is_new = np.ones(len(keys), dtype=bool)
    is_new[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
    keys = keys[is_new]
    return distinct(keys[limit:][keys[limit:] == keys[:-limit]])
