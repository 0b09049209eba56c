"""Which points a selection of containers covers: when a capture begins, and of containers that start later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field

from capnet.errors import UsageError
from capnet.quick_dataclass import mutable
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.targets.container_points import ContainerPoint, container_points
from capnet.record.targets.containers import Selection, selected
from capnet.record.targets.uplinks import RoutedDevices
from capnet.topology import Container, Topology


@mutable
class TargetCoverage:
    """A selection on hosts, with the filter inside containers, and that of the hosts' own namespaces.

    `uplinks`: NICs of each host's default routes. `ids`: containers that were chosen when the capture began.
    `surveyed_s`: when the hosts were asked, in seconds since 1970. `routed`: where routes of the hosts lead.
    `translate_on_bridges`: hosts whose bridges must not be promiscuous (`taps.bridge_translation`).
    """

    selection: Selection
    shells: Mapping[str, Shell]
    inner_filter: str
    host_filter: str
    uplinks: Mapping[str, Sequence[str]]
    ids: set[str]
    surveyed_s: float
    routed: Mapping[str, RoutedDevices] = field(default_factory=dict)
    translate_on_bridges: frozenset[str] = frozenset()
    is_promiscuous: bool = True

    def points(self, topology: Topology, containers: Sequence[Container]) -> list[CapturePoint]:
        """All points that packets of these containers pass."""
        return [self._point(place) for place in container_points(topology, containers, self.uplinks, self.routed)]

    def containers(self, topology: Topology) -> list[Container]:
        """Those that are covered by now: chosen at the beginning, or meant by a word of the selection."""
        chosen = {container.id: container for container in topology.containers if container.id in self.ids}
        for part in _parts(self.selection):
            with suppress(UsageError):  # nothing is called so at the moment
                chosen.update((container.id, container) for container in selected(topology, part))
        return list(chosen.values())

    def _point(self, place: ContainerPoint) -> CapturePoint:
        shell = self.shells[place.host]
        netns = place.netns or shell.host_netns
        return CapturePoint(
            name=place.name,
            role=place.role,
            host=place.host,
            interface=place.interface,
            describes=place.describes,
            shell=shell,
            netns=netns,
            mac=place.mac,
            container=place.container,
            network=place.network,
            capture_filter=self.host_filter if netns == shell.host_netns else self.inner_filter,
            is_promiscuous=self.is_promiscuous
            and (place.role != "bridge" or place.host not in self.translate_on_bridges),
        )


def _parts(selection: Selection) -> Iterator[Selection]:
    """A selection for each of its words, of which others may mean nothing now."""
    for target in selection.targets:
        yield Selection(targets=(target,))
    for network in selection.networks:
        yield Selection(networks=(network,))
    for service in selection.services:
        if selection.projects:
            yield from (Selection(projects=(project,), services=(service,)) for project in selection.projects)
        else:
            yield Selection(services=(service,))
    if not selection.services:
        yield from (Selection(projects=(project,)) for project in selection.projects)
    if selection.everything:
        yield Selection(everything=True)
