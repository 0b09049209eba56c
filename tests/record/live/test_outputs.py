"""Files, rings of files and streams: what they hold at any moment can be read."""

from __future__ import annotations

import os
import resource
import stat
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from capnet.record.live.blocks import PointCounts
from capnet.record.live.outputs import stream as stream_module
from capnet.record.live.outputs.files import Files, Ring, ring_name
from capnet.record.live.outputs.stream import StreamOutput
from capnet.topology import Host, Topology, topology_path
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer

HEADING = pcapng_writer.section() + pcapng_writer.interface("A/eth0") + pcapng_writer.interface("A/veth1")
BEGAN = 1_700_000_000_000_000_000
COUNTS = [PointCounts(BEGAN, BEGAN + 10**9, 7, 2, 0), PointCounts(BEGAN, BEGAN + 10**9, 5, 0, 0)]


def packets(count: int, size: int = 100, first: int = 0) -> list[tuple[int, bytes]]:
    """Alternately of the two points."""
    return [
        (BEGAN + i, pcapng_writer.packet(i % 2, BEGAN + i, bytes([i % 256]) * size))
        for i in range(first, first + count)
    ]


def files(path: Path, **options: object) -> Files:
    return Files(path, HEADING, Topology(hosts=[Host("A", "28", "6")]), 2, BEGAN, **options)


def times(path: Path) -> list[int]:
    with open_capture(path) as capture:
        found = [record.time - BEGAN for record in capture.records()]
        assert capture.problems == []
    return found


def test_file_can_be_read_while_it_is_written(tmp_path):
    path = tmp_path / "web.pcapng"
    output = files(path)
    output.write(packets(3))
    assert times(path) == [0, 1, 2]
    assert Topology.load(topology_path(path)).hosts[0].name == "A"
    output.write(packets(2, first=3))
    output.finish(COUNTS, BEGAN)
    assert times(path) == [0, 1, 2, 3, 4]


def test_counters_are_at_the_end_of_the_file(tmp_path):
    output = files(tmp_path / "web.pcapng")
    output.write(packets(5))
    output.finish(COUNTS, BEGAN)
    with open_capture(tmp_path / "web.pcapng") as capture:
        list(capture.blocks())
        assert [(each.received, each.dropped, each.delivered) for each in capture.interfaces] == [(7, 2, 3), (5, 0, 2)]
        assert capture.interfaces[0].ended == BEGAN + 10**9


def test_topology_at_the_end_is_the_latest(tmp_path):
    output = files(tmp_path / "web.pcapng")
    output.topology.hosts[0].conntrack = ["ipv4 2 tcp 6"]
    output.finish(COUNTS, BEGAN)
    assert Topology.load(tmp_path / "web.topology.json").hosts[0].conntrack == ["ipv4 2 tcp 6"]


def test_new_files_are_for_their_owner_alone(tmp_path):
    files(tmp_path / "web.pcapng").finish(COUNTS, BEGAN)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 2


def test_default_name_follows_no_link(tmp_path):
    """The current folder may be /tmp, and capnet runs as root."""
    (tmp_path / "web.pcapng").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="File exists"):
        files(tmp_path / "web.pcapng", may_exist=False)
    assert not (tmp_path / "victim").exists()


