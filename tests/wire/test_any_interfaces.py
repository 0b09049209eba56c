"""A capture at `any` has a point for each interface of the host. Truth: the headers, and `ip -j addr` of the host."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from capnet import Topology, analyze, open_capture
from capnet.analysis.engine import study
from capnet.record.bundle.annotation.annotate import annotate
from capnet.record.bundle.annotation.other_blocks import SourceBlocks
from capnet.topology import Host, Interface
from capnet.wire.any_interfaces import MAX_POINTS

pytestmark = pytest.mark.kernels

FOLDER = Path(__file__).parent / "any"
ANY = FOLDER / "any.pcap"


def indices_in_headers(raw: bytes) -> list[int]:
    """The interface index in the LINUX_SLL2 header of each record of a little-endian pcap."""
    indices, at = [], 24
    while at < len(raw):
        (caplen,) = struct.unpack_from("<8xI", raw, at)
        indices.append(struct.unpack_from(">4xI", raw, at + 16)[0])
        at += 16 + caplen
    return indices


def topology_of_host() -> Topology:
    addresses = json.loads((FOLDER / "addresses.json").read_text())
    interfaces = [Interface(entry["ifname"], entry["ifindex"], None, []) for entry in addresses]
    return Topology(hosts=[Host("H", "", "", interfaces)])


@pytest.mark.parametrize("is_compiled", [False, True])
def test_rows_are_by_interface_of_the_host(is_compiled: bool) -> None:
    with open_capture(ANY, split_any=True, compiled=is_compiled) as capture:
        numbers = [number for block in capture.blocks() for number in block["point"][block["depth"] == 0].tolist()]
        ifindex_of = [interface.ifindex for interface in capture.interfaces]
        packets = [interface.packets for interface in capture.interfaces]
    indices = indices_in_headers(ANY.read_bytes())
    assert [ifindex_of[number] for number in numbers] == indices
    assert packets == [indices.count(index) for index in ifindex_of if index is not None]


def test_any_is_one_interface_unless_split() -> None:
    with open_capture(ANY) as capture:
        assert {int(number) for block in capture.blocks() for number in block["point"]} == {0}
        assert len(capture.interfaces) == 1


def test_hops_have_the_host_s_names() -> None:
    """Container to container over the bridge's ports, and out through br0, where nothing is translated yet."""
    report = analyze(ANY, topology_of_host(), threads=2)
    names = {entry["ifindex"]: entry["ifname"] for entry in json.loads((FOLDER / "addresses.json").read_text())}
    assert {(point.ifindex, point.name, point.interface) for point in report.points} == {
        (index, f"H/{names[index]}", 0) for index in indices_in_headers(ANY.read_bytes())
    }
    routes = {tuple(hop.point for hop in path.hops) for path in report.paths}
    assert {("H/veth2", "H/veth1"), ("H/veth2", "H/br0", "H/ens33"), ("H/ens33", "H/br0", "H/veth1")} <= routes
    assert {(nat.kind, nat.proto, nat.before.point, nat.after.point) for nat in report.nat} == {
        ("dnat", "tcp", "H/ens33", "H/br0"),
        ("snat", "tcp", "H/br0", "H/ens33"),
        ("snat", "icmp", "H/br0", "H/ens33"),
    }
    assert "duplicate-observation" not in {finding.name for finding in report.findings}


def test_without_names_points_have_the_index() -> None:
    indices = indices_in_headers(ANY.read_bytes())
    assert {point.name for point in analyze(ANY).points} == {f"if{n}" if n > 1 else "lo" for n in indices}


def test_first_interface_of_a_namespace_is_its_loopback() -> None:
    """loopback.pcap: `ip -o link` said 1: lo, 2: p7, 3: eth7. Nothing in it tells the names of the others."""
    report = analyze(FOLDER / "loopback.pcap")
    assert {(point.name, point.role) for point in report.points} == {
        ("loopback/lo", "loopback"), ("loopback/if2", "unknown"), ("loopback/if3", "unknown")
    }  # fmt: skip


def test_invented_indices_are_bounded(tmp_path: Path) -> None:
    """A header may hold any 32 bits; rows of those that are left out are at one point, and none is lost."""
    frame = struct.pack(">HHIHBB8s", 0x88B5, 0, 0, 1, 4, 6, bytes(8))
    path = tmp_path / "invented.pcap"
    count = 3 * MAX_POINTS
    records = [
        struct.pack("<IIII", 1_700_000_000, n, len(frame), len(frame)) + frame[:4] + struct.pack(">I", n) + frame[8:]
        for n in range(count)
    ]
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 276) + b"".join(records))
    with open_capture(path, split_any=True, compiled=False) as capture:
        assert sum(len(block) for block in capture.blocks()) == count
        interfaces = capture.interfaces
    assert len(interfaces) == MAX_POINTS + 1
    assert sum(interface.packets for interface in interfaces) == count


def test_annotated_any_stays_one_interface(tmp_path: Path) -> None:
    pcap, pcapng = tmp_path / "once.pcapng", tmp_path / "twice.pcapng"
    for source, target in ((ANY, pcap), (pcap, pcapng)):
        source_blocks = SourceBlocks()
        examined = study(source, on_block=source_blocks.see)
        with target.open("wb") as output:
            annotate(examined, source_blocks, output.write)
        with open_capture(target) as capture:
            assert sum(1 for _ in capture.records()) == len(indices_in_headers(ANY.read_bytes()))
            assert [interface.name for interface in capture.interfaces] == ["any"]
