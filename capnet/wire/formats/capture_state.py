"""What reading a file finds besides frames: interfaces, what each has heard, and damage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capnet.wire.formats import record as rec
from capnet.wire.formats.byte_source import Source


@dataclass
class Damage:
    """What was wrong, at which offset of the (uncompressed) file."""

    name: str
    offset: int
    says: str


@dataclass
class Interface:
    """Where frames came from: the pcap file itself, or one interface description block."""

    linktype: int
    snaplen: int
    name: str | None = None
    description: str | None = None
    mac: str | None = None
    dropped: int | None = None
    packets: int = 0
    bytes: int = 0  # on the wire
    first: int | None = None  # ns
    last: int | None = None


class Found:
    """Fills while `source` is read.

    `numbered`: packets so far, and blocks that Wireshark numbers like packets. `tallies`: a row of TALLY_ numbers for
    each interface.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.problems: list[Damage] = []
        self.interfaces: list[Interface] = []
        self.tallies = np.zeros(0, dtype=np.int64)
        self.numbered = 0

    def listen(self, interface: Interface) -> None:
        """One more interface."""
        self.interfaces.append(interface)
        self.tallies = np.concatenate([self.tallies, np.array([0, 0, -1, -1], dtype=np.int64)])

    def heard(self) -> list[Interface]:
        """All interfaces so far, with what each has heard so far."""
        rows = self.tallies.reshape(-1, rec.TALLY_WIDTH).tolist()
        for interface, (packets, size, first, last) in zip(self.interfaces, rows, strict=True):
            interface.packets, interface.bytes = packets, size
            interface.first, interface.last = (None, None) if first < 0 else (first, last)
        return self.interfaces

    def damage(self, name: str, says: str) -> None:
        """Something is wrong where reading is."""
        self.problems.append(Damage(name, self._source.offset, says))

    def end(self) -> None:
        """Nothing more comes: say so where that is too early."""
        source = self._source
        left = source.end - source.pos
        if source.failure:
            self.damage("read-error", f"nothing behind this could be read: {source.failure}")
        elif source.error:
            self.damage("broken-compression", f"the compressed stream is damaged: {source.error}")
        elif left:
            self.damage("truncated-file", f"the file ends {left} bytes into a record")
        if source.is_replaced:
            says = "another file has the name of the one that was followed; that one was not read"
            self.damage("file-replaced", says)

    def cut_options(self, pos: int) -> None:
        """The options, names or frame in the block at `pos` lie about their length: said of the first such block."""
        if all(each.name != "damaged-options" for each in self.problems):
            says = (
                "an option, a name or a frame in this block is longer than what is left of the block. What there is of "
                "it was read, and so was all behind the block; Wireshark reads no further"
            )
            self.problems.append(Damage("damaged-options", self._source.offset + pos - self._source.pos, says))
