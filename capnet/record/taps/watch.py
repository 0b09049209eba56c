"""Watches capture programs while they run, so that the end of one is told when it happens.

What ends without being told to (killed, device gone) is known by its process. A full disk is known by the file system
alone: tcpdump goes on and writes nothing, dumpcap tells of it when it ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread

from capnet.record.taps.capture_process import CaptureProcess

_INTERVAL = 0.25  # seconds; a program that ended has listened until at most so long ago
_FULL_BYTES = 1 << 16  # less is left only where the last block of packets could not be written


class Watch:
    """A thread that looks at the programs, and at the file system of their folder, from `start` to `stop`."""

    def __init__(self, captures: Sequence[CaptureProcess], folder: Path, say: Callable[[str], None]) -> None:
        self._captures = captures
        self._folder = folder
        self._say = say
        self._full_since: float | None = None  # seconds since 1970
        self._ended: set[str] = set()  # names of points
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="watch captures", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends, if it has begun."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def note_full_disk(self) -> None:
        """Sets `failure` of each finished capture whose file lacks packets because there was no space."""
        self._look_at_disk()
        if self._full_since is None:
            return
        clock = time.strftime("%H:%M:%S", time.localtime(self._full_since))
        for capture in self._captures:
            read = None if capture.received is None else capture.received - (capture.dropped or 0)
            if read is None or capture.counters().packets < read:
                capture.lacks_space = True
                capture.failure = f"found no space left in {self._folder} from {clock} on"

    def _run(self) -> None:
        while not self._stopping.wait(_INTERVAL):
            for capture in self._captures:
                self._look_at(capture)
            self._look_at_disk()

    def _look_at(self, capture: CaptureProcess) -> None:
        now = time.time_ns()
        if not capture.has_ended():
            capture.last_alive_ns = now
        elif capture.point.name not in self._ended:
            self._ended.add(capture.point.name)
            self._say(f"{capture.program.name} at {capture.point.name} ended early: {capture.how_it_ended()}")

    def _look_at_disk(self) -> None:
        if self._full_since is None and is_full(self._folder):
            self._full_since = time.time()
            self._say(f"no space left in {self._folder}: what is captured from now on is lost")


def is_full(folder: Path) -> bool:
    """Whether the file system of `folder` has no room for another block of packets."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < _FULL_BYTES
