"""Questions that arrived at another host and that no packet answered.

A question is a TCP SYN or an ICMP echo request. It arrived if it was seen at a parent or underlay interface, with the
source address that its sender gave it: a private one, not of the receiver's own network. It did not if it was due at
another point behind that (`fate.fates`).
"""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import (
    INITIAL_TTLS,
    destination,
    host_of,
    is_at_roles,
    is_multicast,
    is_private,
    replies,
    source,
)
from capnet.analysis.core.schema import FlowRow, FlowTable
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.fates import STOPS, fates
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, TCP

MAX_ROWS = 1000  # masqueraded flows of which one is looked for
_ECHO_REQUEST = ICMP_ECHO_REQUEST * 256  # schema.FLOW_KIND


class UnansweredQuestion(NamedTuple):
    """The hops of a question: flow rows in order, and the flow link into the last of them."""

    rows: list[int]
    last_link: int
    is_at_router: bool  # it was given to a router: whether it arrived is not known


def unanswered_questions(context: Context) -> list[UnansweredQuestion]:
    """Every question that arrived and that no packet answered at any of its hops."""
    return [question for question in _questions(context) if not question.is_at_router]


def all_unanswered_questions(context: Context) -> list[UnansweredQuestion]:
    """Every question that arrived or was given to a router, and that no packet answered at any of its hops."""
    return _questions(context)


def unanswered_beside_masquerade(context: Context) -> list[UnansweredQuestion]:
    """Those, and questions to a router that answers what the same host masquerades."""
    return [
        question
        for question in _questions(context)
        if not question.is_at_router or _masquerades_others(context, question.rows[-1])
    ]


def _masquerades_others(context: Context, row: int) -> bool:
    """Are packets answered that the host forwards to this MAC with its own address? Its own have an initial TTL."""
    flows, flow = context.flows, context.flows[row]
    speaker = speakers(context).get(int(flow[schema.FLOW_SMAC]))
    if speaker is None:
        return False
    way = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_SMAC, schema.FLOW_DMAC]
    is_forwarded = (flows[:, way] == flow[way]).all(axis=1) & is_answered(context)
    is_forwarded &= ~is_one_of(flows[:, schema.FLOW_TTL], INITIAL_TTLS)
    rows = np.flatnonzero(is_forwarded)[:MAX_ROWS].tolist()
    return any(source(flows[other]) in speaker.claimed for other in rows)


def unanswered_beside_own(context: Context) -> list[UnansweredQuestion]:
    """Questions to a router behind which the same service answers the host that forwards them."""
    return [question for question in _questions(context) if _is_served_itself(context, question.rows[-1])]


def _is_served_itself(context: Context, row: int) -> bool:
    """Are packets answered that the host sends with its own address to this address and port, by the same way?"""
    flows, flow = context.flows, context.flows[row]
    speaker = speakers(context).get(int(flow[schema.FLOW_SMAC]))
    if speaker is None:
        return False
    same = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_SMAC, schema.FLOW_DMAC, schema.FLOW_PROTO]
    same += [*schema.FLOW_DST, schema.FLOW_DPORT]
    is_own = (flows[:, same] == flow[same]).all(axis=1) & is_answered(context)
    is_own &= is_one_of(flows[:, schema.FLOW_TTL], INITIAL_TTLS)
    rows = np.flatnonzero(is_own)[:MAX_ROWS].tolist()
    return any(source(flows[other]) in {*speaker.own, *speaker.claimed} - {source(flow)} for other in rows)


@derived
def _questions(context: Context) -> list[UnansweredQuestion]:
    flows = context.flows
    has_answer = is_answered(context) | (replies(context) >= 0)
    links = flow_links(context)
    # Few flow chains end so; arrays leave out the others before the loop.
    last = links.target
    is_candidate = (links.after[last] < 0) & ~has_answer[last] & (flows[last, schema.FLOW_VIA] == 0)
    is_candidate &= (flows[last, schema.FLOW_PROTO] == TCP) | (flows[last, schema.FLOW_KIND] == _ECHO_REQUEST)
    is_candidate &= is_at_roles(context, ("parent", "underlay"))[last]
    first = links.source[links.first_links]
    is_candidate &= (flows[first, schema.FLOW_SRC_HI] == flows[last, schema.FLOW_SRC_HI]) & (
        flows[first, schema.FLOW_SRC_LO] == flows[last, schema.FLOW_SRC_LO]
    )
    outcome = fates(context)
    stops = set(outcome.last[outcome.state == STOPS].tolist())
    questions = []
    for chain in links.chains(is_candidate):
        rows = [int(links.source[chain[0]]), *(int(links.target[link]) for link in chain)]
        arrived = flows[rows[-1]]
        if not _is_question(flows[rows]) or has_answer[rows].any() or rows[-1] in stops:
            continue
        sources = flows[rows][:, schema.FLOW_SRC]
        is_untranslated = (sources == arrived[schema.FLOW_SRC]).all()
        is_unicast = not is_multicast(destination(arrived))
        if is_untranslated and is_private(source(arrived)) and is_unicast and not is_same_network(arrived):
            questions.append(UnansweredQuestion(rows, chain[-1], _is_at_a_router(context, arrived)))
    return questions


def left_untranslated(context: Context, rows: list[int]) -> int | None:
    """Position in `rows`, the hops of a question, of the host's own interface if the hop before is inside its bridge.

    None if the question did not leave by a bridge, or if the hop before is not known to be on that host.
    """
    points = [context.points[context.flows[row, schema.FLOW_POINT]] for row in rows]
    shown = [number for number, point in enumerate(points) if point.ifindex is None]  # of `any`: no roles
    for number, position in pairwise(shown):
        before, point = points[number], points[position]
        if point.role in ("parent", "underlay") and before.role in ("bridge", "veth", "container"):
            return position if host_of(before.name) == host_of(point.name) else None
    return None


def _is_at_a_router(context: Context, row: FlowRow) -> bool:
    """Is the packet sent to a station that speaks for other addresses of its family, not for the destination?

    Every station has a link-local IPv6 address, also one that has said nothing else yet.
    """
    speaker = speakers(context).get(int(row[schema.FLOW_DMAC]))
    if speaker is None or destination(row) in speaker.own or destination(row) in speaker.claimed:
        return False
    version = ip_address(destination(row)).version
    own = (ip_address(address) for address in speaker.own)
    return any(address.version == version and not address.is_link_local for address in own)


def _is_question(rows: FlowTable) -> bool:
    proto = rows[0, schema.FLOW_PROTO]
    is_syn = proto == TCP and rows[:, schema.FLOW_SYNS].any()
    return bool(is_syn or (proto == ICMP and rows[0, schema.FLOW_KIND] == _ECHO_REQUEST))


def is_same_network(row: FlowRow) -> bool:
    """Both ends share the first three octets, or the first half of an IPv6 address: the netmask is not known."""
    if row[schema.FLOW_SRC_HI] == 0 and row[schema.FLOW_SRC_LO] >> 32 == MAPPED >> 32:
        return bool(row[schema.FLOW_SRC_LO] >> 8 == row[schema.FLOW_DST_LO] >> 8)
    return bool(row[schema.FLOW_SRC_HI] == row[schema.FLOW_DST_HI])
