"""What a scenario file works with: a `Stage` with one or two hosts, on which it sets up containers, listens and sends.

Everything that is set up here is undone in reverse order when the scenario ends, however it ends.
Steps are Docker API calls, and commands in containers; readiness is polled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record import inventory, places
from capnet.record.host import DockerHost
from capnet.record.places import Point
from capnet.record.tap import Tap, listening
from capnet.scenario import image, library, service, swarm
from capnet.scenario.box import Box
from capnet.scenario.commands import page, ping_as
from capnet.scenario.connections import Connections
from capnet.scenario.runs import labels, remove_network
from capnet.scenario.stage_host import StageHost
from capnet.topology import Topology

__all__ = ["Stage", "page", "ping_as"]  # what scenario files import


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
    actors: list[StageHost] = field(init=False)  # on the hosts, in their order

    def __post_init__(self) -> None:
        self.actors = [StageHost(self, host) for host in self.hosts]

    @property
    def labels(self) -> dict[str, str]:
        return labels(self.run, keep=self.keep)

    def unless_kept(self) -> ExitStack:
        """Where to register what --keep keeps: the stack that is unwound, or one that is forgotten."""
        return ExitStack() if self.keep else self.undo

    @cached_property
    def not_ourselves(self) -> str:
        """A capture filter that leaves out the connections by which hosts are driven.

        They bring here what is captured there: captured themselves, each packet would make another one, without end.
        """
        ports = sorted({port for host in self.hosts for port in host.control_ports()})
        return " and ".join(f"not tcp port {port}" for port in ports)

    @property
    def a(self) -> StageHost:
        return self.actors[0]

    @property
    def b(self) -> StageHost:
        if len(self.actors) < 2:
            raise library.second_host_missing(self.scenario)
        return self.actors[1]

    def swarm(self) -> None:
        """Both hosts are ready nodes of one swarm afterwards, `a` a manager of it."""
        self.say(f"swarm of {self.a.name} and {self.b.name}")
        swarm.join(self.a, self.b, self.labels, self.unless_kept())

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
        self.unless_kept().callback(remove_network, made)
        return name

    def service(self, name: str, command: str, *, network: str, ports: dict[int, int]) -> list[Box]:
        """A swarm's service of one task per host, behind a virtual address on `network`; returns the tasks, by host.

        `ports` is {task's TCP port: the one that every host's ingress takes}.
        """
        for actor in self.actors:
            actor.ensure_image()
        self.say(f"service {name} of {len(self.actors)} tasks on {network}")
        clients = [actor.docker.client for actor in self.actors]
        made = service.start(clients, self.image, name, command, network, ports, self.labels, self.unless_kept())
        for actor, task in zip(self.actors, made, strict=True):
            actor.boxes.append(Box(actor, places.shown_name(task.attrs), task))
        return [actor.boxes[-1] for actor in self.actors]

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
        connections = Connections(self.hosts, chosen)
        with listening(chosen, self.folder) as taps:
            yield
            self.topology = self._survey(chosen, connections)
        self.taps = taps
        heard = sum(tap.received or 0 for tap in taps)
        self.say(f"heard {heard} packets")

    def _captured(self, points: Sequence[Point | None]) -> list[Point]:
        """The interfaces of --capture on every host that has them; described as the scenario does, where it does."""
        own = {point.name: point for point in points if point}
        found = []
        for wanted in dict.fromkeys(self.capture):
            here: list[Point | None] = []
            lacking: list[str] = []
            for actor in self.actors:
                if f"{actor.name}/{wanted}" in own:
                    here.append(own[f"{actor.name}/{wanted}"])
                elif actor.docker.shell:
                    try:
                        here.append(actor.interface(wanted))
                    except EnvironmentLacks as error:  # it lists those that there are
                        lacking.append(str(error))
            if not any(here):
                raise UsageError(f"--capture {wanted}: {'; '.join(lacking) or 'nobody can listen on these hosts'}")
            found += [point.filtered("") for point in here if point]
        return found

    def _survey(self, points: Sequence[Point], connections: Connections) -> Topology:
        """Asked while everything still stands, and the connection tables first: they forget within seconds."""
        used = connections.used(self.say)
        containers = [(actor.docker, box.docker_name) for actor in self.actors for box in actor.boxes]
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
