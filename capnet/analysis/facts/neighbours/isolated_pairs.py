"""Pairs of a macvlan child and the host of its card: others answer both of them, and they do not answer each other.

Input: neighbours, stations, flows. Output: `IsolatedPair`s. Method: a container's interface is on the host of a card;
at the card both stations get unicast frames of others, and their questions for each other get no answer. The host's
broadcasts pass the card and do not come to the container, as the kernel keeps them from macvlan children. Or the
topology says that the container's macvlan interface lies on the card with the other's address. Limits: outside of
tunnels; without a topology, the container's own interface must be captured. Two ports of a bridge that are isolated
from each other show the same at the bridge (`whereabouts.isolated_ports`), and at a card that is another port of it.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import Mask
from capnet.analysis.facts.neighbours.bystanders import unicast_frames
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.neighbours.question_delays import are_on_one_host, question_delays, reference_time
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.listening import listening
from capnet.analysis.fate.speakers import RECEIVED
from capnet.quick_tuple import NamedTuple
from capnet.topology import INNER_ROLES
from capnet.topology.lookup import endpoints

ROLES_OF_CARDS = ("parent", "underlay")  # a bridge keeps broadcasts from a port as well, if both are isolated
MIN_REQUESTS = 2  # a single one may have its answer behind the capture
MAX_EXCHANGES = 1000  # that are looked at: a host asks for few addresses


class IsolatedPair(NamedTuple):
    """Questions at the card between a child and its host, in one direction."""

    exchange: Exchange
    host: str
    child: str


@derived
def isolated_pairs(context: Context) -> list[IsolatedPair]:
    """All pairs, each once: at the point that showed its first question first."""
    by_topology = _children_of_hosts(context)
    if not by_topology and not any(point.role == "container" for point in context.points):
        return []
    exchanges = [of for of in neighbours(context) if not of.via]
    answered = {(of.kind, of.asker, of.target) for of in exchanges if of.replies}
    macs = macs_of_addresses(exchanges)
    pairs: list[IsolatedPair] = []
    others = _addresses_of_other_kinds(context)
    for of in exchanges[:MAX_EXCHANGES]:
        is_repeated = of.requests - of.unicast_requests >= MIN_REQUESTS and not (of.is_probe or of.is_announcement)
        if not is_repeated or (of.kind, of.asker, of.target) in answered:
            continue
        if of.target in by_topology.get(of.asker, ()):
            pairs.append(IsolatedPair(of, of.target, of.asker))
            continue
        if of.asker in by_topology.get(of.target, ()):
            pairs.append(IsolatedPair(of, of.asker, of.target))
            continue
        if context.points[of.point].role not in ROLES_OF_CARDS or not others.isdisjoint((of.asker, of.target)):
            continue
        for target_mac in macs.get((of.point, of.target), ()):
            if _are_isolated(context, exchanges, of.point, child=of.asker_mac, host=target_mac):
                pairs.append(IsolatedPair(of, of.target, of.asker))
            elif _are_isolated(context, exchanges, of.point, child=target_mac, host=of.asker_mac):
                pairs.append(IsolatedPair(of, of.asker, of.target))
    pairs.sort(key=lambda pair: reference_time(context, pair.exchange.point, pair.exchange.first_request))
    return list({(pair.host, pair.child): pair for pair in reversed(pairs)}.values())[::-1]


def _children_of_hosts(context: Context) -> dict[str, frozenset[str]]:
    """Address of a macvlan interface in a container → those of the host's interface that it lies on."""
    topology = context.topology
    if topology is None:
        return {}
    parents = {
        (host.name, interface.name): frozenset(interface.ips)
        for host in topology.hosts
        for interface in host.interfaces
    }
    return {
        ip: parents.get((container.host, endpoint.parent or ""), frozenset())
        for container, endpoint in endpoints(topology)
        for ip in endpoint.ips
        if endpoint.kind == "macvlan"
    }


def _addresses_of_other_kinds(context: Context) -> frozenset[str]:
    """Addresses of containers' interfaces that are no macvlan, by the topology."""
    of_topology = endpoints(context.topology) if context.topology else ()
    return frozenset(ip for _, endpoint in of_topology if endpoint.kind not in (None, "macvlan") for ip in endpoint.ips)


def macs_of_addresses(exchanges: list[Exchange]) -> dict[tuple[int, str], set[int]]:
    """Point and address → MACs that claim it there."""
    macs: dict[tuple[int, str], set[int]] = {}
    for of in exchanges:
        if of.requests and of.asker_mac > 0 and not of.is_probe:
            macs.setdefault((of.point, of.asker), set()).add(of.asker_mac)
        macs.setdefault((of.point, of.target), set()).update(of.target_macs)
    return macs


def _are_isolated(context: Context, exchanges: list[Exchange], card: int, *, child: int, host: int) -> bool:
    """Do two MACs at a card talk to others only, one in a container on this host, and the other out of its sight?"""
    sources, destinations = unicast_frames(context, card, 0, -1)
    is_between: Mask = (sources == child) & (destinations == host) | (sources == host) & (destinations == child)
    if is_between.any() or not ((destinations == child).any() and (destinations == host).any()):
        return False
    if _is_on_bridge(context, child, host):
        return False
    broadcasts = [of for of in exchanges if of.asker_mac == host and of.requests > of.unicast_requests]
    at_card = [of.first_request for of in broadcasts if of.point == card]
    return any(
        _is_child(context, exchanges, own, card, child)
        and not sends(context, own, host)
        and any(listening(context).since[own] <= time <= listening(context).until[own] for time in at_card)
        for own, point in enumerate(context.points)
        if point.role == "container" and own != card and sends(context, own, child)
    )


def _is_on_bridge(context: Context, child: int, host: int) -> bool:
    """Does a bridge show frames of the child, or has what should be the host an interface behind the card as well?

    Then both are at ports of a bridge, whose card is one.
    """
    is_behind = any(context.points[point].role in INNER_ROLES for point in interface_points(context).get(host, ()))
    bridges = (number for number, point in enumerate(context.points) if point.role == "bridge")
    return is_behind or any(sends(context, number, child) for number in bridges)


def _is_child(context: Context, exchanges: list[Exchange], own: int, card: int, mac: int) -> bool:
    """Is the interface `own` of a MAC on the host of the card?"""
    inside, outside = ([of for of in exchanges if of.asker_mac == mac and of.point == point] for point in (own, card))
    return are_on_one_host(context, own, card, question_delays(context, inside, outside))


def sends(context: Context, point: int, mac: int) -> bool:
    """Do frames of a MAC come from its station at a point?"""
    table = context.stations
    is_sent = (table[:, schema.STATION_POINT] == point) & (table[:, schema.STATION_MAC] == mac)
    return bool((is_sent & (table[:, schema.STATION_HOW] != RECEIVED)).any())
