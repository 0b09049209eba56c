"""Damaged captures: what is before the damage is read; in pcap, also what follows where records certainly begin."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from capnet.wire.capture import Capture, open_capture
from tests.made.build import block, interface, moment, packet, pcap, section
from tests.made.make_files import FRAMES

pytestmark = pytest.mark.kernels

BEGIN, RECORD = 24, 16
FIRST, SECOND = len(bytes(FRAMES[0])), len(bytes(FRAMES[1]))
DAMAGED_AT = BEGIN + RECORD + FIRST + RECORD + SECOND  # the header of the third frame


def read(data: bytes, compiled: bool = False) -> tuple[Capture, list[int]]:
    """The capture, and the wire length of each of its frames."""
    with open_capture(io.BytesIO(data), name="damaged", compiled=compiled) as capture:
        lengths = [int(value) for block in capture.blocks() for value in block["wirelen"][block["depth"] == 0]]
    return capture, lengths


def damaged(frames: int, order: str = "<", at: int = DAMAGED_AT) -> bytearray:
    """The three frames over and over, with a wrong captured length of the third record."""
    data = bytearray(pcap([FRAMES[index % 3] for index in range(frames)], order=order))
    struct.pack_into(order + "I", data, at + 8, 0x7FFFFFFF)
    return data


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("frames", [6, 300])
def test_pcap_damaged_header_reading_resumes(order: str, compiled: bool, frames: int) -> None:
    """One captured length is damaged: only its frame is lost, and the problem says where reading went on."""
    whole = [len(bytes(FRAMES[index % 3])) for index in range(frames)]
    capture, lengths = read(bytes(damaged(frames, order)), compiled)
    assert lengths == whole[:2] + whole[3:]
    (problem,) = capture.problems
    assert (problem.name, problem.offset) == ("damaged-file", DAMAGED_AT)
    # The frame is hidden behind its header: the next record begins behind both.
    following = DAMAGED_AT + RECORD + whole[2]
    assert f"{RECORD + whole[2]} bytes further on, at offset {following}, " in problem.says
    assert f"{min(frames - 3, 64)} records in a row" in problem.says and "from number 3 on" in problem.says


def test_pcap_two_damaged_headers_both_reported() -> None:
    """Two damaged headers far apart."""
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
def test_pcap_damage_without_certainty_ends_reading(spoil) -> None:
    """Too few records follow, or what follows is no record."""
    capture, lengths = read(bytes(spoil(damaged(6))))
    assert lengths == [FIRST, SECOND]
    (problem,) = capture.problems
    assert (problem.name, problem.offset) == ("damaged-file", DAMAGED_AT)
    assert problem.says.endswith("nothing behind it was read")


def test_pcap_damage_before_inner_capture_ends_reading() -> None:
    """Behind the damage, one frame holds a short capture of another day: its records are not records of this file."""
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


def test_pcap_first_record_damaged_ends_reading() -> None:
    """There is no time of a record before, with which those behind the damage could be compared."""
    capture, lengths = read(bytes(damaged(300, at=BEGIN)))
    assert lengths == [] and [problem.offset for problem in capture.problems] == [BEGIN]


LONG = struct.pack("<HHI", 2, 60_000, 0)  # an option that says it is longer than its block
HEAD, ONE = section() + interface("a"), packet(bytes(FRAMES[0]), moment(1))
LONGER = struct.pack("<I", len(ONE) + len(LONG))


@pytest.mark.by_turns
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("before", "block_", "behind"),
    [
        (b"", block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + LONG), interface("a") + ONE + ONE),
        (section(), block(1, struct.pack("<HHI", 1, 0, 0) + LONG), ONE + ONE),
        (HEAD + ONE, ONE[:4] + LONGER + ONE[8:-4] + LONG + LONGER, b""),
        (HEAD + ONE, block(5, bytes(12) + LONG), ONE),
        (HEAD + ONE, block(4, struct.pack("<HHI", 1, 60_000, 1)), ONE),
        (HEAD + ONE, block(4, bytes(4) + LONG), ONE),
        (HEAD + ONE, block(3, struct.pack("<I", 100) + bytes(20)), b""),
    ],
    ids=["section", "interface", "packet", "statistics", "names", "options of names", "simple packet"],
)  # fmt: skip
def test_pcapng_wrong_option_length_reported_once(
    before: bytes, block_: bytes, behind: bytes, compiled: bool, tmp_path: Path
) -> None:
    """Reading goes on behind the block. tshark calls each of these files damaged at that block."""
    data = before + block_ + behind
    if shutil.which("tshark"):
        (tmp_path / "it.pcapng").write_bytes(data)
        done = subprocess.run(["tshark", "-r", tmp_path / "it.pcapng"], capture_output=True, text=True, check=False)
        assert "damaged or corrupt" in done.stderr
        assert done.stdout.count("\n") == bool(before.endswith(ONE))
    capture, lengths = read(data + (block_ if before else b""), compiled)  # a second one is not told
    assert len(lengths) == 2 + (block_[0] in (3, 6))
    (problem,) = capture.problems
    assert (problem.name, problem.offset) == ("damaged-options", len(before))


def test_pcapng_options_without_end_are_whole() -> None:
    """As in tshark: opt_endofopt may be missing, and bytes behind it are ignored."""
    for option_list in (b"", bytes(4), struct.pack("<HHI", 2, 4, 7), bytes(4) + b"\xff" * 8):
        body = block(1, struct.pack("<HHI", 1, 0, 0) + option_list)
        capture, lengths = read(section() + body + ONE)
        assert (capture.problems, len(lengths)) == ([], 1)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("size", [262_144, 262_145])
def test_pcapng_frame_over_limit_is_damage(size: int, compiled: bool, tmp_path: Path) -> None:
    """262,144 bytes in any kind of block, as in Wireshark."""
    described = block(1, struct.pack("<HHI", 1, 0, 0))
    for long in (packet(bytes(size), moment(1), snaplen=size), block(3, struct.pack("<I", size) + bytes(size))):
        data = section() + described + long + ONE
        capture, lengths = read(data, compiled)
        allowed = size <= 262_144
        assert lengths == ([size, FIRST] if allowed else [])
        assert [problem.name for problem in capture.problems] == [] if allowed else ["damaged-file"]
        if shutil.which("tshark"):
            (tmp_path / "it.pcapng").write_bytes(data)
            command = ["tshark", "-r", tmp_path / "it.pcapng", "-T", "fields", "-e", "frame.len"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert [int(line) for line in done.stdout.split()] == lengths
