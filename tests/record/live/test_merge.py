"""Packets of several points come out in one order of time, as soon as no older one can follow."""

from __future__ import annotations

import time
from pathlib import Path

from capnet.record.live import merge as merge_module
from capnet.record.live.merge import LiveMerge
from capnet.record.live.tap_reader import TapReader, interface_of
from tests.record.live import growing

OLD = 1_700_000_000_000_000_000  # ns, long ago


def readers(folder: Path, *files: bytes) -> list[TapReader]:
    made = []
    for number, data in enumerate(files):
        path = folder / f"{number:02}.capture"
        path.write_bytes(data)
        made.append(TapReader(path, number))
    return made


def stamps(packets: list[tuple[int, bytes]]) -> list[tuple[int, int]]:
    return [(stamp, interface_of(block)) for stamp, block in packets]


def test_packets_of_all_points_are_in_order(tmp_path):
    taps = readers(
        tmp_path,
        growing.pcap([(OLD + 1, b"a"), (OLD + 4, b"b")]),
        growing.pcapng([(OLD + 2, b"c"), (OLD + 3, b"d"), (OLD + 4, b"e")]),
    )
    merge = LiveMerge(taps, 0.4)
    merge.read(1)
    assert stamps(merge.take()) == [(OLD + 1, 0), (OLD + 2, 1), (OLD + 3, 1), (OLD + 4, 0), (OLD + 4, 1)]
    assert merge.is_read()
    assert merge.take_rest() == []


def test_new_packet_waits_for_slower_points(tmp_path):
    """A program hands over a packet some time after it passed: meanwhile another point may deliver an older one."""
    now = time.time_ns()
    taps = readers(tmp_path, growing.pcap([(OLD, b"a"), (now + 10**11, b"b")]), growing.pcap([]))
    merge = LiveMerge(taps, 0.4)
    merge.read(1)
    assert stamps(merge.take()) == [(OLD, 0)]
    growing.append(tmp_path / "01.capture", growing.pcap([(now, b"c")])[24:])
    merge.read(1)
    assert stamps(merge.take_rest()) == [(now, 1), (now + 10**11, 0)]


def test_file_not_read_to_its_end_holds_back_others(tmp_path, monkeypatch):
    monkeypatch.setattr(merge_module, "READ_SIZE", 24 + 17)  # the header and one packet
    taps = readers(
        tmp_path,
        growing.pcap([(OLD, b"a"), (OLD + 5, b"b")]),
        growing.pcap([(OLD + 1, b"c"), (OLD + 6, b"d")]),
    )
    merge = LiveMerge(taps, 0.4)
    merge.read(0)  # one step: the first file's first packet
    assert stamps(merge.take()) == []
    merge.read(0)
    assert stamps(merge.take()) == [(OLD, 0)]
    merge.read(1)
    assert stamps(merge.take()) == [(OLD + 1, 1), (OLD + 5, 0), (OLD + 6, 1)]


def test_packet_that_comes_late_is_passed_on(tmp_path):
    taps = readers(tmp_path, growing.pcap([(OLD + 9, b"a")]), growing.pcap([]))
    merge = LiveMerge(taps, 0.4)
    merge.read(1)
    assert stamps(merge.take()) == [(OLD + 9, 0)]
    growing.append(tmp_path / "01.capture", growing.pcap([(OLD + 1, b"late")])[24:])
    merge.read(1)
    assert stamps(merge.take()) == [(OLD + 1, 1)]


def test_clock_that_lags_delays_all(tmp_path):
    """Its packets of now have times of ten seconds ago."""
    recent = time.time_ns() - 5 * 10**9
    merge = LiveMerge(readers(tmp_path, growing.pcap([(recent, b"a")])), 0.4, clock_skew_ns=10**10)
    merge.read(1)
    assert merge.take() == []


def test_file_where_too_much_waits_is_passed_over_in_part(tmp_path):
    """Half of its share stays; a file within its share keeps everything, and without a bound both do."""
    much = growing.pcap([(OLD + i, bytes(1000)) for i in range(3000)])
    taps = readers(tmp_path, much, growing.pcap([(OLD, b"a")]))
    assert LiveMerge(taps, 0.4).bound() == []
    merge = LiveMerge(taps, 0.4, max_unread=2_000_000)
    assert merge.bound() == [taps[0]]
    assert taps[0].unread() <= 500_000
    assert taps[0].left_out > 2000
    assert merge.bound() == []
    merge.read(5)
    assert [number for _, number in stamps(merge.take_rest())].count(1) == 1
    assert taps[0].packets == 3000 - taps[0].left_out
    assert taps[1].left_out == 0
