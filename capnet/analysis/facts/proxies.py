"""Which connections were carried on by a proxy instead of rewritten: two connections, one payload (docker-proxy)?

The userland proxy accepts a connection to a published port itself and opens a second one to the container, from the
bridge's address. Neither sequence numbers nor IP identifications have anything in common, so no digest joins them; but
both carry the same number of bytes each way, the second is opened as soon as the first one is and lives inside it, and
no octet is passed on before it has come. Which octets they are is not compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import flow_key, host_of, replies
from capnet.analysis.core.results import Proxy
from capnet.analysis.core.schema import (
    FLOW_DEPTH,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_FIRST_FRAME,
    FLOW_FIRST_SEQ,
    FLOW_PAYLOAD,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_SYNS,
    OBS_BYTES,
    OBS_FLOW,
    OBS_FROM,
    OBS_SEQ,
    OBS_TIME,
)
from capnet.analysis.correlate.clocks import clocks, flow_spans
from capnet.analysis.correlate.link_building import flow_links
from capnet.wire.numbers import TCP

MOST_ALIKE = 20  # connections of equal size both ways: more are a habit of the application, and prove nothing
OPENED_NS = 1_000_000_000  # by which the second connection may be opened later
STAMPED_NS = 1_000_000  # by which time stamps of two places may be out of order
SLACK_NS = 50_000_000  # how much longer the second connection may live while both are being closed


@derived
def proxy_facts(context: Context) -> list[Proxy]:
    """Pairs of TCP connections with the same number of payload bytes both ways, in order of time."""
    flows = context.flows
    return [
        Proxy(
            "tcp",
            flow_key(flows[pair.client]),
            flow_key(flows[pair.server]),
            f"a second connection inside the first carries the same {pair.size[0]} and {pair.size[1]} bytes of payload",
            [context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in (pair.client, pair.server)],
        )
        for pair in proxied(context)
    ]


class Proxied(NamedTuple):
    """Two connections that carry one payload, as flow rows: each direction where its packets were seen first."""

    client: int
    server: int
    server_answer: int
    client_answer: int
    size: tuple[int, int]  # payload bytes there and back


@derived
def proxied(context: Context) -> list[Proxied]:
    """The pairs, in order of time."""
    flows = context.flows
    answers = replies(context)
    found = flow_links(context)
    opened = np.flatnonzero(
        (flows[:, FLOW_PROTO] == TCP)
        & (flows[:, FLOW_SYNS] > 0)
        & (flows[:, FLOW_PAYLOAD] > 0)
        & (flows[:, FLOW_DEPTH] == 0)
    )
    # One row per connection: the hop where it was seen first.
    rows = opened[(found.before[opened] < 0) & (answers[opened] >= 0)]
    there, back = flows[rows, FLOW_PAYLOAD], flows[answers[rows], FLOW_PAYLOAD]
    order = np.lexsort((rows, flows[rows, FLOW_FIRST], back, there))
    rows, there, back = rows[order], there[order], back[order]
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (there[1:] != there[:-1]) | (back[1:] != back[:-1])
    group = np.cumsum(fresh) - 1
    alike = np.bincount(group)[group] if len(rows) else group
    chosen = (alike > 1) & (alike <= MOST_ALIKE)
    rows, group = rows[chosen], group[chosen]

    def beginning(row: int) -> int:
        while (link := int(found.before[row])) >= 0:
            row = int(found.source[link])
        return row

    pairs = []
    clients, servers = _partners(_Connections(context, rows), group)
    in_step = _InStep(context)
    for one, two in zip(rows[clients].tolist(), rows[servers].tolist(), strict=True):
        if not (in_step.follows(one, two) and in_step.follows(int(answers[two]), int(answers[one]))):
            continue
        size = int(flows[one, FLOW_PAYLOAD]), int(flows[answers[one], FLOW_PAYLOAD])
        pairs.append(Proxied(one, two, beginning(int(answers[two])), beginning(int(answers[one])), size))
    return sorted(pairs, key=lambda pair: (int(flows[pair.client, FLOW_FIRST]), pair.client))


def _partners(connections: _Connections, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Client and server of each pair, as indexes, among connections sorted by `group`: those of equal size.

    Equal sizes alone prove nothing: only a unique partner counts.
    """
    partners = np.zeros(len(group), dtype=np.int64)
    partner = np.zeros(len(group), dtype=np.int64)
    for apart in range(1, MOST_ALIKE):
        one = np.flatnonzero(group[apart:] == group[:-apart])
        if not len(one):
            break
        for client, server in ((one, one + apart), (one + apart, one)):
            carried = connections.carried_on(client, server)
            partners[client[carried]] += 1
            partner[client[carried]] = server[carried]
    clients = np.flatnonzero(partners == 1)
    return clients, partner[clients]


