"""Repeated questions for a MAC address that get no answer, at points that would show the answer.

Input: neighbours, flows. Output: `Unanswered`, one per protocol, asker and target address. Method: a station without an
answer asks again after a second (RFC 1122 section 2.3.2.1, RFC 4861 section 10); bystanders, and points that record one
direction only, would not show an answer; nor do points where the target answers another asker in the meantime, or where
the asker begins to send to the target: it knows the MAC, and the capture dropped the answer.
Limits: probes and announcements expect none (RFC 5227), nor does a DHCP server that is about to offer the address.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import DhcpTable
from capnet.analysis.facts.layer2.arp import MAX_ARP_RETRY_NS
from capnet.analysis.facts.layer2.host_isolation import isolated_children
from capnet.analysis.facts.neighbours.bystanders import shows_answers
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.neighbours.isolated_pairs import isolated_pairs
from capnet.analysis.facts.neighbours.on_link_lookups import is_missing_proxy, on_link_lookups
from capnet.analysis.facts.neighbours.whereabouts.homes import at_home, bringer, of_broadcast
from capnet.analysis.facts.neighbours.whereabouts.isolated_ports import isolated_ports
from capnet.analysis.facts.neighbours.whereabouts.links import (
    behind_a_router,
    lost_answers,
    on_another_network,
    proxied,
    stopped_questions,
    unheard_at_home,
)
from capnet.analysis.facts.neighbours.whereabouts.places import Place, Whereabouts
from capnet.analysis.facts.neighbours.whereabouts.tunnels import not_flooded
from capnet.analysis.facts.neighbours.whereabouts.way_back import waiting_questions, way_back
from capnet.analysis.fate.listening import records_one_direction
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import UDP

MIN_REPEATED = 2  # questions: a single one may have its answer behind the capture
MIN_RETRY_NS = 10_000_000  # what comes sooner is one question that a point recorded twice
MAX_TARGETS = 3  # of one asker that are told one by one
MAX_OFFER_PROBE_NS = 500_000_000  # from a DISCOVER to the server's question, which it asks at once
MAX_FIRST_PROBE_NS = 10_000_000  # the same where no offer shows who is a DHCP server
MAX_PROBES, MAX_PROBES_NS = 3, 3_000_000_000  # a server waits so long for an answer before it offers the address
DHCP_DISCOVER, DHCP_OFFER = 1, 2  # RFC 2132 section 9.6
DHCP_SERVER_PORT, DHCP_CLIENT_PORT = 67, 68  # RFC 2131 section 4.1
MIN_SCANNED = 20  # addresses: a host that asks for so many scans the network


class Unanswered(NamedTuple):
    """Questions of one address for another one without an answer at any point, by point."""

    kind: str  # `arp` or `nd`
    asker: str
    target: str
    exchanges: list[Exchange]
    whereabouts: Whereabouts | None = None  # None: not to be seen
    rows: tuple[int, ...] = ()  # flows whose answers wait for this question: of the target, or to the asker

    @property
    def requests(self) -> int:
        """Questions, the largest number at one point."""
        outside = [of for of in self.exchanges if not of.via]  # in a tunnel, a copy goes to each end
        return max(of.requests for of in outside or self.exchanges)

    def evidence(self, context: Context) -> list[Evidence]:
        """The first question at each point, and the first packets that wait for the answer."""
        asked = {context.evidence(exchange.point, exchange.request_frame) for exchange in self.exchanges}
        return sorted(asked | set(context.first_frames(self.rows)))


def unanswered_by_asker(context: Context, kind: str) -> dict[str, list[Unanswered]]:
    """Asker → its questions of one protocol, without those that other findings explain."""
    overlaps = {lookup.pair for lookup in on_link_lookups(context) if not is_missing_proxy(context, lookup)}
    overlaps |= {("arp", child.host, child.child) for child in isolated_children(context)}
    for pair in isolated_pairs(context):
        overlaps |= {(kind, pair.host, pair.child), (kind, pair.child, pair.host)}
    for ports in isolated_ports(context):
        asked = ports.exchange
        overlaps |= {("arp", asked.asker, asked.target), ("arp", asked.target, asked.asker)}
    by_asker: dict[str, list[Unanswered]] = {}
    for question in unanswered_neighbours(context):
        if question.kind == kind and (kind, question.asker, question.target) not in overlaps:
            by_asker.setdefault(question.asker, []).append(question)
    return by_asker


@derived
def unanswered_neighbours(context: Context) -> list[Unanswered]:
    """All of them, by protocol, asker and target."""
    exchanges = [of for of in neighbours(context) if of.target != "0.0.0.0"]
    # An answer at any point answers the question at all of them.
    answered = {(of.kind, of.asker, of.target) for of in exchanges if of.replies}
    brought = {lookup.pair: lookup for lookup in on_link_lookups(context)}
    by_pair: dict[tuple[str, str, str], list[Exchange]] = {}
    answers = _answers(exchanges)
    questions = _of_lost_answers(context, exchanges)
    for of in exchanges:
        if of.requests and not (of.is_probe or of.is_announcement) and (of.kind, of.asker, of.target) not in answered:
            by_pair.setdefault((of.kind, of.asker, of.target), []).append(of)
    for pair, at_points in sorted(by_pair.items()):
        if pair in brought:
            lookup = brought[pair]
            questions.append(Unanswered(*pair, at_points, bringer(context, lookup), tuple(lookup.rows)))
            continue
        showing = [
            of
            for of in at_points
            if _is_repeated(of) and shows_answers(context, of) and not records_one_direction(context)[of.point]
        ]
        if not showing or _is_about_to_be_offered(context, showing[0]):
            continue
        if any(_answers_another(of, answers) or _has_learnt(context, of) for of in showing):
            continue  # it is there, and its answer to this asker takes another way, or was not recorded
        place = _whereabouts(context, at_points)
        waiting = waiting_questions(context, pair[1], place.other) if place and place.place == Place.WAY_BACK else ()
        questions.append(Unanswered(*pair, at_points, place, waiting))
    return questions


def _whereabouts(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """Where an address is that does not answer at all."""
    searches = (
        not_flooded,
        proxied,
        stopped_questions,
        on_another_network,
        behind_a_router,
        at_home,
        unheard_at_home,
        way_back,
    )
    nowhere = of_broadcast(context, at_points[0])
    return nowhere or next((place for search in searches if (place := search(context, at_points))), None)


def _of_lost_answers(context: Context, exchanges: list[Exchange]) -> list[Unanswered]:
    """Questions that are answered at one point, and not at the interface of their asker, who asks again."""
    at_points: dict[tuple[str, str, str], list[Exchange]] = {}
    for of in exchanges:
        if of.requests and not (of.is_probe or of.is_announcement):
            at_points.setdefault((of.kind, of.asker, of.target), []).append(of)
    several = {pair: points for pair, points in at_points.items() if any(of.replies for of in points)}
    places = {pair: lost_answers(context, points) for pair, points in several.items() if len(points) > 1}
    return [Unanswered(*pair, at_points[pair], place) for pair, place in places.items() if place]


def _answers(exchanges: list[Exchange]) -> dict[tuple[object, ...], list[Exchange]]:
    """Protocol, place and target → what it answers, without announcements."""
    answers: dict[tuple[object, ...], list[Exchange]] = {}
    for of in exchanges:
        if of.replies and of.target_macs and not (of.is_announcement or of.is_probe):
            answers.setdefault((of.kind, of.point, of.via, of.vni, of.target), []).append(of)
    return answers


def _answers_another(question: Exchange, answers: dict[tuple[object, ...], list[Exchange]]) -> bool:
    """Does the target answer another asker at the same point, while it is asked here in vain?"""
    since, until = question.first_request - MAX_ARP_RETRY_NS, question.last_request + MAX_ARP_RETRY_NS
    others = answers.get((question.kind, question.point, question.via, question.vni, question.target), ())
    return any(since <= time <= until for of in others for time in (of.first_reply, of.last_reply))


def _has_learnt(context: Context, question: Exchange) -> bool:
    """Does the asker send to the target, or forward, after its first question to all stations, and not before?"""
    flows, (high, low) = context.flows, address_value(question.target)
    is_to_it = (flows[:, schema.FLOW_POINT] == question.point) & (flows[:, schema.FLOW_SMAC] == question.asker_mac)
    is_to_it &= (flows[:, schema.FLOW_DST_HI] == high) & (flows[:, schema.FLOW_DST_LO] == low)
    is_to_it &= (flows[:, schema.FLOW_VIA] == question.via) & (flows[:, schema.FLOW_VIA_VNI] == question.vni)
    first = flows[is_to_it, schema.FLOW_FIRST].min(initial=np.iinfo(np.int64).max)
    return not question.unicast_requests and question.first_request <= first < np.iinfo(np.int64).max


def _is_about_to_be_offered(context: Context, question: Exchange) -> bool:
    """Does a DHCP server look whether the address is in use that it is about to offer (RFC 2131 section 2.2)?"""
    dhcp, (_, asker), (_, target) = context.dhcp, address_value(question.asker), address_value(question.target)
    is_its = dhcp[:, schema.DHCP_SRC_LO] == asker
    is_discover, is_offer = (dhcp[:, schema.DHCP_TYPE] == kind for kind in (DHCP_DISCOVER, DHCP_OFFER))
    if question.kind != "arp":
        return False
    if not _serves_dhcp(context, asker):  # the capture may end before its offer
        return not is_offer.any() and _comes_soon_after(question, dhcp[is_discover], MAX_FIRST_PROBE_NS)
    began = context.points[question.point].first or 0
    is_readable = is_its.any() and question.first_request - began >= MAX_PROBES_NS
    if not is_readable and question.requests <= MAX_PROBES:
        return True  # its messages were cut, or it may have asked before the capture
    flows = context.flows
    is_to_it = (flows[:, schema.FLOW_SRC_LO] == asker) & (flows[:, schema.FLOW_DST_LO] == target)
    is_to_it &= (flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_DPORT] == DHCP_CLIENT_PORT)
    if (is_to_it & (flows[:, schema.FLOW_LAST] >= question.first_request)).any():
        return True
    # It asks about one address after the other: what it sends to one client ends the wait of the next.
    return _comes_soon_after(question, dhcp[is_discover | is_its], MAX_OFFER_PROBE_NS)


def _serves_dhcp(context: Context, address: int) -> bool:
    """Does this IPv4 address, its low half, send from the port of DHCP servers to that of clients?"""
    flows = context.flows
    is_sent = (flows[:, schema.FLOW_SRC_LO] == address) & (flows[:, schema.FLOW_PROTO] == UDP)
    is_sent &= (flows[:, schema.FLOW_SPORT] == DHCP_SERVER_PORT) & (flows[:, schema.FLOW_DPORT] == DHCP_CLIENT_PORT)
    return bool(is_sent.any())


def _comes_soon_after(question: Exchange, messages: DhcpTable, within_ns: int) -> bool:
    """Does the first question follow the first or the last one of equal DHCP messages at once?"""
    waited = question.first_request - messages[:, [schema.DHCP_FIRST, schema.DHCP_LAST]]
    return bool(((waited >= 0) & (waited <= within_ns)).any())


def _is_repeated(exchange: Exchange) -> bool:
    to_all = exchange.requests - exchange.unicast_requests  # a probe of a known MAC that fails is followed by these
    return to_all >= MIN_REPEATED and MIN_RETRY_NS <= exchange.request_gap <= MAX_ARP_RETRY_NS
