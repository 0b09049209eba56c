"""Clients that try many ports of a server, many addresses, or one port of many neighbours: they get no answer by right.

So do clients that ask for many neighbors that are not there (`address-scan`) and try those that are once or twice, and
programs that make SYNs of their own, as nmap: one source port serves for many ports of a server. The kernel takes a
source port for each connection. What a client wants to be served by (`facts.syns.scans.wanted_ports`) is no scan.

Input: flows, and questions of ARP and Neighbor Discovery. Output: masks of flow rows. Method: distinct values per key,
by sorting. Who tries many addresses while none is answered that shares the way has lost this way, and scans nothing.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among, is_one_of, repeated, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, replies, reply_values
from capnet.analysis.core.schema import FlowMask, Values
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.analysis.facts.syns.scans.wanted_ports import are_to_wanted_ports
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, UDP

MAX_SINGLE_PORTS = 5  # of one address: more are a scan, which is one finding
MAX_ADDRESSES = 20  # of one client that do not accept: more are a scan
MAX_LOST_WAYS = 100  # clients of many addresses that are looked at one by one
MIN_SHARE_OF_ROUTER = 0.9  # of silent flows that go to one MAC: the others are to neighbours
MAX_NEIGHBOURS = 10  # of one client, port and /24, that it tries once or twice each: more are a scan
MAX_NEIGHBOUR_TRIES = 2
MAX_DATAGRAM_TRIES = 2  # packets, and source ports: who asks more often wants an answer
WELL_KNOWN = 1024  # ports below are of services (RFC 6335), and FTP calls back from one
MIN_CLOSED = 4  # connections that are not accepted: of fewer, each may be a mistake
MAX_PORTS_OF_SOURCE = 2  # of a server, for a source port of its client, on average

CLIENT = [schema.FLOW_POINT, *schema.FLOW_SRC]
_SERVER = [schema.FLOW_POINT, *schema.FLOW_DST]


def is_of_scan(context: Context, is_new: FlowMask, is_closed: FlowMask, is_half_open: FlowMask) -> FlowMask:
    """Per flow: does its client try many ports of its server, half of them in vain, or many addresses in vain?

    `is_new`: flows with a SYN. `is_closed`: those of them that were not accepted. `is_half_open`: those of which the
    client did not go on, which may have been accepted.
    """
    mask, is_vain = np.zeros(len(context.flows), dtype=bool), is_closed | is_half_open
    if not is_vain.any():
        return mask
    is_wanted = are_to_wanted_ports(context)
    is_closed, is_vain = is_closed & ~is_wanted, is_vain & ~is_wanted
    if is_vain.any():
        mask |= _is_of_ports(context, is_new, is_vain) | _is_of_addresses(context, is_new, is_closed)
        mask |= _is_of_neighbours(context, is_closed) | _is_of_address_scan(context, is_closed)
    return mask & ~is_wanted


def _is_of_ports(context: Context, is_new: FlowMask, is_vain: FlowMask) -> FlowMask:
    """Per flow: does its client try many ports of its server, half of them in vain?

    Few ports are enough where they have one source port.
    """
    flows, rows = context.flows, np.flatnonzero(is_new)
    pairs = hash_of(flows, [*CLIENT, *schema.FLOW_DST], rows).astype(np.int64)
    is_repeated = is_among(pairs, repeated(pairs[is_vain[rows]]))
    rows, pairs = rows[is_repeated], pairs[is_repeated]
    ports, sources = flows[rows, schema.FLOW_DPORT], flows[rows, schema.FLOW_SPORT]
    of_pair, tried = _numbers_of(pairs, ports)
    is_accepted, is_free = ~is_vain[rows], sources >= WELL_KNOWN
    vain, from_free, free_sources = tried.copy(), np.zeros_like(tried), np.zeros_like(tried)
    accepting, accepted = _numbers_of(pairs[is_accepted], ports[is_accepted])
    vain[np.searchsorted(of_pair, accepting)] -= accepted
    for values, numbers in ((ports, from_free), (sources, free_sources)):
        of_free, counts = _numbers_of(pairs[is_free], values[is_free])
        numbers[np.searchsorted(of_pair, of_free)] = counts
    is_scan = (tried > MAX_SINGLE_PORTS) | (from_free > MAX_PORTS_OF_SOURCE * free_sources)
    is_scan &= vain >= np.maximum(MIN_CLOSED, tried / 2)
    mask = np.zeros(len(flows), dtype=bool)
    mask[rows[is_among(pairs, of_pair[is_scan])]] = True
    return mask


def _is_of_addresses(context: Context, is_new: FlowMask, is_closed: FlowMask) -> FlowMask:
    """Per flow: is it not accepted, of a client that tries many addresses in vain, and has not lost its way?"""
    rows = np.flatnonzero(is_closed)
    clients, servers = (hash_of(context.flows, columns, rows).astype(np.int64) for columns in (CLIENT, _SERVER))
    scanning = _with_many(clients, servers, MAX_ADDRESSES)
    mask = np.zeros(len(is_closed), dtype=bool)
    if len(scanning):
        every = hash_of(context.flows, CLIENT).astype(np.int64)
        first = scanning[:MAX_LOST_WAYS].tolist()
        lost = [client for client in first if _has_lost_way(context, is_new, every == client)]
        mask[rows[is_among(clients, scanning) & ~is_among(clients, np.array(lost, dtype=np.int64))]] = True
    return mask


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
    return is_of_scan(context, is_new, is_closed, is_half_open=is_closed)


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
    keys = _of_different(keys, values)
    return distinct(keys[limit:][keys[limit:] == keys[:-limit]])


def _numbers_of(keys: Values, values: Values) -> tuple[Values, Values]:
    """The keys, sorted, and how many different values each has."""
    of_key, counts = np.unique(_of_different(keys, values), return_counts=True)
    return of_key, counts


def _of_different(keys: Values, values: Values) -> Values:
    """The keys, sorted, each as often as it has different values."""
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    is_new = np.ones(len(keys), dtype=bool)
    is_new[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
    return keys[is_new]
