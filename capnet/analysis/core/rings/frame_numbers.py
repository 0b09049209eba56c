"""Frames of several files that were read as one: which file has frame number n, and which number it has there."""

from __future__ import annotations

from capnet.quick_tuple import NamedTuple


class FramePlace(NamedTuple):
    """A frame as Wireshark finds it."""

    file: str
    frame: int


class FrameNumbers(NamedTuple):
    """`files` in their order; `firsts`: the number that the first frame of each has among all."""

    files: list[str]
    firsts: list[int]

    def place(self, number: int) -> FramePlace:
        """Where frame `number` of all is."""
        from bisect import bisect_right

        index = bisect_right(self.firsts, number) - 1
        return FramePlace(self.files[index], number - self.firsts[index] + 1)

    def number(self, place: FramePlace) -> int:
        """The number among all; ValueError if the file is none of these."""
        return self.firsts[self.files.index(place.file)] + place.frame - 1
