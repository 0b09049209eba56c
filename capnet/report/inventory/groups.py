"""A topology as drawings show it: hosts, on each its bridges, parents and overlay networks, and on these containers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from capnet import language
from capnet.quick_tuple import NamedTuple
from capnet.report.inventory.rows import host_end, model_of, published
from capnet.topology import Container, Endpoint, Host, Network, Topology
from capnet.topology.lookup import network_of
from capnet.topology.routed import is_routed

_WITHOUT_TITLE = {"routed": "routed, without a bridge", "unknown": "network that Docker does not know"}


class Leaf(NamedTuple):
    """A container on a group, or one that has no interface of its own."""

    container: Container
    endpoint: Endpoint | None
    link: str  # how it is connected: the host end of the veth, macvlan …; empty without an interface
    details: tuple[str, ...]  # interface inside, addresses, MAC address


class InventoryGroup(NamedTuple):
    """What connects containers on a host: a Linux bridge, a parent interface, the namespace of an overlay network."""

    kind: str  # bridge, parent, overlay, host, none, routed (by a veth of each, on no bridge) or unknown
    title: str  # docker0, ens33, overlay vx
    details: tuple[str, ...]  # network, model, subnets
    leaves: tuple[Leaf, ...]
    network_id: str  # of an overlay network, which several hosts share; else empty


def host_groups(topology: Topology, host: Host) -> list[InventoryGroup]:
    """The groups of a host: overlay networks, bridges, parents, then containers without a network."""
    groups: dict[str, list[Leaf]] = {}
    networks: dict[str, Network | None] = {}
    containers = sorted((each for each in topology.containers if each.host == host.name), key=lambda each: each.name)
    for container in containers:
        for endpoint in container.endpoints:
            network = network_of(topology, container, endpoint)
            key = network.id if network else endpoint.bridge or endpoint.parent or _key_without_bridge(endpoint)
            networks[key] = network
            groups.setdefault(key, []).append(_leaf(container, endpoint))
    ordered = sorted(groups, key=lambda key: (_rank(networks[key]), groups[key][0].container.name))
    result = [_group(networks[key], groups[key]) for key in ordered]
    return [*result, *_without_network(containers)]


def _key_without_bridge(endpoint: Endpoint) -> str:
    return " routed" if is_routed(endpoint) else f" {endpoint.network}"


def host_title(host: Host) -> str:
    """The host's name, the version of its Docker, and its addresses that are no bridge's."""
    version = f"Docker {host.docker}" if host.docker else ""
    return "  ".join(filter(None, [host.name, version]))


def underlay(topology: Topology, host: Host) -> list[str]:
    """Interfaces of the host that lead elsewhere, with their addresses: `ens33 192.168.111.128`."""
    inner, ends = {"bridge", "vxlan", "macvlan", "ipvlan", "dummy"}, veths(topology, host)
    return [
        f"{interface.name} {', '.join(shown)}"
        for interface in host.interfaces
        if interface.name != "lo" and interface.kind not in inner and not interface.master
        if interface.name not in ends
        if (shown := without_link_local(interface.addresses))
    ]


def veths(topology: Topology, host: Host) -> set[str]:
    """Interfaces of the host that are the host ends of containers' veths."""
    ends = (end for each in topology.containers if each.host == host.name for end in each.endpoints)
    return {end.veth for end in ends if end.veth and not end.veth_netns}


def without_link_local(addresses: list[str]) -> list[str]:
    """The addresses without prefix length, and without fe80::/10."""
    bare = [address.split("/")[0] for address in addresses]
    return [address for address in bare if not ip_address(address).is_link_local]


def _leaf(container: Container, endpoint: Endpoint) -> Leaf:
    link = host_end(endpoint) or endpoint.kind or ""
    details = [endpoint.interface, *without_link_local(endpoint.addresses), endpoint.mac or ""]
    return Leaf(container, endpoint, link.rpartition("/")[2], tuple(filter(None, details)))


def _group(network: Network | None, leaves: list[Leaf]) -> InventoryGroup:
    endpoint = leaves[0].endpoint
    assert endpoint
    if network is None:
        if title := endpoint.bridge or endpoint.parent:
            return InventoryGroup("bridge", title, (), tuple(leaves), "")
        kind = "routed" if is_routed(endpoint) else "unknown"
        named = endpoint.network if kind == "unknown" else ""  # slirp4netns and pasta of rootless podman
        return InventoryGroup(kind, named or language.term(_WITHOUT_TITLE[kind]), (), tuple(leaves), "")
    model = model_of(network)
    if network.driver == "overlay":
        vni = (f"VNI {network.vni}",) if network.vni is not None else ()
        return InventoryGroup("overlay", f"overlay {network.name}", (*vni, *network.subnets), tuple(leaves), network.id)
    parent = endpoint.parent or network.parent
    if parent:
        return InventoryGroup("parent", parent, (f"{model} {network.name}", *network.subnets), tuple(leaves), "")
    return InventoryGroup(
        "bridge",
        network.bridge or network.name,
        (f"{language.term('network')} {network.name}", *network.subnets),
        tuple(leaves),
        "",
    )


def _without_network(containers: list[Container]) -> Iterator[InventoryGroup]:
    """Groups of the containers that use the host's interfaces, or have loopback only."""
    for mode, title in (("host", "interfaces of the host"), ("none", "loopback only")):
        leaves = [Leaf(each, None, "", ()) for each in containers if each.network_mode == mode and not each.endpoints]
        if leaves:
            yield InventoryGroup(mode, language.term(title), (f"{language.term('network')} {mode}",), tuple(leaves), "")


def shares(topology: Topology, container: Container) -> list[str]:
    """Names of the containers that use the network namespace of a container."""
    return [
        each.name
        for each in topology.containers
        if each.host == container.host and each.shares_network_with == container.name
    ]


def label(topology: Topology, leaf: Leaf) -> str:
    """Name of a container, with those that share its namespace, and its published ports."""
    names = " + ".join([leaf.container.name, *shares(topology, leaf.container)])
    ports = ", ".join(dict.fromkeys(_port(published(port)) for port in leaf.container.ports))
    return f"{names} ({ports})" if ports else names


def _port(text: str) -> str:
    return text.removeprefix("0.0.0.0:").removeprefix("[::]:")


def _rank(network: Network | None) -> int:
    order = ("bridge", "overlay", "macvlan", "ipvlan")
    return order.index(network.driver) if network and network.driver in order else len(order)
