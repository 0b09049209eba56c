"""What a name, address, MAC address or number means in a topology: the reverse question of an inventory.

`look_up` takes what other programs print: names and ids of Docker, interfaces of `ip link` (`eth0@if8` too), addresses
and MACs of tcpdump, points of capnet (`A/web/eth0`), a VNI, and ports as `port_lookup` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_interface

from capnet.quick_tuple import NamedTuple
from capnet.topology import (
    Container,
    Endpoint,
    Host,
    Interface,
    Namespace,
    Network,
    PublishedPort,
    Service,
    ServicePort,
    Topology,
)
from capnet.topology.port_lookup import (
    AskedPort,
    asked_port,
    is_reached_at,
    ports_inside,
    ports_of_service,
    ports_published,
)

DOCKER_DNS = "127.0.0.11"  # the resolver in each container's network namespace
MIN_ID_LENGTH = 3  # characters of an id that is begun, as `docker` takes them; shorter ones are names
_WITHOUT_NAMES = ("bridge", "docker_gwbridge")  # Docker's default bridge, and the one beside overlay networks
_MAC = re.compile(r"[0-9a-f]{12}")
_PEER = re.compile(r"(?:(.+))?@?if(\d+)")  # `eth0@if8`, as `ip` prints the other end of a veth


class Match(NamedTuple):
    """One meaning. `kind` says which of the other fields are filled.

    container   container
    inside      container, endpoint: the interface, address or MAC is the endpoint's
    host-end    container, endpoint, and the interface on the host or in the namespace of an overlay network
    interface   interface of a host, or of a namespace; network, if it is the bridge or parent of one
    network     network
    gateway     network, whose gateway the address is
    peer        another node of the swarm; the overlay networks that it uses, in `text`
    vip         network, service
    service     service of a swarm
    project     name of a Compose project or stack, in `text`
    port        container or service, and `ports` by which it publishes it
    port-elsewhere  container, and `ports` by which it publishes it at other addresses than the one asked for
    port-inside container, and `ports` by which it publishes what is its own port
    name-server Docker's, which answers on lo of every container on a network with names
    """

    kind: str
    host: str | None = None
    container: Container | None = None
    endpoint: Endpoint | None = None
    interface: Interface | None = None
    network: Network | None = None
    namespace: Namespace | None = None
    service: Service | None = None
    text: str = ""
    ports: tuple[PublishedPort | ServicePort, ...] = ()


def look_up(topology: Topology, asked: str) -> list[Match]:
    """Everything that `asked` means, the most specific first; none if it means nothing."""
    asked = asked.strip()
    mac = re.sub(r"[:.-]", "", asked.lower())
    is_mac = _MAC.fullmatch(mac) and asked.lower() != mac
    if is_mac and (owners := list(_by_mac(topology, ":".join(re.findall("..", mac))))):
        return owners
    if subnets := [Match("network", each.host, network=each) for each in topology.networks if asked in each.subnets]:
        return subnets
    if (address := address_of(asked)) is not None:
        return list(_by_address(topology, address))
    matches = [*_by_name(topology, asked), *_by_point(topology, asked), *_by_vni(topology, asked)]
    if port := asked_port(asked):
        matches += _by_port(topology, port)
    if not matches and (peer := _PEER.fullmatch(asked)):
        matches = list(_by_ifindex(topology, int(peer[2])))
    return matches


def names(topology: Topology) -> list[str]:
    """All names that `look_up` knows, without those of interfaces inside containers."""
    listed = [
        *(container.name for container in topology.containers),
        *(network.name for network in topology.networks),
        *(service.name for service in topology.services),
        *(host.name for host in topology.hosts),
        *(interface.name for host in topology.hosts for interface in host.interfaces),
        *(each for container in topology.containers for each in (container.project, container.compose_service) if each),
        *(interface.name for namespace in topology.namespaces for interface in namespace.interfaces),
    ]
    return list(dict.fromkeys(listed))


def endpoints(topology: Topology) -> Iterator[tuple[Container, Endpoint]]:
    """Every endpoint with its container."""
    for container in topology.containers:
        for endpoint in container.endpoints:
            yield container, endpoint


def network_of(topology: Topology, container: Container, endpoint: Endpoint) -> Network | None:
    """The network of an endpoint: by its id, else the one of that name on the container's host."""
    for network in topology.networks:
        if endpoint.network_id == network.id:
            return network
    named = (network for network in topology.networks if network.name == endpoint.network)
    return next((network for network in named if network.host in (None, container.host)), None)


def on_bridge(topology: Topology, match: Match) -> list[tuple[Container, Endpoint]]:
    """The endpoints at ports of the bridge that a match is about, if it is no network's of Docker."""
    if match.kind != "interface" or match.network or match.namespace or match.interface is None:
        return []
    return [
        (container, endpoint)
        for container, endpoint in endpoints(topology)
        if container.host == match.host and endpoint.bridge == match.interface.name and not endpoint.veth_netns
    ]


def has_name_server(topology: Topology, container: Container) -> bool:
    """Whether Docker's name server is on its lo: it is on any network but the default bridge."""
    attached = [network_of(topology, container, endpoint) for endpoint in container.endpoints]
    return any(network is not None and network.name not in _WITHOUT_NAMES for network in attached)


def address_of(text: str) -> str | None:
    """The address, in the spelling of `ip`, without prefix length and zone; None if it is none."""
    try:
        return str(ip_interface(text.partition("%")[0]).ip)
    except ValueError:
        return None


def _by_mac(topology: Topology, mac: str) -> Iterator[Match]:
    for container, endpoint in endpoints(topology):
        if (endpoint.mac or "").lower() == mac:
            yield Match("inside", container.host, container, endpoint)
    for host, namespace, interface in _interfaces(topology):
        if (interface.mac or "").lower() == mac:
            yield _interface(topology, host, namespace, interface)


