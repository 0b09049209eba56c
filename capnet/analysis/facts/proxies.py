"""Proxied connections: a process such as docker-proxy or nginx ends one connection and opens another one for it.

The addresses, ports, sequence numbers and IP identifications differ, so no flow link joins the two.
Method: the second connection leaves from the station that the first one ended at (`fate.connection_ends`), inside the
first, with as many bytes in each direction, and at no time has either direction more bytes than its proxy had received.
Most other connections to that port have a second one as well: a server that answers by itself is no proxy.
Limits: the bytes themselves are not compared; many equal connections at once are not told apart.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.outcomes import Proxy
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import first_sequence_number, flow_key, replies
from capnet.analysis.core.schema import FlowRows, FlowTable, Mask, Observations, Values
from capnet.analysis.core.wording import Text
from capnet.analysis.correlate.clocks import clocks, flow_spans
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.connection_ends import ConnectionEnds, connection_ends
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_FIN, TCP_RST

MAX_ALIKE_CONNECTIONS = 20  # of equal size in both directions: more are usual for the application, and prove nothing
MAX_OPENING_NS = 1_000_000_000  # after the first connection: the proxy opens the second one at once
MAX_DISORDER_NS = 1_000_000  # by which time stamps under two clocks may be out of order
MAX_CLOSING_NS = 50_000_000  # by which the second connection may outlive the first while both are closed
_SERVER = schema.FLOW_DST_END


class Proxied(NamedTuple):
    """Two connections that carry one payload, as flow rows at the point where each direction was seen first."""

    client: int
    server: int
    server_answer: int
    client_answer: int
    size: tuple[int, int]  # payload bytes of the request and of the answer


BECAUSE = Text(
    en="the station that the first connection ended at opened the second one inside it, and passed on {sent} and "
    "{answered} bytes of payload",
    zh="第一个连接所到的站点在其间打开了第二个连接，并传递了 {sent} 和 {answered} 字节的内容",
)


@derived
def proxy_facts(context: Context) -> list[Proxy]:
    """Proxied connections by time of the first packet."""
    flows = context.flows
    return [
        Proxy(
            "tcp",
            flow_key(flows[pair.client]),
            flow_key(flows[pair.server]),
            BECAUSE.fill(sent=pair.size[0], answered=pair.size[1]),
            [context.first_frame(row) for row in (pair.client, pair.server)],
        )
        for pair in proxied(context)
    ]


@derived
def proxied(context: Context) -> list[Proxied]:
    """The pairs of connections by time of the first packet."""
    flows = context.flows
    answers = replies(context)
    links = flow_links(context)
    connections = _answered_connections(context, links)
    candidates = _candidates(context, connections)
    ends = connection_ends(context, candidates.rows)
    possible = _possible_pairs(_Connections(context, candidates.rows, ends), candidates.groups)
    payload = _PayloadOrder(context)
    pairs, refuted = [], []
    for first, second in zip(*(side.tolist() for side in _unique_pairs(possible)), strict=True):
        client, server = int(candidates.rows[first]), int(candidates.rows[second])
        server_answer, client_answer = int(answers[server]), int(ends.answer[first])
        # Compare where the proxy's host received and sent: one clock, whatever its neighbours have.
        if payload.follows(int(ends.last[first]), server) and payload.follows(server_answer, client_answer):
            size = int(flows[client, schema.FLOW_PAYLOAD]), int(flows[client_answer, schema.FLOW_PAYLOAD])
            pairs.append(Proxied(client, server, int(ends.answer[second]), client_answer, size))
        else:
            refuted.append(client)
    possible_clients = distinct(candidates.rows[possible.clients])
    possible_clients = possible_clients[~is_among(possible_clients, np.array(refuted, dtype=np.int64))]
    pairs = _of_proxied_ports(flows, connections, possible_clients, pairs)
    return sorted(pairs, key=lambda pair: (int(flows[pair.client, schema.FLOW_FIRST]), pair.client))


def _of_proxied_ports(
    flows: FlowTable, connections: FlowRows, possible_clients: FlowRows, pairs: list[Proxied]
) -> list[Proxied]:
    """Those pairs whose port most closed connections have a second one for: what answers by itself is no proxy."""
    if not pairs:
        return []
    is_closed = flows[connections, schema.FLOW_TCP_FLAGS] & (TCP_FIN | TCP_RST) != 0
    ports, all_ports, proxied_ports = (
        hash_of(flows, _SERVER, rows)
        for rows in (np.array([pair.client for pair in pairs]), connections[is_closed], possible_clients)
    )
    return [
        pair
        for pair, port in zip(pairs, ports, strict=True)
        if 2 * (proxied_ports == port).sum() > (all_ports == port).sum()
    ]


class _Candidates(NamedTuple):
    """Connections of which several have the same size, sorted by it."""

    rows: FlowRows  # of the opening direction, where it was seen first
    groups: Values  # a number for each size


def _answered_connections(context: Context, links: Links) -> FlowRows:
    """Connections with data in both directions: the opening direction, where it was seen first."""
    flows = context.flows
    answers = replies(context)
    is_opening = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    is_opening &= (flows[:, schema.FLOW_PAYLOAD] > 0) & (flows[:, schema.FLOW_DEPTH] == 0)
    rows = np.flatnonzero(is_opening)
    rows = rows[(links.before[rows] < 0) & (answers[rows] >= 0)]
    return rows[flows[:, schema.FLOW_PAYLOAD][answers[rows]] > 0]


def _candidates(context: Context, rows: FlowRows) -> _Candidates:
    flows, answers = context.flows, replies(context)
    sizes, answer_sizes = flows[:, schema.FLOW_PAYLOAD][rows], flows[:, schema.FLOW_PAYLOAD][answers[rows]]
    order = np.lexsort((rows, flows[:, schema.FLOW_FIRST][rows], answer_sizes, sizes))
    rows, sizes, answer_sizes = rows[order], sizes[order], answer_sizes[order]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (sizes[1:] != sizes[:-1]) | (answer_sizes[1:] != answer_sizes[:-1])
    groups = np.cumsum(is_first) - 1
    alike = np.bincount(groups)[groups] if len(rows) else groups
    is_candidate = (alike > 1) & (alike <= MAX_ALIKE_CONNECTIONS)
    return _Candidates(rows[is_candidate], groups[is_candidate])


class _Pairs(NamedTuple):
    """Client and server of each pair, as indexes of candidates."""

    clients: Values
    servers: Values


def _possible_pairs(connections: _Connections, groups: Values) -> _Pairs:
    """All pairs of candidates that may be one proxied connection."""
    clients, servers = [groups[:0]], [groups[:0]]
    for distance in range(1, MAX_ALIKE_CONNECTIONS):
        earlier = np.flatnonzero(groups[distance:] == groups[:-distance])
        if not len(earlier):
            break
        later = earlier + distance
        for client, server in ((earlier, later), (later, earlier)):
            is_pair = connections.are_pairs(client, server)
            clients.append(client[is_pair])
            servers.append(server[is_pair])
    return _Pairs(np.concatenate(clients), np.concatenate(servers))


def _unique_pairs(pairs: _Pairs) -> _Pairs:
    """The pairs of which neither side is in another one: which of several is the one cannot be told."""
    counts = [np.bincount(side)[side] if len(side) else side for side in pairs]
    is_unique = (counts[0] == 1) & (counts[1] == 1)
    return _Pairs(pairs.clients[is_unique], pairs.servers[is_unique])


class _Connections:
    """What decides whether two connections are a pair, as arrays with one entry for each candidate."""

    def __init__(self, context: Context, rows: FlowRows, ends: ConnectionEnds) -> None:
        flows = context.flows
        first, last = flow_spans(context)
        self._first_ns, self._last_ns = first[rows], last[rows]  # under one clock
        self._source = flows[rows[:, None], schema.FLOW_SRC]
        self._destination = flows[rows[:, None], schema.FLOW_DST]
        self._syn_numbers = flows[:, schema.FLOW_FIRST_SEQ][rows]
        self._ends = ends

    def are_pairs(self, client: Values, server: Values) -> Mask:
        """For each pair: is the second connection inside the first, from its end, and between other addresses?

        Its source is not the source of the first, its destination not the destination of the first. Only a host's
        bridge brings a connection back to the station that it came from: two stations may ask each other.
        """
        # The same connection after NAT has the same sequence numbers.
        is_other = self._syn_numbers[client] != self._syn_numbers[server]
        is_other |= self._syn_numbers[client] == 0
        delay_ns = self._first_ns[server] - self._first_ns[client]
        is_inside = (delay_ns > 0) & (delay_ns <= MAX_OPENING_NS)
        # Equal requests one after the other: what is opened after the first one's end is not its second connection.
        is_inside &= self._first_ns[server] <= self._last_ns[client]
        is_inside &= self._last_ns[server] <= self._last_ns[client] + MAX_CLOSING_NS
        are_pairs: Mask = is_other & is_inside & self._ends.meet(client, server)
        few = np.flatnonzero(are_pairs)
        client, server = client[few], server[few]
        are_pairs[few] &= (self._source[client] != self._source[server]).any(axis=1)
        are_pairs[few] &= (self._destination[client] != self._destination[server]).any(axis=1)
        is_back = (self._source[client] == self._destination[server]).all(axis=1)
        are_pairs[few] &= ~is_back | self._ends.is_of_bridge[server]
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
            return False
        clock = clocks(self._context).of_flows(self._context)
        tolerance_ns = MAX_DISORDER_NS if clock[first] != clock[second] else 0
        position = np.searchsorted(received.times_ns, sent.times_ns + tolerance_ns, side="right") - 1
        return bool((sent.octets <= np.where(position >= 0, received.octets[position], 0)).all())

    def _progress(self, row: int) -> _Progress:
        if self._observations is None:
            self._observations = self._data_segments()
        flow = self._context.flows[row]
        start, end = np.searchsorted(self._observations[:, schema.OBS_FLOW], [row, row + 1])
        segments = self._observations[start:end]
        # Count from the octet behind the SYN. FIN counts one as well, and a proxy may see it on either side first.
        first_octet = first_sequence_number(int(flow[schema.FLOW_FIRST_SEQ])) + 1
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
