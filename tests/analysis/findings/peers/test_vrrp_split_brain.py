"""vrrp-split-brain: two masters at once. Truth of the recordings: `ip address show` of both hosts."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named, of_capture, of_story
from tests.conftest import PROJECT
from tests.stories import Network, Packet, ping
from tests.story_reports import A, B

NAME = "vrrp-split-brain"
RECORDED = "tests/analysis/findings/recorded"
GROUP, VIP = "224.0.0.18", "192.168.111.200"
MAC_A, MAC_B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def at_both_hosts(name: str) -> Findings:
    return named(analyze(sorted((PROJECT / RECORDED / name).glob("*.pcap"))).to_dict(), NAME)


def advertisement(
    source: str, priority: int, *, router: int = 51, version: int = 2, vip: str = VIP, interval: int = 1, word: str = ""
) -> Packet:
    """Version 2: RFC 3768, with the password that RFC 2338 had; version 3: RFC 9568."""
    timer = struct.pack(">BB", bool(word), interval) if version == 2 else struct.pack(">H", interval * 100)
    message = struct.pack(">BBBB", version << 4 | 1, router, priority, 1) + timer + bytes(2) + ip_address(vip).packed
    message += word.encode().ljust(8, b"\0") if version == 2 else b""
    mac = MAC_A if source == A else MAC_B
    return Packet("vrrp", source, GROUP, payload=message, ttl=255, smac=mac, dmac="01:00:5e:00:00:12")


def advertised(net: Network, *packets: Packet, times: int = 6, points: tuple[str, ...] = ("A/ens33",)) -> Network:
    """These advertisements every second; the n-th at the n-th of the points, the last of them for all further ones."""
    for _ in range(times):
        for number, packet in enumerate(packets):
            point = points[min(number, len(points) - 1)]
            net.pass_by((point, packet.but(ident=len(net.recorded) + 1)), gap=1000)
        net.now += 1e6
    return net


def test_firewall_that_drops_vrrp_is_told() -> None:
    (finding,) = at_both_hosts("vrrp-filtered")
    assert finding["level"] == "error"
    assert finding["says"].startswith(
        "10.70.1.1 and 10.70.1.2 are both master of virtual router 51 (10.70.1.100) for 1"
    )
    assert "come to right/eth0, the interface of 10.70.1.2, which should yield to priority 150" in finding["says"]
    assert "iptables -vnL INPUT" in finding["fix"]


@pytest.mark.parametrize("point", ["left__eth0", "right__eth0"])
def test_two_masters_at_one_point_is_told(point: str) -> None:
    (finding,) = of_capture(f"{RECORDED}/vrrp-filtered/{point}.pcap", NAME)
    assert finding["facts"]["masters"] == ["10.70.1.1", "10.70.1.2"] and "should yield" in finding["says"]


def test_multicast_that_is_not_carried_is_told() -> None:
    (finding,) = at_both_hosts("vrrp-separated")
    assert finding["says"].endswith("those of 10.70.1.1 do not come to right/eth0, the interface of 10.70.1.2")
    assert "multicast to 224.0.0.18" in finding["fix"]


def test_peer_of_one_group_alone_is_told() -> None:
    """A second group arrives, and has one master."""
    (finding,) = at_both_hosts("vrrp-two-groups")
    assert finding["facts"]["router"] == 51
    assert finding["says"].endswith("those of 10.70.1.1 do not come to right/eth0, the interface of 10.70.1.2")
    assert "10.70.1.1 sends to 10.70.1.254; compare the `unicast_peer`" in finding["fix"]


def test_intervals_that_differ_is_told() -> None:
    """keepalived puts off its own advertisements for each one that it discards."""
    (finding,) = of_capture(f"{RECORDED}/vrrp-intervals/right__eth0.pcap", NAME)
    assert "10.70.1.2 became master of virtual router 51 (10.70.1.100) beside 10.70.1.1" in finding["says"]
    assert "their intervals differ, 1 and 2 s" in finding["says"] and "advert_int" in finding["fix"]


@pytest.mark.parametrize(
    ("other", "words"),
    [({"version": 3}, "their versions differ, 2 and 3"), ({"word": "secret"}, "their passwords differ")],
)
def test_settings_that_differ_is_told(tmp_path: Path, other: dict[str, int | str], words: str) -> None:
    net = advertised(Network(["A/ens33"]), advertisement(A, 150, word="first"), advertisement(B, 100, **other))  # type: ignore[arg-type]
    (finding,) = of_story(net, tmp_path, NAME)
    assert words in finding["says"] and "secret" not in str(finding)


def test_two_masters_of_ipv6_is_told(tmp_path: Path) -> None:
    """At one point, of version 3."""
    message = struct.pack(">BBBBHH", 0x31, 7, 100, 1, 100, 0) + ip_address("fe80::1:64").packed
    both = [
        Packet("vrrp", source, "ff02::12", payload=message, ttl=255, smac=mac, dmac="33:33:00:00:00:12")
        for source, mac in (("fe80::a", MAC_A), ("fe80::b", MAC_B))
    ]
    (finding,) = of_story(advertised(Network(["A/ens33"]), *both), tmp_path, NAME)
    assert finding["facts"]["masters"] == ["fe80::b", "fe80::a"]  # of two equals the higher address is the master


def test_split_that_is_over_is_told_as_warning(tmp_path: Path) -> None:
    net = advertised(Network(["A/ens33"]), advertisement(A, 150), advertisement(B, 100))
    (finding,) = of_story(advertised(net, advertisement(A, 150)), tmp_path, NAME)
    assert finding["level"] == "warning" and ", until one of them gave way" in finding["says"]


def of_two_routers(second_comes: bytes | None = None) -> Network:
    """A tells its own point alone of router 51, and both points of router 52; `second_comes`: its octets at B's."""
    net = Network(["A/ens33", "B/ens33"])
    elsewhere, of_both = advertisement(A, 150), advertisement(A, 150, router=52, vip="192.168.111.201")
    at_b = of_both if second_comes is None else of_both.but(payload=second_comes)
    for _ in range(6):
        net.pass_by(("A/ens33", elsewhere.but(ident=len(net.recorded) + 1)), gap=1000)
        ident = len(net.recorded) + 1
        net.pass_by(("A/ens33", of_both.but(ident=ident)), ("B/ens33", at_b.but(ident=ident)), gap=1000)
        own = advertisement(B, 100).but(ident=ident + 1)
        net.pass_by(("B/ens33", own), ("A/ens33", own), gap=1000)
        net.now += 1e6
    net.pass_by(*((point, ping(f"{A} > {B}", echo=9, seq=1, smac=MAC_A, dmac=MAC_B)) for point in net.points))
    return net


