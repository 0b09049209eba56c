"""Topology: hosts, Docker networks, containers with their addresses, and the capture points of a recording.

A recording writes it beside the capture as `NAME.topology.json` (`capnet.topology/1`), from `docker inspect` and
`ip -j`, never from packets. The analysis reads it to name addresses; everything but names works without it.
This module is plain data: it touches neither Docker nor the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, field, is_dataclass
from functools import cache
from ipaddress import ip_interface
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from capnet.quick_dataclass import mutable

SCHEMA = "capnet.topology/1"
INNER_ROLES = ("container", "veth", "bridge", "overlay", "loopback")  # of points behind a host's own interface
MAX_FILE_BYTES = 4 << 20  # a thousand containers have 1 MiB, and a parsed file takes 20 times its size in memory
CONTAINER_FILE = re.compile(r"(?:container|ctr|pod)[-_](.+)/")  # of points whose file names no host
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")
_types = cache(get_type_hints)  # name of a field → its type


@mutable
class Interface:
    """One line of `ip -j -d address` in a host's own network namespace."""

    name: str
    ifindex: int
    mac: str | None
    addresses: list[str]  # with prefix length: 192.168.111.128/24
    kind: str | None = None  # ip's linkinfo.info_kind: veth, bridge, vxlan, macvlan, ...
    master: str | None = None
    mtu: int | None = None


@mutable
class Host:
    """A machine that runs Docker."""

    name: str
    docker: str  # Engine version
    kernel: str
    interfaces: list[Interface] = field(default_factory=list)
    conntrack: list[str] = field(default_factory=list)  # lines of `conntrack -L -o extended`


@mutable
class Network:
    """A Docker network."""

    name: str
    id: str
    driver: str  # bridge|overlay|macvlan|ipvlan|host|null
    host: str | None  # None: swarm scope, the same on every host
    subnets: list[str] = field(default_factory=list)
    gateway: str | None = None
    vni: int | None = None
    bridge: str | None = None  # name of the Linux bridge, for driver bridge
    parent: str | None = None  # parent NIC, for macvlan and ipvlan
    options: dict[str, str] = field(default_factory=dict)


@mutable
class Endpoint:
    """A container's interface on one network."""

    network: str
    interface: str
    mac: str | None
    addresses: list[str]
    veth: str | None = None  # host end of the pair, found by ifindex


@mutable
class PublishedPort:
    """A port of the host that leads to a container's (`docker run --publish`)."""

    proto: str
    host_ip: str
    host_port: int
    container_port: int


@mutable
class Container:
    """A running container."""

    host: str
    name: str
    id: str
    image: str
    network_mode: str  # as Docker has it: bridge, host, none, container:<id>, <network name>
    endpoints: list[Endpoint] = field(default_factory=list)
    ports: list[PublishedPort] = field(default_factory=list)
    shares_network_with: str | None = None  # name of the container whose namespace it uses


@mutable
class ListeningPoint:
    """A capture point; `name` is the if_name of its interface block."""

    name: str
    role: str
    host: str
    interface: str
    describes: str
    container: str | None = None
    network: str | None = None


