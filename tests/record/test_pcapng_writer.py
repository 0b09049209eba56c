"""What is written is what Wireshark and scapy read."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapNgReader

from capnet.wire.formats import pcapng_writer as pcapng

NOON = 1_700_000_000_123_456_789  # ns; 2023-11-14T22:13:20.123456789Z
FRAME = bytes(
    Ether(src="02:42:ac:11:00:02", dst="02:42:ac:11:00:03")
    / IP(src="172.17.0.2", dst="192.168.111.129")
    / ICMP(id=4242)
    / b"odd"  # padding is needed behind it
)

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs Wireshark's programs")


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """A section with every block and option there is a parameter for."""
    path = tmp_path / "everything.pcapng"
    path.write_bytes(
        pcapng.section(hardware="EPYC", os="Linux 6.18", userappl="capnet 1", comment="a section")
        + pcapng.interface("A/ens33", description="NIC of A", mac="02:00:c0:a8:6f:80", capture_filter="not port 2377")
        + pcapng.interface("A/überlay:vxlanA/vxlan0", os="Linux", snaplen=96)
        + pcapng.names(
            [("172.17.0.2", "web"), ("192.168.111.129", "B"), ("fe80::1", "router")],
            macs=[("02:42:ac:11:00:03", "bbox")],
        )
        + pcapng.packet(0, NOON, FRAME, direction=pcapng.OUTBOUND, packet_id=0x1122334455667788, comment="the first")
        + pcapng.packet(1, NOON + 1, FRAME[:40], wire_length=len(FRAME))
        + pcapng.packet(0, NOON + 2, memoryview(FRAME), direction=pcapng.INBOUND)
        + pcapng.statistics(
            0, NOON + 9, start_ns=NOON - 1, end_ns=NOON + 8, received=7, interface_dropped=3, delivered=4
        )
        + pcapng.statistics(1, NOON + 9, received=1, kernel_dropped=5)
    )
    return path


def run(*words: str | Path) -> str:
    """Output of a program that must not complain (it does about being root)."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if line and not line.startswith("Running as user")] == []
    return done.stdout


@needs_tshark
def test_written_packets_equal_tsharks_view(everything: Path) -> None:
    """Times, interfaces, lengths, comments, directions, ids and names."""
    fields = (
        "frame.time_epoch frame.interface_id frame.interface_name frame.interface_description frame.cap_len "
        "frame.len frame.comment frame.packet_flags_direction frame.packet_id ip.src_host eth.dst_resolved icmp.ident"
    ).split()
    out = run("tshark", "-N", "mn", "-r", everything, "-T", "fields", *(word for f in fields for word in ("-e", f)))
    rows = [dict(zip(fields, line.split("\t"), strict=True)) for line in out.splitlines()]
    assert [row["frame.time_epoch"] for row in rows] == [
        "1700000000.123456789",
        "1700000000.123456790",
        "1700000000.123456791",
    ]
    assert [row["frame.interface_id"] for row in rows] == ["0", "1", "0"]
    assert rows[0]["frame.interface_name"] == "A/ens33"
    assert rows[0]["frame.interface_description"] == "NIC of A"
    assert rows[1]["frame.interface_name"] == "A/überlay:vxlanA/vxlan0"
    assert [(row["frame.cap_len"], row["frame.len"]) for row in rows] == [("45", "45"), ("40", "45"), ("45", "45")]
    assert [row["frame.comment"] for row in rows] == ["the first", "", ""]
    assert [int(row["frame.packet_flags_direction"] or "0", 0) for row in rows] == [2, 0, 1]
    assert int(rows[0]["frame.packet_id"]) == 0x1122334455667788
    assert rows[0]["ip.src_host"] == "web"
    assert rows[0]["icmp.ident"] == "4242"


