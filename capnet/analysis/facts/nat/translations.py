"""Which connections had their addresses rewritten, from what to what, and between which two points?

NAT is a link between two hops (`flow_links`) whose addresses, ports or ICMP identifiers differ: the same packet
before and after. One row per connection and place of translation, in original direction: that of the first packet (TCP:
of the SYN, ICMP: of the echo request). The replies show the inverse translation; they do not become a row of their own.
A place is what one connection tracking table answers for: a network namespace, which lowers the TTL by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NamedTuple

import numpy as np

from capnet.analysis.aggregate import limits
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import (
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    destination,
    echo_id,
    host_of,
    ports,
    proto_name,
    replies,
    source,
)
from capnet.analysis.core.results import Evidence, Nat, Side
from capnet.analysis.core.schema import (
    FLOW_BYTES,
    FLOW_DEPTH,
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_FIRST_FRAME,
    FLOW_FIRST_SEQ,
    FLOW_KIND,
    FLOW_PACKETS,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_SYN_TIME,
    FLOW_SYNACK_TIME,
    FLOW_VIA,
    FLOW_VIA_VNI,
)
from capnet.analysis.correlate.duplicates import counted_once
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.nat.conntrack import Form, entries
from capnet.wire.addresses import MAPPED, address_key

_ENDS = [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_SPORT, FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
MOST_ALIKE = 64  # questions that one answer may belong to; more of them are somebody's game
_REQUESTS = (8, 13, 15, 17, 128)  # ICMP types of questions


@dataclass(frozen=True)
class _Step:
    """One translation of one direction: from flow row `first` to flow row `last`, by these consecutive links.

    Without links: the two directions of a connection that passed one point in forms that do not mirror each other.
    `backward`: its packets are replies, and go from the translated form to the original one.
    """

    first: int
    last: int
    links: tuple[int, ...]
    backward: bool
    ttl_delta: int
    confidence: float


@dataclass
class _Translation:
    """What is known of one translated connection at one place, by direction."""

    forward: _Step | None = None
    backward: _Step | None = None

    def add(self, context: Context, step: _Step) -> None:
        """Of two steps with the same translation the one seen first counts."""
        mine = self.backward if step.backward else self.forward
        if mine is None or _start(context, step) < _start(context, mine):
            if step.backward:
                self.backward = step
            else:
                self.forward = step

    @property
    def step(self) -> _Step:
        step = self.forward or self.backward
        assert step is not None  # a translation is made with one of its steps
        return step


_Place = tuple[str, int, Form, Form]  # host, protocol, before, after


def nat_facts(context: Context) -> list[Nat]:
    """NAT facts by time of the first packet."""
    return _translations(context).facts


def half_translations(context: Context) -> int:
    """How many translations only the two directions of a connection show, also those that are not told."""
    return _translations(context).halves


class _Found(NamedTuple):
    facts: list[Nat]
    halves: int


@derived
def _translations(context: Context) -> _Found:
    found = flow_links(context)
    answers = replies(context)
    packets = counted_once(context)
    places: dict[_Place, _Translation] = {}
    steps = _same_packet(context, found, answers)
    for step in steps:
        places.setdefault(_place(context, step), _Translation()).add(context, step)
    _merge_parts(context, places)
    for place in [each for each in places if _half_way(*each[2:])]:
        del places[place]
    explained = {row for step in steps for row in (step.first, step.last)}
    halves = 0
    whole, there = _by_form(places), {place[1:] for place in places}
    for half in half_translated(context, answers, explained):
        place = _place(context, half)
        if place[1:] not in there and not any(_is_part(place, other) for other in _near(place, whole)):
            halves += 1
            if halves > limits.MOST:
                continue  # anybody can make as many; they are counted, and the first are told
            there.add(place[1:])
            places[place] = _Translation()
            places[place].add(context, half)
    known = set(entries(context.topology))
    behind: dict[tuple[str, Form], list[Form]] = {}
    for name, before, after in sorted(known):
        behind.setdefault((name, after), []).append(before)
    order = sorted(places, key=lambda place: _start(context, places[place].step))
    facts = []
    for place in order:
        entry = _entry(place, known, behind)
        facts.append(_fact(context, found, places[place], entry or place, packets, answers))
        if entry is not None:
            facts[-1].confidence = 1.0
            if entry != place:
                facts[-1].method = "conntrack"
    return _Found(facts, halves)


def _entry(
    place: _Place, known: set[tuple[str, Form, Form]], behind: dict[tuple[str, Form], list[Form]]
) -> _Place | None:
    """The entry of connection tracking that a translation is, or is a half of: points may show only part of it.

    `behind`: protocol and the form after it → the forms before it, in order.
    """
    host, proto, before, after = place
    name = proto_name(proto)
    if (name, before, after) in known:
        return place
    for first in behind.get((name, after), ()):
        whole = host, proto, first, after
        if _is_part(place, whole):
            return whole
    return None


def _start(context: Context, step: _Step) -> tuple[int, int]:
    return int(context.flows[step.first, FLOW_FIRST]), step.first


def _same_packet(context: Context, found: Links, answers: np.ndarray) -> list[_Step]:
    """Translations that links show.

    Destination and source may be rewritten one after the other, with a point between them that shows it half done (a
    bridge with br_netfilter): links of one host that passed one router between them are one translation.
    """
    flows = context.flows
    hosts = [host_of(point.name) for point in context.points]
    rewrites = (flows[found.source[:, None], _ENDS] != flows[found.target[:, None], _ENDS]).any(axis=1)
    steps = []
    for chain in found.chains(rewrites):
        if not _translatable(flows[found.source[chain[0]]]):
            continue
        run: list[int] = []
        behind = fallen = 0  # where in the chain the run ends, by how much the TTL fell in it
        for at, link in enumerate(chain):
            if not rewrites[link]:
                continue
            if run:
                between = chain[behind : at + 1]
                more = int(found.ttl_delta[between].sum())
                host = hosts[flows[found.target[run[0]], FLOW_POINT]]
                near = all(hosts[flows[found.target[each], FLOW_POINT]] == host for each in between)
                if host is not None and near and fallen + more >= -1:
                    run += between
                    behind, fallen = at + 1, fallen + more
                    continue
                steps.append(_linked(context, found, run, answers))
            run = [link]
            behind, fallen = at + 1, int(found.ttl_delta[link])
        steps.append(_linked(context, found, run, answers))
    return [step for step in steps if _form(flows[step.first]) != _form(flows[step.last])]


def _linked(context: Context, found: Links, run: list[int], answers: np.ndarray) -> _Step:
    first, last = int(found.source[run[0]]), int(found.target[run[-1]])
    tcp = bool(context.flows[first, FLOW_PROTO] == TCP)
    return _Step(
        first,
        last,
        tuple(run),
        _is_reply(context, first, last, answers),
        int(found.ttl_delta[run].sum()),
        min(found.confidence(link, tcp) for link in run),
    )


def _translatable(row: np.ndarray) -> bool:
    """Something that connection tracking has an entry of its own for.

    Not an ICMP error, which belongs to the connection it is about, nor a fragment whose first one was not seen.
    """
    proto = int(row[FLOW_PROTO])
    if proto in (ICMP, ICMPV6):
        return echo_id(row) is not None
    return proto not in (TCP, UDP) or ports(row)[0] is not None


def half_translated(context: Context, answers: np.ndarray, explained: set[int]) -> Iterator[_Step]:
    """Connections whose two directions pass one point in forms that do not mirror each other.

    TCP: a SYN without an answer, and a SYN-ACK without a question, that acknowledges just this SYN. UDP: questions to
    a loopback address and answers of it from another port, as the embedded DNS of a container translates inside it.
    `explained`: flow rows whose translation links have shown.
    """
    flows = context.flows
    alone = (answers < 0) & (flows[:, FLOW_PACKETS] > 0) & _may_be_half(flows)
    alone[list(explained)] = False
    lonely = np.flatnonzero(alone)
    if not ((flows[lonely, FLOW_SYNACK_TIME] >= 0) | (flows[lonely, FLOW_PROTO] == UDP)).any():
        return  # nothing but questions: a scan
    questions: dict[_Key, list[int]] = {}
    for row in lonely.tolist():
        for key in _question_keys(flows[row].tolist()):
            questions.setdefault(key, []).append(row)
    for row in lonely.tolist():
        key = _answer_key(flows[row].tolist())
        if not key or len(questions.get(key, ())) > MOST_ALIKE:
            continue
        asked = [
            each
            for each in questions.get(key, ())
            if flows[each, FLOW_FIRST] <= flows[row, FLOW_FIRST] and _shares_an_end(flows[each], flows[row])
        ]
        if len(asked) == 1:  # two candidates: neither is claimed
            yield _Step(asked[0], row, (), False, 0, 0.95 if key[0] == TCP else 0.8)


def _may_be_half(flows: np.ndarray) -> np.ndarray:
    """Per flow row: could it be a question or an answer in that sense? Of many flows few are."""
    opening = (flows[:, FLOW_SYN_TIME] >= 0) | (flows[:, FLOW_SYNACK_TIME] >= 0)
    local = _is_loopback(flows[:, FLOW_SRC_HI], flows[:, FLOW_SRC_LO])
    local |= _is_loopback(flows[:, FLOW_DST_HI], flows[:, FLOW_DST_LO])
    return ((flows[:, FLOW_PROTO] == TCP) & opening) | ((flows[:, FLOW_PROTO] == UDP) & local)


_Key = tuple[int | bytes, ...]


def _question_keys(row: list[int]) -> list[_Key]:
    place = tuple(int(row[column]) for column in (FLOW_POINT, FLOW_VIA, FLOW_VIA_VNI, FLOW_DEPTH))
    if row[FLOW_PROTO] == TCP and row[FLOW_SYN_TIME] >= 0:
        return [(TCP, *place, (int(row[FLOW_FIRST_SEQ]) >> 32) + (1 << 31) + 1 & 0xFFFFFFFF)]
    if row[FLOW_PROTO] == UDP and _is_loopback(row[FLOW_DST_HI], row[FLOW_DST_LO]):
        asker, asked = address_key(row[FLOW_SRC_HI], row[FLOW_SRC_LO]), address_key(row[FLOW_DST_HI], row[FLOW_DST_LO])
        return [(UDP, *place, asker, row[FLOW_SPORT], asked)]
    return []


def _answer_key(row: list[int]) -> _Key:
    place = tuple(int(row[column]) for column in (FLOW_POINT, FLOW_VIA, FLOW_VIA_VNI, FLOW_DEPTH))
    if row[FLOW_PROTO] == TCP and row[FLOW_SYNACK_TIME] >= 0:
        return (TCP, *place, int(row[FLOW_FIRST_SEQ]) & 0xFFFFFFFF)
    if row[FLOW_PROTO] == UDP and _is_loopback(row[FLOW_SRC_HI], row[FLOW_SRC_LO]):
        asker, asked = address_key(row[FLOW_DST_HI], row[FLOW_DST_LO]), address_key(row[FLOW_SRC_HI], row[FLOW_SRC_LO])
        return (UDP, *place, asker, row[FLOW_DPORT], asked)
    return ()


def _is_loopback(hi: Any, lo: Any) -> Any:
    """Of halves of addresses, one or an array of each: is it in 127.0.0.0/8?"""
    return (hi == 0) & (lo >> 24 == (MAPPED >> 24) + 127)


def _shares_an_end(question: np.ndarray, answer: np.ndarray) -> bool:
    asker = [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_SPORT]
    asked = [FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
    return bool((question[asker] == answer[asked]).all() or (question[asked] == answer[asker]).all())


def _place(context: Context, step: _Step) -> _Place:
    """Where a translation happens, and between which forms: in the original direction."""
    a, b = context.flows[step.first], context.flows[step.last]
    if not step.links:
        # The question shows the translated form, the answer the original one.
        before, after = _turned(b), _form(a)
    elif step.backward:
        before, after = _turned(b), _turned(a)
    else:
        before, after = _form(a), _form(b)
    # Between two hosts, the same for both directions: a source is hidden on its own side, a port published on that of
    # its server.
    near, far = (host_of(context.points[row[FLOW_POINT]].name) or "" for row in (a, b))
    if step.backward:
        near, far = far, near
    host = far or near if _kind(before, after) == "dnat" else near or far
    return host, int(a[FLOW_PROTO]), before, after


def _merge_parts(context: Context, places: dict[_Place, _Translation]) -> None:
    """Drop translations that are part of another one, seen where it was half done; their steps are evidence for it."""
    by_form = _by_form(places)
    for place in list(places):
        if any(other in places and _is_part(place, other) for other in _near(place, by_form)):
            del places[place]


_ByForm = dict[tuple[str, int, Form], list[_Place]]


def _by_form(places: Iterable[_Place]) -> _ByForm:
    """Translations by host, protocol and each of their forms."""
    by_form: _ByForm = {}
    for place in places:
        for form in place[2:]:
            by_form.setdefault((place[0], place[1], form), []).append(place)
    return by_form


def _near(place: _Place, by_form: _ByForm) -> Iterator[_Place]:
    """The translations that have a form in common with one: it can be a part of these only."""
    for form in place[2:]:
        yield from by_form.get((place[0], place[1], form), ())


def _half_way(before: Form, after: Form) -> bool:
    """Does one side go from an address to itself, over a network? So looks a hairpin between its two translations.

    Nobody sends such packets; with the point behind, they are part of the whole translation.
    """
    return any(form.src == form.dst and not ip_address(form.src).is_loopback for form in (before, after))


def _is_part(part: _Place, whole: _Place) -> bool:
    """Does `part` rewrite one end as `whole` does, with the other end rewritten already, or not yet?"""
    (before, after), (first, last) = part[2:], whole[2:]
    if part[:2] != whole[:2] or _kind(before, after) == "snat+dnat" or _kind(first, last) != "snat+dnat":
        return False
    sources = {(first.src, first.sport), (last.src, last.sport)}
    targets = {(first.dst, first.dport), (last.dst, last.dport)}
    forms = {(form.src, form.sport) for form in (before, after)}, {(form.dst, form.dport) for form in (before, after)}
    return (before == first or after == last) and forms[0] <= sources and forms[1] <= targets


def _fact(
    context: Context,
    found: Links,
    translation: _Translation,
    place: _Place,
    packets: np.ndarray,
    answers: np.ndarray,
) -> Nat:
    step = translation.step
    _, proto, before, after = place
    rows = (step.last, step.first) if step.backward or not step.links else (step.first, step.last)
    name = proto_name(proto)
    confidence = step.confidence
    counted = step.first
    if found.branches[list(step.links)].any():
        counted = step.last  # the flow before has packets that were translated otherwise
    evidence = _evidence(context, found, step)
    if translation.forward is not None and translation.backward is not None:
        confidence = 1 - (1 - confidence) * (1 - translation.backward.confidence)
        evidence += _evidence(context, found, translation.backward)
    return Nat(
        kind=_kind(before, after),
        proto=name,
        before=_side(context, before, rows[0]),
        after=_side(context, after, rows[1]),
        port_rewritten=(before.sport, before.dport, before.id) != (after.sport, after.dport, after.id),
        ttl_delta=step.ttl_delta,
        packets=int(packets[counted]),
        bytes=int(context.flows[counted, FLOW_BYTES]),
        reply_seen=step.backward
        or not step.links
        or translation.backward is not None
        or bool((answers[[step.first, step.last]] >= 0).any()),
        latency_us=found.delay(step.links[0]) if len(step.links) == 1 else None,
        method="same-packet" if step.links and not step.backward else "reply-pairing",
        confidence=round(confidence, 3),
        evidence=evidence,
    )


def _evidence(context: Context, found: Links, step: _Step) -> list[Evidence]:
    """The first packet of the step in both forms."""
    if not step.links:
        return [
            context.flow_evidence(row, int(context.flows[row, FLOW_FIRST_FRAME])) for row in (step.first, step.last)
        ]
    return [
        context.flow_evidence(step.first, int(found.frames[step.links[0], 0])),
        context.flow_evidence(step.last, int(found.frames[step.links[-1], 1])),
    ]


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


def _is_reply(context: Context, first: int, second: int, answers: np.ndarray) -> bool:
    """Do these two hops carry the answers of a connection that was opened the other way?"""
    row, onward = context.flows[first], context.flows[second]
    if row[FLOW_PROTO] in (ICMP, ICMPV6):
        return row[FLOW_KIND] >> 8 not in _REQUESTS
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
