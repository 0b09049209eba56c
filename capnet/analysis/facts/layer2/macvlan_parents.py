"""macvlan parents: interfaces behind which stations of the same network have interfaces of their own.

The kernel passes no frames between the host of a macvlan parent and its children: what the host broadcasts goes out on
the wire only, and its ARP requests for a child get no answer. A bridge repeats its host's broadcasts to every port.
Output: per parent its children, its host, and a confidence by what of this was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_multicast_mac
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.arp import repeated_requests, unanswered_requests
from capnet.analysis.facts.layer2.model import MacvlanChild, MacvlanParent, Segments, same_network, unicast
from capnet.analysis.facts.nat.addresses import addresses_behind_nat
from capnet.analysis.fate.speakers import RECEIVED
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value

MAX_STATIONS = 256  # at one point: with more it is a backbone, and no interface of a host
SEEN_ALONE_CONFIDENCE = 0.6  # of 0 to 1: another station may have no answer for another reason
MAX_CHILD_FRAMES = 4  # frames between children that are kept as evidence
_ROLES_OF_NO_PARENT = ("veth", "bridge", "overlay", "container")
_SAME_FRAME = [*schema.FLOW_ADDRESSES, schema.FLOW_SMAC, schema.FLOW_DMAC, schema.FLOW_VIA]


def macvlan_parents(context: Context, segments: Segments) -> list[MacvlanParent]:
    """Parents by confidence, the highest first. Where several claim the same children, the most confident one."""
    parents = [parent for point in segments.speakers if (parent := _parent(context, segments, point))]
    claimed_macs: set[int] = set()
    kept = []
    for parent in sorted(parents, key=lambda parent: (-parent.confidence, parent.point)):
        child_macs = {child.mac for child in parent.children}
        if not child_macs & claimed_macs:
            kept.append(parent)
            claimed_macs |= child_macs | set(parent.outsiders)
    return kept


def _parent(context: Context, segments: Segments, point: int) -> MacvlanParent | None:
    """The parent at a point, by the interfaces of its children or by what is seen there alone: what says more."""
    with_children = _parent_with_children(context, segments, point)
    if with_children and with_children.confidence >= SEEN_ALONE_CONFIDENCE:
        return with_children
    return _parent_seen_alone(context, segments, point) or with_children


# -- parents whose children's interfaces were captured ---------------------------------------------------
def _parent_with_children(context: Context, segments: Segments, point: int) -> MacvlanParent | None:
    if len(segments.speakers[point]) > MAX_STATIONS or context.points[point].role in _ROLES_OF_NO_PARENT:
        return None
    stations = _stations_of_one_ip(context, segments, point)
    candidates = _stations_right_behind(context, segments, point, stations)
    if not candidates:
        return None
    isolation = _isolated_host(context, segments, point, candidates)
    container_macs = {child.mac for child in candidates if context.points[child.point].role == "container"}
    children = [
        child
        for child in candidates
        if (child.mac in container_macs or not container_macs)
        and (isolation is None or child.point in isolation.child_points)
    ]
    if not children or not same_network([child.ip for child in children]):
        return None
    host_mac = isolation.host_mac if isolation else None
    child_macs = {child.mac for child in children}
    parent = MacvlanParent(
        point,
        children=sorted(children, key=lambda child: address_value(child.ip)),
        outsiders={
            mac: ip
            for mac, ip in stations.items()
            if mac not in child_macs and mac != host_mac and same_network([ip, children[0].ip])
        },
        host_mac=host_mac,
    )
    if host_mac is not None:
        parent.host_ip = segments.speakers[point][host_mac].own_ips[0]
        parent.has_unanswered_host = any(
            unanswered_requests(context, point, parent.host_ip, child.ip) for child in parent.children
        )
    _look_at_child_frames(context, segments, parent)
    parent.confidence = _confidence(context, segments, parent, bool(container_macs))
    return parent


def _stations_of_one_ip(context: Context, segments: Segments, point: int) -> dict[int, str]:
    """MAC → address of the stations that send at a point and have one address.

    A MAC that forwards is a gateway or the bridge itself. An address behind NAT is not on the host's network.
    """
    hidden_ips = addresses_behind_nat(context)
    return {
        mac: speaker.own_ips[0]
        for mac, speaker in segments.speakers[point].items()
        if len(speaker.own_ips) == 1
        and speaker.own_ips[0] not in hidden_ips
        and not is_multicast_mac(mac)
        and not speaker.forwarded_ips
        and point in speaker.sending_points
    }


def _stations_right_behind(
    context: Context, segments: Segments, point: int, stations: dict[int, str]
) -> list[MacvlanChild]:
    """Stations with an interface of their own from which frames reach this point unchanged, or the other way."""
    neighbours = _neighbour_points(context, point)
    behind = []
    for mac, ip in stations.items():
        interface_points = segments.interface_points.get(mac, ())
        own_points = [own_point for own_point in interface_points if own_point in neighbours]
        if own_points and point not in interface_points:
            behind.append(MacvlanChild(mac, ip, own_points[-1]))
    return behind


def _neighbour_points(context: Context, point: int) -> set[int]:
    """Points with a flow link to or from this one that changes nothing: same addresses, same TTL, same MACs."""
    links, flows = flow_links(context), context.flows
    is_same = (links.ttl_delta == 0) & (flows[links.source, schema.FLOW_VIA] == 0)
    for column in _SAME_FRAME:  # one at a time: whole rows of all links would be most of the memory of an analysis
        is_same &= flows[links.source, column] == flows[links.target, column]
    sources, targets = (flows[rows, schema.FLOW_POINT] for rows in (links.source, links.target))
    return {*sources[is_same & (targets == point)].tolist(), *targets[is_same & (sources == point)].tolist()}


class _Isolation(NamedTuple):
    """A host whose broadcasts do not reach children, and the points of these children."""

    host_mac: int
    child_points: set[int]


def _isolated_host(
    context: Context, segments: Segments, point: int, candidates: list[MacvlanChild]
) -> _Isolation | None:
    """The host that broadcasts at this point and is never seen at interfaces right behind it.

    Only a child on the host's network counts that was captured at the time, and that got other broadcasts. Of several
    hosts, the one that most children do not see.
    """
    best: _Isolation | None = None
    candidate_macs = {child.mac for child in candidates}
    senders = {child.point: _sending_macs(context, child.point) for child in candidates}
    for mac, last in sorted(segments.last_broadcasts.get(point, {}).items()):
        speaker = segments.speakers[point].get(mac)
        if speaker is None or mac in candidate_macs or speaker.forwarded_ips or not speaker.own_ips:
            continue
        child_points = set()
        for child in candidates:
            first = context.points[child.point].first
            is_captured = first is not None and first <= last and bool(segments.last_broadcasts.get(child.point))
            is_near = any(same_network([child.ip, ip]) for ip in speaker.own_ips)
            if is_near and is_captured and mac not in senders[child.point]:
                child_points.add(child.point)
        if child_points and (best is None or len(child_points) > len(best.child_points)):
            best = _Isolation(mac, child_points)
    return best


def _sending_macs(context: Context, point: int) -> set[int]:
    """MACs that sent at a point, outside of tunnels."""
    table = context.stations
    is_sender = (table[:, schema.STATION_POINT] == point) & (table[:, schema.STATION_VIA] == 0)
    is_sender &= table[:, schema.STATION_HOW] != RECEIVED
    return set(table[is_sender, schema.STATION_MAC].tolist())


def _confidence(context: Context, segments: Segments, parent: MacvlanParent, has_containers: bool) -> float:
    """0 to 1. Without a host that the children do not see, children and outsiders look alike."""
    has_host = parent.host_mac is not None
    if not has_host and (len(parent.children) == 1 or _has_a_mac_in_all(context, parent.point)):
        return 0.2
    # No other station can be behind a station's own interface.
    is_interface_of_a_station = any(parent.point in points for points in segments.interface_points.values())
    if is_interface_of_a_station:
        base = 0.3
    else:
        base = 0.65 if has_host else 0.6 if has_containers else 0.3
    extra = 0.15 * parent.has_unanswered_host + 0.1 * parent.keeps_child_frames
    extra += 0.05 * (len(parent.children) > 1) + 0.04 * bool(parent.outsiders)
    return round(min(base + extra, 0.97), 2)


def _has_a_mac_in_all(context: Context, point: int) -> bool:
    """Is one MAC an end of every unicast flow? Then the point is that station's interface, or the end of a veth."""
    rows = unicast(context, point)
    smacs, dmacs = (context.flows[rows, column].tolist() for column in (schema.FLOW_SMAC, schema.FLOW_DMAC))
    return any(count >= len(rows) for count in Counter([*smacs, *dmacs]).values())


