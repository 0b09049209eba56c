"""A capture cut anywhere: never an exception, a value is right or absent, and the cut is reported.

The file behind the cut is unknown, what is before it is not: every row read from the part equals the row of the whole.
"""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capnet.errors import UnreadableInput
from capnet.wire.capture import Damage, open_capture
from tests.conftest import GOLDENS, MADE

# The compiled machine reads a golden in a millisecond: every byte of both takes minutes, so that is for the asking.
EVERY_BYTE = os.environ.get("CAPNET_EVERY_BYTE") == "1"
STEP = 1 if EVERY_BYTE else 61  # a prime: all phases of the blocks' alignment are met


def read(data: bytes, compiled: bool) -> tuple[np.ndarray | None, list[Damage]]:
    """Rows (None if it is no capture) and problems of a capture in memory."""
    try:
        with open_capture(io.BytesIO(data), name="cut", compiled=compiled) as capture:
            blocks = [block.rows.copy() for block in capture.blocks()]
            return (np.concatenate(blocks) if blocks else np.zeros((0, 0))), capture.problems
    except UnreadableInput:
        return None, []


@cache
def whole(path: Path) -> tuple[bytes, np.ndarray, list[Damage]]:
    data = path.read_bytes()
    rows, problems = read(data, compiled=False)
    assert rows is not None
    return data, rows, problems


def check_cut(path: Path, length: int, compiled: bool) -> None:
    data, rows, problems = whole(path)
    part, reported = read(data[:length], compiled)
    if part is None:
        # A capture begins with a whole header: 24 bytes of pcap, or a section header block.
        assert length < max(24, int.from_bytes(data[4:8], "little") if data[:4] == b"\n\r\r\n" else 24)
        return
    assert len(part) <= len(rows)
    if len(part):
        np.testing.assert_array_equal(part, rows[: len(part)])
    for problem in reported:
        assert 0 <= problem.offset <= length
    if not problems and not reported:
        # Nothing reported: the cut fell exactly between two blocks.
        again, _ = read(data[: length - 1], compiled)
        assert again is None or len(again) <= len(part)


SMALL = [path for path in MADE if path.stat().st_size < 1000 and path.stat().st_size > 24]


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_made_captures_cut_at_every_byte(path: Path) -> None:
    try:
        data, _, _ = whole(path)
    except AssertionError:
        pytest.fail(f"{path.name} cannot be read at all")
    for length in range(len(data) + 1):
        check_cut(path, length, compiled=False)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.name)
def test_goldens_cut_in_many_places(path: Path) -> None:
    data, _, _ = whole(path)
    places = {*range(0, len(data) + 1, STEP), *range(min(2000, len(data))), *range(len(data) - 500, len(data) + 1)}
    for length in sorted(places):
        check_cut(path, length, compiled=True)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.name)
def test_a_cut_inside_a_block_is_reported(path: Path) -> None:
    data, rows, _ = whole(path)
    part, problems = read(data[: len(data) // 2 + 1], compiled=False)
    assert part is not None and 0 < len(part) < len(rows)
    # Blocks are multiples of 4 long, so an odd length is always inside one.
    assert [problem.name for problem in problems] == ["truncated-file"]
    assert problems[0].offset < len(data) // 2 + 1


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_altered_bytes_never_raise(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(SMALL))
    altered = bytearray(whole(path)[0])
    for _ in range(data.draw(st.integers(1, 6))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(altered), compiled=False)
