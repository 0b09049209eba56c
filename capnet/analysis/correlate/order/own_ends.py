"""Which MAC and which addresses are the own ones of each point: of a container, also at its veth, or of a host's card.

Output: `OwnEnds`, one entry per point.
Method: the topology says it, where there is one. Without, every unicast frame at a station's own interface is from its
MAC or to it. If that holds for two MACs, packets vote (`_votes`): those that another point of the same host shows with
another TTL were routed there, and of the points of a segment the first one is nearest to the sender.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs, host_of
from capnet.analysis.core.results import Point
from capnet.analysis.core.schema import FlowRows, Observations, Values
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import MAPPED, address_value, mac_value

INNER_ROLES = ("container", "veth")
CARD_ROLES = ("parent", "underlay", "unknown")
STATION_ROLES = (*INNER_ROLES, *CARD_ROLES, "vlan")
DOCKER_MAC = 0x0242 << 32  # Docker up to 27 appends the IPv4 address
MAX_VOTERS = 4096  # observations of a point that vote
MIN_MAJORITY = 0.75  # of the votes
NEVER = 1 << 62


def place_of(point: Point) -> str:
    """The role of a point; `vlan` for a VLAN of a card, and in an overlay network's namespace what the device is.

    A virtual machine's interface at its host is one like a container's.
    """
    device = point.name.rpartition("/")[2]
    if point.role == "unknown" and re.fullmatch(r"(vnet|tap|fwpr|fwln)[\w.-]+", device):
        return "veth"
    if point.role in CARD_ROLES and re.fullmatch(r".+\.\d{1,4}", device):
        return "vlan"
    if device == "br0":
        return "bridge"
    return "container" if point.role == "overlay" and device.startswith("eth") else point.role  # a balancer's


class OwnEnds(NamedTuple):
    """One entry per point, and what belongs to which host."""

    macs: list[int]  # -1: unknown
    addresses: list[set[tuple[int, int]]]  # as two halves
    hosts: list[str]  # host of each point, or the file that names none
    host_of_mac: dict[int, str]


@derived
def own_ends(context: Context) -> OwnEnds:
    """The own MAC and addresses of each point."""
    hosts = [host_of(point.name) or point.file for point in context.points]
    macs, addresses, host_of_mac = _by_topology(context)
    rivals: dict[int, list[int]] = {}  # point → the MACs of which one may be its own
    for number, point in enumerate(context.points):
        if macs[number] < 0 and place_of(point) in STATION_ROLES:
            rows = _unicast_rows(context, number)
            rivals[number] = _macs_of_all(context, rows)
            macs[number] = _own_of(context, number, rows, rivals[number], hosts)
            if not addresses[number] and place_of(point) in INNER_ROLES:
                addresses[number] = _address_of_all(context, rows)
    _fill_in(context, macs, rivals)
    for number, mac in enumerate(macs):
        if mac >= 0:
            host_of_mac.setdefault(mac, hosts[number])
    for mac, host in _homes_by_tunnel_devices(context, hosts).items():
        host_of_mac.setdefault(mac, host)
    return OwnEnds(macs, addresses, hosts, host_of_mac)


def _by_topology(context: Context) -> tuple[list[int], list[set[tuple[int, int]]], dict[int, str]]:
    """Own MACs and addresses of points that the topology knows, and the host of each MAC in it."""
    macs = [-1] * len(context.points)
    addresses: list[set[tuple[int, int]]] = [set() for _ in context.points]
    host_of_mac: dict[int, str] = {}
    topology = context.topology
    if topology is None:
        return macs, addresses, host_of_mac
    interfaces = {(host.name, of.name): of for host in topology.hosts for of in host.interfaces if of.mac}
    endpoints = [(container, of) for container in topology.containers for of in container.endpoints if of.mac]
    for (host, _), interface in interfaces.items():
        host_of_mac.setdefault(mac_value(str(interface.mac)), host)
    for container, endpoint in endpoints:
        host_of_mac.setdefault(mac_value(str(endpoint.mac)), container.host)
    for number, point in enumerate(context.points):
        listening = topology.point(point.name)
        if listening is None or place_of(point) not in STATION_ROLES:
            continue
        key = listening.host, listening.interface
        for container, endpoint in endpoints:
            at = {(container.host, endpoint.veth)}
            if listening.container == container.name:
                at.add((container.host, endpoint.interface))
            if key in at:
                macs[number] = mac_value(str(endpoint.mac))
                addresses[number] = {address_value(ip) for ip in endpoint.ips}
        if macs[number] < 0 and place_of(point) not in INNER_ROLES and key in interfaces:
            macs[number] = mac_value(str(interfaces[key].mac))
    return macs, addresses, host_of_mac


def _unicast_rows(context: Context, point: int) -> FlowRows:
    """Flows at a point outside of tunnels that have both MACs, the destination no group."""
    flows = context.flows
    source, destination = flows[:, schema.FLOW_SMAC], flows[:, schema.FLOW_DMAC]
    is_outside = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0)
    rows = np.flatnonzero(is_outside & (source > 0) & (destination > 0))
    return rows[~are_multicast_macs(destination[rows])]


def _macs_of_all(context: Context, rows: FlowRows) -> list[int]:
    """The MACs, two at most, that all these flows have at one end."""
    ends = context.flows[rows[:, None], [schema.FLOW_SMAC, schema.FLOW_DMAC]]
    return [mac for mac in dict.fromkeys(ends[0].tolist()) if (ends == mac).any(axis=1).all()] if len(rows) else []


def _own_of(context: Context, point: int, rows: FlowRows, macs: list[int], hosts: list[str]) -> int:
    """The own one of these MACs; of two, the more likely one; -1 if that is not clear.

    Of a card, one that votes name: what all its frames have in common may be the one peer of those behind it.
    """
    if place_of(context.points[point]) in INNER_ROLES and len(macs) < 2:
        return macs[0] if macs else -1
    votes = _votes(context, point, rows, hosts)
    (mac, count), total = max(votes.items(), key=lambda item: item[1], default=(-1, 0)), votes.total()
    return mac if count and count >= MIN_MAJORITY * total else -1


def _fill_in(context: Context, macs: list[int], rivals: dict[int, list[int]]) -> None:
    """Own MACs that follow from others: no two containers have one MAC, and a veth is beside its container."""
    containers = [number for number, point in enumerate(context.points) if place_of(point) == "container"]
    for number in containers:
        if macs[number] < 0:
            taken = {macs[other] for other in containers}
            free = [mac for mac in rivals.get(number, ()) if mac not in taken]
            macs[number] = free[0] if len(free) == 1 else -1
    for number, point in enumerate(context.points):
        if macs[number] < 0 and place_of(point) == "veth":
            near = {of: _distance_ns(context, number, of) for of in containers if macs[of] in rivals[number]}
            nearest = sorted(near, key=lambda of: near[of])
            if nearest and near[nearest[0]] < NEVER and (len(nearest) < 2 or near[nearest[0]] * 2 < near[nearest[1]]):
                macs[number] = macs[nearest[0]]


def _distance_ns(context: Context, point: int, other: int) -> int:
    """Median time between two points of packets that both show with one TTL; NEVER if there are none."""
    observations = context.observations
    at = context.flows[observations[:, schema.OBS_FLOW], schema.FLOW_POINT]
    own, others = (observations[at == number][:MAX_VOTERS] for number in (point, other))
    first, _ = _extremes(own, others, schema.OBS_TIME, *(_packet_keys(of) for of in (own, others)))
    is_seen = first >= 0
    return int(np.median(np.abs(own[is_seen, schema.OBS_TIME] - first[is_seen]))) if is_seen.any() else NEVER


def _packet_keys(observations: Observations) -> Values:
    """Equal for observations of one packet with one TTL."""
    return observations[:, schema.OBS_DIGEST] * 256 + observations[:, schema.OBS_TTL]


def _address_of_all(context: Context, rows: FlowRows) -> set[tuple[int, int]]:
    """The one IPv4 address that all these IPv4 flows have at one end; empty if that is not one."""
    flows = context.flows[rows]
    flows = flows[(flows[:, schema.FLOW_SRC_HI] == 0) & (flows[:, schema.FLOW_SRC_LO] >> 32 == MAPPED >> 32)]
    ends = flows[:, [schema.FLOW_SRC_LO, schema.FLOW_DST_LO]]
    if not len(ends):
        return set()
    own = [low for low in dict.fromkeys(ends[0].tolist()) if (ends == low).any(axis=1).all()]
    return {(0, own[0])} if len(own) == 1 else set()


def _votes(context: Context, point: int, rows: FlowRows, hosts: list[str]) -> Counter[int]:
    """MACs by the packets that say that they are the point's own one."""
    flows, is_inner = context.flows, place_of(context.points[point]) in INNER_ROLES
    votes: Counter[int] = Counter()
    if is_inner:
        docker = flows[rows, schema.FLOW_SMAC] == DOCKER_MAC | (flows[rows, schema.FLOW_SRC_LO] & 0xFFFFFFFF)
        votes.update(flows[rows[docker], schema.FLOW_SMAC].tolist())
        docker = flows[rows, schema.FLOW_DMAC] == DOCKER_MAC | (flows[rows, schema.FLOW_DST_LO] & 0xFFFFFFFF)
        votes.update(flows[rows[docker], schema.FLOW_DMAC].tolist())
    own, others, of_host = _observed(context, point, hosts)
    for vote in (_routed(own, of_host, is_inner), _passed(own, others)):
        votes += _macs_voted_for(context, own, vote)
    return votes


