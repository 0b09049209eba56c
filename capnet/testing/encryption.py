"""Whether the connections of a flow are encrypted between hosts. A capture cannot show it of ESP's bytes alone.

Input: the paths of a flow, the report with its tunnels, the topology. False: a NIC of one of the hosts shows a path in
clear. True needs all of this: no NIC does; Docker encrypts a network that both ends of each path are on; a NIC of the
hosts of each path shows ESP between them, of at least as many packets as the paths have.
Wrong when: another VPN between the same hosts makes the ESP, and the NICs that carry the network were not captured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from capnet.analysis.core.contract.report import Report
from capnet.analysis.core.point_names import name_of_point
from capnet.analysis.core.results import Path
from capnet.topology import Topology

__tracebackhide__ = True  # pytest shows the line of the test instead of this file

UPLINKS = ("parent", "underlay")  # roles of points that lie between hosts


class CannotTell(LookupError):
    """The capture does not show what is asked for; the message says what is missing."""


def is_encrypted(name: str, paths: Sequence[Path], report: Report, topology: Topology | None) -> bool:
    """Is what these paths carry from host to host encrypted? `name` is what the flow is called. Raises CannotTell."""
    crossings = [_crossings(path) for path in paths]
    if not any(crossings):
        raise CannotTell(f"{name} was not seen at points of two hosts")
    hosts = {host for of_path in crossings for crossing in of_path for host in crossing}
    uplinks = {point.name for point in report.points if point.role in UPLINKS and point.host in hosts}
    if not uplinks:
        raise CannotTell(f"no point between the hosts of {name} was captured: capture at their NICs, too")
    if any(hop.point in uplinks for path in paths for hop in path.hops):
        return False
    if not all(crossings):
        raise CannotTell(f"not every connection of {name} was seen at points of two hosts")
    if topology is None or not all(_is_on_encrypted_network(path, topology) for path in paths):
        raise CannotTell(f"no topology says that Docker encrypts a network of both ends of {name}")
    packets: Counter[frozenset[str]] = Counter()
    for path, of_path in zip(paths, crossings, strict=True):
        packets.update(dict.fromkeys(of_path, path.hops[0].packets))
    for crossing, number in packets.items():
        if _esp_frames(crossing, report, topology, uplinks) < number:
            ends = " and ".join(sorted(crossing))
            raise CannotTell(f"{ends} do not exchange as many packets of ESP as {name} has: capture at their NICs, too")
    return True


def _crossings(path: Path) -> set[frozenset[str]]:
    """Pairs of hosts between which the path goes."""
    hosts = [host for hop in path.hops if (host := name_of_point(hop.point).host)]
    return {frozenset(pair) for pair in pairwise(hosts) if pair[0] != pair[1]}


def _is_on_encrypted_network(path: Path, topology: Topology) -> bool:
    encrypted = {network.name for network in topology.networks if "encrypted" in network.options}
    networks: dict[str, set[str]] = {}
    for container in topology.containers:
        for endpoint in container.endpoints:
            for ip in endpoint.ips:
                networks.setdefault(ip, set()).add(endpoint.network)
    return bool(encrypted & networks.get(path.hops[0].src, set()) & networks.get(path.hops[-1].dst, set()))


def _esp_frames(crossing: frozenset[str], report: Report, topology: Topology, uplinks: set[str]) -> int:
    """Packets of ESP between the two hosts at the NIC that shows most of them."""
    addresses = {host.name: set(host.ips) for host in topology.hosts if host.name in crossing}
    frames = [
        tunnel.frames
        for tunnel in report.tunnels
        if tunnel.kind == "esp"
        and tunnel.point in uplinks
        and name_of_point(tunnel.point).host in crossing
        and len(addresses) == len(tunnel.vteps) == 2
        and all(own & set(tunnel.vteps) for own in addresses.values())
    ]
    return max(frames, default=0)
