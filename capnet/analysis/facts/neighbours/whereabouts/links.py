"""Where an address is that does not answer, as other questions and other stations of the same link show it.

Input: the questions at each point, neighbours, flows. Output: `Whereabouts`, None if nothing shows it.
Method: a broadcast reaches every port of its link. Where a point of one host shows the questions of one station and not
those of another one, though both appear at another point of the host, the latter are dropped on the way. A station that
asks again though its answers are seen at another point does not get them.
Limits: outside of tunnels.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs, destination, host_of, source
from capnet.analysis.core.schema import Mask
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.neighbours.on_link_lookups import CONTAINER_ROLES
from capnet.analysis.facts.neighbours.whereabouts.places import Place, Whereabouts
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.listening import ROLES_OF_CONTAINERS, listening, records_one_direction
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.speakers import speakers
from capnet.topology.lookup import endpoints, network_of
from capnet.wire.addresses import address_value

MIN_ASKED_AGAIN_NS = 500_000_000  # after an answer: a station that got it does not ask again a second later
MAX_ASKED_AGAIN_NS = 2_000_000_000
MIN_ANSWERS = 2  # of which the asker gets none
METADATA = "169.254.169.254"  # of clouds, a server that pods ask
MAX_ROWS = 100  # flows to one address


def lost_answers(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """The point that shows answers to one question, while its asker, at its own interface, gets none and asks again."""
    for asked in at_points:
        is_own = asked.point in interface_points(context).get(asked.asker_mac, ())
        if asked.replies or asked.via or not is_own or asked.requests - asked.unicast_requests < MIN_ANSWERS:
            continue
        for of in at_points:
            is_again = of.last_request - of.first_reply >= MIN_ASKED_AGAIN_NS and of.request_gap <= MAX_ASKED_AGAIN_NS
            if of.replies >= MIN_ANSWERS and len(of.target_macs) == 1 and is_again:
                return Whereabouts(context.points[of.point].name, of.target_macs[0], Place.ANSWERS)
    return None


def stopped_questions(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """A point of the same host that shows questions of others on this link, and none of these."""
    shown = {of.point for of in at_points}
    asked = at_points[0]
    broadcasts = _broadcasts(context)
    for other in sorted(broadcasts):
        host = host_of(context.points[other].name)
        for point in sorted(shown - {other}) if other not in shown and host else ():
            first = next((each for each in _common_askers(context, other, point) if each != asked.asker), None)
            if host_of(context.points[point].name) != host or first is None:
                continue
            if _goes_on(context, other, asked):
                return Whereabouts(context.points[other].name, asked.asker_mac, Place.STOPS, first)
    return None


def unheard_at_home(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """The target's own interface, which shows others and not these questions; it sends to a point that shows them."""
    asked, shown = at_points[0], {of.point for of in at_points if not of.via}
    for mac, homes in interface_points(context).items():
        speaker = speakers(context)[mac]
        is_near = asked.target in speaker.own and not shown.isdisjoint(speaker.sending_points)
        if not is_near or not shown.isdisjoint(homes):
            continue
        for home in sorted(_broadcasts(context).keys() & set(homes)):
            if _goes_on(context, home, asked) and not records_one_direction(context)[home]:
                return Whereabouts(context.points[home].name, mac, Place.UNHEARD)
    return None


def _goes_on(context: Context, point: int, asked: Exchange) -> bool:
    """Did a point listen at the time of the questions, and is the interface there still?

    That of a container goes with it, and shows nothing more, however long the capture goes on.
    """
    last, times = context.points[point].last, listening(context)
    is_there = context.points[point].role not in ROLES_OF_CONTAINERS or (
        last is not None and last >= asked.first_request
    )
    return bool(is_there and times.since[point] <= asked.last_request and times.until[point] >= asked.first_request)