def test_ring_names_are_dumpcaps(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    named = ring_name(Path("d/web.pcapng"), 1, 1_700_000_000_000_000_000)
    assert named == Path("d/web_00001_20231114221320.pcapng")
    assert ring_name(Path("web"), 12345678, 0).name == "web_12345678_19700101000000.pcapng"


def test_ring_keeps_the_newest_files_whole(tmp_path):
    output = files(tmp_path / "web.pcapng", ring=Ring(1000, 3))
    for first in range(0, 60, 20):
        output.write(packets(20, first=first))
    output.finish(COUNTS, BEGAN)
    captures = sorted(tmp_path.glob("*.pcapng"))
    assert captures == list(output.paths)
    assert len(captures) == 3
    assert all(path.stat().st_size < 1000 + 200 for path in captures)  # besides the counters
    held = [stamp for path in captures for stamp in times(path)]
    assert held == list(range(held[0], 60))
    assert sorted(tmp_path.glob("*.json")) == [topology_path(path) for path in captures]


def test_ring_without_count_keeps_all(tmp_path):
    output = files(tmp_path / "web.pcapng", ring=Ring(1000))
    output.write(packets(40))
    output.finish(COUNTS, BEGAN)
    assert [stamp for path in output.paths for stamp in times(path)] == list(range(40))


def test_ring_file_says_what_time_it_covers(tmp_path):
    """Its points listened from its first packet to the next file's first: a packet that others hold is not missing."""
    output = files(tmp_path / "web.pcapng", ring=Ring(1000))
    output.write(packets(40))
    output.finish(COUNTS, BEGAN)
    spans = []
    for path in output.paths:
        with open_capture(path) as capture:
            list(capture.blocks())
            spans.append((capture.interfaces[0].started, capture.interfaces[0].ended))
    assert spans[0][0] == BEGAN
    assert all(earlier[1] == later[0] for earlier, later in pairwise(spans))
    assert spans[-1][1] == BEGAN + 10**9


def test_ring_file_counts_only_its_own_packets(tmp_path):
    """The programs' counters are of the whole capture; of a file they would say that it lacks packets."""
    output = files(tmp_path / "web.pcapng", ring=Ring(1000))
    output.write(packets(40))
    output.finish(COUNTS, BEGAN)
    with open_capture(output.paths[-1]) as capture:
        list(capture.blocks())
        assert [each.received for each in capture.interfaces] == [None, None]


def test_witnesses_of_an_earlier_capture_go(tmp_path):
    (tmp_path / "web.witnesses.json").write_text("{}")
    files(tmp_path / "web.pcapng").finish(COUNTS, BEGAN)
    assert not (tmp_path / "web.witnesses.json").exists()


def test_packet_larger_than_the_ring_is_kept(tmp_path):
    output = files(tmp_path / "web.pcapng", ring=Ring(500))
    output.write(packets(3, size=2000))
    output.finish(COUNTS, BEGAN)
    assert [times(path) for path in output.paths] == [[0], [1], [2]]


def test_full_disk_leaves_whole_packets(tmp_path):
    path = tmp_path / "web.pcapng"
    output = files(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(HEADING) + 1000, limits[1]))
    try:
        output.write(packets(20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not output.is_open
    assert output.problem == f"{path} cannot be written any further (File too large)"
    assert times(path) == list(range(1000 // 132))
    output.finish(COUNTS, BEGAN)
    assert times(path) == list(range(1000 // 132))


def test_stream_is_in_the_pipe_at_once():
    reader, writer = os.pipe()
    stream = StreamOutput(writer, HEADING, 2)
    assert os.read(reader, 10000) == HEADING
    stream.write(packets(2))
    assert os.read(reader, 10000) == b"".join(block for _, block in packets(2))
    assert stream.is_open
    assert stream.has_room


def test_closed_pipe_ends_the_stream():
    reader, writer = os.pipe()
    stream = StreamOutput(writer, HEADING, 2)
    os.close(reader)
    assert not stream.is_open  # also when no packet comes
    stream.write(packets(2))
    stream.finish(COUNTS, BEGAN)
    assert stream.problem is None


def test_reader_that_stands_still_stops_nothing(monkeypatch):
    monkeypatch.setattr(stream_module, "PATIENCE_S", 0.2)
    _, writer = os.pipe()
    stream = StreamOutput(writer, HEADING, 2)
    stream.write(packets(100, size=60000))
    assert not stream.has_room
    stream.finish(COUNTS, BEGAN)
    assert stream.problem is not None
    assert stream.problem.startswith("the reader took nothing for 0 s; ")


def test_slow_reader_gets_everything(tmp_path):
    reader, writer = os.pipe()
    copy = tmp_path / "copy.pcapng"

    def read_slowly() -> None:
        with copy.open("wb") as file:
            while data := os.read(reader, 30000):
                file.write(data)

    thread = threading.Thread(target=read_slowly)
    stream = StreamOutput(writer, HEADING, 2)
    stream.write(packets(200, size=10000))
    thread.start()
    stream.finish(COUNTS, BEGAN)
    os.close(writer)
    thread.join()
    assert stream.problem is None
    assert times(copy) == list(range(200))


LATER = pcapng_writer.interface("A/eth9")


def test_interface_that_joins_is_in_all_further_files(tmp_path):
    """A ring of three files; the point joins in the first and ends in the second."""
    listened = [PointCounts(BEGAN), PointCounts(BEGAN)]
    output = files(tmp_path / "r.pcapng", ring=Ring(1000), counts=lambda: listened)
    output.write(packets(2))
    listened.append(PointCounts(BEGAN + 2))
    output.add_interface(LATER)
    output.write([(BEGAN + 2, pcapng_writer.packet(2, BEGAN + 2, bytes(100)))])
    output.write(packets(8, first=3))
    listened[2] = PointCounts(BEGAN + 2, BEGAN + 12)
    output.write(packets(8, first=11))
    output.finish(listened, BEGAN + 30)
    spans = []
    for path in output.paths:
        with open_capture(path) as capture:
            list(capture.blocks())
            assert capture.problems == []
            assert [each.name for each in capture.interfaces] == ["A/eth0", "A/veth1", "A/eth9"]
            spans.append((capture.interfaces[2].started - BEGAN, capture.interfaces[2].ended - BEGAN))
    assert spans[0][0] == 2
    assert all(began <= ended for began, ended in spans[:2])
    assert spans[-1][1] <= 12 < spans[-1][0]  # it had ended before the last file began


def test_stream_describes_what_joins(tmp_path):
    path = tmp_path / "s.pcapng"
    output = StreamOutput(os.open(path, os.O_WRONLY | os.O_CREAT), HEADING, 2)
    output.write(packets(2))
    output.add_interface(LATER)
    output.write([(BEGAN + 2, pcapng_writer.packet(2, BEGAN + 2, bytes(100)))])
    output.finish([*COUNTS, PointCounts(BEGAN + 2)], BEGAN + 3)
    with open_capture(path) as capture:
        assert [record.interface for record in capture.records()] == [0, 1, 2]
        assert capture.interfaces[2].delivered == 1
        assert capture.problems == []


@pytest.mark.parametrize("has_nowait", [True, False], ids=["nowait", "older kernel"])
def test_reader_that_keeps_up_is_waited_for(has_nowait):
    """Megabytes pass in one call: each time the reader has made room, the next part follows at once."""
    reader, writer = os.pipe()
    stream = StreamOutput(writer, HEADING, 2)
    stream.has_nowait = has_nowait
    received = []

    def read() -> None:
        while data := os.read(reader, 1 << 16):
            received.append(data)

    reading = threading.Thread(target=read)
    reading.start()
    sent = packets(100, size=60000)
    stream.write(sent)
    began = time.monotonic()
    while stream.is_behind:
        stream.flush(5)
    assert time.monotonic() - began < 5
    os.close(writer)
    reading.join()
    assert b"".join(received) == HEADING + b"".join(block for _, block in sent)


def test_reader_without_packets_for_long_is_not_stuck(monkeypatch):
    """It counts from when there is something to take."""
    monkeypatch.setattr(stream_module, "PATIENCE_S", 0.2)
    reader, writer = os.pipe()
    stream = StreamOutput(writer, HEADING, 2)
    assert os.read(reader, 10000) == HEADING
    time.sleep(0.3)  # patience is a length of time
    stream.write(packets(100, size=60000))
    assert stream.is_behind
    assert not stream.is_stuck
    time.sleep(0.3)
    assert stream.is_stuck
    assert os.read(reader, 1 << 20)
    stream.flush()
    assert not stream.is_stuck
