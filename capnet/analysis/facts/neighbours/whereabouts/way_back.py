"""Answers that wait for a next hop: a host asks for its MAC as soon as a question of another network arrives.

Input: the questions for one address at each point, flows. Output: `Whereabouts`, whose `other` is the client; None if
nothing shows it.
Method: a SYN or an echo request to the asker comes first, the question for the next hop within MAX_LOOKUP_NS, and the
asker sends that client nothing. Where so many packets are unanswered that one would come before any question, they
prove nothing. A host that translates the packet to the address (DNAT) asks for it too: it sends the client an ICMP
error when three questions had no answer.
Limits: outside of tunnels; one host's clock.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, host_of, replies, source
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.neighbours.whereabouts.places import Place, Whereabouts
from capnet.analysis.fate.listening import listening
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, TCP, TCP_SYN, TCP_SYN_ACK

MAX_LOOKUP_NS = 5_000_000  # from the question that arrives to the one for the next hop, in one kernel
MIN_WATCHED_NS = 4_000_000_000  # an ICMP error would have come by then: three questions, a second each
MAX_BY_CHANCE = 0.05  # packets expected in MAX_LOOKUP_NS: of more, one comes before any question
MIN_REPEATED = 2  # packets of the client
MIN_REQUESTS = 3
MAX_ROWS = 100  # to one address

_ECHO_REQUEST = ICMP_ECHO_REQUEST * 256  # schema.FLOW_KIND


def way_back(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """The client whose questions made the asker ask for a next hop."""
    flows, times = context.flows, listening(context)
    for asked in at_points:
        if asked.via or asked.requests < MIN_REQUESTS:
            continue
        if times.until[asked.point] - asked.first_request < MIN_WATCHED_NS:
            continue
        for row in _questions_to(context).get(address_value(asked.asker), ()):
            waited = asked.first_request - int(flows[row, schema.FLOW_FIRST])
            if 0 <= waited <= MAX_LOOKUP_NS and _is_one_host(context, int(flows[row, schema.FLOW_POINT]), asked.point):
                client = source(flows[row])
                if client != asked.target and not _is_sent_anything(context, asked.asker, client):
                    return Whereabouts(context.points[asked.point].name, asked.asker_mac, Place.WAY_BACK, client)
    return None


def waiting_questions(context: Context, asker: str, client: str) -> tuple[int, ...]:
    """Flows of the client whose answers wait."""
    rows = _questions_to(context).get(address_value(asker), ())
    return tuple(row for row in rows if source(context.flows[row]) == client)


@derived
def _questions_to(context: Context) -> dict[tuple[int, int], list[int]]:
    """Address of who asks for a MAC → flows of unanswered questions to it; without those of which there are many."""
    flows = context.flows
    askers = sorted({address_value(of.asker) for of in neighbours(context) if of.requests and not of.is_probe})
    is_syn = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_SYN_ACK == TCP_SYN)
    is_echo = (flows[:, schema.FLOW_PROTO] == ICMP) & (flows[:, schema.FLOW_KIND] == _ECHO_REQUEST)
    is_question = (is_syn | is_echo) & ~is_answered(context) & (replies(context) < 0) & (flows[:, schema.FLOW_VIA] == 0)
    if not askers or not is_question.any():
        return {}
    of_askers = np.array(askers, np.int64)
    is_question &= is_among(hash_of(flows, schema.FLOW_DST), hash_of(of_askers, [0, 1]))
    by_address: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(is_question).tolist():
        by_address.setdefault(address_value(destination(flows[row])), []).append(row)
    return {address: rows for address, rows in by_address.items() if len(rows) <= MAX_ROWS and _are_few(context, rows)}


def _are_few(context: Context, rows: list[int]) -> bool:
    """Are they repeated, and so few that one comes only by chance right before a question for a MAC?"""
    packets = context.flows[rows, schema.FLOW_PACKETS]
    points: FlowRows = context.flows[rows, schema.FLOW_POINT]
    times = listening(context)
    lasted = times.until[points] - times.since[points]
    return bool((packets >= MIN_REPEATED).any() and packets.sum() * MAX_LOOKUP_NS <= MAX_BY_CHANCE * lasted.max())


def _is_one_host(context: Context, point: int, other: int) -> bool:
    host = host_of(context.points[point].name)
    return point == other or (host is not None and host == host_of(context.points[other].name))


def _is_sent_anything(context: Context, asker: str, client: str) -> bool:
    ends = [*address_value(asker), *address_value(client)]
    is_to_client = (context.flows[:, schema.FLOW_ADDRESSES] == ends).all(axis=1)
    return bool(is_to_client.any())
