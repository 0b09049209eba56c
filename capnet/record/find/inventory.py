"""Who owns which address, asked of Docker and of `ip` while everything still stands: a `Topology`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
_TUPLE = ("src", "dst", "sport", "dport", "type", "code", "id")  # as conntrack prints them
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
        known = {network.id: network.attrs for network in _networks(host)}
        mine = [_container(host, name, known) for owner, name in containers if owner is host]
        mine += [
            _balancer(host, name, netns)
            for name, netns in sorted({(p.balancer, p.netns) for p in points if p.balancer and p.host == host.name})
        ]
        by_id = {container.id: container.name for container in mine}
        for container in mine:
            mode, _, other = container.network_mode.partition(":")
            if mode == "container":
                container.shares_network_with = by_id.get(other, other)
        topology.containers.extend(mine)
        used = {endpoint.network for container in mine for endpoint in container.endpoints}
        for attributes in known.values():
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


@dataclass(frozen=True)
class ConnectionTable:
    """A host's connection table at one moment: each line as `conntrack -L -o extended` prints it.

    `asked` and `answered` enclose that moment, in seconds of the monotonic clock.
    """

    lines: list[str]
    asked: float
    answered: float

    def used_since(self, earlier: ConnectionTable) -> list[str]:
        """The lines of connections that had packets since `earlier`.

        A packet sets an entry's timeout anew (nf_ct_refresh_acct) or, with a TCP flag, to another state's;
        without one it only runs down. The table prints whole seconds, so one is allowed for on either side.
        """
        before = {_connection(line): _timeout(line) for line in earlier.lines}
        longest, shortest = self.answered - earlier.asked, self.asked - earlier.answered
        return [
            line
            for line in self.lines
            if (then := before.get(_connection(line))) is None
            or not then - longest - 1 <= _timeout(line) <= then - shortest + 1
        ]


def naming(addresses: set[str], lines: Sequence[str]) -> list[str]:
    """Those lines of conntrack that name one of the addresses, sorted."""
    return sorted(line for line in lines if any(part.partition("=")[2] in addresses for part in line.split()))


def connection_table(host: DockerHost, netns: str | None = None) -> ConnectionTable:
    """The table of a network namespace, else of the host's own, now; without lines where nobody can look.

    EnvironmentLacks where conntrack is missing or refuses.
    """
    asked = time.monotonic()
    if host.shell is None:
        return ConnectionTable([], asked, asked)
    listing = host.shell.run(["conntrack", "-L", "-o", "extended"], netns=netns or host.shell.host_netns)
    return ConnectionTable([" ".join(line.split()) for line in listing.splitlines()], asked, time.monotonic())


def _connection(line: str) -> str:
    """Protocols, and both tuples, without timeout, state and counts."""
    words = line.split()
    return " ".join(words[:4] + [word for word in words if word.partition("=")[0] in _TUPLE])


def _timeout(line: str) -> int:
    """Seconds after which the entry is forgotten: the fifth word; an entry about to go has none."""
    words = line.split()
    return int(words[4]) if len(words) > 4 and words[4].isdecimal() else 0


def _host(host: DockerHost) -> Host:
    found = interfaces(host.shell, host.shell.host_netns) if host.shell else []
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
            for entry in found
        ],
    )


def _networks(host: DockerHost) -> Iterator[Any]:
    """The host's networks with all that Docker tells of each; one that goes meanwhile is left out.

    A worker forgets a network of the swarm some time after its last container, whoever had that.
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
    return [f"{each['local']}/{each['prefixlen']}" for each in entry.get("addr_info", []) if "local" in each]
