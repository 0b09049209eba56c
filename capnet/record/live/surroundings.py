"""What hosts are asked beside their packets: before the capture, and when it is to end, while programs still listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.connections import Connections, lines_naming
from capnet.record.remote.docker_host import DockerHost
from capnet.topology import Topology


@contextmanager
def connection_tables(
    hosts: Sequence[DockerHost], topology: Topology, points: Sequence[CapturePoint], say: Callable[[str], None]
) -> Iterator[None]:
    """Adds to the topology the lines of the hosts' connection tables that had packets while the block ran.

    Lines that name no address of a container are left out.
    """
    captured = {point.host for point in points}
    connections = Connections([host for host in hosts if host.name in captured], points)
    try:
        yield
    finally:
        used = connections.used(say)
        addresses = {
            address.split("/")[0]
            for container in topology.containers
            for endpoint in container.endpoints
            for address in endpoint.addresses
        }
        for host in topology.hosts:
            host.conntrack = lines_naming(addresses, used.get(host.name, []))
