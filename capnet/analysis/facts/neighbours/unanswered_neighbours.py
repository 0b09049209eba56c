"""Repeated questions for a MAC address that get no answer, at points that would show the answer.

Input: neighbours, flows. Output: `Unanswered`, one per protocol, asker and target address. Method: a station without an
answer asks again after a second (RFC 1122 section 2.3.2.1, RFC 4861 section 10); bystanders, and points that record one
direction only, would not show an answer; nor do points where the target answers another asker in the meantime.
Limits: probes and announcements expect none (RFC 5227), nor does a DHCP server that is about to offer the address.
"""

from __future__ import annotations

from enum import Enum

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.arp import MAX_ARP_RETRY_NS
from capnet.analysis.facts.layer2.host_isolation import isolated_children
from capnet.analysis.facts.neighbours.bystanders import shows_answers
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.neighbours.isolated_pairs import isolated_pairs
from capnet.analysis.facts.neighbours.on_link_lookups import CONTAINER_ROLES, Lookup, is_missing_proxy, on_link_lookups
from capnet.analysis.facts.neighbours.question_delays import are_on_one_host, question_delays
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.listening import records_one_direction
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology
from capnet.wire.addresses import address_value, mac_value
from capnet.wire.numbers import UDP

MIN_REPEATED = 2  # questions: a single one may have its answer behind the capture
MIN_RETRY_NS = 10_000_000  # what comes sooner is one question that a point recorded twice
MAX_TARGETS = 3  # of one asker that are told one by one
MAX_OFFER_PROBE_NS = 500_000_000  # from a DISCOVER to the server's question, which it asks at once
DHCP_DISCOVER, DHCP_OFFER, DHCP_CLIENT_PORT = 1, 2, 68  # RFC 2132 section 9.6, RFC 2131 section 4.1
BROADCAST_MAC = 0xFFFFFFFFFFFF
SMALLEST_HOST_PART = 0b11  # of a broadcast address all bits are set; a network of two hosts has two such bits
MIN_SCANNED = 20  # addresses: a host that asks for so many scans the network


class Place(Enum):
    """What a point shows of an address that does not answer."""

    HOME = "its own interface, which gets the questions"
    BROUGHT = "its packets, which a host of this link brings"
    BEHIND = "that a bridge of a host has it"
    BROADCAST = "that it is no host's, but a broadcast address"


EXISTS = (Place.HOME, Place.BROUGHT, Place.BEHIND)  # where it must be reached, so that it is a fault


class Whereabouts(NamedTuple):
    """Where the address is that does not answer."""

    point: str  # its name, or the one that it would have
    mac: int
    place: Place


class Unanswered(NamedTuple):
    """Questions of one address for another one without an answer at any point, by point."""

    kind: str  # `arp` or `nd`
    asker: str
    target: str
    exchanges: list[Exchange]
    whereabouts: Whereabouts | None = None  # None: not to be seen

    @property
    def requests(self) -> int:
        """Questions, the largest number at one point."""
        return max(exchange.requests for exchange in self.exchanges)

    def evidence(self, context: Context) -> list[Evidence]:
        """The first question at each point."""
        return sorted(context.evidence(exchange.point, exchange.request_frame) for exchange in self.exchanges)


def unanswered_by_asker(context: Context, kind: str) -> dict[str, list[Unanswered]]:
    """Asker → its questions of one protocol, without those that `on_link_lookups` or macvlan explain."""
    overlaps = {lookup.pair for lookup in on_link_lookups(context) if not is_missing_proxy(context, lookup)}
    overlaps |= {("arp", child.host, child.child) for child in isolated_children(context)}
    for pair in isolated_pairs(context):
        overlaps |= {(kind, pair.host, pair.child), (kind, pair.child, pair.host)}
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
    for of in exchanges:
        if of.requests and not (of.is_probe or of.is_announcement) and (of.kind, of.asker, of.target) not in answered:
            by_pair.setdefault((of.kind, of.asker, of.target), []).append(of)
    questions = []
    for pair, at_points in sorted(by_pair.items()):
        if pair in brought:
            questions.append(Unanswered(*pair, at_points, _bringer(context, brought[pair])))
            continue
        showing = [
            of
            for of in at_points
            if _is_repeated(of) and shows_answers(context, of) and not records_one_direction(context)[of.point]
        ]
        if not showing or _is_about_to_be_offered(context, showing[0]):
            continue
        if any(_answers_another(of, answers) for of in showing):
            continue  # it is there, and its answer to this asker takes another way
        whereabouts = _group(context, at_points[0]) or _home(context, at_points)
        questions.append(Unanswered(*pair, at_points, whereabouts))
    return questions


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