class _InStep:
    """Does a flow pass on what another one brings? Only what has come can go on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: np.ndarray | None = None  # observations with octets, by flow and time

    def follows(self, first: int, then: int) -> bool:
        """Has flow `then`, at any time, no more octets than `first` has had? Not asked of a sample of packets."""
        if self._context.sample_share < 1.0:
            return True
        (came, came_up_to), (went, went_up_to) = self._progress(first), self._progress(then)
        if not len(came) or not len(went):
            return True
        at = np.searchsorted(came, went + STAMPED_NS, side="right") - 1
        return bool((went_up_to <= np.where(at >= 0, came_up_to[at], 0)).all())

    def _progress(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Times at which segments with data passed, and how many octets there had been by then."""
        context = self._context
        if self._seen is None:
            seen = context.observations[
                (context.observations[:, OBS_FROM] >= 0) & (context.observations[:, OBS_BYTES] > 0)
            ]
            tcp = context.flows[seen[:, OBS_FLOW], FLOW_PROTO] == TCP
            seen = seen[tcp]
            seen[:, OBS_TIME] = clocks(context).observation_times(context, seen)
            self._seen = seen[np.lexsort((seen[:, OBS_SEQ], seen[:, OBS_TIME], seen[:, OBS_FLOW]))]
        start, stop = np.searchsorted(self._seen[:, OBS_FLOW], [row, row + 1])
        mine = self._seen[start:stop]
        # Behind the SYN's own number; what is more than payload is the end, which a proxy may see on either side first.
        begin = (int(context.flows[row, FLOW_FIRST_SEQ]) >> 32) + (1 << 31) + 1
        octets = mine[:, OBS_FROM] + mine[:, OBS_BYTES] - begin
        octets = np.minimum(np.where(octets < 0, octets + (1 << 32), octets), context.flows[row, FLOW_PAYLOAD])
        return mine[:, OBS_TIME], np.maximum.accumulate(octets) if len(octets) else octets


class _Connections:
    """What decides about the connections that begin with these flow rows, as arrays."""

    def __init__(self, context: Context, rows: np.ndarray) -> None:
        flows = context.flows
        first, last = flow_spans(context)
        self.first, self.last = first[rows], last[rows]  # ns, under one clock
        self.source = flows[rows[:, None], [FLOW_SRC_HI, FLOW_SRC_LO]]
        self.target = flows[rows[:, None], [FLOW_DST_HI, FLOW_DST_LO]]
        names = [host_of(point.name) or "" for point in context.points]
        at = flows[rows, FLOW_POINT]
        self.host = np.array([names.index(name) for name in names], dtype=np.int64)[at]
        self.on_parent = np.array([point.role == "parent" for point in context.points], dtype=bool)[at]
        self.numbers = flows[rows, FLOW_FIRST_SEQ]  # of its SYN: a connection seen in another form has the same

    def carried_on(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Does `b` live inside `a`, on the same host, from an address that is neither of its ends, to another one?"""
        near = (self.host[a] == self.host[b]) | self.on_parent[a]
        other = (self.numbers[a] == 0) | (self.numbers[a] != self.numbers[b])
        inside = (self.first[a] < self.first[b]) & (self.last[b] <= self.last[a] + SLACK_NS)
        inside &= self.first[b] - self.first[a] <= OPENED_NS
        carried: np.ndarray = near & other & inside
        few = np.flatnonzero(carried)
        a, b = a[few], b[few]
        for one, two in ((self.source, self.source), (self.target, self.source), (self.target, self.target)):
            carried[few] &= (one[a] != two[b]).any(axis=1)
        return carried
