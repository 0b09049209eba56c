"""Capture files become one in time order, in bounded memory; expected is a sort of what was written into them."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from capnet.record.bundle import merge
from capnet.record.bundle.merge import Merge
from capnet.wire.formats import pcapng_writer as pcapng

START = 1_700_000_000_000_000_000
PCAP_HEAD = bytes.fromhex("4d3cb2a1020004000000000000000000") + struct.pack("<II", 262144, 1)


def pcap(path: Path, packets: list[tuple[int, bytes]]) -> Path:
    """A file as tcpdump writes it, nanoseconds; times in ns after START."""
    records = (
        struct.pack("<IIII", *divmod(START + time, 10**9), len(frame), len(frame) + 4) + frame
        for time, frame in packets
    )
    path.write_bytes(PCAP_HEAD + b"".join(records))
    return path


def pcapng_file(path: Path, packets: list[tuple[int, bytes]]) -> Path:
    """A file as dumpcap writes it."""
    blocks = (pcapng.packet(0, START + time, frame, wire_length=len(frame) + 4) for time, frame in packets)
    path.write_bytes(pcapng.section() + pcapng.interface("eth0") + b"".join(blocks))
    return path


def merged(paths: list[Path]) -> bytes:
    with Merge(paths) as files:
        return b"".join(map(bytes, files.pieces()))


def sorted_blocks(files: list[list[tuple[int, bytes]]]) -> bytes:
    """A stable sort of everything at once."""
    packets = [(time, number, frame) for number, packets in enumerate(files) for time, frame in packets]
    packets.sort(key=lambda packet: packet[0])
    return b"".join(
        pcapng.packet(number, START + time, frame, wire_length=len(frame) + 4) for time, number, frame in packets
    )


@pytest.mark.parametrize("taps", [1, 2, 12])
@pytest.mark.parametrize("write", [pcap, pcapng_file], ids=["pcap", "pcapng"])
def test_merge_of_taps_is_a_stable_sort(tmp_path: Path, write: object, taps: int) -> None:
    """Ties within and between files, frames of all lengths, files of different speed, one empty, one with a header."""
    choose = random.Random(taps)
    files: list[list[tuple[int, bytes]]] = []
    for number in range(taps):
        times = sorted(choose.randrange(5000 * (number + 1)) for _ in range(choose.choice([0, 30, 3000])))
        files.append([(time, choose.randbytes(choose.randrange(14, 90))) for time in times])
    paths = [write(tmp_path / f"{number:02}", packets) for number, packets in enumerate(files)]  # type: ignore[operator]
    (tmp_path / "99").touch()
    assert merged([*paths, tmp_path / "99"]) == sorted_blocks(files)


@pytest.mark.kernels
def test_disorder_within_the_lookahead_is_sorted(tmp_path: Path) -> None:
    """Packets behind up to 1,000 later ones, at places that are no borders of batches, beside a file in order."""
    choose = random.Random(7)
    times = list(range(0, 60_000, 3))
    for at in range(0, len(times) - 1024, 1000):
        early = at + choose.randrange(1, 900)
        times.insert(at, times.pop(early)) if choose.random() < 0.5 else times.insert(early, times.pop(at))
    assert any(later < earlier for earlier, later in pairwise(times))
    files = [[(time, bytes(60)) for time in times], [(time, bytes(61)) for time in range(0, 60_000, 7)]]
    paths = [pcap(tmp_path / f"{number}", packets) for number, packets in enumerate(files)]
    assert merged(paths) == sorted_blocks(files)


@pytest.mark.kernels
def test_clock_set_back_loses_nothing(tmp_path: Path) -> None:
    """Beyond the lookahead the order of the file stays."""
    times = [*range(50_000, 90_000), *range(1000, 40_000)]
    path = pcap(tmp_path / "0", [(time, bytes(20)) for time in times])
    with Merge([path]) as files:
        size = sum(len(piece) for piece in files.pieces())
        assert files.written(0) == len(times)
        assert files.newest_ns == START + 89_999
    assert size == len(times) * 52


def test_record_that_is_cut_ends_its_file_only(tmp_path: Path) -> None:
    """A program that was killed, or found the disk full, leaves half a record."""
    files = [[(time, bytes(40)) for time in range(number, 900, 2)] for number in range(2)]
    paths = [pcap(tmp_path / f"{number}", packets) for number, packets in enumerate(files)]
    paths[0].write_bytes(paths[0].read_bytes()[:-7])
    assert merged(paths) == sorted_blocks([files[0][:-1], files[1]])


@pytest.mark.parametrize("size", [0, 5, 23, 24])
def test_file_with_half_a_header_is_empty(tmp_path: Path, size: int) -> None:
    """A program that was killed, or found the disk full, as it began."""
    packets = [(time, bytes(30)) for time in range(9)]
    cut = pcap(tmp_path / "0", [])
    cut.write_bytes(cut.read_bytes()[:size])
    assert merged([cut, pcap(tmp_path / "1", packets)]) == sorted_blocks([[], packets])


@pytest.mark.kernels
def test_compiled_and_interpreted_write_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = random.Random(3)
    files = [[(time, choose.randbytes(time % 71)) for time in range(number, 9000, 3)] for number in range(3)]
    paths = [pcap(tmp_path / f"{number}", packets) for number, packets in enumerate(files)]
    monkeypatch.setattr(merge, "worth_compiling", lambda sizes: True)
    assert merged(paths) == sorted_blocks(files)


def test_memory_of_twelve_taps_is_bounded(tmp_path: Path) -> None:
    """A process of its own writes a bundle of 12 taps; five times the packets take no more memory than once."""
    # Started by an interpreter with nothing loaded: a process's peak begins with that of the one that started it.
    start = [sys.executable, "-I", "-S", "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"]
    peaks = []
    for packets in (20_000, 100_000):
        done = subprocess.run(
            [*start, sys.executable, "-m", "tests.record.merge_many", str(tmp_path), "12", str(packets)],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout.split()[1]))
    assert peaks[1] < 300
    assert peaks[1] < peaks[0] + 30
