"""What a scenario file works with: a `Stage` with one or two hosts, on which it sets up containers, listens and sends.

Everything that is set up here is undone in reverse order when the scenario ends, however it ends.
Steps are Docker API calls, and commands in containers; readiness is polled.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Interface
from itertools import islice
from pathlib import Path
from typing import Any

from capnet.errors import EnvironmentLacks, ScenarioFailed, UsageError
from capnet.record import inventory, places
from capnet.record.host import DockerHost
from capnet.record.inventory import ConnectionTable
from capnet.record.places import Point
from capnet.record.tap import Tap, listening
from capnet.scenario import image, library, service, swarm
from capnet.scenario.box import Box
from capnet.scenario.runs import UNDO, labels, remove_container, remove_network
from capnet.topology import Topology

HELPER = "capnet-helper"  # container in each host's own network namespace, in which the host's commands run

_API_OF_ADDRESSES = "1.22"  # Docker's API version that brought fixed addresses
_STAY = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"  # a process 1 that ends when told to


@dataclass
class Stage:
    """`a` is the host that the scenario is about; `b` the other one (UsageError if there is none)."""

    scenario: str
    hosts: list[DockerHost]
    run: str
    folder: Path
    undo: ExitStack
    say: Callable[[str], None]
    image: str = image.DEFAULT
    capture: tuple[str, ...] = ()  # interfaces to listen at instead of the scenario's own points
    keep: bool = False
    taps: list[Tap] = field(default_factory=list)
    topology: Topology | None = None  # filled by listening()
    _actors: list[StageHost] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._actors = [StageHost(self, host) for host in self.hosts]

    @property
    def labels(self) -> dict[str, str]:
        return labels(self.run, keep=self.keep)

    @cached_property
    def not_ourselves(self) -> str:
        """A capture filter that leaves out the connections by which hosts are driven.

        They bring here what is captured there: captured themselves, each packet would make another one, without end.
        """
        ports = sorted({port for host in self.hosts for port in host.control_ports()})
        return " and ".join(f"not tcp port {port}" for port in ports)

    @property
    def a(self) -> StageHost:
        return self._actors[0]

    @property
    def b(self) -> StageHost:
        if len(self._actors) < 2:
            raise library.second_host_missing(self.scenario)
        return self._actors[1]

    def swarm(self) -> None:
        """Both hosts are ready nodes of one swarm afterwards, `a` a manager of it."""
        self.say(f"swarm of {self.a.name} and {self.b.name}")
        swarm.join(self.a, self.b, self.labels, self._unless_kept())

    def network(
        self, name: str, driver: str, *, subnet: str | Sequence[str] = (), gateway: str | None = None, **options: Any
    ) -> str:
        """Makes a network on `a` (an overlay network is then everywhere in the swarm) and returns its name.

        The gateway is that of the first subnet.
        """
        from docker.types import IPAMConfig, IPAMPool

        self.say(f"{self.a.name}: {driver} network {name}")
        subnets = [subnet] if isinstance(subnet, str) else subnet
        gateways = [gateway, *(None for _ in subnets[1:])]
        pools = [IPAMPool(subnet=each, gateway=way) for each, way in zip(subnets, gateways, strict=False)]
        ipam = IPAMConfig(pool_configs=pools) if pools else None
        made = self.a.docker.client.networks.create(
            name, driver=driver, ipam=ipam, check_duplicate=True, labels=self.labels, **options
        )
        self._unless_kept().callback(remove_network, made)
        return name

    def service(self, name: str, command: str, *, network: str, ports: dict[int, int]) -> list[Box]:
        """A swarm's service of one task per host, behind a virtual address on `network`; returns the tasks, by host.

        `ports` is {task's TCP port: the one that every host's ingress takes}.
        """
        for actor in self._actors:
            actor._image()
        self.say(f"service {name} of {len(self._actors)} tasks on {network}")
        clients = [actor.docker.client for actor in self._actors]
        made = service.start(clients, self.image, name, command, network, ports, self.labels, self._unless_kept())
        for actor, task in zip(self._actors, made, strict=True):
            actor.boxes.append(Box(actor, places.shown_name(task.attrs), task))
        return [actor.boxes[-1] for actor in self._actors]

    @contextlib.contextmanager
    def listening(self, *points: Point | None) -> Iterator[None]:
        """Listens at these points (or where --capture says) while the block runs.

        The block begins when every tap listens; afterwards `taps` and `topology` hold what the bundle needs.
        Places on hosts where nobody can listen are None and are left out.
        """
        chosen = self._captured(points) if self.capture else [point for point in points if point]
        if not chosen:
            raise EnvironmentLacks(
                "there is no host that anybody can listen on: " + "; ".join(str(h.deaf) for h in self.hosts if h.deaf)
            )
        self.say(f"listen at {len(chosen)} points: {', '.join(point.name for point in chosen)}")
        tables = [(host, netns) for host in self.hosts for netns in (None, *_balancers(host, chosen))]
        earlier = {(host.name, netns): self._connections(host, netns) for host, netns in tables}
        with listening(chosen, self.folder) as taps:
            yield
            self.topology = self._survey(chosen, earlier)
        self.taps = taps
        heard = sum(tap.received or 0 for tap in taps)
        self.say(f"heard {heard} packets")

    def _captured(self, points: Sequence[Point | None]) -> list[Point]:
        """The interfaces of --capture on every host that has them; described as the scenario does, where it does."""
        own = {point.name: point for point in points if point}
        found = []
        for wanted in self.capture:
            here: list[Point | None] = []
            for actor in self._actors:
                if f"{actor.name}/{wanted}" in own:
                    here.append(own[f"{actor.name}/{wanted}"])
                elif actor.docker.shell:
                    with contextlib.suppress(EnvironmentLacks):  # this host has none of that name
                        here.append(actor.interface(wanted))
            if not any(here):
                raise UsageError(f"--capture {wanted}: no host has an interface of that name")
            found += [point.filtered("") for point in here if point]
        return found

    def _survey(self, points: Sequence[Point], earlier: dict[tuple[str, str | None], ConnectionTable]) -> Topology:
        """Asked while everything still stands, and the connection tables first: they forget within seconds.

        `earlier` are those of before, by host and network namespace (None: the host's own). A connection without a
        packet since anybody listened is none of the capture.
        """
        known = {host.name: host for host in self.hosts}
        used: dict[str, list[str]] = {name: [] for name in known}
        for (name, netns), before in earlier.items():
            try:
                used[name] += inventory.connection_table(known[name], netns).used_since(before)
            except EnvironmentLacks as error:
                self.say(f"{name}: the topology goes without a connection table: {error}")
        containers = [(actor.docker, box.docker_name) for actor in self._actors for box in actor.boxes]
        topology = inventory.survey(self.scenario, self.hosts, containers, points)
        addresses = {
            address.split("/")[0]
            for container in topology.containers
            for endpoint in container.endpoints
            for address in endpoint.addresses
        }
        for described in topology.hosts:
            described.conntrack = inventory.naming(addresses, used[described.name])
        return topology

    def _connections(self, host: DockerHost, netns: str | None) -> ConnectionTable:
        try:
            return inventory.connection_table(host, netns)
        except EnvironmentLacks:  # then there will be no table in the topology either
            return ConnectionTable([], 0, 0)

    def _unless_kept(self) -> ExitStack:
        """Where to register what --keep keeps: the stack that is unwound, or one that is forgotten."""
        return ExitStack() if self.keep else self.undo


@dataclass(frozen=True)
class _Nic:
    """The interface with the default route; `gateway` is empty where that leads to no gateway."""

    name: str
    address: IPv4Interface
    gateway: str


class StageHost:
    """A Docker host: `address` is the IPv4 address of its parent NIC, `nic` that interface's name."""

    def __init__(self, stage: Stage, docker: DockerHost) -> None:
        self.stage = stage
        self.docker = docker
        self.name = docker.name
        self.boxes: list[Box] = []
        self._helper: Box | None = None
        self._changes = 0
        self._nic: _Nic | None = None
        self._has_image = False
        if docker.deaf:
            stage.say(f"{self.name}: its points are left out: {docker.deaf}")

    # -- the host itself -----------------------------------------------------------------------
    @property
    def nic(self) -> str:
        return self._parent().name

    @property
    def address(self) -> str:
        return str(self._parent().address.ip)

    @property
    def subnet(self) -> str:
        """The network of the parent NIC, with prefix length."""
        return str(self._parent().address.network)

    @property
    def gateway(self) -> str:
        """Where the default route leads to."""
        return self._parent().gateway

    def run(self, command: str) -> str:
        """Runs a shell command in the host's own network namespace; returns what it printed.

        ScenarioFailed if it fails.
        """
        return self._own().run(command)

    def fails(self, command: str, *, saying: str = "") -> str:
        """Runs a command that is to fail, with these words; returns what it printed. ScenarioFailed otherwise."""
        return self._own().fails(command, saying=saying)

    def until(self, command: str, *, within: float = 60) -> None:
        self._own().until(command, within=within)

    def free_addresses(self, count: int) -> list[str]:
        """Addresses of the parent NIC's subnet, from its 10th on, for which nobody answers ARP.

        The gateway and the scenario's hosts are left out. ScenarioFailed if there are not as many.
        """
        taken = {self.gateway, *(actor.address for actor in self.stage._actors)}
        found: list[str] = []
        for address in islice(self._parent().address.network.hosts(), 9, 200):
            if len(found) == count:
                break
            if str(address) not in taken and self._is_free(str(address)):
                found.append(str(address))
        if len(found) < count:
            raise ScenarioFailed(f"{self.subnet} has no {count} free addresses for containers")
        return found

    def make_promiscuous(self) -> None:
        """Lets the parent NIC take frames for MACs that are not its own, until the scenario ends.

        The kernel does that by itself for macvlan children; a virtual machine's NIC must be told. One that is
        promiscuous already stays so.
        """
        nic = shlex.quote(self.nic)
        if "PROMISC" in self.run(f"ip link show dev {nic}").partition(">")[0]:
            return
        self.stage.say(f"{self.name}: {self.nic} promiscuous")
        self.change(f"ip link set dev {nic} promisc on", undo=f"ip link set dev {nic} promisc off")

    def change(self, command: str, *, undo: str) -> None:
        """Changes the host's own network by a shell command, and back by another when the scenario ends.

        The way back is the label of a container that stands for the change: so it is known after a `kill -9` too.
        """
        self._image()
        self._changes += 1
        guard = self._start(
            f"{HELPER}-change-{self._changes}-{self.stage.run}",
            _STAY,
            self.stage.labels | {UNDO: undo},
            self.stage._unless_kept(),
            network_mode="host",
            cap_add=["NET_ADMIN"],
        )
        guard.run(command)

    def serve_http(self, port: int, *, size: int = 1000) -> None:
        """A web server on the host that answers every GET / with about `size` bytes of text."""
        self.run(f"{page('/srv', size)} && httpd -p {port} -h /srv")
        self.until(f"wget -q -O /dev/null http://{self.address}:{port}/")

    def serve_dns(self) -> None:
        """A name server on the host's port 53 that knows no name (answers NXDOMAIN).

        busybox has none, so it is Python in the host's network namespace; if the port is taken, or nobody can
        enter the namespace, whoever is (or is not) there will do: a query is a query.
        """
        if self.docker.shell is None:
            return
        python = "python3" if self.docker.shell.ssh else sys.executable
        server = self.docker.shell.start(
            [python, "-c", _NAME_SERVER, self.address],
            netns=self.docker.shell.host_netns,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.stage.undo.callback(_end, server)
        assert server.stdout is not None
        server.stdout.readline()  # it says that it is ready, or that it gave up

    # -- containers ------------------------------------------------------------------------------
    def container(
        self,
        name: str,
        command: str = _STAY,
        *,
        network: str = "bridge",
        address: str | None = None,
        ports: dict[int, int] | None = None,
        source_port: int | None = None,
    ) -> Box:
        """Starts a container that runs the shell command.

        `network` is a network's name, none, host, or container:NAME; `address` its IPv4 address there, else Docker
        chooses one; `ports` is {container's TCP port: host's}. With `source_port` the kernel has no other port to
        give to its connections, so no program needs to know how to choose one.
        """
        self._image()
        self.stage.say(f"{self.name}: container {name} on {network}")
        box = self._start(
            name,
            command,
            self.stage.labels,
            self.stage._unless_kept(),
            ports=ports,
            sysctls={"net.ipv4.ip_local_port_range": f"{source_port} {source_port}"} if source_port else None,
            **_attached(network, address),
        )
        self.boxes.append(box)
        return box

    # -- places to listen --------------------------------------------------------------------------
    def interface(self, name: str, describes: str = "", *, capture_filter: str = "") -> Point | None:
        """An interface of the host, such as docker0. `capture_filter` in the syntax of pcap-filter(7)."""
        from capnet.topology import role_from_name

        if self.docker.shell is None:
            return None
        point = f"{self.name}/{name}"
        role = "parent" if name == self.nic else role_from_name(point)
        found = places.on_host(self.docker, name, role, describes or f"{name} of host {self.name}")
        if capture_filter and self.stage.not_ourselves:
            capture_filter = f"({capture_filter})"
        return found.filtered(" and ".join(filter(None, (capture_filter, self.stage.not_ourselves))))

    def parent(self, describes: str = "", *, capture_filter: str = "") -> Point | None:
        """The NIC that leads to the other host."""
        return self.interface(self.nic, describes, capture_filter=capture_filter)

    def bridge_of(self, network: str, describes: str) -> Point | None:
        """The Linux bridge of a bridge network on this host."""
        attributes = self.docker.client.networks.list(names=[network])[0].attrs
        name = inventory.bridge_name(attributes)
        if name is None:
            raise UsageError(f"{network} is no bridge network, it is {attributes['Driver']}")
        return self.interface(name, describes)

    def overlay(self, network: str, interface: str, box: Box, describes: str) -> Point | None:
        """`br0` or `vxlan0` in the namespace of an overlay network that `box` is on."""
        if self.docker.shell is None:
            return None
        return places.in_overlay(self.docker, network, box.docker_name, interface, describes)

    def balancer(self, network: str, box: Box, interface: str, describes: str) -> Point | None:
        """An interface where the swarm spreads what is sent to services on `network`, or on `ingress`.

        `box` is one on this host.
        """
        if self.docker.shell is None:
            return None
        return places.in_balancer(self.docker, network, box.docker_name, interface, describes)

    # -- inside ------------------------------------------------------------------------------------
    def _start(self, name: str, command: str, labels: dict[str, str], undo: ExitStack, **options: Any) -> Box:
        import docker

        client = self.docker.client
        ports = {f"{inner}/tcp": outer for inner, outer in (options.pop("ports", None) or {}).items()}
        try:
            container = client.containers.create(
                self.stage.image,
                ["sh", "-c", command],
                name=name,
                labels=labels,
                ports=ports,
                stop_signal="SIGKILL",
                **options,
            )
        except docker.errors.APIError as error:
            if error.status_code == 409:
                raise UsageError(
                    f"host {self.name} already has a container named {name}: rename or remove it "
                    "(`capnet scenario clean` removes what capnet left)"
                ) from error
            raise
        undo.callback(remove_container, container)
        _start_attached(container)
        return Box(self, name, container)

    def _image(self) -> None:
        if not self._has_image:
            image.ensure(self.docker, self.stage.image, self.stage.labels, self.stage._unless_kept(), self.stage.say)
            self._has_image = True

    def _own(self) -> Box:
        if self._helper is None:
            self._image()
            name = f"{HELPER}-{self.stage.run}"
            self._helper = self._start(name, _STAY, labels(self.stage.run), self.stage.undo, network_mode="host")
        return self._helper

    def _parent(self) -> _Nic:
        """The interface with the default route."""
        if self._nic is None:
            routes = [line.split() for line in self._ask("ip -4 route show").splitlines()]
            defaults = [words for words in routes if words[:1] == ["default"] and "dev" in words]
            if not defaults:
                raise EnvironmentLacks(f"host {self.name} has no default route: which NIC leads to the other host?")
            route = defaults[0]
            name = route[route.index("dev") + 1]
            lines = self._ask(f"ip -4 -o addr show dev {shlex.quote(name)}").splitlines()
            addresses = [IPv4Interface(line.split()[3]) for line in lines]
            if not addresses:
                raise EnvironmentLacks(f"{name} of host {self.name} has no IPv4 address")
            self._nic = _Nic(name, addresses[0], route[route.index("via") + 1] if "via" in route else "")
        return self._nic

    def _ask(self, command: str) -> str:
        """What a command that only looks prints: of the host's own programs, where one can get at them.

        So a scenario that does nothing else on the host needs no container there.
        """
        if self.docker.shell is None:
            return self.run(command)
        return self.docker.shell.run(shlex.split(command), netns=self.docker.shell.host_netns)

    def _is_free(self, address: str) -> bool:
        """Nobody answers when asked for it (RFC 5227's probe)."""
        return self._own()._execute(f"arping -D -q -c 2 -w 2 -I {shlex.quote(self.nic)} {address}")[0] == 0


def _balancers(host: DockerHost, points: Sequence[Point]) -> list[str]:
    """The namespaces of load balancers that are listened at: they translate, and have tables of their own."""
    return sorted({point.netns for point in points if point.balancer and point.host == host.name})


def _start_attached(container: Any) -> None:
    """Starts it. Docker gives a swarm 20 s to attach it to its network; a slow machine needs to be asked again."""
    from docker.errors import APIError

    for last in (False, False, True):
        try:
            container.start()
            return
        except APIError as error:
            if last or "context deadline exceeded" not in str(error.explanation):
                raise


def _attached(network: str, address: str | None) -> dict[str, Any]:
    """How docker-py is told which network a container is on."""
    from docker.types import EndpointConfig

    if network in ("none", "host") or network.startswith("container:"):
        return {"network_mode": network}
    if address is None:
        return {"network": network}
    return {"network": network, "networking_config": {network: EndpointConfig(_API_OF_ADDRESSES, ipv4_address=address)}}


def page(folder: str, size: int) -> str:
    """Shell command that puts an index.html of `size` bytes of numbered lines into `folder`."""
    lines = "yes 'one line of a page that is easy to find in a capture'"
    return f"mkdir -p {folder} && {lines} | head -c {size} >{folder}/index.html"


def ping_as(ident: int, address: str, *, count: int = 3) -> str:
    """Shell command that pings with the echo identifier `ident`, somewhat above the processes that have run so far.

    busybox's ping takes its process number for it, so processes are spent until it is that number's turn.
    """
    attempt = f"sh -c '[ $$ -eq {ident} ] && exec ping -c {count} -i 0.3 {address}'"
    return f"n=0; while [ $n -lt {ident} ]; do n=$((n + 1)); {attempt} && exit 0; done; exit 1"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closing stdin stops it (record/shell.py)."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.wait(60)


_NAME_SERVER = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    server.bind((sys.argv[1], 53))
except OSError:
    print("taken", flush=True)
else:
    print("ready", flush=True)
    while True:
        query, client = server.recvfrom(2000)
        server.sendto(query[:2] + bytes([query[2] | 0x80, 0x83]) + query[4:], client)  # a response: NXDOMAIN
"""
