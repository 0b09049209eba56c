"""pasta and slirp4netns: processes that are a network by themselves, at the other end of a container's tap.

One process answers ARP for every address, and sends with one MAC what it got from sockets of the host. So it owns none
of these addresses, and is no container. What comes for a published port, rootlessport brings over the container's own
loopback (and pasta, what comes from the host itself): there client and server are no two containers.
Known by: the topology, in which the container's interface is a tap of such a process; without one, by the MACs that
pasta (since 2024, MAC_OUR_LAA in passt.h) and libslirp (52:55 and the IPv4 address of its gateway) always have.
Wrong when: QEMU's user network, which is libslirp too, is called slirp4netns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast_mac
from capnet.topology.user_mode import process_behind
from capnet.wire.addresses import mac_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capnet.topology import Container, ListeningPoint

FIXED_MACS = {mac_value("9a:55:9a:55:9a:55"): "pasta", mac_value("52:55:0a:00:02:02"): "slirp4netns"}


@derived
def user_mode_macs(context: Context) -> dict[int, str]:
    """MAC → the process that has it."""
    points, macs = context.stations[:, schema.STATION_POINT], context.stations[:, schema.STATION_MAC]
    processes = {mac: name for mac, name in FIXED_MACS.items() if (macs == mac).any()}
    numbers = {point.name: number for number, point in enumerate(context.points)}
    for point, container in _points(context):
        for end in container.endpoints:
            process = process_behind(end)
            if process and end.mac and end.interface == point.interface:
                others = distinct(macs[points == numbers.get(point.name, -1)]).tolist()
                own = mac_value(end.mac)
                processes.update({mac: process for mac in others if mac not in (own, 0) and not is_multicast_mac(mac)})
    return processes


@derived
def ports_of_processes(context: Context) -> dict[int, set[int]]:
    """Point at the loopback of such a container → its ports to which the process connects there."""
    numbers = {point.name: number for number, point in enumerate(context.points)}
    return {
        numbers[point.name]: {port.container_port for port in container.ports}
        for point, container in _points(context)
        if point.role == "loopback" and point.name in numbers
    }


def _points(context: Context) -> Iterator[tuple[ListeningPoint, Container]]:
    """The points inside containers that are behind such a process."""
    if context.topology is None:
        return
    behind = {
        (container.host, container.name): container
        for container in context.topology.containers
        if any(map(process_behind, container.endpoints))
    }
    for point in context.topology.points if behind else ():
        if container := behind.get((point.host, point.container or "")):
            yield point, container
