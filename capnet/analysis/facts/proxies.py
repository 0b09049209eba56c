"""Proxied connections: two TCP connections that carry one payload, as docker-proxy makes them.

The userland proxy accepts a connection to a published port and opens a second one to the container, from the bridge's
address. Sequence numbers and IP identifications differ, so no flow link joins the two.
Method: both carry the same number of bytes in each direction, the second is opened soon after the first and ends with
it, and at no time has the second more bytes than the first. Of several candidates, only a unique pair counts.
Limits: the bytes themselves are not compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import flow_key, host_of, replies
from capnet.analysis.core.results import Proxy
from capnet.analysis.core.schema import FlowRows, Mask, Observations, Values
from capnet.analysis.correlate.clocks import clocks, flow_spans
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.wire.numbers import TCP

MAX_ALIKE_CONNECTIONS = 20  # of equal size in both directions: more are usual for the application, and prove nothing
MAX_OPENING_NS = 1_000_000_000  # after the first connection: the proxy opens the second one at once
MAX_DISORDER_NS = 1_000_000  # by which time stamps of two points may be out of order
MAX_CLOSING_NS = 50_000_000  # by which the second connection may outlive the first while both are closed
_SOURCE_ADDRESS = [schema.FLOW_SRC_HI, schema.FLOW_SRC_LO]
_DESTINATION_ADDRESS = [schema.FLOW_DST_HI, schema.FLOW_DST_LO]


class Proxied(NamedTuple):
    """Two connections that carry one payload, as flow rows at the point where each direction was seen first."""

    client: int
    server: int
    server_answer: int
    client_answer: int
    size: tuple[int, int]  # payload bytes of the request and of the answer


@derived
def proxy_facts(context: Context) -> list[Proxy]:
    """Proxied connections by time of the first packet."""
    flows = context.flows
    return [
        Proxy(
            "tcp",
            flow_key(flows[pair.client]),
            flow_key(flows[pair.server]),
            f"a second connection inside the first carries the same {pair.size[0]} and {pair.size[1]} bytes of payload",
            [
                context.flow_evidence(row, int(flows[row, schema.FLOW_FIRST_FRAME]))
                for row in (pair.client, pair.server)
            ],
        )
        for pair in proxied(context)
    ]


@derived
def proxied(context: Context) -> list[Proxied]:
    """The pairs of connections by time of the first packet."""
    flows = context.flows
    answers = replies(context)
    links = flow_links(context)
    candidates = _candidates(context, links)
    clients, servers = _unique_pairs(_Connections(context, candidates.rows), candidates.groups)
    payload = _PayloadOrder(context)
    pairs = []
    for client, server in zip(candidates.rows[clients].tolist(), candidates.rows[servers].tolist(), strict=True):
        client_answer, server_answer = int(answers[client]), int(answers[server])
        if payload.follows(client, server) and payload.follows(server_answer, client_answer):
            size = int(flows[client, schema.FLOW_PAYLOAD]), int(flows[client_answer, schema.FLOW_PAYLOAD])
            first_answers = _first_hop(links, server_answer), _first_hop(links, client_answer)
            pairs.append(Proxied(client, server, *first_answers, size))
    return sorted(pairs, key=lambda pair: (int(flows[pair.client, schema.FLOW_FIRST]), pair.client))


class _Candidates(NamedTuple):
    """Connections of which several have the same size, sorted by it."""

    rows: FlowRows  # of the opening direction, where it was seen first
    groups: Values  # a number for each size


def _candidates(context: Context, links: Links) -> _Candidates:
    flows = context.flows
    answers = replies(context)
    is_opening = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    is_opening &= (flows[:, schema.FLOW_PAYLOAD] > 0) & (flows[:, schema.FLOW_DEPTH] == 0)
    rows = np.flatnonzero(is_opening)
    rows = rows[(links.before[rows] < 0) & (answers[rows] >= 0)]
    sizes, answer_sizes = flows[rows, schema.FLOW_PAYLOAD], flows[answers[rows], schema.FLOW_PAYLOAD]
    order = np.lexsort((rows, flows[rows, schema.FLOW_FIRST], answer_sizes, sizes))
    rows, sizes, answer_sizes = rows[order], sizes[order], answer_sizes[order]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (sizes[1:] != sizes[:-1]) | (answer_sizes[1:] != answer_sizes[:-1])
    groups = np.cumsum(is_first) - 1
    alike = np.bincount(groups)[groups] if len(rows) else groups
    is_candidate = (alike > 1) & (alike <= MAX_ALIKE_CONNECTIONS)
    return _Candidates(rows[is_candidate], groups[is_candidate])


def _first_hop(links: Links, row: int) -> int:
    """The first flow of the path that leads to a flow."""
    while (link := int(links.before[row])) >= 0:
        row = int(links.source[link])
    return row


def _unique_pairs(connections: _Connections, groups: Values) -> tuple[Values, Values]:
    """Client and server of each pair, as indexes of candidates. A client with several possible servers has none."""
    server_counts = np.zeros(len(groups), dtype=np.int64)
    last_servers = np.zeros(len(groups), dtype=np.int64)
    for distance in range(1, MAX_ALIKE_CONNECTIONS):
        earlier = np.flatnonzero(groups[distance:] == groups[:-distance])
        if not len(earlier):
            break
        later = earlier + distance
        for client, server in ((earlier, later), (later, earlier)):
            is_pair = connections.are_pairs(client, server)
            server_counts[client[is_pair]] += 1
            last_servers[client[is_pair]] = server[is_pair]
    clients = np.flatnonzero(server_counts == 1)
    return clients, last_servers[clients]


class _Connections:
    """What decides whether two connections are a pair, as arrays with one entry for each candidate."""

    def __init__(self, context: Context, rows: FlowRows) -> None:
        flows = context.flows
        first, last = flow_spans(context)
        self._first_ns, self._last_ns = first[rows], last[rows]  # under one clock
        self._source = flows[rows[:, None], _SOURCE_ADDRESS]
        self._destination = flows[rows[:, None], _DESTINATION_ADDRESS]
        hosts = [host_of(point.name) or "" for point in context.points]
        points = flows[rows, schema.FLOW_POINT]
        self._host = np.array([hosts.index(host) for host in hosts], dtype=np.int64)[points]
        self._is_at_parent = np.array([point.role == "parent" for point in context.points], dtype=bool)[points]
        self._syn_numbers = flows[rows, schema.FLOW_FIRST_SEQ]

    def are_pairs(self, client: Values, server: Values) -> Mask:
        """For each pair: is the second connection inside the first, on one host, and between other addresses?

        Its source is neither end of the first, its destination not the destination of the first.
        """
        is_on_host = (self._host[client] == self._host[server]) | self._is_at_parent[client]
        # The same connection after NAT has the same sequence numbers.
        is_other = self._syn_numbers[client] != self._syn_numbers[server]
        is_other |= self._syn_numbers[client] == 0
        delay_ns = self._first_ns[server] - self._first_ns[client]
        is_inside = (delay_ns > 0) & (delay_ns <= MAX_OPENING_NS)
        is_inside &= self._last_ns[server] <= self._last_ns[client] + MAX_CLOSING_NS
        are_pairs: Mask = is_on_host & is_other & is_inside
        few = np.flatnonzero(are_pairs)
        client, server = client[few], server[few]
        are_pairs[few] &= (self._source[client] != self._source[server]).any(axis=1)
        are_pairs[few] &= (self._destination[client] != self._source[server]).any(axis=1)
        are_pairs[few] &= (self._destination[client] != self._destination[server]).any(axis=1)
        return are_pairs


class _Progress(NamedTuple):
    """Of one flow: times of its segments with data, and the payload octets that it has carried by then."""

    times_ns: Values
    octets: Values


class _PayloadOrder:
    """Compares the progress of flows: a proxy can only pass on what it has received."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._observations: Observations | None = None  # of TCP segments with data, by flow and time

    def follows(self, first: int, second: int) -> bool:
        """Has the second flow at no time more octets than the first? Always true of a sample of packets."""
        if self._context.sample_share < 1.0:
            return True
        received, sent = self._progress(first), self._progress(second)
        if not len(received.times_ns) or not len(sent.times_ns):
            return True
        position = np.searchsorted(received.times_ns, sent.times_ns + MAX_DISORDER_NS, side="right") - 1
        return bool((sent.octets <= np.where(position >= 0, received.octets[position], 0)).all())

    def _progress(self, row: int) -> _Progress:
        if self._observations is None:
            self._observations = self._data_segments()
        flow = self._context.flows[row]
        start, end = np.searchsorted(self._observations[:, schema.OBS_FLOW], [row, row + 1])
        segments = self._observations[start:end]
        # Count from the octet behind the SYN. FIN counts one as well, and a proxy may see it on either side first.
        first_octet = (int(flow[schema.FLOW_FIRST_SEQ]) >> 32) + (1 << 31) + 1
        octets = segments[:, schema.OBS_FROM] + segments[:, schema.OBS_BYTES] - first_octet
        octets = np.minimum(np.where(octets < 0, octets + (1 << 32), octets), flow[schema.FLOW_PAYLOAD])
        return _Progress(segments[:, schema.OBS_TIME], np.maximum.accumulate(octets) if len(octets) else octets)

    def _data_segments(self) -> Observations:
        context = self._context
        observations = context.observations
        has_data = (observations[:, schema.OBS_FROM] >= 0) & (observations[:, schema.OBS_BYTES] > 0)
        segments = observations[has_data]
        segments = segments[context.flows[segments[:, schema.OBS_FLOW], schema.FLOW_PROTO] == TCP]
        segments[:, schema.OBS_TIME] = clocks(context).observation_times(context, segments)
        order = np.lexsort((segments[:, schema.OBS_SEQ], segments[:, schema.OBS_TIME], segments[:, schema.OBS_FLOW]))
        return segments[order]
