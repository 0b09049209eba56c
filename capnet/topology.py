"""Who owns which address on which network, and where we listened.

It is written beside a capture from `docker inspect` and `ip -j`, never from packets, as `NAME.topology.json`
(`capnet.topology/1`), and read again when the capture is analyzed. Everything but names works without it. Pure data:
nothing here touches Docker or the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cache
from ipaddress import ip_interface
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

SCHEMA = "capnet.topology/1"
INNER_ROLES = ("container", "veth", "bridge", "overlay", "loopback")  # of points behind a host's own interface

_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")

MOST_BYTES = 4 << 20  # of a topology file: a thousand containers have 1 MiB, and what is read takes 20 times as much


@dataclass
class Interface:
    """One line of `ip -j -d address` in a host's own network namespace."""

    name: str
    ifindex: int
    mac: str | None
    addresses: list[str]  # with prefix length: 192.168.111.128/24
    kind: str | None = None  # ip's linkinfo.info_kind: veth, bridge, vxlan, macvlan, ...
    master: str | None = None
    mtu: int | None = None


@dataclass
class Host:
    name: str
    docker: str  # Engine version
    kernel: str
    interfaces: list[Interface] = field(default_factory=list)
    conntrack: list[str] = field(default_factory=list)  # lines of `conntrack -L -o extended`


@dataclass
class Network:
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


@dataclass
class Endpoint:
    """A container's interface on one network."""

    network: str
    interface: str
    mac: str | None
    addresses: list[str]
    veth: str | None = None  # host end of the pair, found by ifindex


@dataclass
class PublishedPort:
    proto: str
    host_ip: str
    host_port: int
    container_port: int


@dataclass
class Container:
    host: str
    name: str
    id: str
    image: str
    network_mode: str  # as Docker has it: bridge, host, none, container:<id>, <network name>
    endpoints: list[Endpoint] = field(default_factory=list)
    ports: list[PublishedPort] = field(default_factory=list)
    shares_network_with: str | None = None  # name of the container whose namespace it uses


@dataclass
class ListeningPoint:
    """One place where frames were captured; `name` is the interface block's if_name."""

    name: str
    role: str
    host: str
    interface: str
    describes: str
    container: str | None = None
    network: str | None = None


@dataclass
class Topology:
    """Who owns which MAC, address, veth and VNI, and where somebody listened; a file NAME.topology.json."""

    scenario: str | None = None
    recorded: dict[str, str] = field(default_factory=dict)  # versions of what recorded it
    hosts: list[Host] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    points: list[ListeningPoint] = field(default_factory=list)

    # -- questions ---------------------------------------------------------------------------
    def addresses(self) -> Iterator[tuple[str | None, str, str]]:
        """(host, address without prefix, name) for every address that has an owner.

        Container endpoints first; then the hosts' own interfaces as `HOST` (the parent NIC) or
        `HOST/INTERFACE`. The host is None where an address is the same everywhere.
        """
        for container in self.containers:
            for endpoint in container.endpoints:
                for address in endpoint.addresses:
                    yield container.host, address.split("/")[0], container.name
        for host in self.hosts:
            for interface in host.interfaces:
                virtual = interface.kind in ("bridge", "vxlan", "dummy") or interface.name == "lo"
                name = f"{host.name}/{interface.name}" if virtual else host.name
                if interface.name == "lo":
                    continue
                for address in interface.addresses:
                    yield host.name, address.split("/")[0], name

    def names(self) -> dict[str, str]:
        """Address → name, for addresses that mean one thing only across all hosts."""
        seen: dict[str, set[str]] = {}
        for _, address, name in self.addresses():
            seen.setdefault(address, set()).add(name)
        return {address: next(iter(names)) for address, names in seen.items() if len(names) == 1}

    def names_by_host(self) -> dict[str, dict[str, str]]:
        """Host → address → name, for the addresses that mean something else on another host."""
        plain = self.names()
        seen: dict[tuple[str, str], set[str]] = {}
        for host, address, name in self.addresses():
            if host is not None and address not in plain:
                seen.setdefault((host, address), set()).add(name)
        found: dict[str, dict[str, str]] = {}
        for (host, address), names in seen.items():
            if len(names) == 1:
                found.setdefault(host, {})[address] = next(iter(names))
        return found

    def names_at(self, point: str) -> dict[str, str]:
        """Address → name at a point: behind its host's card also what other hosts call otherwise."""
        listening = self.point(point)
        role = listening.role if listening else role_from_name(point)
        host = listening.host if listening else point.partition("/")[0]
        return {**(self.names_by_host().get(host, {}) if role in INNER_ROLES else {}), **self.names()}

    def point(self, name: str) -> ListeningPoint | None:
        return next((point for point in self.points if point.name == name), None)

    def network_of_vni(self, vni: int) -> Network | None:
        return next((network for network in self.networks if network.vni == vni), None)

    def joined(self, other: Topology) -> Topology:
        """Both as one: what was recorded apart belongs to one capture."""
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
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    def save(self, path: str | PathLike[str]) -> None:
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Topology:
        """Raises ValueError (with the path and what is wrong) if the file is no topology, OSError if there is none."""
        with Path(path).open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise ValueError(f"{path}: longer than {MOST_BYTES >> 20} MiB, which no topology is")
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
    """Where the topology of a capture lies: `overlay.pcapng` → `overlay.topology.json`."""
    name = capture.name
    for suffix in (".gz", ".zst", ".lz4", ".pcapng", ".pcap", ".cap"):
        name = name.removesuffix(suffix)
    return capture.with_name(name + ".topology.json")


