"""Witnesses of each file of a ring: the kernels are asked when a file is full, while the next one is written.

A file has witnesses if they were asked within MAX_LATE_S of its beginning and of its end. The moment in between two
files is the same text in both, so that the files together are as one capture. Where files are full faster than kernels
answer, they have none.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic

from capnet.record.kernel.snapshots import Witnessing
from capnet.record.kernel.witness_file import write_beside
from capnet.witnesses import Witnesses

MAX_LATE_S = 1.0  # packets of so long are in the next file, and were counted for this one


class RingWitnesses:
    """Asks in a thread of its own, for one file after the other."""

    def __init__(self, witnessed: Witnessing) -> None:
        self._witnessed = witnessed
        self._began_in_time = True  # the present file
        self._last: Path | None = None  # the file that was written when the capture was told to end
        self._thread = ThreadPoolExecutor(1)

    def full(self, path: Path) -> None:
        """This file is full. Returns at once."""
        self._thread.submit(self._turn, path, monotonic())

    def wait(self) -> None:
        """Returns when the kernels have been asked for every file that was full before."""
        self._thread.submit(lambda: None).result()

    def finish(self, path: Path, witnesses: Witnesses) -> None:
        """Writes those of the last file, which is `path` unless the rest of the packets needed further ones."""
        self._thread.shutdown()
        if self._began_in_time:
            _write(self._last or path, witnesses)

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _turn(self, path: Path, full_s: float) -> None:
        is_in_time = monotonic() - full_s <= MAX_LATE_S
        witnesses = self._witnessed.turn()
        if witnesses is None:
            self._last = self._last or path
            return
        if is_in_time and self._began_in_time and path.exists():
            _write(path, witnesses)
        self._began_in_time = is_in_time


def _write(path: Path, witnesses: Witnesses) -> None:
    with suppress(OSError):  # of a full disk, of which the capture itself tells
        write_beside(path, witnesses)
