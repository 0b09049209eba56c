"""Messages of IGMP and MLD, made by hand; tshark says the same of them.

tshark -T fields -e igmp.record_type -e igmp.maddr -e igmp.saddr -e icmpv6.mldr.mar.record_type …
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest

from capnet.wire.protocols.group_membership import RECORD_TYPES, GroupMessage, GroupRecord, group_message
from tests.stories import Network

GROUPS = ("239.1.2.3", "232.1.1.1")
SOURCES = ("10.0.0.1", "10.0.0.2")
MAC, TO_REPORTS = "02:00:00:00:00:01", {4: "01:00:5e:00:00:16", 6: "33:33:00:00:00:16"}


def record(kind: int, group: str, *sources: str, auxiliary: int = 0) -> bytes:
    packed = [ip_address(address).packed for address in (group, *sources)]
    return struct.pack(">BBH", kind, auxiliary, len(sources)) + b"".join(packed) + bytes(4 * auxiliary)


def report(kind: int, *records: bytes) -> bytes:
    return struct.pack(">BBHHH", kind, 0, 0, 0, len(records)) + b"".join(records)


IGMP_V3 = report(0x22, record(4, GROUPS[0]), record(5, GROUPS[1], *SOURCES, auxiliary=1), record(3, "239.9.9.9"))
MLD_V2 = report(143, record(4, "ff05::1:3"), record(1, "ff3e::5", "2001:db8::7"), record(6, "ff3e::6", "2001:db8::8"))


def frame(message: bytes, version: int) -> bytes:
    """In an Ethernet frame to all routers; checksums are 0."""
    if version == 4:
        head = struct.pack(">BBHHHBBH", 0x46, 0, 24 + len(message), 7, 0, 1, 2, 0)
        head += ip_address("10.0.1.2").packed + ip_address("224.0.0.22").packed + b"\x94\x04\0\0"  # router alert
    else:
        head = struct.pack(">IHBB", 6 << 28, 8 + len(message), 0, 1)
        head += ip_address("fe80::1").packed + ip_address("ff02::16").packed + b"\x3a\0\x05\x02\0\0\x01\0"
    link = bytes.fromhex((TO_REPORTS[version] + MAC).replace(":", "")) + (b"\x08\0" if version == 4 else b"\x86\xdd")
    return link + head + message


@pytest.mark.parametrize(
    ("message", "is_v6", "name", "joined"),
    [
        (IGMP_V3, False, "IGMPv3 report", list(GROUPS)),
        (MLD_V2, True, "MLDv2 report", ["ff05::1:3", "ff3e::5"]),
        (b"\x16\0\0\0\xef\1\2\3", False, "IGMPv2 report", ["239.1.2.3"]),
        (b"\x12\0\0\0\xef\1\2\3", False, "IGMPv1 report", ["239.1.2.3"]),
        (b"\x17\0\0\0\xef\1\2\3", False, "IGMP leave", []),
        (b"\x11\x64\0\0" + bytes(4), False, "IGMP query", []),
        (b"\x11\x64\0\0" + bytes(8), False, "IGMPv3 query", []),
        (b"\x83\0\0\0" + bytes(4) + ip_address("ff05::1:3").packed, True, "MLDv1 report", ["ff05::1:3"]),
        (b"\x84\0\0\0" + bytes(4) + ip_address("ff05::1:3").packed, True, "MLD done", []),
        (b"\x82\0\0\0" + bytes(4 + 16), True, "MLD query", []),
    ],
)
def test_message_says_who_joins_what(message: bytes, is_v6: bool, name: str, joined: list[str]) -> None:
    said = group_message(message, is_v6)
    assert said is not None and (said.name, said.joined) == (name, joined)


def test_records_are_those_that_tshark_sees() -> None:
    """Auxiliary data is passed over; each record has its own sources."""
    assert group_message(IGMP_V3, False) == GroupMessage(
        "IGMPv3 report",
        True,
        (GroupRecord(4, GROUPS[0], ()), GroupRecord(5, GROUPS[1], SOURCES), GroupRecord(3, "239.9.9.9", ())),
    )


@pytest.mark.parametrize("is_v6", [False, True])
def test_cut_message_keeps_its_whole_records(is_v6: bool) -> None:
    message = MLD_V2 if is_v6 else IGMP_V3
    whole = group_message(message, is_v6)
    assert whole is not None
    for size in range(len(message)):
        said = group_message(message[:size], is_v6)
        assert said is None if size < 8 else said and said.records == whole.records[: len(said.records)]
    assert group_message(b"\x99" * 40, is_v6) is None


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("version", [4, 6])
def test_tshark_sees_the_same_records(version: int, tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    message = IGMP_V3 if version == 4 else MLD_V2
    net.pass_by(("A/ens33", frame(message, version)))
    fields = ["igmp.record_type", "igmp.maddr", "igmp.saddr"]
    if version == 6:
        prefix = "icmpv6.mldr.mar"
        fields = [f"{prefix}.record_type", f"{prefix}.multicast_address", f"{prefix}.source_address"]
    options = [option for field in fields for option in ("-e", field)]
    asked = ["tshark", "-r", str(net.write(tmp_path)[0]), "-T", "fields", "-E", "separator=;", *options]
    printed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip().split(";")
    said = group_message(message, version == 6)
    assert said is not None
    assert [column.split(",") for column in printed] == [
        [str(each.kind) for each in said.records],
        [each.group for each in said.records],
        [source for each in said.records for source in each.sources],
    ]


def test_packet_shows_the_group_records(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from capnet.cli.packet import command

    net = Network(["A/ens33"])
    for version, message in ((4, IGMP_V3), (6, MLD_V2)):
        net.pass_by(("A/ens33", frame(message, version)))
    (path,) = net.write(tmp_path)
    shown = [CliRunner().invoke(command, [str(path), number, "--no-tshark"]).output for number in "12"]
    texts = [" ".join(text.split()) for text in shown]
    assert (
        f"IGMPv3 report: {GROUPS[0]} {RECORD_TYPES[4]}, {GROUPS[1]} {RECORD_TYPES[5]} {' '.join(SOURCES)}" in texts[0]
    )
    assert f"MLDv2 report: ff05::1:3 {RECORD_TYPES[4]}, ff3e::5 {RECORD_TYPES[1]} 2001:db8::7" in texts[1]
    assert "not decoded" not in texts[0]