def role_from_name(name: str) -> str:
    """What kind of place a point is, judged by its name alone (`A/web/eth0` → container)."""
    parts = name.split("/")
    interface = parts[-1]
    if interface == "lo":
        return "loopback"
    if any(part.startswith("overlay:") for part in parts[:-1]) or interface.startswith("vxlan"):
        return "overlay"
    if re.match(r"(docker|br)(0|-|_|\d)|virbr|cni|docker_gwbridge", interface):
        return "bridge"
    if interface.startswith("veth"):
        return "veth"
    if len(parts) >= 3:
        return "container"
    if re.match(r"(en[spox]|eth|em|bond|wl)", interface):
        return "parent"
    return "unknown"


def _build(kind: Any, entry: dict[str, Any]) -> Any:
    """Unknown keys are ignored: a newer capnet may have written the file. ValueError for a value of another type."""
    types = _types(kind)
    known = {key: value for key, value in entry.items() if key in types}
    for key, value in known.items():
        if not _fits(value, types[key]):
            raise ValueError(f"{key} of a {kind.__name__.lower()} is {value!r:.60}")
    for address in known.get("addresses", ()):
        ip_interface(address)  # ValueError says what is wrong with it
    if known.get("mac") and not _MAC.fullmatch(known["mac"]):
        raise ValueError(f"{known['mac']!r:.60} is no MAC address")
    return kind(**known)


@cache
def _types(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, wanted: Any) -> bool:
    """Is this what JSON has for that type? For one of our classes, that is an object."""
    if isinstance(wanted, UnionType):
        return any(_fits(value, each) for each in get_args(wanted))
    if is_dataclass(wanted):
        return isinstance(value, dict)
    if (of := get_origin(wanted)) is not None:
        inner = get_args(wanted)[-1]
        parts = value.values() if isinstance(value, dict) else value
        return isinstance(value, of) and all(_fits(each, inner) for each in parts)
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))


def _host(entry: dict[str, Any]) -> Host:
    host: Host = _build(Host, entry)
    host.interfaces = [_build(Interface, each) for each in entry.get("interfaces", [])]
    return host


def _container(entry: dict[str, Any]) -> Container:
    container: Container = _build(Container, entry)
    container.endpoints = [_build(Endpoint, each) for each in entry.get("endpoints", [])]
    container.ports = [_build(PublishedPort, each) for each in entry.get("ports", [])]
    return container
