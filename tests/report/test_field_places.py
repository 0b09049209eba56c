"""Fields in the bytes of a frame: what stands there is what the row says, in every stored capture."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from capnet.report.page.field_places import places
from capnet.report.page.frames import read_frames
from capnet.wire.capture import open_capture

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = sorted([*(ROOT / "pcaps").glob("*.pcapng"), *(ROOT / "tests" / "made").glob("*.pcap*")])
NUMBERS = {".srcport": "sport", ".dstport": "dport", "ip.ttl": "ttl", "ipv6.hlim": "ttl", ".vni": "vni"}
NUMBERS |= {".seq_raw": "seq", ".ident": "icmp_id", "arp.opcode": "arp_op", "eth.src": "smac", "eth.dst": "dmac"}


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_places_hold_what_the_rows_say(path: Path) -> None:
    """Ports, TTL, MACs, ids: the big-endian number in the bytes is the value of the row. No two fields overlap."""
    with open_capture(path) as capture:
        numbers = [record.number for record in capture.records()][:400]
    for frame in read_frames(path, numbers).values():
        marked = places(frame.raw, frame.rows)
        assert all(before.end <= after.at for before, after in pairwise(marked))
        values = [str(row[column]) for row in frame.rows for column in NUMBERS.values()]
        for place in marked:
            if any(place.name.endswith(suffix) for suffix in NUMBERS):
                assert str(int.from_bytes(frame.raw[place.at : place.end])) in values


def test_places_of_a_tunnel_name_both_packets() -> None:
    path = ROOT / "pcaps" / "overlay.pcapng"
    with open_capture(path) as capture:
        numbers = [record.number for record in capture.records()]
    frames = read_frames(path, numbers)
    wrapped = next(frame for frame in frames.values() if len(frame.rows) > 1 and frame.rows[1]["sport"] > 0)
    names = [place.name for place in places(wrapped.raw, wrapped.rows)]
    assert names.count("eth.src") == names.count("ip.ttl") == 2
    assert "vxlan.vni" in names and "udp.dstport" in names


def test_read_frames_reads_only_what_is_wanted() -> None:
    frames = read_frames(ROOT / "pcaps" / "bridge.pcapng", {3, 128, 99_999})
    assert sorted(frames) == [3, 128]


def test_read_frames_of_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_frames(tmp_path / "gone.pcap", {1}) == {}
