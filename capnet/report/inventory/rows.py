"""An inventory as rows: one for each interface of a container, or for a container that has none of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from capnet.quick_tuple import NamedTuple
from capnet.report.inventory.selection import is_selected
from capnet.topology import Container, Endpoint, Host, Interface, Network, PublishedPort, Topology
from capnet.topology.lookup import Match, network_of
from capnet.topology.routed import is_routed


class InventoryRow(NamedTuple):
    """Where one interface of a container is on the wire. What is not known, or does not exist, is None or empty."""

    host: str
    container: str
    id: str
    image: str
    project: str | None  # Compose project or stack
    service: str | None  # of Compose or of the swarm
    network: str  # name, or what the container has in place of one: host, none, container:web
    model: str | None  # as `model_of` says it
    addresses: tuple[str, ...]  # with prefix length
    mac: str | None
    interface: str | None  # inside
    host_end: str | None  # of the veth: an interface of the host, or overlay:NETWORK/IFACE
    parent: str | None  # of a macvlan or ipvlan interface
    bridge: str | None  # that the host end is a port of
    ports: tuple[str, ...]  # 0.0.0.0:8080->80/tcp; on the first row of a container
    vni: int | None
    pid: int | None
    namespace: str | None  # file, on the host
    state: str | None  # paused or restarting; None: it runs
    pod: str | None  # NAMESPACE/NAME of the Kubernetes pod that it is, or is in
    runtime: str | None  # containerd or CRI-O; None: Docker


def inventory_rows(topology: Topology, matches: Sequence[Match] | None = None) -> Iterator[InventoryRow]:
    """The rows of all containers, or of those that the matches are about: by host, then by name.

    Containers of a pod follow it.
    """
    for container in sorted(topology.containers, key=_order):
        ports = tuple(published(port) for port in container.ports)
        for endpoint in container.endpoints or (None,):
            if matches is None or is_selected(topology, matches, container, endpoint):
                yield _row(topology, container, endpoint, ports)
                ports = ()


def _order(container: Container) -> tuple[str, bool, str, bool, str]:
    is_member = bool(container.pod) and not container.is_pod
    group = (container.shares_network_with or "") if is_member else container.name
    return container.host, bool(container.balances), group, is_member, container.name


def model_of(network: Network) -> str:
    """The model of a network in Docker's words: bridge, overlay (encrypted), macvlan, ipvlan l2 …, host, none."""
    if network.driver == "null":
        return "none"
    if network.driver == "ipvlan":
        return f"ipvlan {network.options.get('ipvlan_mode', 'l2')}"
    if network.driver == "macvlan" and network.options.get("macvlan_mode", "bridge") != "bridge":
        return f"macvlan {network.options['macvlan_mode']}"
    if network.driver == "overlay" and "encrypted" in network.options:
        return "overlay encrypted"
    return network.driver


def node_interfaces(topology: Topology) -> list[tuple[Host, Interface]]:
    """The own interfaces of nodes, by which packets of their pods pass; those of hosts of Docker alone are not there.

    Loopback and host ends of veths are left out.
    """
    nodes = {container.host for container in topology.containers if container.runtime}
    ends = {(each.host, end.veth) for each in topology.containers for end in each.endpoints if not end.veth_netns}
    return [
        (host, interface)
        for host in topology.hosts
        if host.name in nodes
        for interface in host.interfaces
        if interface.name != "lo" and (host.name, interface.name) not in ends
    ]


def published(port: PublishedPort) -> str:
    """As `docker ps` writes it: `0.0.0.0:8080->80/tcp`."""
    address = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    return f"{address}:{port.host_port}->{port.container_port}/{port.proto}"


def mode_of(container: Container) -> str:
    """The network of a container without interfaces of its own: host, none, a name, or `pod:` and a name."""
    if container.shares_network_with:
        return f"{'pod' if container.pod else 'container'}:{container.shares_network_with}"
    if container.lost_network_of:
        return f"none (lost that of {container.lost_network_of})"
    return container.network_mode


def host_end(endpoint: Endpoint) -> str | None:
    """The host end of a veth, called as the capture point there."""
    if endpoint.veth and endpoint.veth_netns:
        return f"overlay:{endpoint.network}/{endpoint.veth}"
    return endpoint.veth


def _bridge(endpoint: Endpoint, network: Network | None) -> str | None:
    """The bridge of the host end; where that is not known, of the network."""
    is_seen = endpoint.kind == "veth" and endpoint.veth is not None
    return endpoint.bridge or (network.bridge if network and not is_seen else None)


def _row(topology: Topology, container: Container, endpoint: Endpoint | None, ports: tuple[str, ...]) -> InventoryRow:
    mode = mode_of(container)
    row = InventoryRow(
        host=container.host,
        container=container.name,
        id=container.id,
        image=container.image,
        project=container.project,
        service=container.compose_service or container.swarm_service,
        network=mode,
        model=mode.partition(":")[0],
        addresses=(),
        mac=None,
        interface=None,
        host_end=None,
        parent=None,
        bridge=None,
        ports=ports,
        vni=None,
        pid=container.pid,
        namespace=container.netns,
        state=container.state,
        pod=container.pod,
        runtime=container.runtime,
    )
    return _with_endpoint(row, endpoint, network_of(topology, container, endpoint)) if endpoint else row


def _with_endpoint(row: InventoryRow, endpoint: Endpoint, network: Network | None) -> InventoryRow:
    """The row of a container that has an interface of its own; the network where the topology has it."""
    return row._replace(
        network=endpoint.network,
        model=model_of(network) if network else _model_of_interface(endpoint),
        addresses=tuple(endpoint.addresses),
        mac=endpoint.mac,
        interface=endpoint.interface or None,
        host_end=host_end(endpoint),
        parent=endpoint.parent or (network.parent if network else None),
        bridge=_bridge(endpoint, network),
        vni=network.vni if network else None,
    )


def _model_of_interface(endpoint: Endpoint) -> str | None:
    if endpoint.kind == "veth" and (endpoint.bridge or is_routed(endpoint)):
        return "bridge" if endpoint.bridge else "ptp"
    return endpoint.kind
