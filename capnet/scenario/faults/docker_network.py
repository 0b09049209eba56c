"""The network of a fault that needs Docker: the hosts of a session, and a recording at some of their interfaces."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from capnet.record.find.capture_points import CapturePoint
from capnet.record.taps.capture_process import CaptureProcess
from capnet.scenario.container import ScenarioContainer
from capnet.scenario.faults import Change
from capnet.scenario.host import ScenarioHost
from capnet.scenario.session import Session
from capnet.topology import Topology
from capnet.witnesses import Witnesses

Points = list[CapturePoint]


def pick(*points: CapturePoint | None) -> Points:
    """The points that there are: a host without a shell has none."""
    return [point for point in points if point]


class DockerNetwork:
    """The hosts `a` and `b` of a session; what it makes, and the line that breaks it, are undone with the session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.a, self.b = session.a, session.b
        self.folder = session.folder
        self.misses: list[str] = []  # commands that failed during the latest `listening`

    def attempt(self, node: ScenarioHost | ScenarioContainer, command: str) -> None:
        """Runs a shell command that may fail when the network is broken."""
        status, printed = node.attempt(command)
        if status:
            self.misses.append(f"{node.name}: {command}: {printed.strip() or f'exit status {status}'}")

    def apply(self, change: Change) -> None:
        """Runs the line that breaks the network, on a host by the host's own programs, and takes it back at the end."""
        host = next(host for host in self.session.hosts if host.name == change.node.partition("/")[0])
        container = next((each for each in host.containers if change.node == f"{host.name}/{each.name}"), None)
        if container is not None:
            container.run(change.command)
            return
        shell = host.docker.shell
        assert shell is not None  # the lab's hosts have one
        shell.run(["sh", "-c", change.command], netns=shell.host_netns)
        if change.undo:
            self.session.undo.callback(shell.run, ["sh", "-c", change.undo], netns=shell.host_netns)

    @contextlib.contextmanager
    def listening(self, points: Points) -> Iterator[None]:
        """Captures at these points while the block runs; then `captures` and `topology` hold what a bundle needs."""
        self.misses.clear()
        with self.session.listening(*points):
            yield

    @property
    def captures(self) -> list[CaptureProcess]:
        """The finished capture programs of the latest `listening`."""
        return self.session.captures

    @property
    def topology(self) -> Topology | None:
        """Who had which address during the latest `listening`."""
        return self.session.topology

    @property
    def witnesses(self) -> Witnesses | None:
        """What the kernels' rules and counters were before and after the latest `listening`."""
        return self.session.witnesses

    @property
    def output(self) -> Path | None:
        """The bundle that the packets are to become, also after a kill -9."""
        return self.session.output

    @output.setter
    def output(self, path: Path) -> None:
        """Sets it."""
        self.session.output = path