def _homes_by_tunnel_devices(context: Context, hosts: list[str]) -> dict[int, str]:
    """The hosts of MACs that tunnel devices carry packets between, such as those of the devices themselves.

    What leaves a host by its tunnel device was routed or seen there before, and what enters it is so afterwards.
    """
    votes: dict[int, Counter[str]] = {}
    for number, point in enumerate(context.points):
        if place_of(point) == "overlay":
            own, _, of_host = _observed(context, number, hosts)
            for vote in (_routed(own, of_host, False), _passed(own, of_host)):
                for mac, count in _macs_voted_for(context, own, vote).items():
                    votes.setdefault(mac, Counter())[hosts[number]] += count
    leading = {mac: of_mac.most_common(1)[0] for mac, of_mac in votes.items()}
    return {mac: host for mac, (host, count) in leading.items() if count >= MIN_MAJORITY * votes[mac].total()}


def _observed(context: Context, point: int, hosts: list[str]) -> tuple[Observations, Observations, Observations]:
    """Observations at a point outside of tunnels, those of their digests at others, and of these those of its host."""
    observations, flows = context.observations, context.flows
    flow = observations[:, schema.OBS_FLOW]
    is_here = flows[:, schema.FLOW_POINT] == point
    is_outside = is_here & (flows[:, schema.FLOW_VIA] == 0)
    own = observations[np.flatnonzero(is_outside[flow])[:MAX_VOTERS]]
    digests = distinct(own[:, schema.OBS_DIGEST])
    others = observations[np.flatnonzero(is_among(observations[:, schema.OBS_DIGEST], digests) & ~is_here[flow])]
    is_of_host = np.array([of == hosts[point] for of in hosts])[flows[others[:, schema.OBS_FLOW], schema.FLOW_POINT]]
    return own, others, others[is_of_host]


