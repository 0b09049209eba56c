"""Which connections were carried on by a proxy instead of rewritten: two connections, one payload (docker-proxy)?

The userland proxy accepts a connection to a published port itself and opens a second one to the container, from the
bridge's address. Neither sequence numbers nor IP identifications have anything in common, so no digest joins them; but
both carry the same number of bytes each way, and the second lives inside the first.
"""

from __future__ import annotations

import numpy as np

from capnet.analyze.columns import (
    FLOW_DEPTH,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_FIRST_FRAME,
    FLOW_LAST,
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

MOST = 1000  # opened connections looked at; the work grows with their square
SLACK_NS = 50_000_000  # how much longer the second connection may live while both are being closed


def conclude(context: Context) -> list[Proxy]:
    """Pairs of TCP connections, by time. Only where the pairing is unique: equal sizes alone prove nothing."""
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
    opened = [int(row) for row in opened if found.before[row] < 0 and answers[row] >= 0]
    opened = sorted(opened, key=lambda row: (int(flows[row, FLOW_FIRST]), row))[:MOST]
    facts = []
    for client in opened:
        servers = [server for server in opened if _carried_on(context, answers, client, server)]
        if len(servers) != 1:
            continue
        server = servers[0]
        sent, got = int(flows[client, FLOW_PAYLOAD]), int(flows[answers[client], FLOW_PAYLOAD])
        facts.append(
            Proxy(
                "tcp",
                flow_key(flows[client]),
                flow_key(flows[server]),
                f"a second connection inside the first carries the same {sent} and {got} bytes of payload",
                [context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in (client, server)],
            )
        )
    return facts


def _carried_on(context: Context, answers: np.ndarray, client: int, server: int) -> bool:
    flows = context.flows
    a, b = flows[client], flows[server]
    addresses = [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_DST_HI, FLOW_DST_LO]
    if client == server or (a[addresses] == b[addresses]).all():
        return False
    hosts = [host_of(context.points[row[FLOW_POINT]].name) for row in (a, b)]
    if hosts[0] != hosts[1] and None not in hosts and context.points[a[FLOW_POINT]].role != "parent":
        return False
    inside = a[FLOW_FIRST] < b[FLOW_FIRST] and b[FLOW_LAST] <= a[FLOW_LAST] + SLACK_NS
    # The proxy speaks from the bridge's own address: neither end of the first connection.
    fresh = tuple(b[[FLOW_SRC_HI, FLOW_SRC_LO]]) not in (
        tuple(a[[FLOW_SRC_HI, FLOW_SRC_LO]]),
        tuple(a[[FLOW_DST_HI, FLOW_DST_LO]]),
    )
    moved = (a[[FLOW_DST_HI, FLOW_DST_LO]] != b[[FLOW_DST_HI, FLOW_DST_LO]]).any()
    sizes = a[FLOW_PAYLOAD] == b[FLOW_PAYLOAD] and (
        flows[answers[client], FLOW_PAYLOAD] == flows[answers[server], FLOW_PAYLOAD]
    )
    return bool(inside and fresh and moved and sizes)
