"""What a scenario file works with: a `Session` with one or two hosts, which makes containers, captures and sends.

Whatever it makes is undone in reverse order when the scenario ends, however it ends. Steps are calls of Docker's API
and commands in containers; readiness is polled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from capnet.errors import CapnetError, EnvironmentLacks, UsageError
from capnet.record.bundle import leftover
from capnet.record.find import capture_points, inventory
from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.connections import Connections, add_connections
from capnet.record.kernel.asked_namespaces import AskedNamespace, asked_namespaces
from capnet.record.kernel.snapshots import witnessing
from capnet.record.kernel.why import AskingWhy
from capnet.record.remote.clocks import measured_clocks
from capnet.record.remote.docker_host import DockerHost, control_ports
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.capture_program import BUFFER_MIB
from capnet.record.taps.listening import listening
from capnet.record.targets import own_transport
from capnet.scenario import library
from capnet.scenario.commands import get, page, ping_as, web_server
from capnet.scenario.container import ScenarioContainer
from capnet.scenario.docker import image, service, swarm
from capnet.scenario.docker.removal import remove_network
from capnet.scenario.docker.run_labels import labels
from capnet.scenario.host import RunScope, ScenarioHost
from capnet.scenario.undo import docker_errors
from capnet.topology import Topology
from capnet.witnesses import Witnesses

__all__ = ["Session", "get", "page", "ping_as", "web_server"]  # what scenario files import


@dataclass
class Session:
    """`a` is the host that the scenario is about; `b` the other one (UsageError if there is none)."""

    scenario: str
    docker_hosts: list[DockerHost]
    run: str  # the run's id, see `record.run_id`
    folder: Path  # for the files of the capture programs
    undo: ExitStack
    say: Callable[[str], None]
    image: str = image.DEFAULT
    capture: tuple[str, ...] = ()  # interfaces to capture at instead of the scenario's own points
    keep: bool = False
    why: bool = False  # trace the kernels' rules as well
    output: Path | None = None  # the bundle that the packets are to become, also after a kill -9
    buffer_mib: int = BUFFER_MIB
    captures: list[CaptureProcess] = field(default_factory=list)  # filled by listening(), as what follows
    topology: Topology | None = None
    witnesses: Witnesses | None = None
    hosts: list[ScenarioHost] = field(init=False)  # on `docker_hosts`, in their order

    def __post_init__(self) -> None:
        scope = RunScope(
            self.run,
            self.image,
            labels(self.run, keep=self.keep),
            self.undo,
            undo_unless_kept=ExitStack() if self.keep else self.undo,  # a stack that is never unwound
            excluded=lambda: self.control_filter,
            say=self.say,
        )
        self._scope = scope
        self.hosts = [ScenarioHost(docker, scope) for docker in self.docker_hosts]
        for host in self.hosts:
            host.peers = [peer for peer in self.hosts if peer is not host]

    @cached_property
    def control_filter(self) -> str:
        """A capture filter that leaves out capnet's own connections to the hosts.

        They carry the captured packets: a capture of them would grow without end.
        """
        return own_transport.control_filter(self.docker_hosts)

    @property
    def a(self) -> ScenarioHost:
        """The host that the scenario is about."""
        return self.hosts[0]

    @property
    def peer(self) -> ScenarioHost | None:
        """The other host; None if there is none, for scenarios that leave out then what needs it."""
        if len(self.hosts) > 1:
            return self.hosts[1]
        self.say("no second host (--peer): what is sent to it or from it is left out")
        return None

    @property
    def b(self) -> ScenarioHost:
        """The other host. UsageError if there is none."""
        if len(self.hosts) < 2:
            raise library.second_host_missing(self.scenario)
        return self.hosts[1]

    def swarm(self) -> None:
        """Both hosts are ready nodes of one swarm afterwards, `a` a manager of it."""
        self.say(f"swarm of {self.a.name} and {self.b.name}")
        swarm.join(self.a, self.b, self._scope.labels, self._scope.undo_unless_kept)

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
        pools = [IPAMPool(subnet=net, gateway=address) for net, address in zip(subnets, gateways, strict=False)]
        ipam = IPAMConfig(pool_configs=pools) if pools else None
        network = self.a.docker.client.networks.create(
            name, driver=driver, ipam=ipam, check_duplicate=True, labels=self._scope.labels, **options
        )
        self._scope.undo_unless_kept.callback(remove_network, network)
        return name

    def service(self, name: str, command: str, *, network: str, ports: dict[int, int]) -> list[ScenarioContainer]:
        """A swarm's service of one task per host, behind a virtual address on `network`; returns the tasks, by host.

        `ports` is {task's TCP port: the one that every host's ingress takes}.
        """
        for host in self.hosts:
            host.ensure_image()
        self.say(f"service {name} of {len(self.hosts)} tasks on {network}")
        clients = [host.docker.client for host in self.hosts]
        scope = self._scope
        tasks = service.start(clients, self.image, name, command, network, ports, scope.labels, scope.undo_unless_kept)
        for host, task in zip(self.hosts, tasks, strict=True):
            host.containers.append(ScenarioContainer(host.docker, capture_points.shown_name(task.attrs), task))
        return [host.containers[-1] for host in self.hosts]

    @contextlib.contextmanager
    def listening(self, *points: CapturePoint | None) -> Iterator[None]:
        """Captures at these points (or where --capture says) while the block runs.

        The block begins when every capture program listens. Afterwards `captures`, `topology` and `witnesses` hold
        what the bundle needs. Points on hosts without a shell are None and are left out.
        """
        chosen = self._captured(points) if self.capture else [point for point in points if point]
        if not chosen:
            raise EnvironmentLacks(
                "there is no host to capture on: "
                + "; ".join(str(docker.no_capture_reason) for docker in self.docker_hosts if docker.no_capture_reason)
            )
        self.say(f"capture at {len(chosen)} points: {', '.join(point.name for point in chosen)}")
        connections = Connections(self.docker_hosts, chosen)
        own = [AskedNamespace(each.name, each.shell, each.shell.host_netns) for each in self.docker_hosts if each.shell]
        with (
            listening(chosen, self.folder, buffer_mib=self.buffer_mib, say=self.say) as self.captures,
            witnessing(asked_namespaces(chosen, own), self.say, self._asking_why()) as witnessed,
            measured_clocks({point.host: point.shell for point in chosen}, self.say) as readings,
        ):
            self.witnesses = witnessed.witnesses
            if self.output is not None:
                leftover.note(self.folder, self.captures, self.output, self.scenario)
            try:
                yield
            except BaseException:  # Ctrl-C too: what was captured is kept, and its names are known only now
                self.topology = self.survey_if_possible(chosen, connections)
                raise
            self.topology = self._survey(chosen, connections)
        for host in self.topology.hosts:
            host.clock = readings.get(host.name, [])
        heard = sum(capture.received or 0 for capture in self.captures)
        self.say(f"captured {heard} packets")

    def _asking_why(self) -> AskingWhy | None:
        """With --why: what watches the kernels."""
        return AskingWhy(self.folder, self.say, control_ports(self.docker_hosts)) if self.why else None

    def _captured(self, points: Sequence[CapturePoint | None]) -> list[CapturePoint]:
        """The interfaces of --capture on every host that has them, described as in the scenario where it has them."""
        own = {point.name: point for point in points if point}
        chosen = []
        for wanted in dict.fromkeys(self.capture):
            present: list[CapturePoint | None] = []
            reasons: list[str] = []
            for host in self.hosts:
                if f"{host.name}/{wanted}" in own:
                    present.append(own[f"{host.name}/{wanted}"])
                elif host.docker.shell:
                    try:
                        present.append(host.interface(wanted))
                    except EnvironmentLacks as error:  # it lists those that there are
                        reasons.append(str(error))
            if not any(present):
                raise UsageError(f"--capture {wanted}: {'; '.join(reasons) or 'nothing can capture on these hosts'}")
            chosen += [point.filtered("") for point in present if point]
        return chosen

    def survey_if_possible(self, points: Sequence[CapturePoint], connections: Connections) -> Topology | None:
        """The topology after a step that failed; None, with a line why, where a daemon or a container has gone."""
        try:
            with docker_errors():
                return self._survey(points, connections)
        except CapnetError as error:
            self.say(f"the capture is kept without addresses and names of hosts and containers: {error}")
            return None

    def _survey(self, points: Sequence[CapturePoint], connections: Connections) -> Topology:
        """The topology, asked for while all containers run; connection tables first, which forget within seconds."""
        used = connections.used(self.say)
        containers = [(host.docker, container.docker_name) for host in self.hosts for container in host.containers]
        topology = inventory.survey(self.scenario, self.docker_hosts, containers, points)
        add_connections(topology, used)
        return topology
