"""Who owns which address, asked of Docker and of `ip` while everything still stands: a `Topology`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from capnet.record.find.capture_points import (
    CapturePoint,
    container_netns,
    interfaces,
    overlay_netns,
    peer_of,
    shown_name,
)
from capnet.record.remote.docker_host import DockerHost
from capnet.topology import Container, Endpoint, Host, Interface, ListeningPoint, Network, PublishedPort, Topology

_VNI_OPTION = "com.docker.network.driver.overlay.vxlanid_list"
_BRIDGE_OPTION = "com.docker.network.bridge.name"


def survey(
    scenario: str | None,
    hosts: Sequence[DockerHost],
    containers: Sequence[tuple[DockerHost, str]],
    points: Sequence[CapturePoint],
) -> Topology:
    """Describes the given containers, the networks they are on, and their hosts."""
    topology = Topology(scenario=scenario)
    for host in hosts:
        topology.hosts.append(_host(host))
        networks = {network.id: network.attrs for network in _networks(host)}
        of_host = [_container(host, name, networks) for owner, name in containers if owner is host]
        of_host += [
            _balancer(host, name, netns)
            for name, netns in sorted({(p.balancer, p.netns) for p in points if p.balancer and p.host == host.name})
        ]
        by_id = {container.id: container.name for container in of_host}
        for container in of_host:
            mode, _, other = container.network_mode.partition(":")
            if mode == "container":
                container.shares_network_with = by_id.get(other, other)
        topology.containers.extend(of_host)
        used = {endpoint.network for container in of_host for endpoint in container.endpoints}
        for attributes in networks.values():
            network = _network(host, attributes)
            if network.name in used and network not in topology.networks:
                topology.networks.append(network)
    for point in points:
        topology.points.append(
            ListeningPoint(
                name=point.name,
                role=point.role,
                host=point.host,
                interface=point.interface,
                describes=point.describes,
                container=point.container,
                network=point.network,
            )
        )
    return topology


def _host(host: DockerHost) -> Host:
    entries = interfaces(host.shell, host.shell.host_netns) if host.shell else []
    return Host(
        name=host.name,
        docker=host.version,
        kernel=host.kernel,
        interfaces=[
            Interface(
                name=entry["ifname"],
                ifindex=entry["ifindex"],
                mac=entry.get("address"),
                addresses=_addresses(entry),
                kind=entry.get("linkinfo", {}).get("info_kind"),
                master=entry.get("master"),
                mtu=entry.get("mtu"),
            )
            for entry in entries
        ],
    )


def _networks(host: DockerHost) -> Iterator[Any]:
    """The host's networks with all that Docker tells of each; one that goes meanwhile is left out.

    A worker forgets a network of the swarm some time after its last container has gone.
    """
    from docker.errors import NotFound

    for network in host.client.networks.list():
        with suppress(NotFound):
            network.reload()  # the list does not say everything (docker-py: greedy)
            yield network


def _network(host: DockerHost, attributes: dict[str, Any]) -> Network:
    options = attributes.get("Options") or {}
    ipam = (attributes.get("IPAM") or {}).get("Config") or []
    driver = attributes["Driver"]
    vnis = options.get(_VNI_OPTION, "")
    return Network(
        name=attributes["Name"],
        id=attributes["Id"],
        driver=driver,
        host=None if attributes["Scope"] == "swarm" else host.name,
        subnets=[entry["Subnet"] for entry in ipam if entry.get("Subnet")],
        gateway=next((entry["Gateway"] for entry in ipam if entry.get("Gateway")), None),
        vni=int(vnis.split(",")[0]) if vnis else None,
        bridge=bridge_name(attributes),
        parent=options.get("parent"),
        options=dict(options),
    )


def bridge_name(attributes: dict[str, Any]) -> str | None:
    """Name of a bridge network's Linux bridge: an option, else `br-` and twelve characters of the id (libnetwork)."""
    if attributes["Driver"] != "bridge":
        return None
    name: str = (attributes.get("Options") or {}).get(_BRIDGE_OPTION) or f"br-{attributes['Id'][:12]}"
    return name


