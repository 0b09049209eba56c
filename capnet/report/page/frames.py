"""Reads frames of captures again, for the evidence of a page: walks each file, decodes only what is wanted.

Reading stops behind the last wanted frame, and at MAX_READ_BYTES.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import file_digest
from pathlib import Path

import numpy as np

from capnet.errors import CapnetError
from capnet.quick_tuple import NamedTuple
from capnet.wire import fields
from capnet.wire.block import RecordBatch
from capnet.wire.capture import Capture, open_capture
from capnet.wire.formats import record

MAX_READ_BYTES = 2 << 30  # of a file: some seconds
MAX_FRAME_BYTES = 1 << 16  # kept of a frame


class EvidenceFrame(NamedTuple):
    """A frame: its rows, outermost first, and its captured bytes."""

    rows: list[dict[str, int]]
    raw: bytes


def read_frames(path: Path, wanted: Collection[int], vxlan_port: int = 0) -> dict[int, EvidenceFrame]:
    """The frames of a file by their numbers; those that cannot be read are left out."""
    frames: dict[int, EvidenceFrame] = {}
    numbers = np.array(sorted(wanted), dtype=np.int64)
    if not len(numbers):
        return frames
    try:
        with open_capture(path, vxlan_port=vxlan_port) as capture:
            batch = RecordBatch(capture.machine)
            while capture.read_batch(batch) and capture.taken <= MAX_READ_BYTES:
                table = batch.records[: batch.count * record.WIDTH].reshape(batch.count, record.WIDTH)
                last = int(table[-1, record.NUMBER])
                if np.isin(table[:, record.NUMBER], numbers).any():
                    _keep_wanted(capture, batch, numbers, frames)
                if last >= numbers[-1]:
                    break
    except (OSError, CapnetError):
        pass  # the report was made of what could be read; without its frames the page says less, and no wrong thing
    return frames


def _keep_wanted(capture: Capture, batch: RecordBatch, numbers: np.ndarray, frames: dict[int, EvidenceFrame]) -> None:
    """Decode a batch, and keep the wanted frames of it."""
    while (block := capture.decode(batch)) is not None:
        is_wanted = np.isin(block["frame"], numbers)
        for index in np.flatnonzero(is_wanted).tolist():
            row = dict(zip(fields.NAMES, map(int, block.rows[index]), strict=True))
            if row["depth"] == 0:
                at = int(block.record_at[index])
                raw = bytes(block.raw[at : at + min(row["caplen"], MAX_FRAME_BYTES)])
                frames[row["frame"]] = EvidenceFrame([row], raw)
            elif row["frame"] in frames:
                frames[row["frame"]].rows.append(row)


def sha256(path: Path) -> str | None:
    """The digest of a file as hex; None if it is larger than MAX_READ_BYTES or cannot be read."""
    try:
        if path.stat().st_size > MAX_READ_BYTES or not path.is_file():
            return None
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def digests(paths: Mapping[str, Path]) -> dict[str, str]:
    """Name of a file in the report → its SHA-256, of those that can be read."""
    computed = {name: sha256(path) for name, path in paths.items()}
    return {name: digest for name, digest in computed.items() if digest}