@derived
def _broadcasts(context: Context) -> dict[int, set[tuple[str, str, str]]]:
    """Point → kind, asker and target of questions to all stations."""
    by_point: dict[int, set[tuple[str, str, str]]] = {}
    for of in neighbours(context):
        if of.requests > of.unicast_requests and not of.via and not of.is_probe:
            by_point.setdefault(of.point, set()).add((of.kind, of.asker, of.target))
    return by_point


@derived
def _common_askers(context: Context, point: int, other: int) -> list[str]:
    """Who asks all stations the same at two points, in order of their addresses."""
    of_one, of_other = (_broadcasts(context).get(each, set()) for each in (point, other))
    return sorted({asker for _, asker, _ in of_one & of_other}, key=address_value)


def on_another_network(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """Another bridge of the host, on which the target itself asks or answers, and no broadcast is the same."""
    shown = {of.point for of in at_points}
    if any(context.points[point].role not in CONTAINER_ROLES for point in shown):
        return None
    hosts = {host_of(context.points[point].name) for point in shown} - {None}
    for point, mac in _at_bridges(context).get(at_points[0].target, ()):
        is_same_link = point in shown or any(
            _common_askers(context, each, point) for each in shown if each in _broadcasts(context)
        )
        if not is_same_link and host_of(context.points[point].name) in hosts:
            return Whereabouts(context.points[point].name, mac, Place.ELSEWHERE)
    return None


@derived
def _at_bridges(context: Context) -> dict[str, list[tuple[int, int]]]:
    """Address → the points at bridges where it answers or asks, and its MAC."""
    by_address: dict[str, list[tuple[int, int]]] = {}
    for of in neighbours(context):
        if context.points[of.point].role == "bridge" and not of.via:
            for address, macs in ((of.target, of.target_macs), (of.asker, (of.asker_mac,))):
                by_address.setdefault(address, []).extend((of.point, mac) for mac in macs[:1])
    return by_address


def behind_a_router(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """The MAC of a router by which another station of this link reaches the target.

    Not where the target itself speaks by ARP: the point shows two links, as a mirror of several ports does. Nor if
    that MAC sends nothing, as where one direction is recorded: it may be the target's own.
    """
    asked, flows = at_points[0], context.flows
    for row in _rows_to_targets(context).get(address_value(asked.target), ())[:MAX_ROWS]:
        flow = flows[row]
        mac, router = int(flow[schema.FLOW_SMAC]), int(flow[schema.FLOW_DMAC])
        is_here = any(of.point == flow[schema.FLOW_POINT] and not of.via for of in at_points)
        is_other = asked.asker_mac not in (mac, router) and _owns(context, mac, source(flow))
        speaker = speakers(context).get(router)
        is_routed = is_here and is_other and speaker is not None and flow[schema.FLOW_POINT] in speaker.sending_points
        is_routed = is_routed and not _owns(context, router, asked.target)
        if is_routed and not _speaks_by_arp(context, int(flow[schema.FLOW_POINT]), asked.target):
            return Whereabouts(context.points[flow[schema.FLOW_POINT]].name, router, Place.ROUTED, source(flow))
    return None


@derived
def _rows_to_targets(context: Context) -> dict[tuple[int, int], list[int]]:
    """Address that is asked for → answered flows to it in frames to one station, outside of tunnels."""
    flows, receiver = context.flows, schema.FLOW_DST
    targets = np.array(sorted({address_value(of.target) for of in neighbours(context)}), dtype=np.int64).reshape(-1, 2)
    is_wanted = is_among(hash_of(flows, receiver), row_hash(targets)) & (flows[:, schema.FLOW_VIA] == 0)
    is_wanted &= (flows[:, schema.FLOW_SMAC] > 0) & is_answered(context) & _is_to_station(context)
    by_address: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(is_wanted).tolist():
        high, low = flows[row, receiver].tolist()
        by_address.setdefault((high, low), []).append(row)
    return by_address


def proxied(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """The point of the same node at which a link-local gateway, as pods with routed links have, is answered to another.

    No host has such an address: the node answers by proxy ARP, which is set for each interface.
    """
    asked, target = at_points[0], at_points[0].target
    if asked.kind != "arp" or not target.startswith("169.254.") or target == METADATA or asked.asker[:8] == "169.254.":
        return None
    hosts = {host_of(context.points[of.point].name) for of in at_points} - {None}
    for of in neighbours(context):
        name = context.points[of.point].name
        is_other_answered = of.target == target and of.replies and not of.via and of.asker != asked.asker
        if is_other_answered and host_of(name) in hosts:
            return Whereabouts(name, of.target_macs[0], Place.PROXIED, of.asker)
    return None


def gateway(context: Context, at_points: list[Exchange]) -> str | None:
    """The address of the router by which other stations of this link send, if the asker itself sends by none."""
    asked, flows = at_points[0], context.flows
    points = sorted({of.point for of in at_points if not of.via})
    uses: Counter[int] = Counter()
    for row in [row for point in points for row in _answered_by_point(context).get(point, ())]:
        mac, router = int(flows[row, schema.FLOW_SMAC]), int(flows[row, schema.FLOW_DMAC])
        if _owns(context, router, destination(flows[row])) or not _owns(context, mac, source(flows[row])):
            continue
        if mac == asked.asker_mac:
            return None
        uses[router] += 1
    for router in sorted(uses, key=lambda of: -uses[of]):
        claimed = {target for point in points for target in _targets_of_macs(context).get((point, router), ())}
        claimed = {of for of in claimed - {asked.target, asked.asker} if (":" in of) == (":" in asked.target)}
        if claimed:
            return min(claimed, key=address_value)
    return None


def network_of_gateway(context: Context, asker: str, target: str) -> str | None:
    """The network that both are of by the topology, the asker a container on it and the target its gateway."""
    topology = context.topology
    for container, endpoint in endpoints(topology) if topology else ():
        if asker in endpoint.ips:
            network = network_of(topology, container, endpoint) if topology else None
            return network.name if network is not None and target in (network.gateway, *network.gateways) else None
    return None


def service_of_address(context: Context, address: str) -> tuple[str, str] | None:
    """The service of a swarm, and its network, whose virtual address it is by the topology."""
    for service in context.topology.services if context.topology else ():
        if service.namespace is None:
            for virtual in service.vips:
                if virtual.address == address:
                    return service.name, virtual.network
    return None


@derived
def _answered_by_point(context: Context) -> dict[int, list[int]]:
    """Point → the first answered flows there, outside of tunnels, that go to the MAC of one station."""
    flows, rows = context.flows, {}
    is_wanted = (flows[:, schema.FLOW_VIA] == 0) & _is_to_station(context) & is_answered(context)
    for point in range(len(context.points)):
        rows[point] = np.flatnonzero(is_wanted & (flows[:, schema.FLOW_POINT] == point))[:MAX_ROWS].tolist()
    return rows


@derived
def _targets_of_macs(context: Context) -> dict[tuple[int, int], set[str]]:
    """Point and MAC → the addresses for which it answers there."""
    targets: dict[tuple[int, int], set[str]] = {}
    for of in neighbours(context):
        for mac in of.target_macs:
            targets.setdefault((of.point, mac), set()).add(of.target)
    return targets


@derived
def _is_to_station(context: Context) -> Mask:
    """Per flow: does its frame go to the MAC of one station?"""
    macs = context.flows[:, schema.FLOW_DMAC]
    result: Mask = (macs > 0) & ~are_multicast_macs(macs)
    return result


def _speaks_by_arp(context: Context, point: int, address: str) -> bool:
    arps, (_, low) = context.arps, address_value(address)
    is_its = (arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_SENDER_LO] == low)
    return ":" not in address and bool((is_its & (arps[:, schema.ARP_VIA] == 0)).any())


def _owns(context: Context, mac: int, address: str) -> bool:
    speaker = speakers(context).get(mac)
    return speaker is not None and (address in speaker.own or address in speaker.claimed)
