"""A capture cut anywhere is read without an exception, and the cut is reported.

Every row that is read from the part equals the row of the whole file.
"""

from __future__ import annotations

import io
import os
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capnet.errors import UnreadableInput
from capnet.wire.capture import CaptureProblem, open_capture
from capnet.wire.fields import FRAME
from capnet.wire.formats import pcapng_walk
from capnet.wire.formats import record as rec
from tests.conftest import GOLDENS, MADE

# Compiled, a golden is read in a millisecond. Every byte still takes minutes, so that is optional.
EVERY_BYTE = os.environ.get("CAPNET_EVERY_BYTE") == "1"
STEP = 1 if EVERY_BYTE else 199  # a prime: all phases of the blocks' alignment are met


def read(data: bytes, compiled: bool) -> tuple[np.ndarray | None, list[CaptureProblem]]:
    """Rows (None if it is no capture) and problems of a capture in memory."""
    try:
        with open_capture(io.BytesIO(data), name="cut", compiled=compiled) as capture:
            blocks = [block.rows.copy() for block in capture.blocks()]
            return (np.concatenate(blocks) if blocks else np.zeros((0, 0))), capture.problems
    except UnreadableInput:
        return None, []


@cache
def whole(path: Path) -> tuple[bytes, np.ndarray, list[CaptureProblem]]:
    data = path.read_bytes()
    rows, problems = read(data, compiled=False)
    assert rows is not None
    return data, rows, problems


@cache
def records(path: Path) -> list[tuple[int, int]]:
    """(offset behind it, packets up to there) of the header and each record or block, found without capnet."""
    data = path.read_bytes()
    if data[:4] != b"\n\r\r\n":
        order = "<" if data[0] in (0xD4, 0x4D, 0x34) else ">"
        extra = 8 if data[:4] == b"\x34\xcd\xb2\xa1" else 0  # Kuznetzov's longer record header
        old = struct.unpack_from(order + "H", data, 6)[0] < 4  # then the lengths may be the other way round
        ends = [(24, 0)]
        while ends[-1][0] + 16 <= len(data):
            at, count = ends[-1]
            lengths = struct.unpack_from(order + "II", data, at + 8)
            ends.append((at + 16 + extra + (min(lengths) if old else lengths[0]), count + 1))
        return ends
    ends, order = [(0, 0)], "<"
    while ends[-1][0] + 12 <= len(data):
        at, count = ends[-1]
        if data[at : at + 4] == b"\n\r\r\n":
            order = "<" if data[at + 8] == 0x4D else ">"
        kind, size = struct.unpack_from(order + "II", data, at)
        ends.append((at + size, count + (kind in (2, 3, 6))))
    return ends


def check_cut(path: Path, length: int, compiled: bool) -> None:
    data, rows, problems = whole(path)
    part, reported = read(data[:length], compiled)
    first_end = records(path)[0 if data[:4] != b"\n\r\r\n" else 1][0]
    if part is None:
        assert length < first_end  # a capture begins with a whole header
        return
    assert len(part) <= len(rows)
    if len(part):
        np.testing.assert_array_equal(part, rows[: len(part)])
    for problem in reported:
        assert 0 <= problem.offset <= length
    if problems:
        return  # a file that is damaged uncut: reading must only not raise
    end, packets = max(record for record in records(path) if record[0] <= length)
    assert len(part) == np.count_nonzero(rows[:, FRAME] <= packets) if len(rows) else True
    if length == end:
        assert reported == []
    else:
        assert [(problem.name, problem.offset) for problem in reported] == [("truncated-file", end)]


SMALL = [path for path in MADE if path.stat().st_size < 1000 and path.stat().st_size > 24]


@pytest.mark.by_turns
@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_made_capture_cut_at_every_byte_is_its_beginning(path: Path) -> None:
    """Whatever the length: the rows are the first rows of the whole file, and one problem names the cut."""
    try:
        data, _, _ = whole(path)
    except AssertionError:
        pytest.fail(f"{path.name} cannot be read at all")
    for length in range(len(data) + 1):
        check_cut(path, length, compiled=False)


@pytest.mark.kernels
@pytest.mark.by_turns
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.name)
def test_golden_cut_anywhere_is_its_beginning(path: Path) -> None:
    """As above for real captures, at every 199th byte and at each byte near both ends."""
    data, _, _ = whole(path)
    places = {*range(0, len(data) + 1, STEP), *range(min(600, len(data))), *range(len(data) - 300, len(data) + 1)}
    for length in sorted(places):
        check_cut(path, length, compiled=True)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.name)
def test_walk_packet_without_last_byte_finds_none(path: Path) -> None:
    """Every byte of every packet block, given to the walker alone: a cut block has no packet, a whole one has one."""
    data = bytearray(path.read_bytes())
    with open_capture(path, compiled=False) as capture:
        for _ in capture.records():
            pass
        table, interfaces = memoryview(capture.interface_table), len(capture.interfaces)
    index = memoryview(np.zeros(2 * rec.WIDTH, dtype=np.int64))
    out = memoryview(np.zeros(5, dtype=np.int64))
    walk, passing = pcapng_walk.walk.interpreted, pcapng_walk.PASS_OTHERS
    ends, packets = zip(*records(path), strict=True)
    cuts = 0
    for begin, end, more in zip(ends, ends[1:], np.diff(packets), strict=False):
        if not more:
            continue
        for cut in range(begin, end):
            walk(data, begin, cut, 0, table, 0, interfaces, passing, 0, index, 2, out)
            assert (out[0], out[1], out[2]) == (0, begin, rec.MORE), cut
        walk(data, begin, end, 0, table, 0, interfaces, passing, 0, index, 2, out)
        assert (out[0], out[1], out[2]) == (1, end, rec.MORE), end
        cuts += end - begin
    assert cuts > len(data) // 2  # the other blocks are cut by the tests below and above


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.name)
def test_golden_cut_inside_block_reports_truncated_file(path: Path) -> None:
    """The first half of the file and one byte more."""
    data, rows, _ = whole(path)
    part, problems = read(data[: len(data) // 2 + 1], compiled=False)
    assert part is not None and 0 < len(part) < len(rows)
    # Blocks are multiples of 4 long, so an odd length is always inside one.
    assert [problem.name for problem in problems] == ["truncated-file"]
    assert problems[0].offset < len(data) // 2 + 1


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_made_capture_altered_bytes_never_raises(data: st.DataObject) -> None:
    """Up to six bytes of a small capture have other values."""
    path = data.draw(st.sampled_from(SMALL))
    altered = bytearray(whole(path)[0])
    for _ in range(data.draw(st.integers(1, 6))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(altered), compiled=False)


@pytest.mark.kernels
@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_golden_altered_bytes_never_raises_compiled(data: st.DataObject) -> None:
    """As above for real captures, with compiled kernels."""
    path = data.draw(st.sampled_from(GOLDENS))
    altered = bytearray(whole(path)[0])
    for _ in range(data.draw(st.integers(1, 6))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(altered), compiled=True)