def _container(host: DockerHost, name: str, networks: dict[str, dict[str, Any]]) -> Container:
    attributes = host.client.containers.get(name).attrs
    container = Container(
        host=host.name,
        name=shown_name(attributes),
        id=attributes["Id"],
        image=attributes["Config"]["Image"],
        network_mode=attributes["HostConfig"]["NetworkMode"],
        ports=_ports(attributes["NetworkSettings"].get("Ports") or {}),
    )
    if container.network_mode == "host" or container.network_mode.startswith("container:"):
        pass  # no interface is its own
    elif host.shell is None:
        container.endpoints = _endpoints_by_inspect(attributes)
    else:
        container.endpoints = _endpoints_by_ip(host, name, attributes, networks)
    return container


def _balancer(host: DockerHost, name: str, netns: str) -> Container:
    """A load balancer as Docker lists it among a network's containers; the VIPs are addresses of its interface."""
    assert host.shell is not None
    identity = netns.rpartition("/")[2]
    network = "ingress" if name == "ingress-sbox" else name.removeprefix("lb-")
    return Container(
        host=host.name,
        name=name,
        id=identity,
        image="",
        network_mode=network,
        endpoints=[
            Endpoint(
                network=network if entry["ifname"] == "eth0" else "docker_gwbridge",
                interface=entry["ifname"],
                mac=entry.get("address"),
                addresses=_addresses(entry),
            )
            for entry in interfaces(host.shell, netns)
            if entry["ifname"] != "lo"
        ],
    )


def _endpoints_by_inspect(attributes: dict[str, Any]) -> list[Endpoint]:
    """What docker inspect alone tells: no interface names, and nothing about docker_gwbridge."""
    return [
        Endpoint(
            network=network,
            interface="",
            mac=entry["MacAddress"] or None,
            addresses=[f"{entry['IPAddress']}/{entry['IPPrefixLen']}"] if entry["IPAddress"] else [],
        )
        for network, entry in sorted(attributes["NetworkSettings"]["Networks"].items())
    ]


def _endpoints_by_ip(
    host: DockerHost, name: str, attributes: dict[str, Any], networks: dict[str, dict[str, Any]]
) -> list[Endpoint]:
    """Every interface in the container's namespace; its network by address, or by the bridge its veth is on."""
    assert host.shell is not None
    attached = attributes["NetworkSettings"]["Networks"]
    bridges = {bridge_name(entry): entry["Name"] for entry in networks.values() if entry["Driver"] == "bridge"}
    endpoints = []
    for entry in interfaces(host.shell, container_netns(host, name)):
        if entry["ifname"] == "lo":
            continue
        addresses = _addresses(entry)
        bare = {address.split("/")[0] for address in addresses}
        network = next((key for key, value in attached.items() if value["IPAddress"] in bare), None)
        if network and networks.get(attached[network]["NetworkID"], {}).get("Driver") == "overlay":
            place = overlay_netns(host, network, name)
        else:
            place = host.shell.host_netns
        peer = peer_of(entry, interfaces(host.shell, place)) or {}
        endpoints.append(
            Endpoint(
                network=network or bridges.get(peer.get("master"), ""),
                interface=entry["ifname"],
                mac=entry.get("address"),
                addresses=addresses,
                veth=peer.get("ifname"),
            )
        )
    return endpoints


def _ports(published: dict[str, list[dict[str, str]] | None]) -> list[PublishedPort]:
    ports = []
    for inner, outers in sorted(published.items()):
        number, _, proto = inner.partition("/")
        for outer in outers or []:
            ports.append(
                PublishedPort(
                    proto=proto,
                    host_ip=outer["HostIp"],
                    host_port=int(outer["HostPort"]),
                    container_port=int(number),
                )
            )
    return ports


def _addresses(entry: dict[str, Any]) -> list[str]:
    return [
        f"{address['local']}/{address['prefixlen']}" for address in entry.get("addr_info", []) if "local" in address
    ]
