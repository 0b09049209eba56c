"""Containers of rootless podman whose packets end in a process of the host: pasta, or slirp4netns.

Such a container has a tap in place of a veth. The process at its other end answers ARP for every address, and opens
sockets of its own on the machine: no packet of the container leaves it, and none has another end on a bridge.
pasta(1) gives the tap the name and addresses of the machine's NIC, so an address of the host is the container's too.
"""

from __future__ import annotations

from capnet.topology.model import Endpoint, Host

PROCESSES = ("slirp4netns", "pasta")  # as podman writes them in a container's network mode
BRIDGES_NETNS = "rootless-netns"  # what podman calls the namespace of its bridges, which is not the machine's


def process_behind(endpoint: Endpoint) -> str | None:
    """The process at the other end of a container's tap."""
    return endpoint.network if endpoint.kind == "tun" and endpoint.network in PROCESSES else None


def is_the_machine(host: Host) -> bool:
    """Is the namespace of the host that of the machine, in which these processes have their sockets?"""
    return BRIDGES_NETNS not in (host.netns or "")
