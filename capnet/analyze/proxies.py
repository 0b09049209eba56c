"""Which connections were carried on by a proxy instead of rewritten: two connections, one payload (docker-proxy)?

The userland proxy accepts a connection to a published port itself and opens a second one to the container, from the
bridge's address. Neither sequence numbers nor IP identifications have anything in common, so no digest joins them; but
both carry the same number of bytes each way, and the second lives inside the first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analyze.clocks import flow_spans
from capnet.analyze.columns import (
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
)
from capnet.analyze.context import Context
from capnet.analyze.facts import Proxy
from capnet.analyze.identity import links
from capnet.analyze.rows import TCP, flow_key, host_of, replies

MOST_ALIKE = 20  # connections of equal size both ways: more are a habit of the application, and prove nothing
SLACK_NS = 50_000_000  # how much longer the second connection may live while both are being closed


def conclude(context: Context) -> list[Proxy]:
    """Pairs of TCP connections with the same number of payload bytes both ways, by size, then by time."""
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


def proxied(context: Context) -> list[Proxied]:
    """The pairs; computed once per context."""
    if context.proxied is None:
        context.proxied = _proxied(context)
    return context.proxied


def _proxied(context: Context) -> list[Proxied]:
    flows = context.flows
    answers = replies(context)
    found = links(context)
    opened = np.flatnonzero(
        (flows[:, FLOW_PROTO] == TCP)
        & (flows[:, FLOW_SYNS] > 0)
        & (flows[:, FLOW_PAYLOAD] > 0)
        & (flows[:, FLOW_DEPTH] == 0)
    )
    # One row per connection: the hop where it was seen first.
    rows = opened[(found.before[opened] < 0) & (answers[opened] >= 0)]
    rows = rows[np.lexsort((rows, flows[rows, FLOW_FIRST]))]
    by_size: dict[tuple[int, int], list[int]] = {}
    sizes = zip(flows[rows, FLOW_PAYLOAD].tolist(), flows[answers[rows], FLOW_PAYLOAD].tolist(), strict=True)
    for row, size in zip(rows.tolist(), sizes, strict=True):
        by_size.setdefault(size, []).append(row)
    first, last = flow_spans(context)

    def beginning(row: int) -> int:
        while (link := int(found.before[row])) >= 0:
            row = int(found.source[link])
        return row

    pairs = []
    for size, alike in by_size.items():
        if 2 <= len(alike) <= MOST_ALIKE:
            connections = [_Connection.of(context, row, int(first[row]), int(last[row])) for row in alike]
            for one, two in _pairs(connections):
                back = [beginning(int(answers[row])) for row in (two, one)]
                pairs.append(Proxied(one, two, back[0], back[1], size))
    return pairs


def _pairs(connections: list[_Connection]) -> list[tuple[int, int]]:
    """The proxied ones among connections of equal size, in order of time."""
    found = []
    for client in connections:
        servers = [each for each in connections if client.is_carried_on_by(each)]
        # Equal sizes alone prove nothing: only a unique partner counts.
        if len(servers) == 1:
            found.append((client.row, servers[0].row))
    return found


class _Connection(NamedTuple):
    row: int
    source: tuple[int, int]
    target: tuple[int, int]
    first: int  # ns, under one clock
    last: int
    host: str | None
    on_parent: bool
    numbers: int  # of its SYN: a connection seen in another form has the same

    @classmethod
    def of(cls, context: Context, row: int, first: int, last: int) -> _Connection:
        flow = context.flows[row].tolist()
        point = context.points[flow[FLOW_POINT]]
        return cls(
            row,
            (flow[FLOW_SRC_HI], flow[FLOW_SRC_LO]),
            (flow[FLOW_DST_HI], flow[FLOW_DST_LO]),
            first,
            last,
            host_of(point.name),
            point.role == "parent",
            flow[FLOW_FIRST_SEQ],
        )

    def is_carried_on_by(self, other: _Connection) -> bool:
        """Lives inside this one, on the same host, from an address that is neither of its ends, to another one."""
        if (self.host != other.host and not self.on_parent) or (self.numbers and self.numbers == other.numbers):
            return False
        inside = self.first < other.first and other.last <= self.last + SLACK_NS
        return inside and other.source not in (self.source, self.target) and other.target != self.target