def _macs_voted_for(context: Context, own: Observations, vote: Values) -> Counter[int]:
    """Source MACs of what leaves a host by a vote (1), and destination MACs of what enters it (-1); no groups."""
    votes: Counter[int] = Counter()
    for column, direction in ((schema.FLOW_SMAC, 1), (schema.FLOW_DMAC, -1)):
        macs = context.flows[own[vote == direction, schema.OBS_FLOW], column]
        votes.update(macs[(macs > 0) & ~are_multicast_macs(macs)].tolist())
    return votes


def _routed(own: Observations, others: Observations, is_inner: bool) -> Values:
    """For each observation of a point: 1 if the packet leaves its host there, -1 if it enters, 0 if nothing tells.

    `others`: those of the host's other points, which show the packet with another TTL. `is_inner`: the point is a
    container's, so what is behind the router is outside.
    """
    lowest, highest = _extremes(own, others, schema.OBS_TTL)
    ttl = own[:, schema.OBS_TTL]
    # A card sends what was routed before it, a container what is routed behind it.
    before, behind = highest > ttl, (lowest < ttl) & (lowest >= 0)
    vote = before.astype(np.int64) - behind.astype(np.int64)
    return -vote if is_inner else vote


def _passed(own: Observations, others: Observations) -> Values:
    """For each observation of a point: 1 if it is the first of its packet and TTL, -1 if the last, else 0."""
    first, last = _extremes(own, others, schema.OBS_TIME, *(_packet_keys(of) for of in (own, others)))
    time, is_seen = own[:, schema.OBS_TIME], first >= 0
    return (is_seen & (time < first)).astype(np.int64) - (is_seen & (time > last))


def _extremes(
    own: Observations, others: Observations, column: int, keys: Values | None = None, other_keys: Values | None = None
) -> tuple[Values, Values]:
    """The lowest and highest value of `column` among the others with each own digest (or key); -1 without one."""
    keys = own[:, schema.OBS_DIGEST] if keys is None else keys
    other_keys = others[:, schema.OBS_DIGEST] if other_keys is None else other_keys
    result = np.full(len(own), -1), np.full(len(own), -1)
    if not len(others) or not len(own):
        return result
    order = np.argsort(other_keys, kind="stable")
    other_keys, values = other_keys[order], others[order, column]
    starts = np.flatnonzero(np.append(True, other_keys[1:] != other_keys[:-1]))
    index = np.minimum(np.searchsorted(other_keys[starts], keys), len(starts) - 1)
    is_same = other_keys[starts][index] == keys
    return tuple(  # type: ignore[return-value]
        np.where(is_same, extreme.reduceat(values, starts)[index], -1) for extreme in (np.minimum, np.maximum)
    )
