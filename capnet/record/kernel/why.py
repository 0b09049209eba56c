"""--why: asks kernels which rule decides about each packet, and why they drop it, while packets are captured.

Input: places, as they come and go, and a folder for the lines of the programs that watch. Output: these lines.
A place or a machine that cannot be watched is said; the capture goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from threading import Lock

from capnet.errors import EnvironmentLacks
from capnet.quick_dataclass import state
from capnet.record.find.capture_points import CapturePoint
from capnet.record.kernel import drop_tracer, rule_tracer
from capnet.record.kernel.asked_namespaces import AskedNamespace, NetnsKey
from capnet.record.kernel.trace_instances import remove_instances, set_interfaces
from capnet.record.kernel.tracing import Watcher, start, until_ready
from capnet.record.remote.shell import Shell
from capnet.record.run_id import is_dead, this_run
from capnet.witnesses import DroppedPackets

_OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")


@state
class _WatchedPlace:
    """What watches the rules of a namespace, and its points that have not ended."""

    watcher: Watcher
    points: set[str]


@state
class _Machine:
    """What watches the drops of a machine, and where packets are captured there."""

    watcher: Watcher
    shell: Shell
    points: list[str]
    interfaces: set[str]


class AskingWhy:
    """Programs that watch: the rules of each place, and the drops of each machine. Leaving the block ends them."""

    def __init__(self, folder: Path, say: Callable[[str], None], control_ports: Sequence[int] = ()) -> None:
        """`control_ports`: TCP ports of capnet's own connections, which carry the trace and must not be traced."""
        self._folder, self._say = folder, say
        self._label, self._ports = this_run(), [str(port) for port in control_ports]
        self._places: dict[NetnsKey, _WatchedPlace] = {}
        self._machines: dict[tuple[str, ...], _Machine] = {}
        self._ready: list[Watcher] = []
        self._lock, self._is_closed = Lock(), False  # places come and go in several threads

    def __enter__(self) -> None:
        remove_instances(is_dead)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closed = True
            watchers = [place.watcher for place in self._places.values()]
            watchers += [machine.watcher for machine in self._machines.values()]
            for watcher in watchers:
                watcher.request_stop()
            for watcher in watchers:
                watcher.wait()
            if any(watcher.was_killed for watcher in watchers):
                remove_instances(lambda run: run == self._label)

    def watch(self, places: Sequence[AskedNamespace]) -> None:
        """Watches these too, or further points of them. Returns when what can watch does."""
        with self._lock:
            if self._is_closed:
                return
            started = [*self._start_at_machines(places), *self._start_at_places(places)]
        self._ready += until_ready(started, lambda text: self._say(f"--why: {text}"))

    def leave(self, point: CapturePoint) -> None:
        """This point has ended. What watches a namespace without points ends too, and does not keep it.

        That of a host goes on. Returns at once.
        """
        with self._lock:
            watched = self._places.get((point.shell, point.netns))
            if watched is None or point.netns == point.shell.host_netns:
                return
            watched.points.discard(point.name)
            if not watched.points:
                watched.watcher.request_stop()

    def rules_at(self, place: AskedNamespace) -> tuple[list[str], int]:
        """Lines of a place's trace, and how many are lost. All has ended."""
        watched = self._places.get(place.key)
        return watched.watcher.printed() if watched and watched.watcher in self._ready else ([], 0)

    def drops(self) -> list[DroppedPackets]:
        """What each machine has dropped. All has ended."""
        return [
            DroppedPackets(machine.points, *machine.watcher.printed())
            for machine in self._machines.values()
            if machine.watcher in self._ready
        ]

    def _start_at_places(self, places: Iterable[AskedNamespace]) -> list[Watcher]:
        """At those that are new; the others have further points."""
        started = []
        for place in places:
            if (watched := self._places.get(place.key)) is not None:
                watched.points.update(place.point_names)
                continue
            output = self._folder / f"{len(self._places):02}.trace"
            watcher = start(rule_tracer, [self._label, *self._ports], place.name, place.shell, place.netns, output)
            self._places[place.key] = _WatchedPlace(watcher, set(place.point_names))
            started.append(watcher)
        return started

    def _start_at_machines(self, places: Iterable[AskedNamespace]) -> list[Watcher]:
        """On those that are new; the others have further points."""
        started = []
        for key, points in _points_by_machine(places).items():
            interfaces, names = {point.interface for point in points}, [point.name for point in points]
            if (machine := self._machines.get(key)) is not None:
                machine.points += names
                self._add_interfaces(machine, interfaces)
                continue
            shell, number = points[0].shell, len(self._machines) + 1
            output, name = self._folder / f"{number:02}.drops", f"drops on machine {number}"
            arguments = [self._label, drop_tracer.interface_filter(interfaces)]
            watcher = start(drop_tracer, arguments, name, shell, shell.host_netns, output, prefix=_OWN_MOUNTS)
            self._machines[key] = _Machine(watcher, shell, names, interfaces)
            started.append(watcher)
        return started

    def _add_interfaces(self, machine: _Machine, interfaces: Collection[str]) -> None:
        if machine.watcher not in self._ready or machine.interfaces.issuperset(interfaces):
            return
        machine.interfaces |= set(interfaces)
        try:
            set_interfaces(machine.shell, self._label, drop_tracer.interface_filter(machine.interfaces))
        except EnvironmentLacks as error:
            self._say(f"--why: {machine.watcher.name} are not watched at {', '.join(sorted(interfaces))}: {error}")


def _points_by_machine(places: Iterable[AskedNamespace]) -> dict[tuple[str, ...], list[CapturePoint]]:
    """The capture points of each machine: several hosts of a lab are one machine."""
    by_machine: dict[tuple[str, ...], list[CapturePoint]] = {}
    for place in places:
        for point in place.points:
            by_machine.setdefault(place.shell.ssh or place.shell.container, []).append(point)
    return by_machine
