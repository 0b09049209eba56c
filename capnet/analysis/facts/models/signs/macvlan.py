"""macvlan: containers with a MAC and an address of their own, straight on the network of the host's interface.

Told apart by: several stations with one address each behind one parent interface, their packets unchanged (MACs, TTL)
between their own interface and the parent; frames between them seen at the parent but not on the wire. The host itself
cannot reach them: what it broadcasts never arrives at them, its ARP goes unanswered.
Looks alike: a bridge with the interface as a port, where the host can reach them; virtual machines behind a
hypervisor's switch; a port that mirrors others' traffic.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.wording import Text
from capnet.analysis.correlate.duplicates import duplicates
from capnet.analysis.facts.icmp_errors import icmp_errors
from capnet.analysis.facts.layer2.model import MacvlanParent, same_network
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.models.container_signs import (
    CNI_PREFIX,
    DOCKER_PREFIX,
    ContainerMac,
    container_macs,
    is_container_bridge,
)
from capnet.analysis.facts.models.signs.bridge import DOCKER_POOLS
from capnet.analysis.facts.models.signs.sign import MAX_SIGN_FRAMES, Sign, station_frames
from capnet.analysis.fate.speakers import Speaker, speakers
from capnet.wire.addresses import address_value, mac_text

COOKED = ("LINUX_SLL", "LINUX_SLL2")  # link types of `any`
MIN_PARENT_CONFIDENCE = 0.3  # of 0 to 1: below, the parent is more likely a station's own interface
MAX_CHILDREN = 3  # named in a sentence
MAX_STATIONS = 256  # at one point: with more it is a backbone, and no interface of a host


def containers_among_hosts(context: Context) -> Iterator[Sign]:
    """A container, by its MAC, is in one network with a station that is neither a container nor a gateway.

    Nor one that reports by ICMP what became of packets to other addresses: it was to forward them, as the host does.
    Not where a recording of all interfaces (`any`) has packets of containers twice: they pass two ports of a bridge,
    where those of a macvlan child pass its parent alone.
    Wrong when: the host's interface is a port of the containers' bridge; a container's MAC was set by hand.
    """
    passed_twice, routers = _macs_recorded_twice(context), _routers(context)
    for point in range(len(context.points)):
        stations = speakers(context, point, outside_tunnels=True)
        if is_container_bridge(context.points[point].name) or len(stations) > MAX_STATIONS:
            continue
        containers = [container_macs(context)[mac] for mac in stations if mac in container_macs(context)]
        if any((point, container.mac) in passed_twice for container in containers):
            continue
        for container in containers:
            hosts = (station for station in stations.values() if _is_host_beside(station, container, routers))
            host = next(hosts, None)
            if host:
                says = Text(
                    en="the container {ip} is in one network with {mac}, which is none",
                    zh="容器 {ip} 与 {mac} 在同一个网络中，而后者不是容器",
                ).fill(ip=container.ip, mac=mac_text(host.mac))
                yield Sign(says, station_frames(context, [container.mac, host.mac], point))
                return


def _macs_recorded_twice(context: Context) -> set[tuple[int, int]]:
    """Points at all interfaces of a host, and the senders whose packets they have twice."""
    rows = duplicates(context).flow_rows
    ends = context.flows[rows[:, None], [schema.FLOW_POINT, schema.FLOW_SMAC]].tolist()
    return {(point, mac) for point, mac in ends if context.points[point].linktype in COOKED}


def _routers(context: Context) -> set[str]:
    """Addresses that say of packets to other ones that they cannot be delivered."""
    return {error.sender for error in icmp_errors(context) if error.sender != error.quoted.dst}


def _is_host_beside(station: Speaker, container: ContainerMac, routers: set[str]) -> bool:
    """A station with an address of the container's network, whose MAC is of no container and no engine's bridge."""
    if station.mac >> 32 in (DOCKER_PREFIX, CNI_PREFIX) or station.forwarded_ips or ":" in container.ip:
        return False
    if container.ip.startswith(DOCKER_POOLS):
        return False  # a bridge network; the other one is a container whose MAC is random or set by hand
    if not routers.isdisjoint(station.own_ips):
        return False
    ips = [ip for ip in station.own_ips if same_network([ip, container.ip])]
    return bool(ips) and not any(ip.endswith(".1") for ip in station.own_ips)


def children_behind_card(context: Context) -> Iterator[Sign]:
    """Stations have interfaces of their own, from which frames pass another interface unchanged.

    Wrong when: that interface is a port of a bridge, or of a hypervisor's switch.
    """
    parent = _parent(context)
    if parent and not parent.is_seen_alone:
        verb = "have a MAC of their own" if len(parent.children) > 1 else "has a MAC of its own"
        says = Text(
            en="{stations} {verb} behind the parent interface {name}, with their own MACs and TTL",
            zh="{stations} 在父接口 {name} 后面有各自独立的 MAC 和 TTL",
        ).fill(stations=_stations(parent), verb=verb, name=context.points[parent.point].name)
        macs = [child.mac for child in parent.children]
        yield Sign(says, station_frames(context, macs[:MAX_CHILDREN], parent.point))


def host_is_unheard(context: Context) -> Iterator[Sign]:
    """What a host broadcasts at that interface is not seen at the stations' own interfaces."""
    parent = _parent(context)
    if parent and parent.host_mac is not None and not parent.is_seen_alone:
        host = parent.host_ip or mac_text(parent.host_mac)
        says = Text(
            en="what the host, {host}, broadcasts at {point} does not reach them",
            zh="主机 {host} 在 {point} 的广播到不了它们",
        ).fill(host=host, point=context.points[parent.point].name)
        yield Sign(says, station_frames(context, [parent.host_mac], parent.point))


