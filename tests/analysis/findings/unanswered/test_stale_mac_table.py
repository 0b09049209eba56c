"""stale-mac-table: packets go on to the host that a machine has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named, of_story
from tests.stories import ACK, PSH, SYN, Network, arp, tcp, udp
from tests.story_reports import read

CLIENT, VM = "192.168.111.5", "192.168.111.50"
CLIENT_MAC, VM_MAC = "02:00:c0:a8:6f:05", "52:54:00:12:34:56"
POINTS = ["client/ens33", "A/ens33", "A/vnet0", "B/ens33", "B/vnet0"]
SECOND = 1e6  # µs
NAME = "stale-mac-table"


def way(net: Network, host: str, *, back: bool = False) -> list[str]:
    points = [point for point in ("client/ens33", f"{host}/ens33", f"{host}/vnet0") if point in net.points]
    return points[::-1] if back else points


def connects(net: Network, host: str, port: int) -> None:
    """The client asks the machine at a host, and is answered."""
    there = {"smac": CLIENT_MAC, "dmac": VM_MAC}
    back = {"smac": VM_MAC, "dmac": CLIENT_MAC}
    ends, answer = f"{CLIENT}:{port} > {VM}:80", f"{VM}:80 > {CLIENT}:{port}"
    for forwards, packet in (
        (True, tcp(ends, flags=SYN, seq=100, ident=port, **there)),
        (False, tcp(answer, flags=SYN | ACK, seq=900, ack=101, ident=port + 1, **back)),
        (True, tcp(ends, b"GET /", flags=PSH | ACK, seq=101, ack=901, ident=port + 2, **there)),
        (False, tcp(answer, b"a page", flags=PSH | ACK, seq=901, ack=106, ident=port + 3, **back)),
    ):
        net.pass_by(*((point, packet) for point in way(net, host, back=not forwards)))


def asks_in_vain(net: Network, port: int, *points: str) -> None:
    for again in range(3):
        syn = tcp(f"{CLIENT}:{port} > {VM}:80", flags=SYN, seq=100, ident=port + again, smac=CLIENT_MAC, dmac=VM_MAC)
        net.pass_by(*((point, syn) for point in points if point in net.points), gap=SECOND)


def announces(net: Network, host: str, frame: bytes | None = None) -> None:
    """The machine, or its hypervisor, speaks at a host for the first time: all points but the old inner one hear it."""
    request = arp(3, VM_MAC, "0.0.0.0", "0.0.0.0")
    frame = frame or request[:12] + b"\x80\x35" + request[14:]
    other = "A" if host == "B" else "B"
    order = [f"{host}/vnet0", f"{host}/ens33", "client/ens33", f"{other}/ens33"]
    for number, point in enumerate(point for point in order if point in net.points):
        net.at(net.now + 10 * number, point, frame)
    net.now += SECOND


def migrated(*points: str, frame: bytes | None = None) -> Network:
    """The machine is at A, answers, and moves to B."""
    net = Network(list(points or POINTS))
    connects(net, "A", 40000)
    net.now += SECOND
    announces(net, "B", frame)
    macs = {"smac": VM_MAC, "dmac": "02:00:c0:a8:6f:09"}  # the machine speaks to another station, in two protocols
    for packet in (
        tcp(f"{VM}:33000 > 192.168.111.9:443", flags=SYN, ident=1, **macs),
        udp(f"{VM}:33001 > 192.168.111.9:514", b"log", ident=2, **macs),
    ):
        net.pass_by(*((point, packet) for point in ("B/vnet0", "B/ens33") if point in net.points))
    return net


@pytest.mark.parametrize("frame", [None, arp(1, VM_MAC, VM, VM)], ids=["rarp", "gratuitous arp"])
def test_packets_to_the_host_before_is_told(tmp_path: Path, frame: bytes | None) -> None:
    net = migrated(frame=frame)
    asks_in_vain(net, 50000, "client/ens33", "A/ens33")
    report = read(net, tmp_path)
    (finding,) = named(report, NAME)
    facts = finding["facts"]
    assert (facts["mac"], facts["old"], facts["new"], facts["packets"]) == (VM_MAC, "A/ens33", "B/vnet0", 3)
    assert finding["level"] == "error" and facts["announced_by_rarp"] == (frame is None)
    assert named(report, "stops-between") == named(report, "connection-unanswered") == []


def test_packets_to_the_host_after_is_silent(tmp_path: Path) -> None:
    """The switch has learned the port of B, and the server there does not answer."""
    net = migrated()
    asks_in_vain(net, 50000, "client/ens33", "B/ens33", "B/vnet0")
    assert of_story(net, tmp_path, NAME) == []


def test_packets_flooded_to_both_hosts_is_silent(tmp_path: Path) -> None:
    net = migrated()
    asks_in_vain(net, 50000, "client/ens33", "A/ens33", "B/ens33", "B/vnet0")
    assert of_story(net, tmp_path, NAME) == []


def test_answered_packets_to_the_host_before_is_silent(tmp_path: Path) -> None:
    """The station spoke at B, and is back at A."""
    net = migrated()
    net.now += SECOND
    connects(net, "A", 50000)
    assert of_story(net, tmp_path, NAME) == []


def test_two_stations_with_one_mac_is_silent(tmp_path: Path) -> None:
    net = migrated()
    connects(net, "A", 50000)
    asks_in_vain(net, 50010, "client/ens33", "A/ens33")
    assert of_story(net, tmp_path, NAME) == []


def test_new_host_that_was_not_captured_is_silent(tmp_path: Path) -> None:
    net = migrated(*POINTS[:3])
    asks_in_vain(net, 50000, "client/ens33", "A/ens33")
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize("points", [["A/ens33"], ["A/ens33", "A/vnet0"], ["client/ens33", "A/vnet0"]])
def test_interface_that_a_machine_left_is_not_its_own(tmp_path: Path, points: list[str]) -> None:
    """Where the new host was not captured, the old one is neither called the machine's own, nor due."""
    net = migrated(*points)
    asks_in_vain(net, 50000, "client/ens33", "A/ens33")
    told: Findings = read(net, tmp_path)["findings"]
    assert [finding["name"] for finding in told if finding["level"] != "info"] == ["connection-unanswered"]
    assert "own interface" not in told[0]["says"]