def test_second_router_that_arrives_is_not_the_first_is_told(tmp_path: Path) -> None:
    """What one virtual router says does not arrive for the other that the same two hosts have."""
    (finding,) = of_story(of_two_routers(), tmp_path, NAME)
    assert finding["facts"]["router"] == 51
    assert finding["says"].endswith(f"those of {A} do not come to B/ens33, the interface of {B}")


def test_advertisements_that_cannot_be_read_are_not_missing(tmp_path: Path) -> None:
    """Of the same number of octets, a message that says nothing may be the one that is missed."""
    (finding,) = of_story(of_two_routers(bytes(20)), tmp_path, NAME)
    assert "do not come" not in finding["says"]


@pytest.mark.parametrize("point", ["left__eth0", "right__eth0"])
def test_handover_and_second_router_is_silent(point: str) -> None:
    """One master stops, the other takes over, and the first comes back; two numbers have a master each."""
    assert of_capture(f"{RECORDED}/vrrp-handover/{point}.pcap", NAME) == []
    assert at_both_hosts("vrrp-handover") == []


def to_peers(net: Network, packet: Packet, peers: int) -> None:
    """One advertisement to several hosts (`unicast_peer`), 20 µs apart."""
    for host in range(peers):
        net.pass_by(("A/ens33", packet.but(dst=f"192.168.111.{10 + host}", ident=len(net.recorded) + 1)), gap=20)


def test_two_masters_with_several_peers_is_told(tmp_path: Path) -> None:
    """An advertisement to each of them is one advertisement."""
    net = Network(["A/ens33"])
    for _ in range(6):
        to_peers(net, advertisement(A, 150), 3)
        to_peers(net, advertisement(B, 100), 3)
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["advertisements"] == [5, 5]


def test_handover_between_many_peers_is_silent(tmp_path: Path) -> None:
    """A comes back, and B sends once more before it hears of that."""
    net = advertised(Network(["A/ens33"]), advertisement(B, 100), times=3)
    for packet in (advertisement(B, 100), advertisement(A, 150)) * 2:
        to_peers(net, packet, 8)
    assert of_story(net, tmp_path, NAME) == []


def test_masters_in_turn_many_times_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for _ in range(4):
        advertised(net, advertisement(A, 150))
        advertised(net, advertisement(A, 0), times=1)
        advertised(net, advertisement(B, 100))
    assert of_story(net, tmp_path, NAME) == []


def test_one_number_with_other_addresses_is_silent(tmp_path: Path) -> None:
    """Two groups of hosts may have the same number."""
    net = advertised(Network(["A/ens33"]), advertisement(A, 150), advertisement(B, 100, vip="192.168.111.201"))
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize("talk", [True, False])
def test_two_points_is_silent_unless_the_hosts_talk(tmp_path: Path, talk: bool) -> None:
    """Two networks may have the same addresses."""
    net = Network(["A/ens33", "B/ens33"])
    advertised(net, advertisement(A, 150), advertisement(B, 100), points=("A/ens33", "B/ens33"))
    if talk:
        net.pass_by(*((point, ping(f"{A} > {B}", echo=9, seq=1, smac=MAC_A, dmac=MAC_B)) for point in net.points))
    assert len(of_story(net, tmp_path, NAME)) == talk


def test_carp_is_silent(tmp_path: Path) -> None:
    """Of the same protocol number, version and type, and 36 octets long."""
    carp = struct.pack(">BBBBBBH", 0x21, 51, 0, 7, 0, 1, 0) + bytes(28)
    both = [Packet("vrrp", source, GROUP, payload=carp, ttl=255) for source in (A, B)]
    assert of_story(advertised(Network(["A/ens33"]), *both), tmp_path, NAME) == []
