"""Port scans: a client that tries many ports or addresses by TCP or UDP, and what becomes of that.

Input: flows of scanning clients (`facts.losses.scanning_clients`). Output: `PortScan`s by protocol and client.
Method: a connection is one at all its points, that of the flow which its client sent first. Not clients of which more
than half are accepted: they are of passive FTP, or of a server with many services.
Of UDP, those that get an answer are not counted.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, distinct_rows, hash_of, is_among, repeated
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies, reply_values, source
from capnet.analysis.core.schema import FlowMask, FlowRows, Values
from capnet.analysis.facts.losses.scanning_clients import CLIENT, MIN_CLOSED, is_of_datagram_scan, is_of_syn_scan
from capnet.analysis.facts.outcomes.refused_datagrams import are_refused
from capnet.analysis.facts.syns.refusals.refusing_answers import are_connections, refusing_answers
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value

# What became of a connection: the best of what its points show.
SILENT, REFUSED, ACCEPTED = OUTCOMES = range(3)
MAX_CLIENTS = 256  # those that try most
MAX_LISTED = 100  # addresses, ports
MAX_DELAY_NS = 1_000_000_000  # between two points, and their clocks


class PortScan(NamedTuple):
    """What one client tried: pairs of an address and a port, each counted once."""

    proto: int  # TCP or UDP
    client: str
    servers: list[str]  # the first MAX_LISTED, in the order of their addresses
    servers_in_all: int
    ports: list[int]  # likewise
    ports_in_all: int
    last_port: int
    accepted: int
    refused: int
    silent: int
    source_port: int | None  # the only one that all connections came from
    open_ports: list[tuple[str, int]]  # the first MAX_LISTED of those that accepted
    rows: FlowRows  # the flows as the client sent them
    seen_as: list[str]  # addresses that the same attempts have at other points

    @property
    def tried(self) -> int:
        """How many pairs."""
        return self.accepted + self.refused + self.silent


class _Attempts(NamedTuple):
    """Connections of scans, as their clients sent them: flow rows, and what became of each."""

    rows: FlowRows
    outcomes: Values


@derived
def port_scans(context: Context) -> list[PortScan]:
    """The scans, those of the most connections first."""
    attempts = _attempts(context)
    clients = hash_of(context.flows, [schema.FLOW_PROTO, *schema.FLOW_SRC], attempts.rows)
    order = np.argsort(clients, kind="stable")
    borders = np.flatnonzero(clients[order[1:]] != clients[order[:-1]]) + 1
    groups = sorted(np.split(order, borders), key=len, reverse=True)[:MAX_CLIENTS]
    scans = [_scan(context, _Attempts(*(column[group] for column in attempts))) for group in groups if len(group)]
    return _without_copies(context, [scan for scan in scans if scan is not None])


def _without_copies(context: Context, scans: list[PortScan]) -> list[PortScan]:
    """Scans without those that are another one behind a translation, where packets of raw sockets are not followed.

    Routing has taken of its TTL.
    """
    originals: list[_Extent] = []
    extents = [_extent(context, scan) for scan in scans]
    for extent in sorted(extents, key=lambda extent: -extent.ttl):
        original = next((of for of in originals if _is_copy(of, extent)), None)
        if original:
            original.scan.seen_as.append(extent.scan.client)
        else:
            originals.append(extent)
    return [extent.scan for extent in originals]


class _Extent(NamedTuple):
    """Where and when a scan was seen, and what it tried."""

    scan: PortScan
    ttl: float  # mean of its packets
    begin: int  # ns
    end: int
    points: frozenset[int]
    pairs: frozenset[int]  # hashes


def _extent(context: Context, scan: PortScan) -> _Extent:
    flows = context.flows[scan.rows]
    return _Extent(
        scan,
        float(flows[:, schema.FLOW_TTL].mean()),
        int(flows[0, schema.FLOW_FIRST]),
        int(flows[:, schema.FLOW_LAST].max()),
        frozenset(distinct(flows[:, schema.FLOW_POINT]).tolist()),
        frozenset(hash_of(flows, [schema.FLOW_PROTO, *schema.FLOW_DST_END]).tolist()),
    )


def _is_copy(original: _Extent, copy: _Extent) -> bool:
    """Has it no other pairs, begins and ends as the original, and is at other points?"""
    is_simultaneous = max(abs(copy.begin - original.begin), abs(copy.end - original.end)) <= MAX_DELAY_NS
    return is_simultaneous and not copy.points & original.points and copy.pairs <= original.pairs


@derived
def is_of_port_scan(context: Context) -> FlowMask:
    """Per flow: is it of a connection of these scans, at any point?"""
    flows, chain, mask = context.flows, chain_of(context), np.zeros(len(context.flows), dtype=bool)
    for scan in port_scans(context):
        mask[chain[scan.rows]] = True
        for client in scan.seen_as:
            of_client = _is_attempt(context) & (flows[:, schema.FLOW_SRC] == address_value(client)).all(axis=1)
            mask[chain[of_client & (flows[:, schema.FLOW_PROTO] == scan.proto)]] = True
    return mask[chain]


@derived
def _is_attempt(context: Context) -> FlowMask:
    """Per flow: is it of a scan, or of its client, and accepted by the same port elsewhere or by a scanned server?"""
    flows, is_scan = context.flows, is_of_syn_scan(context)
    rows = np.flatnonzero(is_scan | _is_accepted(context))
    of_port, of_server = (
        hash_of(flows, [*CLIENT, *columns], rows).astype(np.int64) for columns in ([schema.FLOW_DPORT], schema.FLOW_DST)
    )
    is_scanned = is_among(of_port, distinct(of_port[is_scan[rows]]))
    is_scanned |= is_among(of_server, repeated(of_server[is_scan[rows]]))  # by ports, not by addresses
    mask = is_of_datagram_scan(context).copy()
    mask[rows[is_scanned]] = True
    return mask


def _is_accepted(context: Context) -> FlowMask:
    is_answered = (replies(context) >= 0) & (reply_values(context, schema.FLOW_SYNACK_TIME) >= 0)
    return are_connections(context.flows) & is_answered


def _attempts(context: Context) -> _Attempts:
    """The connections and datagrams of scanning clients, each once, by their beginning."""
    flows = context.flows
    rows = np.flatnonzero(_is_attempt(context))
    rows = rows[np.argsort(flows[rows, schema.FLOW_FIRST], kind="stable")]
    outcome = np.full(len(rows), SILENT)
    outcome[(refusing_answers(context)[rows] >= 0) | are_refused(context)[rows]] = REFUSED
    outcome[_is_accepted(context)[rows]] = ACCEPTED
    _, first, numbers = np.unique(chain_of(context)[rows], return_index=True, return_inverse=True)
    best = np.full(len(first), SILENT)
    np.maximum.at(best, numbers, outcome)
    order = np.argsort(first)
    return _Attempts(rows[first[order]], best[order])


def _scan(context: Context, attempts: _Attempts) -> PortScan | None:
    """The scan of one client, if it is one."""
    flows = context.flows
    ends = hash_of(flows, schema.FLOW_DST_END, attempts.rows)
    _, first, numbers = np.unique(ends, return_index=True, return_inverse=True)
    best = np.full(len(first), SILENT)
    np.maximum.at(best, numbers, attempts.outcomes)
    silent, refused, accepted = (int((best == outcome).sum()) for outcome in OUTCOMES)
    if silent + refused < max(MIN_CLOSED, accepted):
        return None
    tried = attempts.rows[first]
    servers, ports = distinct_rows(flows[tried[:, None], schema.FLOW_DST]), distinct(flows[tried, schema.FLOW_DPORT])
    opened = distinct_rows(flows[tried[best == ACCEPTED, None], schema.FLOW_DST_END])
    sources = distinct(flows[attempts.rows, schema.FLOW_SPORT])
    return PortScan(
        int(flows[attempts.rows[0], schema.FLOW_PROTO]), source(flows[attempts.rows[0]]),
        [address_text(*server) for server in servers[:MAX_LISTED].tolist()], len(servers),
        ports[:MAX_LISTED].tolist(), len(ports), int(ports[-1]),
        accepted, refused, silent,
        int(sources[0]) if len(sources) == 1 else None,
        [(address_text(*end[:-1]), end[-1]) for end in opened[:MAX_LISTED].tolist()],
        attempts.rows, [],
    )  # fmt: skip
