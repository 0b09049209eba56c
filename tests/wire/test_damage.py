"""A damaged pcap: what is before the damage is read; what is behind it only where records certainly begin again."""

from __future__ import annotations

import io
import struct

import pytest

from capnet.wire.capture import Capture, open_capture
from tests.made.build import pcap
from tests.made.make_files import FRAMES

BEGIN, RECORD = 24, 16
FIRST, SECOND = len(bytes(FRAMES[0])), len(bytes(FRAMES[1]))
DAMAGED_AT = BEGIN + RECORD + FIRST + RECORD + SECOND  # the header of the third frame


def read(data: bytes, compiled: bool = False) -> tuple[Capture, list[int]]:
    """The capture, and the wire length of each of its frames."""
    with open_capture(io.BytesIO(data), name="damaged", compiled=compiled) as capture:
        lengths = [int(value) for block in capture.blocks() for value in block["wirelen"][block["depth"] == 0]]
    return capture, lengths


def damaged(frames: int, order: str = "<", at: int = DAMAGED_AT) -> bytearray:
    """Frames in turn, the captured length of the third one overwritten."""
    data = bytearray(pcap([FRAMES[index % 3] for index in range(frames)], order=order))
    struct.pack_into(order + "I", data, at + 8, 0x7FFFFFFF)
    return data


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("frames", [6, 300])
def test_reading_goes_on_behind_one_damaged_header(order: str, compiled: bool, frames: int) -> None:
    whole = [len(bytes(FRAMES[index % 3])) for index in range(frames)]
    capture, lengths = read(bytes(damaged(frames, order)), compiled)
    assert lengths == whole[:2] + whole[3:]
    (problem,) = capture.problems
    assert (problem.name, problem.offset) == ("damaged-file", DAMAGED_AT)
    # The frame is hidden behind its header: the next record begins behind both.
    following = DAMAGED_AT + RECORD + whole[2]
    assert f"{RECORD + whole[2]} bytes further on, at offset {following}, " in problem.says
    assert f"{min(frames - 3, 64)} records in a row" in problem.says and "from number 3 on" in problem.says


def test_each_damage_is_told() -> None:
    data = damaged(400)
    size = sum(RECORD + len(bytes(frame)) for frame in FRAMES)
    struct.pack_into("<I", data, DAMAGED_AT + 80 * size + 8, 0x7FFFFFFF)
    capture, lengths = read(bytes(data))
    assert [problem.offset for problem in capture.problems] == [DAMAGED_AT, DAMAGED_AT + 80 * size]
    assert len(lengths) == 398


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: DAMAGED_AT + 200],  # too few records behind it
        lambda data: data[:-1],  # ... and the last one is cut, so that they end nowhere
        lambda data: data[: DAMAGED_AT + RECORD] + bytes(3000),
        lambda data: data[: DAMAGED_AT + RECORD] + b"\xff" * 3000,
    ],
)
def test_where_it_is_not_certain_reading_ends(spoil) -> None:
    capture, lengths = read(bytes(spoil(damaged(6))))
    assert lengths == [FIRST, SECOND]
    (problem,) = capture.problems
    assert (problem.name, problem.offset) == ("damaged-file", DAMAGED_AT)
    assert problem.says.endswith("nothing behind it was read")


def test_a_capture_inside_a_frame_is_no_place_to_go_on() -> None:
    """Behind the damage there is one frame that holds a short capture of another day: those records are not ours."""
    other = bytearray(pcap(FRAMES * 30))
    at = BEGIN
    while at < len(other):
        seconds, _, caplen, _ = struct.unpack_from("<IIII", other, at)
        struct.pack_into("<I", other, at, seconds - 10 * 86_400)
        at += RECORD + caplen
    data = bytearray(pcap(FRAMES[:2]))
    assert len(data) == DAMAGED_AT
    data += struct.pack("<IIII", 1_700_000_002, 0, 0x7FFFFFFF, len(other)) + other
    capture, lengths = read(bytes(data))
    assert lengths == [FIRST, SECOND] and len(capture.problems) == 1


def test_the_first_record_damaged_leaves_nothing_to_go_by() -> None:
    capture, lengths = read(bytes(damaged(300, at=BEGIN)))
    assert lengths == [] and [problem.offset for problem in capture.problems] == [BEGIN]
