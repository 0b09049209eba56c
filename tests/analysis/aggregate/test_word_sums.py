"""Sums of the words of segments are those of RFC 1071, however the segments lie in a block."""

from __future__ import annotations

import random

import numpy as np
import pytest

from capnet.analysis.aggregate.payload import segments as module
from capnet.analysis.aggregate.payload.segments import SegmentHeaders, word_sums
from capnet.wire.block import Block


def checksum_sum(octets: bytes) -> int:
    """The words added up one by one, an odd last octet as the high half of a word (RFC 1071 section 1)."""
    padded = octets + bytes(len(octets) % 2)
    return sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2)) % 0xFFFF


def sums(raw: bytes, places: list[tuple[int, int]]) -> list[int]:
    """Sums of the segments at these places: offset and length."""
    at, length = np.array(places, dtype=np.int64).reshape(-1, 2).T
    no_rows = np.zeros(0, dtype=np.int64)
    block = Block(no_rows, None, 0, memoryview(raw), no_rows, 0, *[False] * 6)
    flags = np.zeros(len(at), dtype=bool)
    found = word_sums(block, SegmentHeaders(np.arange(len(at)), at, length, flags, flags))
    return [int(value) % 0xFFFF for value in found]


@pytest.mark.parametrize("min_sparse", [0, 1 << 40], ids=["copied", "in place"])
def test_sums_are_those_of_the_words(min_sparse: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of even and odd length, at even and odd offsets, in any order."""
    monkeypatch.setattr(module, "MIN_SPARSE", min_sparse)
    chance = random.Random(7)
    for _ in range(50):
        raw = chance.randbytes(4000)
        places = [(200 * number + chance.randrange(9), chance.randrange(8, 180)) for number in range(19)]
        chance.shuffle(places)
        assert sums(raw, places) == [checksum_sum(raw[at : at + length]) for at, length in places]


@pytest.mark.parametrize("min_sparse", [0, 1 << 40], ids=["copied", "in place"])
def test_sum_of_a_segment_larger_than_ip_allows(min_sparse: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What segmentation offload hands over may be 512 KiB: its sum needs more than 32 bits."""
    monkeypatch.setattr(module, "MIN_SPARSE", min_sparse)
    raw = b"\xff\xfe" * (1 << 18) + bytes(64)
    assert sums(raw, [(0, 1 << 19), (1 << 19, 8)]) == [checksum_sum(raw[: 1 << 19]), 0]


def test_no_segments_have_no_sums() -> None:
    assert sums(bytes(10), []) == []
