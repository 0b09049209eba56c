"""Two stations at ports of one bridge between which the bridge passes no broadcasts, so that ARP finds nothing.

Input: neighbours, stations, the ARP table, when points listened. Output: `IsolatedPorts`, one for each two stations.
Method: the bridge's own interface shows questions of one station for the other. The other one's interface, or the host
end of its veth, records meanwhile and shows nothing of the asker. A third station, the bridge's host as a rule,
exchanges frames with both. Ports that are flagged `isolated` show this, and so does a filter of the bridge.
Limits: ARP, outside of tunnels and without VLAN tags: a bridge that knows of VLANs or looks into MLD floods less.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.facts.neighbours.bystanders import unicast_frames
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.neighbours.isolated_pairs import MAX_EXCHANGES, MIN_REQUESTS, macs_of_addresses, sends
from capnet.analysis.facts.neighbours.question_delays import reference_time
from capnet.analysis.fate.listening import ROLES_OF_CONTAINERS, listening, records_one_direction
from capnet.quick_tuple import NamedTuple


class IsolatedPorts(NamedTuple):
    """Questions at the bridge for a station, and the point right before it that shows none of them."""

    exchange: Exchange
    due: int


@derived
def isolated_ports(context: Context) -> list[IsolatedPorts]:
    """By time of the first question at each bridge."""
    bridges = {number for number, point in enumerate(context.points) if point.role == "bridge"}
    exchanges = [of for of in neighbours(context) if of.kind == "arp" and not of.via] if bridges else []
    answered = {(of.asker, of.target) for of in exchanges if of.replies}
    macs = macs_of_addresses(exchanges)
    isolated: dict[frozenset[str], IsolatedPorts] = {}
    questions = [of for of in exchanges if of.point in bridges and not (of.is_probe or of.is_announcement)]
    for of in questions[:MAX_EXCHANGES]:
        to_all = of.requests - of.unicast_requests
        targets = macs.get((of.point, of.target), set())
        if to_all < MIN_REQUESTS or (of.asker, of.target) in answered or len(targets) != 1 or _has_tag(context, of):
            continue
        (mac,) = targets
        due = (
            _unreached_point(context, of, mac) if _have_third_in_common(context, of.point, of.asker_mac, mac) else None
        )
        if due is not None:
            isolated.setdefault(frozenset((of.asker, of.target)), IsolatedPorts(of, due))
    return list(isolated.values())


def _has_tag(context: Context, asked: Exchange) -> bool:
    arps = context.arps
    is_its = (arps[:, schema.ARP_POINT] == asked.point) & (arps[:, schema.ARP_SENDER_MAC] == asked.asker_mac)
    return bool((arps[is_its, schema.ARP_VLAN] >= 0).any())


def _have_third_in_common(context: Context, bridge: int, asker: int, target: int) -> bool:
    """Does another station exchange unicast frames with both at the bridge, and do the two exchange none?"""
    sources, destinations = unicast_frames(context, bridge, 0, -1)
    partners = [
        {*sources[destinations == mac].tolist()} & {*destinations[sources == mac].tolist()} for mac in (asker, target)
    ]
    is_between = (sources == asker) & (destinations == target) | (sources == target) & (destinations == asker)
    return bool(partners[0] & partners[1]) and not is_between.any()


def _unreached_point(context: Context, asked: Exchange, mac: int) -> int | None:
    """The interface of the target, or the host's end of its veth, that shows nothing of the asker while it asks."""
    points, host = listening(context), host_of(context.points[asked.point].name)
    first, last = (reference_time(context, asked.point, time) for time in (asked.first_request, asked.last_request))
    for number, point in enumerate(context.points):
        is_near = point.role in ROLES_OF_CONTAINERS and host is not None and host_of(point.name) == host
        is_recording = points.since[number] <= first and last <= points.heard_to[number]
        is_recording = is_recording and not points.is_dropping[number] and not records_one_direction(context)[number]
        if is_near and is_recording and sends(context, number, mac) and _shows_arp(context, number, mac):
            return None if sends(context, number, asked.asker_mac) else number
    return None


def _shows_arp(context: Context, point: int, mac: int) -> bool:
    """Does a point show ARP of others to this station? Then it has no filter against it."""
    arps = context.arps
    is_of_others = (arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_SENDER_MAC] != mac)
    return bool((is_of_others & (arps[:, schema.ARP_VIA] == 0)).any())
