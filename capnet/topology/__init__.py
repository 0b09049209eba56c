"""Topology: hosts, Docker networks, containers with their addresses, and the capture points of a recording.

A recording writes it beside the capture as `NAME.topology.json` (`capnet.topology/1`), from `docker inspect` and
`ip -j`, never from packets. The analysis reads it to name addresses; everything but names works without it.
This package is plain data: it touches neither Docker nor the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import KW_ONLY, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from capnet.quick_dataclass import mutable

if TYPE_CHECKING:
    from capnet.topology.model import (
        ClockReading,
        Container,
        Endpoint,
        Host,
        Interface,
        ListeningPoint,
        Namespace,
        NeighbourEntry,
        Network,
        PublishedPort,
        Route,
        Service,
        ServicePort,
        StoppedContainer,
        Unseen,
        VirtualAddress,
    )

__all__ = [
    "INNER_ROLES",
    "ClockReading",
    "Container",
    "Endpoint",
    "Host",
    "Interface",
    "ListeningPoint",
    "Namespace",
    "NeighbourEntry",
    "Network",
    "PublishedPort",
    "Route",
    "Service",
    "ServicePort",
    "StoppedContainer",
    "Topology",
    "Unseen",
    "VirtualAddress",
    "role_from_name",
    "topology_path",
    "witnesses_path",
]


def __getattr__(name: str) -> object:
    """The classes that a topology consists of, loaded when one is used: most captures have no topology."""
    if name in __all__:
        from capnet.topology import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


INNER_ROLES = ("container", "veth", "bridge", "overlay", "loopback")  # of points behind a host's own interface


@mutable
class Topology:
    """All of a recording, or of running hosts; one file NAME.topology.json."""

    scenario: str | None = None  # the scenario that was recorded
    recorded: dict[str, str] = field(default_factory=dict)  # versions of what recorded it
    hosts: list[Host] = field(default_factory=list)  # the machines that run Docker
    networks: list[Network] = field(default_factory=list)  # their Docker networks
    containers: list[Container] = field(default_factory=list)  # their containers and load balancers
    points: list[ListeningPoint] = field(default_factory=list)  # where packets were captured
    _: KW_ONLY
    namespaces: list[Namespace] = field(default_factory=list)  # network namespaces of no container
    services: list[Service] = field(default_factory=list)  # of the swarm
    stopped: list[StoppedContainer] = field(default_factory=list)  # containers that do not run

    def addresses(self) -> Iterator[tuple[str | None, str, str]]:
        """(host, address without prefix length, name) of every address.

        Endpoints of containers come first. A virtual IP of a service has the service's name, not that of the load
        balancers that have it too; it is no host's. A host's own interfaces follow, named `HOST` (a NIC) or
        `HOST/INTERFACE` (a bridge, VXLAN or dummy interface), without its loopback.
        """
        virtual = {vip.address: service.name for service in self.services for vip in service.vips}
        for container in self.containers:
            for endpoint in container.endpoints:
                for ip in endpoint.ips:
                    if not (container.balances and ip in virtual):
                        yield container.host, ip, container.name
        for address, name in virtual.items():
            yield None, address, name
        for host in self.hosts:
            for interface in host.interfaces:
                if interface.name == "lo":
                    continue
                is_inner = interface.kind in ("bridge", "vxlan", "dummy")
                name = f"{host.name}/{interface.name}" if is_inner else host.name
                for ip in interface.ips:
                    yield host.name, ip, name

    def names(self) -> dict[str, str]:
        """Address → name, for addresses that have the same name on all hosts."""
        names_of: dict[str, set[str]] = {}
        for _, address, name in self.addresses():
            names_of.setdefault(address, set()).add(name)
        return {address: next(iter(names)) for address, names in names_of.items() if len(names) == 1}

    def names_by_host(self) -> dict[str, dict[str, str]]:
        """Host → address → name, for addresses that have another name on another host."""
        unambiguous = self.names()
        names_of: dict[tuple[str, str], set[str]] = {}
        for host, address, name in self.addresses():
            if host is not None and address not in unambiguous:
                names_of.setdefault((host, address), set()).add(name)
        by_host: dict[str, dict[str, str]] = {}
        for (host, address), names in names_of.items():
            if len(names) == 1:
                by_host.setdefault(host, {})[address] = next(iter(names))
        return by_host

    def names_at(self, point: str) -> dict[str, str]:
        """Address → name at a point. Behind its host's own interface, that host's names count as well."""
        listening = self.point(point)
        role = listening.role if listening else role_from_name(point)
        host = listening.host if listening else point.partition("/")[0]
        return {**(self.names_by_host().get(host, {}) if role in INNER_ROLES else {}), **self.names()}

    def point(self, name: str) -> ListeningPoint | None:
        """The capture point of a name."""
        return next((point for point in self.points if point.name == name), None)

    def network_of_vni(self, vni: int) -> Network | None:
        """The overlay network of a VNI."""
        return next((network for network in self.networks if network.vni == vni), None)

    def network_names(self) -> list[str]:
        """Docker's networks, and those of CNI plugins, of which there is no more than the name that endpoints have."""
        of_plugins = (end.network for each in self.containers if each.runtime for end in each.endpoints if end.network)
        return list(dict.fromkeys([*(network.name for network in self.networks), *of_plugins]))

    def joined(self, other: Topology) -> Topology:
        """Both topologies as one, for captures of several hosts that are analyzed together."""
        return Topology(
            scenario=self.scenario or other.scenario,
            recorded={**other.recorded, **self.recorded},
            hosts=self.hosts + other.hosts,
            networks=self.networks + other.networks,
            containers=self.containers + other.containers,
            points=self.points + other.points,
            namespaces=self.namespaces + other.namespaces,
            services=self.services + [service for service in other.services if service not in self.services],
            stopped=self.stopped + other.stopped,
        )

    def to_json(self) -> str:
        """The text of the file."""
        from capnet.topology.file import to_json

        return to_json(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Topology:
        """Read a file. Raises ValueError, with path and reason, for another kind of file; OSError if missing."""
        from capnet.topology.file import load

        return load(cls, path)


def topology_path(capture: Path) -> Path:
    """The path of a capture's topology: `overlay.pcapng` → `overlay.topology.json`."""
    return _path_beside(capture, ".topology.json")


def witnesses_path(capture: Path) -> Path:
    """The path of a capture's witnesses (`capnet.witnesses`): `overlay.pcapng` → `overlay.witnesses.json`."""
    return _path_beside(capture, ".witnesses.json")


def _path_beside(capture: Path, ending: str) -> Path:
    name = capture.name
    for suffix in (".gz", ".zst", ".lz4", ".pcapng", ".pcap", ".cap"):
        name = name.removesuffix(suffix)
    return capture.with_name(name + ending)


def container_in_name(name: str) -> str | None:
    """`web` of `container-web/eth0`: the container of a point whose file names no host. None for other points."""
    if not name.startswith(("container", "ctr", "pod")):
        return None
    match = re.match(r"(?:container|ctr|pod)[-_](.+)/", name)
    return match and match[1]


def role_from_name(name: str) -> str:
    """The role of a capture point, judged by its name alone (`A/web/eth0` → container)."""
    parts = name.split("/")
    interface = parts[-1]
    if interface == "lo":
        return "loopback"
    if any(part.startswith("overlay:") for part in parts[:-1]) or re.match(r"vxlan|flannel\.\d|flannel-v6", interface):
        return "overlay"
    if re.match(
        r"(docker|br)(0|-|_|\d)|virbr|cni|docker_gwbridge|podman\d|(lxc|lxd|incus|vm)br\d|kube-bridge", interface
    ):
        return "bridge"
    if re.match(r"veth|cali[0-9a-f]+$|(lxc|eni|azv)[0-9a-f]{7,12}$", interface):  # of Docker, Calico, Cilium, clouds
        return "veth"
    is_path = name.startswith("/")  # of a pipe that a program captured from
    if (len(parts) >= 3 and not is_path) or container_in_name(name):
        return "container"
    if re.match(r"(en[spox]|eth|em|bond|wl)", interface):
        return "parent"
    return "unknown"
