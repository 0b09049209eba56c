"""The Lua plugin: fields of annotated goldens, and comments that are not capnet's."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest

from tests.wireshark.tshark import ROOT, annotated, needs_tshark, tshark, why_no_lua

PLUGIN = ROOT / "capnet" / "wireshark" / "capnet.lua"


def fields(home, capture, *names, options=()):
    """A list of texts for each frame, in the order of `names`."""
    words = [word for name in names for word in ("-e", name)]
    lines = tshark(home, *options, "-X", f"lua_script:{PLUGIN}", "-r", capture, "-T", "fields", *words)
    return [line.split("\t") for line in lines]


@pytest.fixture
def home(tmp_path):
    if reason := why_no_lua():
        pytest.skip(reason)
    return tmp_path


pytestmark = needs_tshark


@pytest.mark.parametrize("golden", ["bridge", "overlay", "macvlan-vlan", "overlay-service"])
def test_fields_say_what_the_comment_says(golden, home):
    names = ("capnet.id", "frame.packet_id", "capnet.point", "frame.interface_name", "frame.comment", "capnet.since")
    rows = fields(home, annotated(golden, home), *names, "capnet.previous", "capnet.change", "capnet.delay")
    commented = 0
    for own_id, packet_id, point, interface, comment, since, previous, change, _ in rows:
        assert own_id == packet_id
        assert point == (interface if packet_id else "")
        assert bool(comment) == bool(change)
        if comment:
            commented += 1
            assert comment.endswith(f" since {since} #{previous}")
            assert rows[int(previous) - 1][0] == own_id
    assert commented > 20


def test_delay_is_the_difference_of_frame_times(home):
    rows = fields(home, annotated("bridge", home), "frame.time_epoch", "capnet.previous", "capnet.delay")
    delays = [
        (Decimal(delay), Decimal(time) - Decimal(rows[int(previous) - 1][0]))
        for time, previous, delay in rows
        if previous
    ]
    assert len(delays) == 34
    assert all(delay == difference for delay, difference in delays)


def test_rewritten_addresses_and_tunnels_have_fields(home):
    names = ("capnet.change", "capnet.before", "capnet.after", "capnet.tunnel", "capnet.tunnel_id")
    assert fields(home, annotated("bridge", home), *names)[91] == [
        "routed,SNAT", "TTL 64,172.17.0.3 id 14", "TTL 63,192.168.111.128 id 14", "", ""
    ]  # fmt: skip
    assert fields(home, annotated("overlay", home), *names)[3] == ["encapsulated", "", "", "VXLAN", "4097"]


def test_frames_counts_the_frames_of_an_id(home):
    """-R makes tshark read the ids in its first pass, as Wireshark does when it loads a file."""
    options = ("-2", "-R", "frame.packet_id || frame")
    rows = fields(home, annotated("bridge", home), "capnet.id", "capnet.frames", options=options)
    ids = [own_id for own_id, _ in rows if own_id]
    assert all(int(frames) == ids.count(own_id) for own_id, frames in rows if own_id)


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def capture_with(comments: list[list[bytes]], packet_id: int | None = 7) -> bytes:
    """A pcapng with one frame for each list of comments."""
    parts = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), block(1, struct.pack("<HHI", 1, 0, 0))]
    frame = bytes(12) + b"\x88\xb5" + bytes(46)
    for number, texts in enumerate(comments):
        options = b"".join(option(1, text) for text in texts)
        if packet_id is not None:
            options += option(5, struct.pack("<Q", packet_id))
        head = struct.pack("<IIIII", 0, 0, number, len(frame), len(frame))
        parts.append(block(6, head + frame + options + option(0, b"")))
    return b"".join(parts)


GENUINE = "DNAT 1.2.3.4:80 → 5.6.7.8:80, routed, TTL 64 → 63 since A/ens33 #1".encode()
HOSTILE = [
    b"routed since A/ens33 #99999999999999999999",
    b"routed since A/ens33 #0",
    b"routed since A/ens33 #9",  # a later frame
    b"routed, since since since #1",
    b"\x1b[31mrouted since A #1",
    b"routed since \x1b[31mA\x00B #1",
    b"exploded since A #1",
    b"DNAT %s%s%n%n since A #1",
    b"encapsulated in " + b"9" * 400 + b" since A #1",
    b" since " * 70 + b"#1",
    b", " * 250 + b" since A #1",
    b"routed" + b", routed" * 8000 + b" since A #1",
    b"\xff\xfe\xe2\x86 since A #1",
    b"%d" * 100,
    b"{}" * 100 + b" since } #1",
    b"",
]


@pytest.mark.by_turns
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_comment_gives_no_change(text, home):
    """The frame is shown, nothing is claimed of it, and the genuine comments around it are read."""
    capture = home / "hostile.pcapng"
    capture.write_bytes(capture_with([[], [text], [GENUINE]]))
    rows = fields(home, capture, "frame.number", "capnet.change", "capnet.since", "capnet.delay", "_ws.lua.error")
    assert rows == [["1", "", "", "", ""], ["2", "", "", "", ""], ["3", "DNAT,routed", "A/ens33", "0.000002000", ""]]


def test_genuine_comment_among_others_is_read(home):
    capture = home / "several.pcapng"
    capture.write_bytes(capture_with([[], [b"seen by a person", GENUINE, GENUINE]]))
    assert fields(home, capture, "capnet.change")[1] == ["DNAT,routed"]


def test_comment_without_packet_id_is_not_read(home):
    capture = home / "without.pcapng"
    capture.write_bytes(capture_with([[], [GENUINE]], packet_id=None))
    assert fields(home, capture, "capnet.id", "capnet.change") == [["", ""], ["", ""]]


def test_frames_is_not_shown_before_all_are_read(home):
    assert {frames for (frames,) in fields(home, annotated("bridge", home), "capnet.frames")} == {""}
