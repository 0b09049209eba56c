"""Where an address is that does not answer, as its own interface, its packets or the bridge of a host show it.

Input: the questions at each point, neighbours, flow links, the topology. Output: `Whereabouts`, None if nothing shows
it. Limits: hosts use the same private IPv4 networks, so the bridge of a host tells of IPv6 addresses alone.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import source
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.neighbours.on_link_lookups import CONTAINER_ROLES, Lookup
from capnet.analysis.facts.neighbours.question_delays import are_on_one_host, question_delays
from capnet.analysis.facts.neighbours.whereabouts.places import Place, Whereabouts
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.speakers import speakers
from capnet.topology import Topology
from capnet.wire.addresses import address_value, mac_value

BROADCAST_MAC = 0xFFFFFFFFFFFF
SMALLEST_HOST_PART = 0b11  # of a broadcast address all bits are set; a network of two hosts has two such bits


def of_broadcast(context: Context, question: Exchange) -> Whereabouts | None:
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


def bringer(context: Context, lookup: Lookup) -> Whereabouts:
    """The MAC that brings the packets of an address to this link, at the first point that shows it.

    A host that translates to an address is told with the one that it translates.
    """
    flows, links, row = context.flows, flow_links(context), min(lookup.rows)
    if lookup.exchange.kind == "arp":
        for row in lookup.rows:
            original = source(flows[links.first_hop(row)])
            if original != lookup.exchange.target:
                name = context.points[flows[row, schema.FLOW_POINT]].name
                return Whereabouts(name, int(flows[row, schema.FLOW_SMAC]), Place.TRANSLATED, original)
        row = min(lookup.rows)
    mac = int(flows[row, schema.FLOW_SMAC])
    while links.before[row] >= 0 and flows[links.source[links.before[row]], schema.FLOW_SMAC] == mac:
        row = int(links.source[links.before[row]])
    return Whereabouts(context.points[flows[row, schema.FLOW_POINT]].name, mac, Place.BROUGHT)


def at_home(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
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
            addresses = endpoint.ips
            if endpoint.network in bridges and endpoint.mac and address in addresses:
                name = f"{container.host}/{container.name}/{endpoint.interface}"
                return Whereabouts(name, mac_value(endpoint.mac), Place.BEHIND)
    return None
