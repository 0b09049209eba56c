"""Captures that were opened: their studies and documents, kept for the next question."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from capnet.analysis.core.contract.document import Document
from capnet.analysis.engine import Source, Study, study
from capnet.errors import UsageError
from capnet.mcp.fence import Fence, stripped_all
from capnet.mcp.folders import Folders
from capnet.quick_tuple import NamedTuple
from capnet.report.words import Words
from capnet.topology import topology_path, witnesses_path

MAX_OPEN = 4  # studies that are kept; each takes some 100 MB for a large capture
MAX_FILES = 200  # of one capture: points, or files of a ring
MAX_NUMBERS = 10_000  # captures that were opened: their names are kept, to be read again

_Stamp = tuple[tuple[str, int, int], ...]


class OpenedCapture(NamedTuple):
    """A capture that was read. Strings of the document are stripped of control characters."""

    number: str
    study: Study
    document: Document
    words: Words
    fence: Fence


class Captures:
    """Opens captures by name, and finds them by number (`c1`). They are read again if they changed, or what lies beside
    them: topology and witnesses.
    """

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self._files: dict[str, tuple[str, ...]] = {}
        self._kept: OrderedDict[tuple[str, _Stamp], OpenedCapture] = OrderedDict()

    def open(self, files: list[str]) -> OpenedCapture:
        """The capture of these files; several are one capture at several points. UsageError, UnreadableInput."""
        if not 0 < len(files) <= MAX_FILES:
            raise UsageError(f"files: name 1 to {MAX_FILES} captures")
        names = tuple(dict.fromkeys(files))
        number = next((key for key, given in self._files.items() if given == names), f"c{len(self._files) + 1}")
        capture = self._read(number, names)
        if len(self._files) < MAX_NUMBERS:
            self._files[number] = names
        return capture

    def get(self, number: str) -> OpenedCapture:
        """The capture with this number; UsageError if none has it."""
        if number not in self._files:
            have = ", ".join(list(self._files)[-8:]) or "none yet"
            raise UsageError(f"capture {number[:16]!r}: call `open` first, which gives a number; open: {have}")
        return self._read(number, self._files[number])

    def fence(self) -> Fence:
        """Marks the strings of all captures that are in memory, for messages that may name any of them."""
        return Fence(*(capture.document for capture in self._kept.values()))

    def _read(self, number: str, names: tuple[str, ...]) -> OpenedCapture:
        paths = [self.folders.file(name) for name in names]
        beside = (own for path in paths for own in (topology_path(path), witnesses_path(path)) if own.is_file())
        key = number, tuple(_stamp(path) for path in (*paths, *beside))
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        result = study([Source(path) for path in dict.fromkeys(paths)])
        document = stripped_all(result.report.to_dict())
        capture = OpenedCapture(number, result, document, Words.of(document), Fence(document))
        self._kept[key] = capture
        while len(self._kept) > MAX_OPEN:
            self._kept.popitem(last=False)
        return capture


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns
