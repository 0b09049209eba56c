"""What hosts are asked beside their packets: when all points are listened at, and when the capture is to end.

Everything that wants to know a host before and after a capture is entered in `surroundings`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.connections import Connections, add_connections
from capnet.record.kernel.asked_namespaces import AskedNamespace, asked_namespaces
from capnet.record.kernel.snapshots import Witnessing, witnessing
from capnet.record.kernel.why import AskingWhy
from capnet.record.remote.clocks import measured_clocks
from capnet.record.remote.docker_host import control_ports
from capnet.record.remote.nodes.reached_host import ReachedHost
from capnet.record.run_id import temporary_folder
from capnet.topology import Topology


@contextmanager
def surroundings(
    hosts: Sequence[ReachedHost],
    topology: Topology,
    say: Callable[[str], None],
    why: bool,
    points: Sequence[CapturePoint],
) -> Iterator[Witnessing]:
    """Rules, counters and settings of the points' namespaces before and after the block.

    The topology gets the connections that had packets while the block ran, and how far the clocks of several hosts
    were apart. `say` is told what cannot be asked. `why` traces in between which rule decides about each packet.
    """
    shells = {point.host: point.shell for point in points}
    own = [AskedNamespace(name, shell, shell.host_netns) for name, shell in shells.items()]

    def asking_why(folder: Path) -> AskingWhy | None:
        return AskingWhy(folder, say, control_ports(hosts)) if why else None

    with (
        _connection_tables([host for host in hosts if host.name in shells], topology, points, say),
        _folder() as folder,
        witnessing(asked_namespaces(points, own), say, asking_why(folder)) as witnessed,
        measured_clocks(shells, say) as readings,
    ):
        for host in topology.hosts:
            host.clock = readings.get(host.name, [])  # grows: a file of a ring has those until its end
        yield witnessed


@contextmanager
def nothing(points: Sequence[CapturePoint]) -> Iterator[None]:
    """For a stream, which has no place for it."""
    yield None


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for what traces print, which is removed."""
    folder = temporary_folder("why")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _connection_tables(
    hosts: Sequence[ReachedHost], topology: Topology, points: Sequence[CapturePoint], say: Callable[[str], None]
) -> Iterator[None]:
    """Adds the lines that had packets and name an address of a container to each host of the topology."""
    connections = Connections(hosts, points)
    yield
    add_connections(topology, connections.used(say))
