"""Which interface of the host a packet passed that was captured at `any`: a point for each.

The header of LINKTYPE_LINUX_SLL2 has the interface's index. That of LINKTYPE_LINUX_SLL has the packet type alone
(received, received though for another host, sent: packet(7)): both directions of a connection at one interface would be
at two points, so such a capture stays one point.

Input: the records of a batch. Output: their point, numbered in the order of first sight.
Limits: after MAX_POINTS points, the rest of an interface is one more point.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, TypeAlias

import numpy as np

from capnet.quick_tuple import NamedTuple
from capnet.wire.formats import record
from capnet.wire.formats.reader import CaptureInterface, Records
from capnet.wire.numbers import LINKTYPE_LINUX_SLL2

MAX_POINTS = 1024  # in a capture; hosts have tens of interfaces, and a header may hold any 32 bits

_SLL2_HEADER = 20  # bytes
_SLL2_IFINDEX = 4  # offset in the header, four bytes, big-endian
KEY_BITS = 33  # of a code: an interface's index plus 1

PerRecord: TypeAlias = Annotated[np.ndarray, "(n,) int64"]
Bytes: TypeAlias = Annotated[np.ndarray, "(n,) uint8"]


class SplitPoint(NamedTuple):
    """A point of a capture: one of its interfaces, or what `any` there heard at one interface of the host."""

    interface: int  # of the capture
    ifindex: int | None = None


class AnyInterfaces:
    """The points of a capture so far, and which records are of which."""

    def __init__(self) -> None:
        self.points: list[SplitPoint] = []
        self._codes: PerRecord = np.zeros(0, dtype=np.int64)  # see `_codes`, sorted; of each, its point's number:
        self._numbers: PerRecord = np.zeros(0, dtype=np.int64)

    def assign(self, records: Records, buffer: bytearray, linktypes: list[int]) -> int:
        """Replace the interface of each record by its point; how many points there are.

        `linktypes`: of the capture's interfaces.
        """
        plain = [number for number, linktype in enumerate(linktypes) if linktype != LINKTYPE_LINUX_SLL2]
        self._add([number << KEY_BITS for number in plain])
        codes = _codes(records, np.frombuffer(buffer, dtype=np.uint8))
        is_new = ~np.isin(codes, self._codes)
        if is_new.any():
            room = max(MAX_POINTS - len(self.points), 0)
            self._add(list(dict.fromkeys(codes[is_new].tolist()))[:room])
            is_new = ~np.isin(codes, self._codes)
            codes[is_new] &= -1 << KEY_BITS
            self._add(sorted(set(codes[is_new].tolist())))  # numpy's `unique` imports masked arrays first (20 ms)
        records[:, record.POINT] = self._numbers[np.searchsorted(self._codes, codes)]
        return len(self.points)

    def expand(self, interfaces: list[CaptureInterface]) -> list[CaptureInterface]:
        """The points, as interfaces; those of a capture's interfaces without packets come last.

        Statistics are of the interface as a whole: each point of it has the drops, and none has the other numbers.
        """
        silent = [n for n in range(len(interfaces)) if all(point.interface != n for point in self.points)]
        points = [*self.points, *map(SplitPoint, silent)]
        return [replace(interfaces[point.interface], ifindex=point.ifindex) for point in points]

    def _add(self, codes: list[int]) -> None:
        """Number the points of codes that have none, in this order."""
        number_of = dict(zip(self._codes.tolist(), self._numbers.tolist(), strict=True))
        for code in codes:
            if code not in number_of:
                number_of[code] = len(self.points)
                self.points.append(_split_point(code))
        if len(number_of) > len(self._codes):
            self._codes, self._numbers = np.array(sorted(number_of.items()), dtype=np.int64).T.copy()


def _codes(records: Records, octets: Bytes) -> PerRecord:
    """For each record: its interface, and in the lower bits the index that its header has, plus 1, or 0."""
    codes = records[:, record.POINT] << KEY_BITS
    at, caplen, linktype = (records[:, column] for column in (record.AT, record.CAPLEN, record.LINKTYPE))
    rows = np.flatnonzero((linktype == LINKTYPE_LINUX_SLL2) & (caplen >= _SLL2_HEADER))
    index = np.zeros(len(rows), dtype=np.int64)
    for offset in range(_SLL2_IFINDEX, _SLL2_IFINDEX + 4):
        index = index << 8 | octets[at[rows] + offset]
    codes[rows] += index + 1
    return codes


def _split_point(code: int) -> SplitPoint:
    interface, key = code >> KEY_BITS, code & (1 << KEY_BITS) - 1
    return SplitPoint(interface, key - 1 if key else None)