def _look_at_child_frames(context: Context, segments: Segments, parent: MacvlanParent) -> None:
    """Fill in whether frames between children were seen at the parent, and are missing where outsiders are."""
    flows = context.flows
    macs = [child.mac for child in parent.children]
    source_mac, destination_mac = flows[:, schema.FLOW_SMAC], flows[:, schema.FLOW_DMAC]
    is_between = is_one_of(source_mac, macs) & is_one_of(destination_mac, macs) & (flows[:, schema.FLOW_VIA] == 0)
    is_between &= source_mac != destination_mac
    rows = np.flatnonzero(is_between & (flows[:, schema.FLOW_POINT] == parent.point)).tolist()
    first_frames = flows[:, schema.FLOW_FIRST_FRAME]
    parent.child_frames = [context.flow_evidence(row, int(first_frames[row])) for row in rows[:MAX_CHILD_FRAMES]]
    outsider_points = _points_with_unicast(context, segments, parent)
    is_seen_outside = is_one_of(flows[is_between, schema.FLOW_POINT], outsider_points).any()
    parent.keeps_child_frames = bool(rows and outsider_points) and not is_seen_outside


def _points_with_unicast(context: Context, segments: Segments, parent: MacvlanParent) -> Collection[int]:
    """Interface points of outsiders at which unicast flows were seen."""
    points = {point for mac in parent.outsiders for point in segments.interface_points.get(mac, ())}
    return {point for point in points - {parent.point} if len(unicast(context, point))}