def host_is_unanswered(context: Context) -> Iterator[Sign]:
    """A host repeats its ARP requests for stations that speak at the same point, and gets no answer.

    Wrong when: on a switched network, the answers to others are not seen; a firewall drops ARP.
    """
    parent = _parent(context)
    if parent and parent.host_ip and parent.has_unanswered_host:
        says = Text(
            en="the host, {host}, asks for {stations} by ARP and gets no answer",
            zh="主机 {host} 用 ARP 询问 {stations}，没有应答",
        ).fill(host=parent.host_ip, stations=_stations(parent))
        yield Sign(says, _requests(context, parent))


def kept_from_the_wire(context: Context) -> Iterator[Sign]:
    """Frames between the stations pass the parent interface, and are missing on the wire."""
    parent = _parent(context)
    if parent and parent.child_frames and parent.keeps_child_frames:
        name = context.points[parent.point].name
        yield Sign(
            Text(
                en="what they send each other passes {name}, but never the wire",
                zh="它们互相发送的包经过 {name}，但从不上线路",
            ).fill(name=name),
            parent.child_frames[:2],
        )


def _parent(context: Context) -> MacvlanParent | None:
    """The parent with the highest confidence."""
    parents = layer2_segments(context).macvlan_parents
    return next((parent for parent in parents if parent.confidence >= MIN_PARENT_CONFIDENCE), None)


def _stations(parent: MacvlanParent) -> str:
    station = Text(en="{ip} ({mac})", zh="{ip}（{mac}）")
    stations = [station.fill(ip=child.ip, mac=mac_text(child.mac)) for child in parent.children[:MAX_CHILDREN]]
    if len(parent.children) > MAX_CHILDREN:
        stations.append(
            Text(en="{number} more", zh="另外 {number} 个").fill(number=len(parent.children) - MAX_CHILDREN)
        )
    return language.pick(" and ".join(stations), language.enumerated(stations))


def _requests(context: Context, parent: MacvlanParent) -> list[Evidence]:
    """The first request of the host for each child."""
    arps = context.arps
    assert parent.host_ip is not None
    is_of_host = arps[:, schema.ARP_SENDER_LO] == address_value(parent.host_ip)[1]
    is_of_host &= arps[:, schema.ARP_POINT] == parent.point
    targets = [address_value(child.ip)[1] for child in parent.children[:MAX_CHILDREN]]
    frames = arps[is_of_host & is_one_of(arps[:, schema.ARP_TARGET_LO], targets), schema.ARP_FIRST_FRAME]
    return [context.evidence(parent.point, frame) for frame in sorted(frames.tolist())[:MAX_SIGN_FRAMES]]
