"""A Docker host of a scenario: what is run and changed on it, its containers, and where to listen at it."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any

from capnet.errors import ScenarioFailed, UsageError
from capnet.record import inventory, places
from capnet.record.host import DockerHost
from capnet.record.places import Point
from capnet.scenario import image, name_server
from capnet.scenario.box import Box
from capnet.scenario.commands import STAY, page
from capnet.scenario.parent_nic import ParentNic, parent_nic
from capnet.scenario.runs import UNDO, labels
from capnet.scenario.start import attached, start
from capnet.topology import role_from_name

if TYPE_CHECKING:
    from capnet.scenario.stage import Stage

HELPER = "capnet-helper"  # container in each host's own network namespace, in which the host's commands run


class StageHost:
    """A Docker host: `address` is the IPv4 address of its parent NIC, `nic` that interface's name."""

    def __init__(self, stage: Stage, docker: DockerHost) -> None:
        self.stage = stage
        self.docker = docker
        self.name = docker.name
        self.boxes: list[Box] = []
        self._helper: Box | None = None
        self._changes = 0
        self._nic: ParentNic | None = None
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
        taken = {self.gateway, *(actor.address for actor in self.stage.actors)}
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
        self.ensure_image()
        self._changes += 1
        guard = self._start(
            f"{HELPER}-change-{self._changes}-{self.stage.run}",
            STAY,
            self.stage.labels | {UNDO: undo},
            self.stage.unless_kept(),
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

        Where nobody can enter the host's network namespace there is none: a query without an answer is a query.
        """
        if self.docker.shell is not None:
            name_server.serve(self.docker.shell, self.address, self.stage.undo)

    # -- containers ------------------------------------------------------------------------------
    def ensure_image(self) -> None:
        """The host has the scenario's image afterwards."""
        if not self._has_image:
            image.ensure(self.docker, self.stage.image, self.stage.labels, self.stage.unless_kept(), self.stage.say)
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
    ) -> Box:
        """Starts a container that runs the shell command.

        `network` is a network's name, none, host, or container:NAME; `address` its IPv4 address there, else Docker
        chooses one; `ports` is {container's TCP port: host's}. With `source_port` the kernel has no other port to
        give to its connections, so no program needs to know how to choose one.
        """
        self.ensure_image()
        self.stage.say(f"{self.name}: container {name} on {network}")
        box = self._start(
            name,
            command,
            self.stage.labels,
            self.stage.unless_kept(),
            ports=ports,
            sysctls={"net.ipv4.ip_local_port_range": f"{source_port} {source_port}"} if source_port else None,
            **attached(network, address),
        )
        self.boxes.append(box)
        return box

    # -- places to listen --------------------------------------------------------------------------
    def interface(self, name: str, describes: str = "", *, capture_filter: str = "") -> Point | None:
        """An interface of the host, such as docker0. `capture_filter` in the syntax of pcap-filter(7)."""
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
        return Box(self, name, start(self.docker, self.stage.image, name, command, labels, undo, **options))

    def _own(self) -> Box:
        if self._helper is None:
            self.ensure_image()
            name = f"{HELPER}-{self.stage.run}"
            self._helper = self._start(name, STAY, labels(self.stage.run), self.stage.undo, network_mode="host")
        return self._helper

    def _parent(self) -> ParentNic:
        if self._nic is None:
            self._nic = parent_nic(self.name, self._ask)
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
        return self._own().attempt(f"arping -D -q -c 2 -w 2 -I {shlex.quote(self.nic)} {address}")[0] == 0