@needs_tshark
def test_written_blocks_equal_capinfos_view(everything: Path) -> None:
    """The section, the interfaces and their statistics."""
    out = run("capinfos", everything)
    for line in (
        "Capture hardware:    EPYC",
        "Capture oper-sys:    Linux 6.18",
        "Capture application: capnet 1",
        "Capture comment:     a section",
        "Number of packets:   3",
        "Number of interfaces in file: 2",
        "Filter string = not port 2377",
        "Time resolution = 0x09",
        "Capture length = 96",
        "Strict time order:   True",
    ):
        assert line in out
    assert out.count("Number of stat entries = 1") == 2


def scapy_blocks(path: Path) -> list[tuple[bytes, Any]]:
    with RawPcapNgReader(str(path)) as reader:
        return list(reader)


def test_written_packets_equal_scapys_view(everything: Path) -> None:
    """Frames, times, original lengths and interface names."""
    packets = scapy_blocks(everything)
    assert [data for data, _ in packets] == [FRAME, FRAME[:40], FRAME]
    assert [(meta.tshigh << 32) + meta.tslow for _, meta in packets] == [NOON, NOON + 1, NOON + 2]
    assert {meta.tsresol for _, meta in packets} == {1_000_000_000}
    assert [meta.wirelen for _, meta in packets] == [len(FRAME)] * 3
    assert [meta.ifname for _, meta in packets] == [
        b"A/ens33",
        "A/überlay:vxlanA/vxlan0".encode(),
        b"A/ens33",
    ]


def test_written_block_has_its_length_at_both_ends(everything: Path) -> None:
    """A multiple of 4, in the order in which blocks are written."""
    data = everything.read_bytes()
    kinds, at = [], 0
    while at < len(data):
        kind, length = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4))
        assert length % 4 == 0
        assert data[at + length - 4 : at + length] == data[at + 4 : at + 8]
        kinds.append(kind)
        at += length
    assert kinds == [0x0A0D0D0A, 1, 1, 4, 6, 6, 6, 5, 5]


def test_drop_counts_are_where_the_draft_has_them(everything: Path) -> None:
    """tshark prints no isb_* options, so code, length and value are compared here (draft, section 4.6)."""
    data = everything.read_bytes()

    def option(code: int, value: int) -> bytes:
        return code.to_bytes(2, "little") + (8).to_bytes(2, "little") + value.to_bytes(8, "little")

    assert option(4, 7) + option(5, 3) in data  # isb_ifrecv, isb_ifdrop
    assert option(4, 1) + option(7, 5) in data  # isb_osdrop
    assert option(5, 3) + option(8, 4) in data  # isb_usrdeliv


def test_listening_times_are_where_the_draft_has_them(everything: Path) -> None:
    """Two words each, the upper one first also in a little-endian file (draft, section 4.6)."""

    def option(code: int, time: int) -> bytes:
        return struct.pack("<HHII", code, 8, time >> 32, time & 0xFFFFFFFF)

    assert option(2, NOON - 1) + option(3, NOON + 8) in everything.read_bytes()  # isb_starttime, isb_endtime


@needs_tshark
def test_statistics_block_equals_tsharks_view(everything: Path) -> None:
    """tshark dissects the file itself: the block's own time and the counters."""
    shown = run("tshark", "-X", "read_format:MIME Files Format", "-V", "-r", everything)
    statistics = shown.partition("Block: Interface Statistics Block")[2].partition("Block: Interface Statistics Block")[
        0
    ]
    for line in (
        "[Timestamp: Nov 14, 2023 22:13:20.123456798 UTC]",
        "Number of Received Packets: 7",
        "Number of Dropped Packets: 3",
        "Number of Packets Delivered to the User = 4",
    ):
        assert line in statistics, statistics


@needs_tshark
def test_section_without_packets_is_a_capture(tmp_path: Path) -> None:
    """tshark reads it without a complaint."""
    path = tmp_path / "empty.pcapng"
    path.write_bytes(pcapng.section() + pcapng.interface("A/lo") + pcapng.names([]) + pcapng.statistics(0, NOON))
    assert json.loads(run("tshark", "-r", path, "-T", "json")) == []
