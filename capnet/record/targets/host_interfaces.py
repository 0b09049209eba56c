"""Interfaces of a host by name, as capture points: with Docker on it or without."""

from __future__ import annotations

import difflib
import os
import socket
from collections.abc import Sequence
from typing import Any

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record.find.capture_points import CapturePoint, interfaces
from capnet.record.find.host_facts import HostFacts
from capnet.record.find.host_topology import build_topology
from capnet.record.remote.shell import Shell
from capnet.topology import Topology, role_from_name

ANY = "any"  # libpcap's device for all interfaces of a namespace


def this_machine() -> str:
    """What points of a machine without Docker are called: its host name."""
    return socket.gethostname().partition(".")[0] or "localhost"


def host_points(name: str, shell: Shell, wanted: Sequence[str], capture_filter: str) -> list[CapturePoint]:
    """A point for each interface of the host's own namespace. UsageError if it has none of that name.

    Raises EnvironmentLacks where the user of a rootless daemon may not enter that namespace.
    """
    if not wanted:
        return []
    if shell.userns and not shell.may_enter(shell.host_netns):
        raise EnvironmentLacks("only root captures at interfaces of the machine: `sudo capnet capture -i NIC`")
    entries = {entry["ifname"]: entry for entry in interfaces(shell, shell.host_netns)}
    return [_point(name, shell, interface, entries, capture_filter) for interface in dict.fromkeys(wanted)]


def bare_topology(name: str, shell: Shell) -> Topology:
    """The topology of a host without Docker: its own interfaces."""
    facts = HostFacts(name, kernel=os.uname().release, host_netns=shell.host_netns)
    facts.interfaces[shell.host_netns] = interfaces(shell, shell.host_netns)
    return build_topology(facts)


def _point(
    name: str, shell: Shell, interface: str, entries: dict[str, dict[str, Any]], capture_filter: str
) -> CapturePoint:
    if interface != ANY and interface not in entries:
        near = difflib.get_close_matches(interface, entries, n=len(entries), cutoff=0.0)
        raise UsageError(f"host {name} has no interface {interface}; it has {', '.join(near)}")
    point = f"{name}/{interface}"
    return CapturePoint(
        name=point,
        role=role_from_name(point),
        host=name,
        interface=interface,
        describes=f"all interfaces of host {name}" if interface == ANY else f"{interface} of host {name}",
        shell=shell,
        netns=shell.host_netns,
        mac=entries.get(interface, {}).get("address"),
        capture_filter=capture_filter,
    )
