"""What a capture program has written so far becomes the blocks of the merged file."""

from __future__ import annotations

import os

import pytest

from capnet.record.live import tap_reader
from capnet.record.live.tap_reader import TapReader
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer
from tests.record.live import growing

PACKETS = [(1_700_000_000_000_000_001 + 1000 * i, bytes([i]) * (i + 1)) for i in range(9)]
FORMS = {
    "pcap": growing.pcap(PACKETS),
    "big-endian": growing.pcap(PACKETS, ">"),
    "pcapng": growing.pcapng(PACKETS),
}


def expected(interface: int) -> list[tuple[int, bytes]]:
    return [(time, pcapng_writer.packet(interface, time, frame, wire_length=len(frame) + 1)) for time, frame in PACKETS]


@pytest.mark.parametrize("step", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_growing_file_is_read_as_it_grows(tmp_path, form, step):
    path = tmp_path / "00.capture"
    path.touch()
    reader = TapReader(path, 3)
    blocks = []
    for at in range(0, len(FORMS[form]), step):
        growing.append(path, FORMS[form][at : at + step])
        while reader.unread():
            blocks += reader.read(5)
    assert blocks == expected(3)
    assert (reader.packets, reader.wire_bytes) == (9, sum(len(frame) + 1 for _, frame in PACKETS))
    assert (reader.oldest_ns, reader.newest_ns) == (PACKETS[0][0], PACKETS[-1][0])
    reader.close()


def test_microseconds_become_nanoseconds(tmp_path):
    path = tmp_path / "00.capture"
    path.write_bytes(growing.pcap([(1_700_000_000_000_005_000, b"x")], magic=0xA1B2C3D4))
    assert TapReader(path, 0).read(1000)[0][0] == 1_700_000_000_000_005_000


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_linktype_is_known_from_the_header_on(tmp_path, form):
    path = tmp_path / "00.capture"
    path.touch()
    reader = TapReader(path, 0)
    assert reader.peek_linktype() is None
    data = growing.pcap([], linktype=276) if form == "pcap" else growing.pcapng([], linktype=276)
    growing.append(path, data)
    assert reader.peek_linktype() == 276
    assert reader.read(1000) == []  # nothing was skipped
    assert reader.linktype == 276


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_damage_ends_the_reading_and_says_where(tmp_path, form):
    path = tmp_path / "00.capture"
    whole = FORMS[form]
    end = len(whole) - (len(pcapng_writer.statistics(0, 0)) if form == "pcapng" else 0)
    path.write_bytes(whole[:end] + b"\xff" * 100)
    reader = TapReader(path, 3)
    assert reader.read(1 << 20) == expected(3)
    assert reader.problem == f"what the capture program wrote at offset {end} is no packet"
    assert reader.unread() == 0


def test_what_was_read_is_given_back_to_the_disk(tmp_path):
    """A capture of days needs no second copy on disk, where the file system can free parts of a file."""
    path = tmp_path / "00.capture"
    packets = [(10**18 + i, os.urandom(60000)) for i in range(80)]
    path.write_bytes(growing.pcap(packets))
    before = path.stat().st_blocks
    reader = TapReader(path, 0)
    frames = []
    while reader.unread():
        frames += [block[28 : 28 + 60000] for _, block in reader.read(1 << 18)]
    assert frames == [frame for _, frame in packets]
    after = path.stat().st_blocks
    assert after < before / 2 or after == before  # equal where the file system cannot do it


def test_blocks_are_what_the_reader_of_captures_reads(tmp_path):
    path, merged = tmp_path / "00.capture", tmp_path / "merged.pcapng"
    path.write_bytes(FORMS["pcap"])
    blocks = [block for _, block in TapReader(path, 0).read(1 << 20)]
    merged.write_bytes(pcapng_writer.section() + pcapng_writer.interface("A/eth0") + b"".join(blocks))
    with open_capture(merged) as capture:
        assert [(each.time, bytes(each.data)) for each in capture.records()] == PACKETS
        assert capture.problems == []


@pytest.mark.parametrize("form", FORMS)
def test_skipped_packets_are_counted_and_the_next_is_whole(tmp_path, form):
    """The end of what is skipped lies somewhere in a packet, which is skipped as well."""
    path = tmp_path / "00.capture"
    path.write_bytes(FORMS[form])
    whole = len(FORMS[form])
    for size in range(1, whole):
        reader = TapReader(path, 3)
        reader.skip(size)
        blocks = []
        while reader.unread():
            blocks += reader.read(50)
        assert reader.left_out + len(blocks) == len(PACKETS)
        assert blocks == expected(3)[reader.left_out :]
        reader.close()


def test_skipping_takes_little_more_than_was_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(tap_reader, "SKIP_SIZE", 16)
    path = tmp_path / "00.capture"
    path.write_bytes(FORMS["pcap"])
    reader = TapReader(path, 3)
    reader.skip(60)
    assert 0 < reader.left_out < len(PACKETS)
    assert len(FORMS["pcap"]) - reader.unread() in range(60, 77)