def _by_address(topology: Topology, address: str) -> Iterator[Match]:
    for service in topology.services:
        for vip in service.vips:
            if vip.address == address:
                network = next((network for network in topology.networks if network.name == vip.network), None)
                yield Match("vip", network=network, service=service)
    for container, endpoint in endpoints(topology):
        if address in endpoint.ips:
            yield Match("inside", container.host, container, endpoint)
    owners = 0
    for host, namespace, interface in _interfaces(topology):
        if address in interface.ips:
            owners += 1
            yield _interface(topology, host, namespace, interface)
    if owners:
        return
    if address == DOCKER_DNS and any(has_name_server(topology, container) for container in topology.containers):
        yield Match("name-server")
    for network in topology.networks:
        if address in (network.gateway, *network.gateways):
            yield Match("gateway", network.host, network=network)
    used = [network.name for network in topology.networks if address in network.peers]
    if used:
        yield Match("peer", text=f"the overlay {'networks' if len(used) > 1 else 'network'} {', '.join(used)}")


def _by_name(topology: Topology, name: str) -> Iterator[Match]:
    for container in topology.containers:
        if name in (*container.called, f"{container.host}/{container.name}") or _begins(container.id, name):
            yield Match("container", container.host, container)
    for network in topology.networks:
        if name == network.name or _begins(network.id, name):
            yield Match("network", network.host, network=network)
    for service in topology.services:
        if name == service.name or _begins(service.id or "", name):
            yield Match("service", service=service)
    for container in topology.containers:
        names_of_service = (container.compose_service, f"{container.project}/{container.compose_service}")
        if name in names_of_service and name != container.name:
            yield Match("container", container.host, container)
    if any(name == container.project for container in topology.containers):
        yield Match("project", text=name)
    for host, namespace, interface in _interfaces(topology):
        if interface.name == name:
            yield _interface(topology, host, namespace, interface)
    for container, endpoint in endpoints(topology):
        if endpoint.interface == name and endpoint.interface != "":
            yield Match("inside", container.host, container, endpoint)
    for namespace in topology.namespaces:
        file = namespace.netns.rpartition("/")[2]
        if namespace.network and name in (namespace.netns, f"overlay:{namespace.network}", file):
            carried = next((each for each in topology.networks if each.name == namespace.network), None)
            yield Match("network", namespace.host, network=carried, namespace=namespace)


def _by_point(topology: Topology, name: str) -> Iterator[Match]:
    """Capture points, as `HOST/IFACE`, `HOST/CONTAINER/IFACE` and `HOST/overlay:NETWORK/IFACE`."""
    for container, endpoint in endpoints(topology):
        if name == f"{container.host}/{container.name}/{endpoint.interface}":
            yield Match("inside", container.host, container, endpoint)
    for host, namespace, interface in _interfaces(topology):
        folder = f"{host}/overlay:{namespace.network}" if namespace else host
        if name == f"{folder}/{interface.name}":
            yield _interface(topology, host, namespace, interface)


def _by_vni(topology: Topology, text: str) -> Iterator[Match]:
    for network in topology.networks:
        if network.vni is not None and text == str(network.vni):
            yield Match("network", network.host, network=network)


def _by_port(topology: Topology, asked: AskedPort) -> Iterator[Match]:
    published, others, inside = [], [], []
    for container in topology.containers:
        ports = ports_published(container, asked)
        reached = tuple(port for port in ports if is_reached_at(port, asked.address))
        if reached:
            published.append(Match("port", container.host, container, ports=reached))
        elif ports:
            others.append(Match("port-elsewhere", container.host, container, ports=tuple(ports)))
        elif asked.address is None and (own := ports_inside(container, asked)):
            inside.append(Match("port-inside", container.host, container, ports=tuple(own)))
    for service in topology.services:
        if of_service := ports_of_service(service.ports, asked):
            published.append(Match("port", service=service, ports=tuple(of_service)))
    owners = _by_address(topology, asked.address) if asked.address else ()
    owned = [match for match in owners if match.kind in ("inside", "vip")]
    yield from owned or published or others or inside


def _by_ifindex(topology: Topology, ifindex: int) -> Iterator[Match]:
    for host in topology.hosts:
        for interface in host.interfaces:
            if interface.ifindex == ifindex:
                yield _interface(topology, host.name, None, interface)


def _interfaces(topology: Topology) -> Iterator[tuple[str, Namespace | None, Interface]]:
    """(host, namespace if it is not the host's own, interface) of all interfaces outside containers."""
    host: Host
    for host in topology.hosts:
        for interface in host.interfaces:
            yield host.name, None, interface
    for namespace in topology.namespaces:
        for interface in namespace.interfaces:
            yield namespace.host, namespace, interface


def _interface(topology: Topology, host: str, namespace: Namespace | None, interface: Interface) -> Match:
    """What an interface outside containers is: a container's host end, a network's bridge or parent, or one's own."""
    netns = namespace.netns if namespace else None
    for container, endpoint in endpoints(topology):
        if container.host == host and endpoint.veth == interface.name and endpoint.veth_netns == netns:
            return Match("host-end", host, container, endpoint, interface, namespace=namespace)
    for network in topology.networks:
        if namespace and network.name == namespace.network:
            return Match("interface", host, interface=interface, network=network, namespace=namespace)
        if not namespace and network.host == host and interface.name in (network.bridge, network.parent):
            return Match("interface", host, interface=interface, network=network)
    return Match("interface", host, interface=interface, namespace=namespace)


def _begins(identity: str, text: str) -> bool:
    return len(text) >= MIN_ID_LENGTH and text.isalnum() and identity.startswith(text.lower()) and bool(identity)
