"""What hosts are asked beside their packets: when all points are listened at, and when the capture is to end.

Everything that wants to know a host before and after a capture is entered in `surroundings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.connections import Connections, lines_naming
from capnet.record.kernel.snapshots import Place, places_of, witnessing
from capnet.record.remote.docker_host import DockerHost
from capnet.topology import Topology
from capnet.witnesses import Witnesses


@contextmanager
def surroundings(
    hosts: Sequence[DockerHost], topology: Topology, points: Sequence[CapturePoint], say: Callable[[str], None]
) -> Iterator[Witnesses]:
    """Rules, counters and settings of the points' namespaces before and after the block.

    The topology gets the connections that had packets while the block ran. `say` is told what cannot be asked.
    """
    shells = {point.host: point.shell for point in points}
    own = [Place(name, shell, shell.host_netns) for name, shell in shells.items()]
    with (
        _connection_tables([host for host in hosts if host.name in shells], topology, points, say),
        witnessing(places_of(points, own), say) as witnesses,
    ):
        yield witnesses


@contextmanager
def _connection_tables(
    hosts: Sequence[DockerHost], topology: Topology, points: Sequence[CapturePoint], say: Callable[[str], None]
) -> Iterator[None]:
    """Adds the lines that had packets and name an address of a container to each host of the topology."""
    connections = Connections(hosts, points)
    yield
    used = connections.used(say)
    addresses = {
        address.split("/")[0]
        for container in topology.containers
        for endpoint in container.endpoints
        for address in endpoint.addresses
    }
    for host in topology.hosts:
        host.conntrack = lines_naming(addresses, used.get(host.name, []))