def _group(context: Context, question: Exchange) -> Whereabouts | None:
    """That the target is a broadcast address: of all networks, or one that frames to all stations are for."""
    _, low = address_value(question.target)
    if question.kind != "arp" or not (question.target == "255.255.255.255" or low in _broadcast_addresses(context)):
        return None
    return Whereabouts(context.points[question.point].name, BROADCAST_MAC, Place.BROADCAST)


@derived
def _broadcast_addresses(context: Context) -> set[int]:
    """LO halves of the last addresses of networks, to which packets in frames to all stations are sent."""
    flows = context.flows
    low = flows[:, schema.FLOW_DST_LO]
    is_broadcast = (flows[:, schema.FLOW_DMAC] == BROADCAST_MAC) & (flows[:, schema.FLOW_DST_HI] == 0)
    return set(low[is_broadcast & (low & SMALLEST_HOST_PART == SMALLEST_HOST_PART)].tolist())


def _is_about_to_be_offered(context: Context, question: Exchange) -> bool:
    """Does a DHCP server look whether the address is in use that it is about to offer (RFC 2131 section 2.2)?"""
    dhcp, (_, asker), (_, target) = context.dhcp, address_value(question.asker), address_value(question.target)
    is_offer = (dhcp[:, schema.DHCP_TYPE] == DHCP_OFFER) & (dhcp[:, schema.DHCP_SRC_LO] == asker)
    if question.kind != "arp" or not is_offer.any():
        return False
    flows = context.flows
    is_to_it = (flows[:, schema.FLOW_SRC_LO] == asker) & (flows[:, schema.FLOW_DST_LO] == target)
    is_to_it &= (flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_DPORT] == DHCP_CLIENT_PORT)
    if (is_to_it & (flows[:, schema.FLOW_LAST] >= question.first_request)).any():
        return True
    discovers = dhcp[dhcp[:, schema.DHCP_TYPE] == DHCP_DISCOVER][:, [schema.DHCP_FIRST, schema.DHCP_LAST]]
    waited = question.first_request - discovers
    return bool(((waited >= 0) & (waited <= MAX_OFFER_PROBE_NS)).any())


def _bringer(context: Context, lookup: Lookup) -> Whereabouts:
    """The MAC that brings the packets of an address to this link, at the first point that shows it."""
    flows, links, row = context.flows, flow_links(context), min(lookup.rows)
    mac = int(flows[row, schema.FLOW_SMAC])
    while links.before[row] >= 0 and flows[links.source[links.before[row]], schema.FLOW_SMAC] == mac:
        row = int(links.source[links.before[row]])
    return Whereabouts(context.points[flows[row, schema.FLOW_POINT]].name, mac, Place.BROUGHT)


def _home(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """The target's own interface, if it is one of these points, and the questions come to it from another host."""
    for mac, points in interface_points(context).items():
        if at_points[0].target not in speakers(context)[mac].own:
            continue
        for home in (of for of in at_points if of.point in points):
            others = (of for of in at_points if of.point != home.point)
            if any(_comes_from(context, of, home) for of in others):
                return Whereabouts(context.points[home.point].name, mac, Place.HOME)
    return _bridge(context, at_points)


def _comes_from(context: Context, other: Exchange, home: Exchange) -> bool:
    """Do questions come from another host to the home of the target? Those of its macvlan children leave there."""
    delays = question_delays(context, [other], [home])
    return bool(delays) and min(delays) > 0 and not are_on_one_host(context, other.point, home.point, delays)


def _bridge(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """The bridge that has an IPv6 address which is looked for on a card. Hosts use the same private IPv4 networks."""
    roles, target = {context.points[exchange.point].role for exchange in at_points}, at_points[0].target
    if at_points[0].kind == "arp" or roles & set(CONTAINER_ROLES):
        return None
    for of in neighbours(context):
        if context.points[of.point].role in CONTAINER_ROLES:
            macs = of.target_macs if of.target == target else (of.asker_mac,) if of.asker == target else ()
            if macs:
                return Whereabouts(context.points[of.point].name, macs[0], Place.BEHIND)
    return _container(context.topology, target) if context.topology else None


def _container(topology: Topology, address: str) -> Whereabouts | None:
    """The container on a bridge that has an address, by the topology."""
    bridges = {"bridge", *(network.name for network in topology.networks if network.driver == "bridge")}
    for container in topology.containers:
        for endpoint in container.endpoints:
            addresses = (text.partition("/")[0] for text in endpoint.addresses)
            if endpoint.network in bridges and endpoint.mac and address in addresses:
                name = f"{container.host}/{container.name}/{endpoint.interface}"
                return Whereabouts(name, mac_value(endpoint.mac), Place.BEHIND)
    return None


def _is_repeated(exchange: Exchange) -> bool:
    to_all = exchange.requests - exchange.unicast_requests  # a probe of a known MAC that fails is followed by these
    return to_all >= MIN_REPEATED and MIN_RETRY_NS <= exchange.request_gap <= MAX_ARP_RETRY_NS
