"""Which capture points do not show all that comes in: an XDP program is at their interface.

XDP runs before packets are given to captures (packet(7)): what it drops, redirects or sends back is not in the file.
Limits: interfaces inside containers are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from capnet.record.find.capture_points import CapturePoint
from capnet.topology import Topology


def xdp_warnings(points: Iterable[CapturePoint], topology: Topology) -> Iterator[str]:
    """A sentence for each point of a host's own interface with such a program."""
    programs = {(host.name, interface.name): interface.xdp for host in topology.hosts for interface in host.interfaces}
    for point in points:
        program = programs.get((point.host, point.interface))
        if program and point.netns == point.shell.host_netns:
            yield f"{point.name}: the XDP program {program} is there; what it drops or redirects is not captured"
