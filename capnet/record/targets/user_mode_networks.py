"""Containers behind pasta or slirp4netns: what is told of them before a capture begins.

Their packets end in that process. What it sends on are packets of the host, which no link joins to the container's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from capnet.record.find.capture_points import CapturePoint
from capnet.topology import Topology
from capnet.topology.user_mode import is_the_machine, process_behind


def user_mode_warnings(topology: Topology, points: Sequence[CapturePoint], ids: Collection[str]) -> Iterator[str]:
    """A sentence for each such container with one of these ids: where the packets of its process are."""
    machines = {host.name for host in topology.hosts if is_the_machine(host)}
    for container in topology.containers:
        process = next(filter(None, map(process_behind, container.endpoints)), None)
        if process is None or container.id not in ids:
            continue
        nics = [each.name for each in points if (each.host, each.role) == (container.host, "parent")]
        begin = f"packets of {container.name} end in {process}, a process, which sends on from sockets of its own"
        if nics and container.host in machines:
            yield f"{begin}: at {', '.join(nics)} they have the host's address and other ports"
        else:
            yield (
                f"{begin}: at the machine's NIC they have the host's address and other ports; "
                "only root captures there: `sudo capnet capture -i NIC`"
            )