# -- parents without a captured child ---------------------------------------------------------------------
def _parent_seen_alone(context: Context, segments: Segments, point: int) -> MacvlanParent | None:
    """A point with stations that send, and for which one host repeats its ARP requests without an answer."""
    speakers = segments.speakers[point]
    if len(speakers) > MAX_STATIONS:
        return None
    stations = {
        mac: speaker.own_ips[0]
        for mac, speaker in speakers.items()
        if len(speaker.own_ips) == 1 and not speaker.forwarded_ips
    }
    macs = {ip: mac for mac, ip in stations.items()}
    children_of: dict[str, dict[int, MacvlanChild]] = {}  # address of the asking host → MAC → child
    for pair in repeated_requests(context, point):
        if pair.asker in macs and pair.target in macs and pair.asker != pair.target and same_network([*pair]):
            child = MacvlanChild(macs[pair.target], pair.target, point)
            children_of.setdefault(pair.asker, {})[child.mac] = child
    if not children_of:
        return None
    host_ip = min(children_of, key=lambda ip: (-len(children_of[ip]), address_value(ip)))
    children = children_of[host_ip]
    parent = MacvlanParent(
        point,
        children=sorted(children.values(), key=lambda child: address_value(child.ip)),
        outsiders={mac: ip for mac, ip in stations.items() if mac != macs[host_ip] and mac not in children},
        host_mac=macs[host_ip],
        host_ip=host_ip,
        has_unanswered_host=True,
        is_seen_alone=True,
        confidence=SEEN_ALONE_CONFIDENCE,
    )
    _look_at_child_frames(context, segments, parent)
    return parent