@mutable
class Topology:
    """All of a recording; one file NAME.topology.json."""

    scenario: str | None = None
    recorded: dict[str, str] = field(default_factory=dict)  # versions of what recorded it
    hosts: list[Host] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    points: list[ListeningPoint] = field(default_factory=list)

    # -- questions ---------------------------------------------------------------------------
    def addresses(self) -> Iterator[tuple[str | None, str, str]]:
        """(host, address without prefix length, name) of every address.

        Endpoints of containers come first. A host's own interfaces follow, named `HOST` (a NIC) or `HOST/INTERFACE` (a
        bridge, VXLAN or dummy interface), without its loopback.
        """
        for container in self.containers:
            for endpoint in container.endpoints:
                for address in endpoint.addresses:
                    yield container.host, address.split("/")[0], container.name
        for host in self.hosts:
            for interface in host.interfaces:
                if interface.name == "lo":
                    continue
                virtual = interface.kind in ("bridge", "vxlan", "dummy")
                name = f"{host.name}/{interface.name}" if virtual else host.name
                for address in interface.addresses:
                    yield host.name, address.split("/")[0], name

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

    def joined(self, other: Topology) -> Topology:
        """Both topologies as one, for captures of several hosts that are analyzed together."""
        return Topology(
            scenario=self.scenario or other.scenario,
            recorded={**other.recorded, **self.recorded},
            hosts=self.hosts + other.hosts,
            networks=self.networks + other.networks,
            containers=self.containers + other.containers,
            points=self.points + other.points,
        )

    # -- on disk -----------------------------------------------------------------------------
    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    def save(self, path: str | PathLike[str]) -> None:
        """Write the file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Topology:
        """Read a file. Raises ValueError, with path and reason, for another kind of file; OSError if missing."""
        with Path(path).open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise ValueError(f"{path}: longer than {MAX_FILE_BYTES >> 20} MiB, which no topology is")
        try:
            data = json.loads(raw.decode())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not JSON ({error})") from error
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError(f"{path}: not a topology file (no schema {SCHEMA!r})")
        try:
            scenario = data.get("scenario")
            return cls(
                scenario=None if scenario is None else str(scenario),
                recorded={str(key): str(value) for key, value in dict(data.get("recorded", {})).items()},
                hosts=[_host(entry) for entry in data.get("hosts", [])],
                networks=[_build(Network, entry) for entry in data.get("networks", [])],
                containers=[_container(entry) for entry in data.get("containers", [])],
                points=[_build(ListeningPoint, entry) for entry in data.get("points", [])],
            )
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error


def topology_path(capture: Path) -> Path:
    """The path of a capture's topology: `overlay.pcapng` → `overlay.topology.json`."""
    name = capture.name
    for suffix in (".gz", ".zst", ".lz4", ".pcapng", ".pcap", ".cap"):
        name = name.removesuffix(suffix)
    return capture.with_name(name + ".topology.json")


def role_from_name(name: str) -> str:
    """The role of a capture point, judged by its name alone (`A/web/eth0` → container)."""
    parts = name.split("/")
    interface = parts[-1]
    if interface == "lo":
        return "loopback"
    if any(part.startswith("overlay:") for part in parts[:-1]) or re.match(r"vxlan|flannel\.\d|flannel-v6", interface):
        return "overlay"
    if re.match(r"(docker|br)(0|-|_|\d)|virbr|cni|docker_gwbridge|podman\d|(lxc|lxd|vm)br\d|kube-bridge", interface):
        return "bridge"
    if re.match(r"veth|cali[0-9a-f]+$", interface):
        return "veth"
    is_path = name.startswith("/")  # of a pipe that a program captured from
    if (len(parts) >= 3 and not is_path) or CONTAINER_FILE.match(name):
        return "container"
    if re.match(r"(en[spox]|eth|em|bond|wl)", interface):
        return "parent"
    return "unknown"


def _build(kind: Any, entry: dict[str, Any]) -> Any:
    """An object of one of the classes above. Raises ValueError for a value of another type.

    Unknown keys are ignored: a newer capnet may have written the file.
    """
    types = _types(kind)
    values = {key: value for key, value in entry.items() if key in types}
    for key, value in values.items():
        if not _has_type(value, types[key]):
            raise ValueError(f"{key} of a {kind.__name__.lower()} is {value!r:.60}")
    for address in values.get("addresses", ()):
        ip_interface(address)  # its ValueError says what is wrong
    if values.get("mac") and not _MAC.fullmatch(values["mac"]):
        raise ValueError(f"{values['mac']!r:.60} is no MAC address")
    return kind(**values)


def _has_type(value: Any, type_hint: Any) -> bool:
    """Is `value`, parsed from JSON, what a field with this type hint holds? For a dataclass, JSON has an object."""
    if isinstance(type_hint, UnionType):
        return any(_has_type(value, alternative) for alternative in get_args(type_hint))
    if is_dataclass(type_hint):
        return isinstance(value, dict)
    if (container := get_origin(type_hint)) is not None:
        item_type = get_args(type_hint)[-1]
        items = value.values() if isinstance(value, dict) else value
        return isinstance(value, container) and all(_has_type(item, item_type) for item in items)
    return isinstance(value, type_hint) and not (type_hint is int and isinstance(value, bool))


def _host(entry: dict[str, Any]) -> Host:
    host: Host = _build(Host, entry)
    host.interfaces = [_build(Interface, interface) for interface in entry.get("interfaces", [])]
    return host


def _container(entry: dict[str, Any]) -> Container:
    container: Container = _build(Container, entry)
    container.endpoints = [_build(Endpoint, endpoint) for endpoint in entry.get("endpoints", [])]
    container.ports = [_build(PublishedPort, port) for port in entry.get("ports", [])]
    return container
