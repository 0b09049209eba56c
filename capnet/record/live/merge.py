"""Brings the packets of all points into one order of time, while they are still being captured.

Method: a packet is passed on when no point can deliver an older one any more. A capture program hands over a packet
at the latest `delay` after its time (its kernel buffer's timeout), if its file has been read to the end; a file that
has not been read to the end may hold anything from its newest packet on. What comes later all the same is passed on
at once: late is better than lost. `bundle.merge` does it for files that are finished, in machine code: it waits for
nothing, and needs the headers of all files first.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

from capnet.record.live.tap_reader import TapReader, TimedBlock

READ_SIZE = 1 << 18  # bytes of one file at a time: at most a few thousand packets
_TIME = itemgetter(0)
_FAR = 1 << 62


class LiveMerge:
    """The packets of `readers`, in order. `clock_skew_ns` is how far the slowest clock of their machines lags.

    `max_unread`: bytes of all files together that may wait to be read; what is more is passed over. None: any number.
    """

    def __init__(
        self, readers: Sequence[TapReader], delay_s: float, clock_skew_ns: int = 0, max_unread: int | None = None
    ) -> None:
        self._max_unread = max_unread
        self._readers = list(readers)
        self._delay_ns = int(delay_s * 1e9) + clock_skew_ns
        self._pending: list[TimedBlock] = []

    def add(self, reader: TapReader) -> None:
        """Packets of another point belong to it from now on."""
        self._readers.append(reader)

    def bound(self) -> list[TapReader]:
        """Passes over the oldest packets of files where too many wait, until half as many do; those readers."""
        if self._max_unread is None:
            return []
        most = self._max_unread // len(self._readers)
        behind = [reader for reader in self._readers if reader.unread() > most]
        for reader in behind:
            reader.skip(reader.unread() - most // 2)
        return behind

    def read(self, seconds: float) -> None:
        """Reads what the programs have written, for so many seconds at most."""
        deadline = time.monotonic() + seconds
        while behind := [reader for reader in self._readers if reader.unread() > 0]:
            # The one that is furthest behind first: it holds back all others.
            reader = min(behind, key=lambda reader: reader.newest_ns)
            blocks = reader.read(READ_SIZE)
            if not blocks and reader.unread() <= 0:
                continue
            self._pending += blocks
            if time.monotonic() > deadline:
                break

    def take(self) -> list[TimedBlock]:
        """The packets that no older one can follow, in order."""
        until = time.time_ns() - self._delay_ns
        for reader in self._readers:
            if reader.unread() > 0:
                until = min(until, reader.newest_ns)
        return self._take(until)

    def take_rest(self) -> list[TimedBlock]:
        """All packets that are left, in order. The programs have ended by then, and `is_read` is true."""
        return self._take(_FAR)

    def is_read(self) -> bool:
        """Whether all files were read to their end."""
        return all(reader.unread() <= 0 for reader in self._readers)

    def _take(self, until_ns: int) -> list[TimedBlock]:
        self._pending.sort(key=_TIME)  # runs that are in order already: about one comparison a packet
        count = bisect_right(self._pending, until_ns, key=_TIME)
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken
