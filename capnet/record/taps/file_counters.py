"""Counts the packets of a capture file that is being written, from the headers of its records.

Input: the path of a growing pcap or pcapng file. Output: packets, and their bytes on the wire.
Each reading goes on where the one before ended, so it costs as much as was written since.
"""

from __future__ import annotations

from pathlib import Path

from capnet.errors import UnreadableInput
from capnet.jit.kernel import Machine
from capnet.quick_tuple import NamedTuple
from capnet.wire.block import RecordBatch
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcap
from capnet.wire.formats.file_reader import FileReader

MAX_INTERPRETED = 100_000  # packets; loading or making machine code takes longer than to interpret so many


class FileTotals(NamedTuple):
    """What a capture file holds: packets, and their bytes on the wire."""

    packets: int
    bytes: int


class FileCounters:
    """The totals of one growing file, read again and again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture: FileReader | None = None
        self._batch: RecordBatch | None = None

    def totals(self) -> FileTotals:
        """What whole records the file holds by now; zeros while it has no header."""
        capture = self._capture = self._capture or self._opened()
        if capture is None:
            return FileTotals(0, 0)
        capture.read_on()
        if self._batch is None or (capture.packets > MAX_INTERPRETED and not capture.machine.compiled):
            capture.run_on(Machine(compiled=capture.packets > MAX_INTERPRETED))
            self._batch = RecordBatch(capture.machine)
        while capture.read_batch(self._batch):
            pass
        return FileTotals(capture.packets, sum(interface.bytes for interface in capture.interfaces))

    def close(self) -> None:
        """Closes the file."""
        if self._capture is not None:
            self._capture.close()
            self._capture = None

    def _opened(self) -> FileReader | None:
        """The file, or None while its header is not wholly written."""
        try:
            if self._path.stat().st_size < pcap.HEADER:
                return None
            return open_capture(self._path, compiled=False)
        except (OSError, UnreadableInput):
            return None
