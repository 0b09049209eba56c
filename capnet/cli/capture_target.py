"""Where the packets of `capnet capture` go: the option -w, or a file named after what is captured and the time."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from capnet.errors import UsageError
from capnet.record.kernel.witness_file import write_beside
from capnet.record.live.outputs.files import MEGABYTE, Files, Ring
from capnet.record.live.outputs.stream import StreamOutput
from capnet.record.live.ring_witnesses import RingWitnesses

if TYPE_CHECKING:
    from capnet.cli.capture_options import Given
    from capnet.record.kernel.snapshots import Witnessing
    from capnet.record.live.outputs.output import Output
    from capnet.record.live.session import LiveCapture
    from capnet.record.targets.target_points import Aim
    from capnet.witnesses import Witnesses

_MAX_NAME = 60  # characters of a default file name's first part


class CaptureTarget:
    """The file, the ring of files or the stream that `given` asks for."""

    def __init__(self, given: Given, aim: Aim) -> None:
        self._given, self._aim = given, aim
        self._files: Files | None = None
        self._of_ring: RingWitnesses | None = None
        self.path = None if given.target == "-" else Path(given.target or default_name(aim.name, datetime.now()))

    @property
    def is_file(self) -> bool:
        """Whether a topology and witnesses lie beside it: not beside a stream, a named pipe or a device."""
        return self.path is not None and not self._is_no_file(self.path)

    @property
    def shown(self) -> str:
        """What messages call it."""
        if self.path is None:
            return "standard output"
        return f"{self.path} (files of {self._given.file_size} MB)" if self._given.file_size else str(self.path)

    @property
    def paths(self) -> list[Path]:
        """The files that were written, the oldest first."""
        return list(self._files.paths) if self._files else []

    def check(self) -> None:
        """UsageError where no file can be made: said before anything is captured."""
        if self.path is None:
            return
        if self.path.suffix in (".pcap", ".cap", ".gz"):
            better = self.path.with_suffix(".pcapng")
            raise UsageError(f"-w {self.path}: points have names in pcapng only; call it {better}")
        folder = self.path.parent
        if self.path.is_dir() or not folder.is_dir():
            raise UsageError(f"-w {self.path}: {'this is a folder' if self.path.is_dir() else f'no folder {folder}'}")
        if not os.access(self.path if self.path.exists() else folder, os.W_OK):
            raise UsageError(f"{self.path}: no permission to write there; name another place with -w")

    def open(self, heading: bytes, live: LiveCapture, witnessed: Witnessing | None) -> Output:
        """Opens it for the points of `live`. UsageError where that fails."""
        points = len(live.taps)
        try:
            if self.path is None:
                return StreamOutput(sys.stdout.fileno(), heading, points)
            if self._is_no_file(self.path):
                return StreamOutput(os.open(self.path, os.O_WRONLY | os.O_CLOEXEC), heading, points)
            ring = None
            if self._given.file_size:
                ring = Ring(self._given.file_size * MEGABYTE, self._given.file_count or 0)
                self._of_ring = RingWitnesses(witnessed) if witnessed else None
            self._files = Files(
                self.path,
                heading,
                self._aim.topology,
                points,
                live.began_ns,
                ring=ring,
                may_exist=self._given.target is not None and ring is None,
                counts=lambda: [tap.counts for tap in live.taps],
                full=self._of_ring.full if self._of_ring else lambda path: None,
            )
            return self._files
        except OSError as error:
            raise UsageError(f"{error.filename or self.path}: cannot be written ({error.strerror})") from error

    def write_witnesses(self, witnesses: Witnesses) -> None:
        """Writes them beside the file, of a ring the last one."""
        if self._of_ring:
            self._of_ring.finish(self.paths[-1], witnesses)
        elif self.paths:
            with suppress(OSError):  # of a full disk, of which the capture itself has told
                write_beside(self.paths[-1], witnesses)

    def close(self) -> None:
        """Ends what still asks kernels for a file of a ring."""
        if self._of_ring:
            self._of_ring.close()

    def _is_no_file(self, path: Path) -> bool:
        """A named pipe or a device, which has no topology beside it."""
        return path.exists() and not stat.S_ISREG(path.stat().st_mode)


def default_name(captured: str, now: datetime) -> str:
    """`web-20261128-054512.pcapng`, in the current folder."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", captured).strip("-.")[:_MAX_NAME] or "capture"
    return f"{plain}-{now:%Y%m%d-%H%M%S}.pcapng"
