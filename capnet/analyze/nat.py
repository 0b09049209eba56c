"""Which connections had their addresses rewritten, from what to what, and between which two points?

NAT is a link between two hops (`analyze.identity`) whose addresses, ports or ICMP identifiers differ: the same packet
before and after. One row per connection and place of translation, in original direction: that of the first packet (TCP:
of the SYN, ICMP: of the echo request). The replies show the inverse translation; they do not become a row of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capnet.analyze.columns import (
    FLOW_BYTES,
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_KIND,
    FLOW_PACKETS,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_SYN_TIME,
    FLOW_SYNACK_TIME,
)
from capnet.analyze.conntrack import Form, entries
from capnet.analyze.context import Context
from capnet.analyze.facts import Nat, Side
from capnet.analyze.identity import Links, links
from capnet.analyze.rows import (
    ICMP,
    ICMPV6,
    TCP,
    destination,
    echo_id,
    host_of,
    ports,
    proto_name,
    replies,
    source,
)

_ENDS = [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_SPORT, FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
_ECHO_REQUESTS = (8 * 256, 128 * 256)


@dataclass
class _Translation:
    """The links of one translated connection at one place, by direction."""

    forward: int | None = None
    backward: int | None = None


def conclude(context: Context) -> list[Nat]:
    """NAT facts by time of the first packet."""
    found = links(context)
    rewritten = np.flatnonzero(
        (context.flows[found.source][:, _ENDS] != context.flows[found.target][:, _ENDS]).any(axis=1)
    )
    answers = replies(context)
    places: dict[tuple[object, ...], _Translation] = {}
    for link in rewritten.tolist():
        a, b = context.flows[found.source[link]], context.flows[found.target[link]]
        host = host_of(context.points[b[FLOW_POINT]].name) or host_of(context.points[a[FLOW_POINT]].name)
        backward = _is_reply(context, int(found.source[link]), int(found.target[link]), answers)
        before, after = (_turned(b), _turned(a)) if backward else (_form(a), _form(b))
        place = places.setdefault((host, int(a[FLOW_PROTO]), before, after), _Translation())
        if backward:
            place.backward = _earlier(context, found, place.backward, link)
        else:
            place.forward = _earlier(context, found, place.forward, link)
    known = entries(context.topology)

    def start(place: _Translation) -> tuple[int, int]:
        link = place.forward if place.forward is not None else place.backward
        row = found.source[link]
        return int(context.flows[row, FLOW_FIRST]), int(row)

    return [_fact(context, found, place, answers, known) for place in sorted(places.values(), key=start)]


def _fact(
    context: Context,
    found: Links,
    place: _Translation,
    answers: np.ndarray,
    known: set[tuple[str, Form, Form]],
) -> Nat:
    backward = place.forward is None
    link = place.backward if place.forward is None else place.forward
    assert link is not None  # a translation is made with one of its links
    first, second = int(found.source[link]), int(found.target[link])
    rows = (second, first) if backward else (first, second)
    turn = _turned if backward else _form
    before, after = (turn(context.flows[row]) for row in rows)
    proto = int(context.flows[first, FLOW_PROTO])
    name = proto_name(proto)

    confidence = found.confidence(link, proto == TCP)
    evidence = [
        context.flow_evidence(first, int(found.frames[link, 0])),
        context.flow_evidence(second, int(found.frames[link, 1])),
    ]
    if place.forward is not None and place.backward is not None:
        other = place.backward
        confidence = 1 - (1 - confidence) * (1 - found.confidence(other, proto == TCP))
        evidence.append(context.flow_evidence(int(found.source[other]), int(found.frames[other, 0])))
        evidence.append(context.flow_evidence(int(found.target[other]), int(found.frames[other, 1])))
    if (name, before, after) in known:
        confidence = 1.0
    reply_seen = backward or place.backward is not None or bool((answers[[first, second]] >= 0).any())
    return Nat(
        kind=_kind(before, after),
        proto=name,
        before=_side(context, before, rows[0]),
        after=_side(context, after, rows[1]),
        port_rewritten=(before.sport, before.dport, before.id) != (after.sport, after.dport, after.id),
        ttl_delta=int(found.ttl_delta[link]),
        packets=int(context.flows[first, FLOW_PACKETS]),
        bytes=int(context.flows[first, FLOW_BYTES]),
        reply_seen=reply_seen,
        latency_us=found.delay(link),
        method="reply-pairing" if backward else "same-packet",
        confidence=round(confidence, 3),
        evidence=evidence,
    )


def _kind(before: Form, after: Form) -> str:
    source_changed = (before.src, before.sport, before.id) != (after.src, after.sport, after.id)
    target_changed = (before.dst, before.dport) != (after.dst, after.dport)
    if source_changed and target_changed and before.src == after.src and before.sport == after.sport:
        source_changed = False  # ICMP under DNAT: the identifier belongs to neither end
    return "snat+dnat" if source_changed and target_changed else "snat" if source_changed else "dnat"


def _form(row: np.ndarray) -> Form:
    return Form(source(row), ports(row)[0], destination(row), ports(row)[1], echo_id(row))


def _turned(row: np.ndarray) -> Form:
    """The form of the other direction of a flow."""
    sport, dport = ports(row)
    return Form(destination(row), dport, source(row), sport, echo_id(row))


def _side(context: Context, form: Form, row: int) -> Side:
    return Side(
        form.src, form.sport, form.dst, form.dport, context.points[context.flows[row, FLOW_POINT]].name, form.id
    )


def _earlier(context: Context, found: Links, one: int | None, two: int) -> int:
    """Of two links with the same translation, the one seen first."""
    if one is None:
        return two
    return min(one, two, key=lambda link: (int(context.flows[found.source[link], FLOW_FIRST]), link))


def _is_reply(context: Context, first: int, second: int, answers: np.ndarray) -> bool:
    """Do these two hops carry the answers of a connection that was opened the other way?"""
    row, onward = context.flows[first], context.flows[second]
    if row[FLOW_PROTO] in (ICMP, ICMPV6):
        return row[FLOW_KIND] not in _ECHO_REQUESTS
    if row[FLOW_PROTO] == TCP:
        if row[FLOW_SYN_TIME] >= 0 or onward[FLOW_SYN_TIME] >= 0:
            return False
        if row[FLOW_SYNACK_TIME] >= 0 or onward[FLOW_SYNACK_TIME] >= 0:
            return True
    for mine in (first, second):
        other = int(answers[mine])
        if other >= 0:
            return bool(context.flows[other, FLOW_FIRST] < context.flows[mine, FLOW_FIRST])
    return False
