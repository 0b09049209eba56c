"""routing-loop: packets that routers send to each other, and packets that pass a point several times on their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named, of_story
from tests.conftest import PROJECT
from tests.made import build
from tests.stories import SYN, Network, Packet, about, arp, ping, tcp, udp
from tests.story_reports import A, B, read

ROUTER = "192.168.111.1"
NOBODY = "10.244.77.7"  # an address of the pod range that no pod has
MAC_A, MAC_B, MAC_ROUTER = "00:0c:29:5a:00:80", "00:0c:29:5b:00:81", "00:50:56:c0:00:08"
MACS = (MAC_ROUTER, MAC_A, "02:00:00:00:00:03", "02:00:00:00:00:04", "02:00:00:00:00:05")


def circle(net: Network, point: str, packet: Packet, *senders: str, step: int = 1, gap: float = 20.0) -> None:
    """A packet passes a point until its TTL ends; `senders`: MACs of the routers that send it there, in turn."""
    for number, ttl in enumerate(range(packet.ttl, 0, -step)):
        smac, dmac = senders[number % len(senders)], senders[(number + 1) % len(senders)]
        net.at(net.now + gap * number, point, packet.but(ttl=ttl, smac=smac, dmac=dmac))
    net.now += 1e6


def hops(net: Network, packet: Packet, ttls: tuple[int, ...], macs: tuple[str, ...], gap: float = 20.0) -> None:
    """A packet passes `SPAN` with each of these TTLs, each time from the next MAC."""
    for number, (ttl, smac) in enumerate(zip(ttls, macs, strict=True)):
        net.at(net.now + gap * number, "SPAN", packet.but(ttl=ttl, smac=smac, dmac="02:00:00:00:00:ff"))
    net.now += 1e5


@pytest.mark.parametrize("family", [4, 6])
def test_packet_between_two_routers_is_told(tmp_path: Path, family: int) -> None:
    """The router sends the pod range to A; A has no route for the address, and sends it to its default gateway."""
    src, dst = (B, NOBODY) if family == 4 else ("fd00::129", "fd00:244::7")
    net = Network(["A/ens33"])
    net.at(0.0, "A/ens33", arp(2, MAC_ROUTER, ROUTER, A))
    net.at(1.0, "A/ens33", arp(2, MAC_A, A, ROUTER))
    net.now = 100.0
    for number in range(3):
        echo = ping(f"{src} > {dst}", 9, number, ident=number + 1, ttl=63, icmp=(8, 0) if family == 4 else (128, 0))
        circle(net, "A/ens33", echo, MAC_ROUTER, MAC_A)
    report = read(net, tmp_path)
    (finding,) = named(report, "routing-loop")
    facts = finding["facts"]
    assert (finding["level"], facts["packets"]) == ("error", 3)
    assert (facts["sources"], facts["destinations"], facts["points"]) == ([src], [dst], ["A/ens33"])
    assert (facts["ttl_first"], facts["ttl_last"]) == (63, 1)
    assert facts["routers"] == [MAC_A, MAC_ROUTER]
    assert f"between {A} ({MAC_A}) and {ROUTER} ({MAC_ROUTER})" in finding["says"]
    assert [frame["frame"] for frame in finding["evidence"]] == list(range(3, 13))
    assert named(report, "duplicate-observation") == named(report, "retransmissions") == []


def test_tcp_syn_that_expires_is_told(tmp_path: Path) -> None:
    """Slow rounds of 40 ms: the passes are no duplicates, and no SYNs that were sent again."""
    net = Network(["A/ens33", "B/ens33"])
    syn = tcp(f"{B}:40000 > {NOBODY}:80", flags=SYN, seq=100, ident=1)
    net.at(0.0, "B/ens33", syn.but(smac=MAC_B, dmac=MAC_ROUTER))
    net.now = 100.0
    circle(net, "A/ens33", syn.routed(), MAC_ROUTER, MAC_A, gap=40_000.0)
    expired = about(ping(f"{A} > {B}", 0, 0, icmp=(11, 0), smac=MAC_A, dmac=MAC_B), syn)
    net.now = 3e6
    net.pass_by(("A/ens33", expired), ("B/ens33", expired))
    report = read(net, tmp_path)
    (finding,) = named(report, "routing-loop")
    assert finding["facts"]["time_exceeded_by"] == [A] and "time exceeded" in finding["says"]
    assert {frame["point"] for frame in finding["evidence"]} == {"A/ens33", "B/ens33"}
    assert [symptom["explained_by"] for symptom in named(report, "retransmissions")] == [finding["id"]]


def test_ring_of_routers_seen_on_one_link_is_told(tmp_path: Path) -> None:
    """Five routers in a ring: a link shows each packet once in a round, five TTLs apart, in one direction."""
    net = Network(["A/ens33"])
    for number in range(2):
        packet = udp(f"{B}:5000 > {NOBODY}:7000", b"%d" % number, ident=number + 1, ttl=60)
        for ttl in range(60, 0, -5):
            net.at(net.now, "A/ens33", packet.but(ttl=ttl, smac=MAC_ROUTER, dmac=MAC_A))
            net.now += 500
    (finding,) = of_story(net, tmp_path, "routing-loop")
    assert (finding["facts"]["packets"], finding["facts"]["ttl_first"], finding["facts"]["ttl_last"]) == (2, 60, 5)
    assert finding["facts"]["routers"] == [MAC_A, MAC_ROUTER]


def test_loop_inside_one_host_is_told(tmp_path: Path) -> None:
    """The host sends the packets of its neighbour to itself: each copy has its MAC twice."""
    net = Network(["A/ens33"])
    for number in range(3):
        packet = udp(f"{B}:8805 > {NOBODY}:8805", b"hello", ident=number + 1, ttl=64)
        net.at(net.now - 20, "A/ens33", packet.but(smac=MAC_B, dmac=MAC_A))
        circle(net, "A/ens33", packet.but(ttl=63), MAC_A)
    (finding,) = of_story(net, tmp_path, "routing-loop")
    assert finding["facts"]["routers"] == [MAC_A] and "both routers" not in finding["fix"]
    assert f"inside {MAC_A}, with its MAC as source and as destination" in finding["says"]


@pytest.mark.parametrize("step", [2, 1], ids=["is_told", "is_silent"])
def test_passes_from_one_mac_to_another(tmp_path: Path, step: int) -> None:
    """Half of a loop, in which two routers lower the TTL; Windows records what it sends to its hotspot several times.

    The latter is recorded in public captures, `freepp_ios_*.pcap` of zsyang168/packets: DNS answers of the host that
    shares its connection, with TTL 128, 127, 126 and 125 within 25 µs, all from its MAC to the telephone's.
    """
    net = Network(["capture"])
    for number in range(3):
        packet = udp(f"{ROUTER}:53 > {B}:50000", b"%d" % number, ident=number + 1, ttl=128)
        for ttl in range(128, 128 - 4 * step, -step):
            net.at(net.now, "capture", packet.but(ttl=ttl, smac=MAC_ROUTER, dmac=MAC_B))
            net.now += 6
        net.now += 1e6
    findings = of_story(net, tmp_path, "routing-loop")
    assert [finding["facts"]["packets"] for finding in findings] == ([3] if step > 1 else [])


def test_loop_of_many_destinations_is_told(tmp_path: Path) -> None:
    """A scan of the pod range is one loop between the same routers."""
    net = Network(["A/ens33"])
    for number in range(30):
        packet = udp(f"{B}:5000 > 10.244.77.{number}:7000", b"%d" % number, ident=number + 1, ttl=63)
        circle(net, "A/ens33", packet, MAC_ROUTER, MAC_A)
    (finding,) = of_story(net, tmp_path, "routing-loop")
    assert finding["facts"]["packets"] == 30 and "27 more" in finding["says"]


@pytest.mark.parametrize("ttls", [range(63, 0, -1), range(63, 58, -1)], ids=["is_told", "is_silent"])
def test_packet_of_a_capture_without_macs(tmp_path: Path, ttls: range) -> None:
    """Without MACs a loop is told from a path by its length only."""
    packet = udp(f"{B}:5000 > {NOBODY}:7000", b"x", ident=1)
    packets = [build.packet(packet.but(ttl=ttl).ip(), 1000 * number) for number, ttl in enumerate(ttls)]
    capture = tmp_path / "tun0.pcapng"
    capture.write_bytes(build.section() + build.interface("tun0", build.RAW) + b"".join(packets))
    findings = named(analyze(capture).to_dict(), "routing-loop")
    assert [finding["facts"]["routers"] for finding in findings] == [[]] * (len(ttls) > 8)


def time_exceeded(folder: Path, ttl: int, *, answered: bool = False) -> Findings:
    """The findings at the sender alone: packets left with this TTL, and the router answered "time exceeded"."""
    net = Network(["B/ens33"])
    for number in range(3):
        packet = udp(f"{B}:5000 > {NOBODY}:7000", b"%d" % number, ident=number + 1, ttl=ttl)
        net.pass_by(("B/ens33", packet))
        net.pass_by(("B/ens33", about(ping(f"{ROUTER} > {B}", 0, 0, icmp=(11, 0)), packet)))
    if answered:
        net.pass_by(("B/ens33", udp(f"{NOBODY}:7000 > {B}:5000", b"answer", ident=90)))
    return of_story(net, folder, "routing-loop")


def test_time_exceeded_about_normal_ttl_is_told(tmp_path: Path) -> None:
    """The passes were not captured: a warning."""
    (finding,) = time_exceeded(tmp_path, 64)
    assert (finding["level"], finding["facts"]["destinations"]) == ("warning", [NOBODY])
    assert finding["facts"]["time_exceeded_by"] == [ROUTER]
    assert [frame["frame"] for frame in finding["evidence"]] == [2]


def test_time_exceeded_over_ipv6_is_told(tmp_path: Path) -> None:
    net = Network(["B/ens33"])
    packet = udp("[fd00::129]:5000 > [fd00:244::7]:7000", b"x")
    net.pass_by(("B/ens33", packet))
    net.pass_by(("B/ens33", ping("fd00::1 > fd00::129", 0, 0, packet.ip()[:48], icmp=(3, 0))))
    (finding,) = of_story(net, tmp_path, "routing-loop")
    assert finding["facts"]["destinations"] == ["fd00:244::7"]
    assert finding["facts"]["time_exceeded_by"] == ["fd00::1"]


@pytest.mark.parametrize(("ttl", "answered"), [(1, False), (30, False), (64, True)])
def test_time_exceeded_of_small_ttl_or_answered_is_silent(tmp_path: Path, ttl: int, answered: bool) -> None:
    assert time_exceeded(tmp_path, ttl, answered=answered) == []


def test_time_exceeded_in_a_scan_is_told_of_its_destination(tmp_path: Path) -> None:
    """Many flows have the same ports; the error quotes the one that it is about."""
    net = Network(["B/ens33"])
    for number in range(100):
        packet = udp(f"{B}:5000 > 10.244.77.{number}:7000", b"%d" % number, ident=number + 1)
        net.pass_by(("B/ens33", packet))
    net.pass_by(("B/ens33", about(ping(f"{ROUTER} > {B}", 0, 0, icmp=(11, 0)), packet)))
    (finding,) = of_story(net, tmp_path, "routing-loop")
    assert finding["facts"]["destinations"] == ["10.244.77.99"]


def test_circle_that_a_traceroute_shows_too_is_told(tmp_path: Path) -> None:
    """Pings run out, and so do the steps of the traceroute that is started because of them."""
    net = Network(["B/ens33"])
    steps = [udp(f"{B}:33000 > {NOBODY}:{33434 + ttl}", b"step", ident=50 + ttl, ttl=ttl) for ttl in range(1, 8)]
    for packet in [*(ping(f"{B} > {NOBODY}", 9, number, ident=number + 1) for number in range(3)), *steps]:
        net.pass_by(("B/ens33", packet))
        net.pass_by(("B/ens33", about(ping(f"{ROUTER} > {B}", 0, 0, icmp=(11, 0)), packet)), gap=1e6)
    (finding,) = of_story(net, tmp_path, "routing-loop")
    assert finding["facts"]["ttl_first"] == 64 and finding["facts"]["time_exceeded_by"] == [ROUTER]


@pytest.mark.parametrize("order", ["rising", "falling"])
@pytest.mark.parametrize("equal", [True, False])
def test_traceroute_is_silent(tmp_path: Path, order: str, equal: bool) -> None:
    """Probes of one flow, equal or numbered, with TTLs up or down; each router of the path answers."""
    net = Network(["B/ens33"])
    for number, ttl in enumerate(range(1, 31) if order == "rising" else range(30, 0, -1)):
        probe = udp(f"{B}:33000 > {NOBODY}:33434", b"probe" if equal else b"%d" % number, ident=7, ttl=ttl)
        net.pass_by(("B/ens33", probe))
        net.pass_by(("B/ens33", about(ping(f"10.9.{ttl}.1 > {B}", 0, 0, icmp=(11, 0)), probe)), gap=2e4)
    assert of_story(net, tmp_path, "routing-loop") == []


@pytest.mark.parametrize(
    "ttls",
    [(64, 63), (64, 64, 63, 63), (64, 63, 62)],
    ids=["copy that a bridge's host routed", "any capture", "hairpin that passes twice"],
)
def test_packet_seen_several_times_at_one_point_is_silent(tmp_path: Path, ttls: tuple[int, ...]) -> None:
    net = Network(["SPAN"])
    for number in range(5):
        packet = udp(f"{B}:5000 > {A}:7000", b"%d" % number, ident=number + 1)
        hops(net, packet, ttls, (MAC_ROUTER,) * len(ttls))
    assert of_story(net, tmp_path, "routing-loop") == []


@pytest.mark.parametrize("macs", [MACS, (MACS[0], MACS[1], MACS[2], MACS[1], MACS[3])], ids=["routers", "firewall"])
def test_path_over_several_captured_networks_is_silent(tmp_path: Path, macs: tuple[str, ...]) -> None:
    """A mirror port shows every network that a packet crosses; a firewall returns it to the same router."""
    net = Network(["SPAN"])
    for number in range(5):
        hops(net, udp(f"{B}:5000 > {A}:7000", b"%d" % number, ident=number + 1), (64, 63, 62, 61, 60), macs)
    assert of_story(net, tmp_path, "routing-loop") == []


def test_equal_packets_sent_again_over_longer_paths_is_silent(tmp_path: Path) -> None:
    """A beacon without IP identification, whose route gets longer from time to time."""
    net = Network(["SPAN"])
    hops(net, udp(f"{B}:5000 > {A}:7000", b"beacon"), (60, 59, 58, 57, 56), (MAC_ROUTER,) * 5, gap=5e6)
    assert of_story(net, tmp_path, "routing-loop") == []


def test_packets_seen_with_a_spent_ttl_is_silent() -> None:
    """Recorded: the host sets the TTL of what it forwards to 1, and the bridge shows it before."""
    paths = sorted((PROJECT / "tests/analysis/findings/recorded/ttl-set").glob("*.pcap"))
    assert "routing-loop" not in {finding.name for finding in analyze(paths).findings}
