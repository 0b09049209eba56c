"""A Docker host of a scenario: commands and changes on it, its containers, and its capture points."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from capnet.errors import EnvironmentLacks, ScenarioFailed, UsageError
from capnet.record.find import capture_points
from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.host_topology import bridge_name
from capnet.record.remote.docker_host import DockerHost
from capnet.scenario import name_server
from capnet.scenario.commands import STAY, get, page
from capnet.scenario.container import ScenarioContainer
from capnet.scenario.docker import host_programs, image
from capnet.scenario.docker.host_programs import HostPrograms
from capnet.scenario.docker.removal import UNDO
from capnet.scenario.docker.run_labels import labels
from capnet.scenario.docker.start_container import attached, start
from capnet.scenario.parent_nic import ParentNic, parent_nic
from capnet.scenario.undo import end_program
from capnet.topology import role_from_name

HELPER = "capnet-helper"  # container in each host's own network namespace, in which the host's commands run


@dataclass(frozen=True)
class RunScope:
    """What everything that one run makes has in common: image and labels of its containers, and how it is undone.

    `undo` is unwound when the run ends; `undo_unless_kept` holds what --keep leaves. `excluded` returns a capture
    filter that leaves out capnet's own connections to the hosts.
    """

    run: str
    image: str
    labels: dict[str, str]
    undo: ExitStack
    undo_unless_kept: ExitStack
    excluded: Callable[[], str]
    say: Callable[[str], None]


class ScenarioHost:
    """A Docker host: `address` is the IPv4 address of its parent NIC, `nic` that interface's name."""

    def __init__(self, docker: DockerHost, scope: RunScope) -> None:
        self.docker = docker
        self.name = docker.name
        self.containers: list[ScenarioContainer] = []
        self.peers: list[ScenarioHost] = []  # the scenario's other hosts
        self._scope = scope
        self._helper: ScenarioContainer | None = None
        self._changes = 0
        self._nic: ParentNic | None = None
        self._has_image = False
        if docker.no_capture_reason:
            scope.say(f"{self.name}: its points are left out: {docker.no_capture_reason}")

    # -- the host itself -----------------------------------------------------------------------
    @property
    def run_id(self) -> str:
        """The run's id, see `record.run_id`: for names of what is made outside Docker, which has no labels."""
        return self._scope.run

    @property
    def nic(self) -> str:
        """The parent NIC's name."""
        return self._parent().name

    @property
    def address(self) -> str:
        """The parent NIC's IPv4 address."""
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

    def attempt(self, command: str) -> tuple[int, str]:
        """Runs a shell command in the host's own network namespace; returns its exit status and what it printed."""
        return self._own().attempt(command)

    def expect_failure(self, command: str, *, saying: str = "") -> str:
        """Runs a command that is to fail, with these words; returns what it printed. ScenarioFailed otherwise."""
        return self._own().expect_failure(command, saying=saying)

    def wait_until(self, command: str, *, within: float = 60) -> None:
        """Repeats the command until it succeeds. ScenarioFailed if it still fails after `within` seconds."""
        self._own().wait_until(command, within=within)

    def free_addresses(self, count: int) -> list[str]:
        """Addresses of the parent NIC's subnet, from its 10th on, for which no host answers ARP.

        The gateway and the scenario's hosts are left out. ScenarioFailed if there are not as many.
        """
        taken = {self.gateway, *(host.address for host in (self, *self.peers))}
        free: list[str] = []
        for address in islice(self._parent().address.network.hosts(), 9, 200):
            if len(free) == count:
                break
            if str(address) not in taken and self._is_free(str(address)):
                free.append(str(address))
        if len(free) < count:
            raise ScenarioFailed(f"{self.subnet} has no {count} free addresses for containers")
        return free

    def make_promiscuous(self) -> None:
        """Lets the parent NIC take frames for MACs that are not its own, until the scenario ends.

        The kernel does that by itself for macvlan children, but not for a virtual machine's NIC. A NIC that is
        promiscuous already stays so.
        """
        nic = shlex.quote(self.nic)
        if "PROMISC" in self.run(f"ip link show dev {nic}").partition(">")[0]:
            return
        self._scope.say(f"{self.name}: {self.nic} promiscuous")
        self.change(f"ip link set dev {nic} promisc on", undo=f"ip link set dev {nic} promisc off")

    def change(self, command: str, *, undo: str) -> None:
        """Changes the host's own network by a shell command, and back by another when the scenario ends.

        The second command is the label of a container that stands for the change, so it is known after a `kill -9` too.
        """
        self._guard(undo, network_mode="host", cap_add=["NET_ADMIN"]).run(command)

    def own_programs(self, *, undo: str) -> HostPrograms:
        """Runs programs that are installed on the host, and `undo` with them when the scenario ends.

        For changes that busybox cannot make. As with `change`, a label holds the way back.
        """
        guard = self._guard(host_programs.by_host(undo), **host_programs.OPTIONS)
        return HostPrograms(guard.run, guard.attempt)

    def start_program(self, command: Sequence[str], **streams: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Starts a program of the host in its own network namespace; it ends with the scenario, also by a `kill -9`.

        `streams` are `stdout` and `stderr`. EnvironmentLacks where capnet has no shell on the host.
        """
        shell = self.docker.shell
        if shell is None or shell.container:
            raise EnvironmentLacks(f"{command[0]} needs root on host {self.name}: {self.docker.no_capture_reason}")
        program = shell.start(command, netns=shell.host_netns, **streams)
        self._scope.undo.callback(end_program, program)
        return program

    def serve_http(self, port: int, *, size: int = 1000) -> None:
        """A web server on the host that answers every GET / with about `size` bytes of text."""
        self.run(f"{page('/srv', size)} && httpd -p {port} -h /srv")
        self.wait_until(get(f"http://{self.address}:{port}/"))

    def serve_dns(self) -> None:
        """A name server on the host's port 53 that knows no name (answers NXDOMAIN).

        A host without a shell has none: then queries get no answer.
        """
        if self.docker.shell is not None:
            name_server.serve(self.docker.shell, self.address, self._scope.undo)

    # -- containers ------------------------------------------------------------------------------
    def ensure_image(self) -> None:
        """The host has the scenario's image afterwards."""
        if not self._has_image:
            image.ensure(
                self.docker, self._scope.image, self._scope.labels, self._scope.undo_unless_kept, self._scope.say
            )
            self._has_image = True

    def container(
        self,
        name: str,
        command: str = STAY,
        *,
        network: str = "bridge",
        address: str | None = None,
        ports: dict[int, int] | None = None,
        source_port: int | None = None,
    ) -> ScenarioContainer:
        """Starts a container that runs the shell command.

        `network` is a network's name, none, host, or container:NAME; `address` its IPv4 address there, else Docker
        chooses one; `ports` is {container's TCP port: host's}. With `source_port` the kernel has no other port to
        give to its connections, so no program needs to know how to choose one.
        """
        self.ensure_image()
        self._scope.say(f"{self.name}: container {name} on {network}")
        container = self._start(
            name,
            command,
            self._scope.labels,
            self._scope.undo_unless_kept,
            ports=ports,
            sysctls={"net.ipv4.ip_local_port_range": f"{source_port} {source_port}"} if source_port else None,
            **attached(network, address),
        )
        self.containers.append(container)
        return container

    # -- places to listen --------------------------------------------------------------------------
    def interface(self, name: str, describes: str = "", *, capture_filter: str = "") -> CapturePoint | None:
        """An interface of the host, such as docker0. `capture_filter` in the syntax of pcap-filter(7)."""
        if self.docker.shell is None:
            return None
        role = "parent" if name == self.nic else role_from_name(f"{self.name}/{name}")
        point = capture_points.host_interface(self.docker, name, role, describes or f"{name} of host {self.name}")
        excluded = self._scope.excluded()
        if capture_filter and excluded:
            capture_filter = f"({capture_filter})"
        return point.filtered(" and ".join(filter(None, (capture_filter, excluded))))

    def parent(self, describes: str = "", *, capture_filter: str = "") -> CapturePoint | None:
        """The NIC that leads to the other host."""
        return self.interface(self.nic, describes, capture_filter=capture_filter)

    def bridge_of(self, network: str, describes: str) -> CapturePoint | None:
        """The Linux bridge of a bridge network on this host."""
        attributes = self.docker.client.networks.list(names=[network])[0].attrs
        name = bridge_name(attributes)
        if name is None:
            raise UsageError(f"{network} is no bridge network, it is {attributes['Driver']}")
        return self.interface(name, describes)

    def overlay(
        self, network: str, interface: str, container: ScenarioContainer, describes: str
    ) -> CapturePoint | None:
        """`br0` or `vxlan0` in the namespace of an overlay network that `container` is on."""
        if self.docker.shell is None:
            return None
        return capture_points.overlay_interface(self.docker, network, container.docker_name, interface, describes)

    def balancer(
        self, network: str, container: ScenarioContainer, interface: str, describes: str
    ) -> CapturePoint | None:
        """An interface where the swarm spreads what is sent to services on `network`, or on `ingress`.

        `container` is one on this host.
        """
        if self.docker.shell is None:
            return None
        return capture_points.load_balancer_interface(self.docker, network, container.docker_name, interface, describes)

    # -- inside ------------------------------------------------------------------------------------
    def _guard(self, undo: str, **options: Any) -> ScenarioContainer:
        """A container that stands for a change: `undo` is run in it before it is removed."""
        self.ensure_image()
        self._changes += 1
        name = f"{HELPER}-change-{self._changes}-{self._scope.run}"
        return self._start(name, STAY, self._scope.labels | {UNDO: undo}, self._scope.undo_unless_kept, **options)

    def _start(
        self, name: str, command: str, labels: dict[str, str], undo: ExitStack, **options: Any
    ) -> ScenarioContainer:
        return ScenarioContainer(
            self.docker, name, start(self.docker, self._scope.image, name, command, labels, undo, **options)
        )

    def _own(self) -> ScenarioContainer:
        if self._helper is None:
            self.ensure_image()
            name = f"{HELPER}-{self._scope.run}"
            self._helper = self._start(name, STAY, labels(self._scope.run), self._scope.undo, network_mode="host")
        return self._helper

    def _parent(self) -> ParentNic:
        if self._nic is None:
            self._nic = parent_nic(self.name, self._ask)
        return self._nic

    def _ask(self, command: str) -> str:
        """What a command prints that changes nothing: run by the host's own programs, where there is a shell.

        So a scenario that runs nothing else on the host needs no container there.
        """
        if self.docker.shell is None:
            return self.run(command)
        return self.docker.shell.run(shlex.split(command), netns=self.docker.shell.host_netns)

    def _is_free(self, address: str) -> bool:
        """Whether no host answers an ARP probe for the address (RFC 5227)."""
        return self._own().attempt(f"arping -D -q -c 2 -w 2 -I {shlex.quote(self.nic)} {address}")[0] == 0
