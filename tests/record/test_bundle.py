"""The files of several capture programs become one: in time order, each packet at its point.

Names only where they mean one thing.
"""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapNgReader

from capnet.record.bundle import bundle
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.capture_program import PROGRAMS
from capnet.topology import Container, Endpoint, Host, Interface, Topology
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer as pcapng

START = 1_700_000_000_000_000_000


def frame(number: int) -> bytes:
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5) / number.to_bytes(50, "big"))


def capture(folder: Path, name: str, *packets: tuple[int, int]) -> Any:
    """A capture that has ended, with (time in ns after START, number of the frame)."""
    path = folder / name.replace("/", "_")
    path.write_bytes(
        pcapng.section()
        + pcapng.interface("eth0")
        + b"".join(pcapng.packet(0, START + time, frame(number)) for time, number in packets)
    )
    point = CapturePoint(name, "container", "A", "eth0", f"{name} in words", Shell("self"), "/proc/self/ns/net")
    return CaptureProcess(point, PROGRAMS[0], path, path, None, START - 1, START + 99, len(packets), dropped=2)  # type: ignore[arg-type]


def test_bundle_of_several_points_is_in_time_order(tmp_path: Path) -> None:
    captures = [
        capture(tmp_path, "A/one/eth0", (1, 10), (5, 11), (5, 12), (9, 13)),
        capture(tmp_path, "A/two/eth0", (3, 20), (2, 21), (5, 22)),  # a ring buffer may hand packets over out of order
        capture(tmp_path, "A/silent/eth0"),
    ]
    path = bundle.write(tmp_path / "made" / "all.pcapng", captures, Topology(scenario="made"))
    with RawPcapNgReader(str(path)) as reader:
        read = [(meta.ifname.decode(), (meta.tshigh << 32) + meta.tslow - START, data) for data, meta in reader]
    assert read == [
        ("A/one/eth0", 1, frame(10)),
        ("A/two/eth0", 2, frame(21)),
        ("A/two/eth0", 3, frame(20)),
        ("A/one/eth0", 5, frame(11)),
        ("A/one/eth0", 5, frame(12)),
        ("A/two/eth0", 5, frame(22)),
        ("A/one/eth0", 9, frame(13)),
    ]
    assert b"A/silent/eth0" in path.read_bytes()
    with open_capture(path, compiled=False) as written:
        list(written.blocks())
    spans = [(one.started, one.ended, one.received, one.delivered, one.dropped) for one in written.interfaces]
    assert spans == [(START - 1, START + 99, packets, packets, 2) for packets in (4, 3, 0)]
    assert Topology.load(tmp_path / "made" / "all.topology.json").scenario == "made"


def a_host(name: str, address: str, mac: str) -> Host:
    docker0 = Interface("docker0", 3, f"02:42:00:00:00:{mac}", ["172.17.0.1/16"], kind="bridge")
    ens33 = Interface("ens33", 2, f"02:00:00:00:00:{mac}", [f"{address}/24"], kind="veth")
    veth = Interface("veth1", 5, f"06:00:00:00:00:{mac}", ["fe80::1/64"], kind="veth", master="docker0")
    return Host(name, "20.10", "6.1", [Interface("lo", 1, "00:00:00:00:00:00", ["127.0.0.1/8"]), ens33, docker0, veth])


def a_container(host: str, name: str, address: str, mac: str) -> Container:
    return Container(host, name, "0" * 64, "busybox", "bridge", [Endpoint("bridge", "eth0", mac, [address])])


def test_ambiguous_address_has_no_name() -> None:
    topology = Topology(
        hosts=[a_host("A", "192.168.111.128", "0a"), a_host("B", "192.168.111.129", "0b")],
        containers=[
            a_container("A", "web", "172.17.0.2/16", "02:42:ac:11:00:02"),
            a_container("A", "left", "172.17.0.3/16", "02:42:ac:11:00:03"),
            a_container("B", "right", "172.17.0.3/16", "02:42:ac:11:00:03"),
        ],
    )
    names = dict(bundle.address_names(topology))
    assert names["172.17.0.2"] == "web"
    assert names["192.168.111.129"] == "B"
    assert names["172.17.0.1"] == "docker0"  # of either host
    assert "172.17.0.3" not in names
    assert "127.0.0.1" not in names
    macs = dict(bundle.mac_names(topology))
    assert macs["02:42:ac:11:00:02"] == "web"
    assert macs["02:42:00:00:00:0a"] == "A/docker0"
    assert "02:42:ac:11:00:03" not in macs
    assert "06:00:00:00:00:0a" not in macs


def test_bundle_without_room_leaves_the_old_one_whole(tmp_path: Path) -> None:
    """The kernel's limit on a file's size (RLIMIT_FSIZE) stands for a full disk: the topology fits, packets do not."""
    path = bundle.write(tmp_path / "x.pcapng", [capture(tmp_path, "A/one/eth0", (1, 10))], Topology(scenario="first"))
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    many = [capture(tmp_path, "A/one/eth0", *((time, time) for time in range(2000)))]
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            bundle.write(path, many, Topology(scenario="second"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    (tmp_path / "A_one_eth0").unlink()
    before.pop("A_one_eth0")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("place", ["file/x.pcapng", "folder.pcapng", "taken.pcapng", "/dev/null/x.pcapng"])
def test_unwritable_place_is_known_beforehand(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.pcapng").mkdir()
    (tmp_path / "taken.topology.json").mkdir()
    with pytest.raises(OSError):
        bundle.check_writable(tmp_path / place)


def test_check_of_writable_place_leaves_nothing(tmp_path: Path) -> None:
    there = tmp_path / "there.pcapng"
    there.write_text("as it was")
    for path in (tmp_path / "new" / "and newer" / "x.pcapng", tmp_path / "x.pcapng", there):
        bundle.check_writable(path)
    assert [each.name for each in tmp_path.iterdir()] == ["there.pcapng"]
    assert there.read_text() == "as it was"
