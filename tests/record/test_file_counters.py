"""A capture file is counted while it grows: by record headers, each reading from where the one before ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.record.taps import file_counters
from capnet.record.taps.file_counters import FileCounters, FileTotals
from capnet.wire.formats import pcapng_writer as pcapng

FRAMES = [bytes(14 + number) for number in range(200)]


def pcapng_parts() -> list[bytes]:
    head = pcapng.section() + pcapng.interface("eth0")
    return [head, *(pcapng.packet(0, 10**18 + number, frame) for number, frame in enumerate(FRAMES))]


def pcap_parts() -> list[bytes]:
    head = bytes.fromhex("4d3cb2a1020004000000000000000000") + (262144).to_bytes(4, "little") + b"\1\0\0\0"
    numbers = ((1_700_000_000, 5, len(frame), len(frame)) for frame in FRAMES)
    heads = (b"".join(number.to_bytes(4, "little") for number in four) for four in numbers)
    return [head, *(record + frame for record, frame in zip(heads, FRAMES, strict=True))]


@pytest.mark.parametrize("parts", [pcap_parts(), pcapng_parts()], ids=["pcap", "pcapng"])
def test_growing_file_counts_whole_records(tmp_path: Path, parts: list[bytes]) -> None:
    """Written in pieces of 37 bytes, which end anywhere: in the file's header, a record's header, a frame."""
    path = tmp_path / "00.capture"
    path.touch()
    ends = [sum(map(len, parts[: count + 1])) for count in range(len(parts))]
    whole = b"".join(parts)
    counters = FileCounters(path)
    for end in [*range(0, len(whole), 37), len(whole)]:
        with path.open("r+b") as file:
            file.write(whole[:end])
        packets = max(sum(record_end <= end for record_end in ends) - 1, 0)
        assert counters.totals() == FileTotals(packets, sum(map(len, FRAMES[:packets])))
    assert counters.totals().packets == len(FRAMES)
    counters.close()


@pytest.mark.kernels
def test_many_packets_are_counted_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a record the interpreter hands over to the machine code."""
    monkeypatch.setattr(file_counters, "MAX_INTERPRETED", 50)
    whole = b"".join(pcap_parts())
    path = tmp_path / "00.capture"
    counters = FileCounters(path)
    for end in (10_000, len(whole) - 3, len(whole)):
        path.write_bytes(whole[:end])
        totals = counters.totals()
    assert totals == FileTotals(200, sum(map(len, FRAMES)))
    counters.close()


def test_missing_file_counts_nothing(tmp_path: Path) -> None:
    assert FileCounters(tmp_path / "none").totals() == FileTotals(0, 0)
