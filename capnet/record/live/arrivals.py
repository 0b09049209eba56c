"""Finds the points of containers that start, or are attached to a network, while a capture runs.

Method: one thread for each host reads Docker's events, and one what changes in the files of containerd and CRI-O.
Another one asks a host that told of something (as at the beginning), and starts a capture program at each point that
is new. A restarted container is in a new network namespace, so its points are new; the second one of a name is called
`NAME#2`.
Limits: what a container sends before the program listens, some tenths of a second after its start, is not captured.
One of Docker that has ended by then is told.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeAlias

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.host_facts import Entry
from capnet.record.find.inventory import survey_host
from capnet.record.find.runtimes.changes import BundleChanges
from capnet.record.polling import poll_until
from capnet.record.remote.docker_host import DockerHost
from capnet.record.remote.nodes.reached_host import ReachedHost
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.targets.containers import without_bystanders
from capnet.record.targets.coverage import TargetCoverage
from capnet.record.targets.started_containers import StartedContainers
from capnet.topology import Container, Topology

MAX_POINTS = 1024  # of a capture; capnet reads pcapng files with four times as many interfaces
_EVENTS = {"type": ["container", "network"], "event": ["start", "connect"]}
_OVERLAP_S = 2  # events of so long before the survey are read again: the daemon's clock is not ours to the second
_LISTEN_WITHIN_S = 5.0

# Starts capture programs at the points, and yields each at once.
Starter: TypeAlias = Callable[[Sequence[CapturePoint]], Iterable[CaptureProcess]]
# Is told of points at which programs listen now.
Listener: TypeAlias = Callable[[Sequence[CapturePoint]], None]


class Arrival(NamedTuple):
    """New points of a host, perhaps none, with a program that was started at each, and its topology by then."""

    processes: Sequence[CaptureProcess]
    topology: Topology


class _Event(NamedTuple):
    """Something changed on a host; what, if Docker told it."""

    host: str
    content: Entry | None


class Arrivals:
    """What arrives on `hosts`. `points` are captured already."""

    def __init__(
        self,
        coverage: TargetCoverage,
        hosts: Sequence[ReachedHost],
        points: Sequence[CapturePoint],
        start: Starter,
        listens: Listener,
    ) -> None:
        self._coverage, self._hosts, self._start, self._listens = coverage, hosts, start, listens
        self._captured = {_key(point) for point in points}  # and not ended yet
        self._uses = Counter(point.name for point in points)
        self._told: SimpleQueue[_Event | None] = SimpleQueue()  # None ends it
        self._started = {host.name: StartedContainers(host.name, coverage.surveyed_s) for host in hosts}
        self._arrived: SimpleQueue[Arrival] = SimpleQueue()
        self._sentences: SimpleQueue[str] = SimpleQueue()
        self._lock = Lock()  # of the two below
        self._streams: list[Any] = []  # of events
        self._is_closed = self._is_full = False
        self._threads = [
            Thread(target=self._listen, args=(host,), daemon=True) for host in hosts if isinstance(host, DockerHost)
        ]
        nodes = [host for host in hosts if host.name in coverage.routed and host.shell]
        self._threads += [Thread(target=self._watch, args=(host,), daemon=True) for host in nodes]
        self._worker = Thread(target=self._work, name="arrivals", daemon=True)

    def open(self) -> None:
        """Begins. What has started since the hosts were asked arrives too."""
        for thread in (*self._threads, self._worker):
            thread.start()

    def take(self) -> tuple[list[Arrival], list[str]]:
        """What has arrived since the last call, and what is to be said."""
        return _drained(self._arrived), _drained(self._sentences)

    def forget(self, point: CapturePoint) -> None:
        """This one has ended: it is new when it is there again."""
        self._captured.discard(_key(point))

    def close(self) -> None:
        """Ends the threads. Programs that were started meanwhile are in the next `take`."""
        with self._lock:
            self._is_closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.close()
        self._told.put(None)
        if self._worker.ident is not None:
            self._worker.join()

    # -- threads -----------------------------------------------------------------------------------------
    def _listen(self, host: DockerHost) -> None:
        """Reads events until the stream is closed, or the daemon ends."""
        import docker
        import requests

        try:
            since = int(self._coverage.surveyed_s) - _OVERLAP_S
            stream = host.client.api.events(since=since, filters=_EVENTS, decode=True)
            with self._lock:
                if self._is_closed:
                    stream.close()
                    return
                self._streams.append(stream)
            for event in stream:
                self._told.put(_Event(host.name, event))
        except (docker.errors.DockerException, requests.RequestException, OSError, ValueError):
            pass
        if not self._is_closed:
            clock = time.strftime("%H:%M:%S")
            self._sentences.put(
                f"host {host.name}: since {clock} Docker does not tell which containers start; they are not captured"
            )

    def _watch(self, host: ReachedHost) -> None:
        """Notes changes of what containerd and CRI-O run, until it is closed or the host is not reached any more."""
        assert host.shell is not None
        with suppress(EnvironmentLacks):
            changes = BundleChanges(host.shell)
            with self._lock:
                if self._is_closed:
                    changes.close()
                    return
                self._streams.append(changes)
            for _ in changes:
                self._told.put(_Event(host.name, None))
        if not self._is_closed:
            clock = time.strftime("%H:%M:%S")
            self._sentences.put(f"host {host.name}: pods that start after {clock} are not captured")

    def _work(self) -> None:
        while (event := self._told.get()) is not None:
            waiting = [event, *_drained(self._told)]
            events = [each for each in waiting if each is not None]
            for each in events:
                if each.content is not None:
                    self._started[each.host].note(each.content)
            for host in self._hosts:
                if not self._is_closed and any(each.host == host.name for each in events):
                    self._ask(host)
            if None in waiting:
                break

    def _ask(self, host: ReachedHost) -> None:
        try:
            topology = survey_host(host)
            self._tell_missed(topology, self._started[host.name].missed(topology))
            containers = self._coverage.containers(topology)
            points = [
                point for point in self._coverage.points(topology, containers) if _key(point) not in self._captured
            ]
            room = max(0, MAX_POINTS - self._uses.total())
            if len(points) > room and not self._is_full:
                self._is_full = True
                self._sentences.put(f"{MAX_POINTS} points have been captured; no others are added")
            points = [self._named(point) for point in points[:room]]
            processes: list[CaptureProcess] = []
            try:
                for process in self._start(points):
                    processes.append(process)
            finally:
                self._arrived.put(Arrival(processes, without_bystanders(topology, containers)))
            self._listens(self._listening(processes))
        except EnvironmentLacks as error:
            self._sentences.put(f"host {host.name}: a container that started is not captured: {error}")

    def _tell_missed(self, topology: Topology, missed: Sequence[Container]) -> None:
        ids = {container.id for container in missed}
        others = [container for container in topology.containers if container.id not in ids]
        for container in self._coverage.containers(replace(topology, containers=[*others, *missed])):
            if container.id in ids:
                name = f"{container.host}/{container.name}"
                self._sentences.put(
                    f"container {name} started, and is not captured: its process had ended, or cannot be seen"
                )

    def _listening(self, processes: Sequence[CaptureProcess]) -> list[CapturePoint]:
        """Waits a moment for the programs that run, and returns the points of those that listen."""

        def have_begun() -> bool:
            return self._is_closed or all(_is_listening(process) or process.has_ended() for process in processes)

        poll_until(have_begun, _LISTEN_WITHIN_S)
        return [process.point for process in processes if _is_listening(process)]

    def _named(self, point: CapturePoint) -> CapturePoint:
        self._captured.add(_key(point))
        self._uses[point.name] += 1
        uses = self._uses[point.name]
        return point if uses == 1 else replace(point, name=f"{point.name}#{uses}")


def _is_listening(process: CaptureProcess) -> bool:
    with suppress(EnvironmentLacks):  # it has ended: its container has stopped again
        return process.is_listening()
    return False


def _key(point: CapturePoint) -> tuple[str, str, str]:
    return point.host, point.netns, point.interface


def _drained(queue: SimpleQueue[Any]) -> list[Any]:
    items = []
    while True:
        try:
            items.append(queue.get_nowait())
        except Empty:
            return items
