"""What the merged packets are written to: a file, a ring of files, or a stream that another program reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from capnet.record.live.blocks import PointCounts
from capnet.record.live.tap_reader import TimedBlock


class Output(Protocol):
    """Packets are written in order; nothing that was written is changed or taken back."""

    @property
    def is_open(self) -> bool:
        """Whether it takes packets; a reader that has gone, or a full disk, ends it."""

    @property
    def has_room(self) -> bool:
        """Whether `write` would be done at once."""

    @property
    def is_stuck(self) -> bool:
        """Whether its reader has taken nothing for so long that it is not waited for at the end."""

    @property
    def problem(self) -> str | None:
        """Why it ended early, if that is an error."""

    def add_interface(self, blocks: bytes) -> None:
        """Another point: its packets follow. `blocks` begin with its interface block."""

    def insert(self, blocks: bytes) -> None:
        """Writes blocks that are no packets."""

    def write(self, packets: Sequence[TimedBlock]) -> None:
        """Writes the packets."""

    @property
    def is_behind(self) -> bool:
        """Whether a part of what was written waits for the reader."""

    def flush(self, seconds: float = 0.0) -> None:
        """Hands on what waits for the reader, for so many seconds at most."""

    def finish(self, counts: Sequence[PointCounts], now_ns: int) -> None:
        """Writes the counters and closes it."""
