"""From the words of a command to capture points: asks the hosts, and finds what is to be captured where."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import field, replace

from capnet.errors import EnvironmentLacks, UsageError
from capnet.quick_dataclass import mutable
from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.inventory import survey_hosts
from capnet.record.remote.nodes.reached_host import ReachedHost
from capnet.record.remote.shell import Shell
from capnet.record.taps.bridge_translation import translates_on_bridges
from capnet.record.targets import own_transport
from capnet.record.targets.containers import Selection, is_container, selected, without_bystanders
from capnet.record.targets.coverage import TargetCoverage
from capnet.record.targets.host_interfaces import bare_topology, host_points, this_machine
from capnet.record.targets.target_words import TargetWords, split_words
from capnet.record.targets.uplinks import routed_devices, uplinks
from capnet.topology import Topology


@mutable
class Aim:
    """Capture points, their topology, a word for the name of the file, and the hosts that were asked.

    `coverage` tells which containers belong to it that start later; None if only interfaces were asked for.
    """

    points: list[CapturePoint]
    topology: Topology
    name: str
    hosts: list[ReachedHost] = field(default_factory=list)
    coverage: TargetCoverage | None = None

    def leave_modes(self) -> None:
        """Puts no interface into promiscuous mode, also of containers that start later."""
        self.points = [replace(point, is_promiscuous=False) for point in self.points]
        if self.coverage:
            self.coverage.is_promiscuous = False


def aim_at_interfaces(interfaces: Sequence[str], words: TargetWords) -> Aim:
    """Interfaces of this machine, without Docker. UsageError for one that is not there; EnvironmentLacks."""
    shell, name = Shell("self"), this_machine()
    whole = own_transport.joined(words.capture_filter, own_transport.session_filter())
    return Aim(host_points(name, shell, interfaces, whole), bare_topology(name, shell), interfaces[0])


def aim_at_containers(
    hosts: Sequence[ReachedHost],
    words: Sequence[str],
    selection: Selection,
    interfaces: Sequence[str],
    capture_filter: str | None,
) -> Aim:
    """Containers of hosts, and interfaces of the hosts themselves. UsageError, EnvironmentLacks."""
    for host in hosts:
        if host.shell is None:
            raise EnvironmentLacks(f"host {host.name} cannot be captured at: {host.no_capture_reason}")
    surveyed_s = time.time()
    topology = survey_hosts(hosts)
    chosen = split_words(words, capture_filter, lambda word: is_container(topology, word))
    selection.targets = tuple(chosen.targets)
    containers = selected(topology, selection)
    if not containers and not interfaces:
        raise UsageError("capture what? Name containers, --network, --project, --service, --all or -i IFACE")
    shells = {host.name: host.shell for host in hosts if host.shell is not None}
    own = own_transport.joined(own_transport.control_filter(hosts), own_transport.session_filter())
    coverage = TargetCoverage(
        selection,
        shells,
        chosen.capture_filter,
        own_transport.joined(chosen.capture_filter, own),
        {name: uplinks(shell) for name, shell in shells.items()},
        {container.id for container in containers},
        surveyed_s,
        {name: routed_devices(shell) for name, shell in shells.items()},
        frozenset(name for name, shell in shells.items() if translates_on_bridges(shell)),
    )
    points: list[CapturePoint] = []
    for name, shell in shells.items():
        points += host_points(name, shell, interfaces, coverage.host_filter)
    seen = {point.name for point in points}
    points += [point for point in coverage.points(topology, containers) if point.name not in seen]
    _require(points, topology)
    return Aim(points, without_bystanders(topology, containers), _name(selection, interfaces), list(hosts), coverage)


def _require(points: Sequence[CapturePoint], topology: Topology) -> None:
    if not points:
        reasons = [f"{unseen.what}: {unseen.why}" for host in topology.hosts for unseen in host.unseen]
        raise EnvironmentLacks("; ".join(["no point of these containers can be seen", *reasons[:3]]))


def _name(selection: Selection, interfaces: Sequence[str]) -> str:
    """What the file is called by default: the first thing that was asked for."""
    words = (*selection.targets, *selection.services, *selection.projects, *selection.networks)
    return (words or (("all",) if selection.everything else tuple(interfaces)))[0]
