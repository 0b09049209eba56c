"""broadcast-storm: frames to a group that go round in a loop of bridges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import Network, Packet, arp, ping, udp
from tests.story_reports import A, B, read

EVERYBODY = "ff:ff:ff:ff:ff:ff"
REQUEST = arp(1, CARD_A, A, B)
NAME = "broadcast-storm"
SOLICITATION = Packet(
    "icmp", "fe80::1", "ff02::1:ff00:2", icmp=(135, 0), payload=bytes(8) + bytes(16), ttl=255, dmac="33:33:ff:00:00:02"
)
DATAGRAM = udp("192.168.111.128:138 > 192.168.111.255:138", b"browser", ident=7, dmac=EVERYBODY, df=False)


def copies(net: Network, point: str, frame: Packet | bytes, count: int, gap: float) -> None:
    """The same frame `count` times, `gap` µs apart."""
    for number in range(count):
        net.at(net.now + number * gap, point, frame)
    net.now += count * gap


def talk(net: Network) -> None:
    """A and B have talked before: each point is the own interface of its host."""
    for number in range(3):
        asked = ping(f"{A} > {B}", 5, number, ident=number, smac=CARD_A, dmac=CARD_B)
        answer = ping(f"{B} > {A}", 5, number, ident=number, smac=CARD_B, dmac=CARD_A, icmp=(0, 0))
        net.pass_by(("A/ens33", asked), ("B/ens33", asked))
        net.pass_by(("B/ens33", answer), ("A/ens33", answer))


def test_arp_request_going_round_is_told(tmp_path: Path) -> None:
    """Each copy is answered; A gets its own request back."""
    net = Network(["A/ens33", "B/ens33"])
    talk(net)
    begin = net.now
    copies(net, "A/ens33", REQUEST, 100, gap=1000)
    net.now = begin
    copies(net, "B/ens33", REQUEST, 99, gap=1000)
    net.now = begin + 20
    copies(net, "B/ens33", arp(2, CARD_B, B, A, to=CARD_A), 99, gap=1000)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"the same ARP request of {A} came 100 times in 0.099 s at A/ens33, the sender's own interface: "
        "bridges or switches form a loop"
    )
    assert finding["facts"] == {"points": ["A/ens33", "B/ens33"], "sender": A, "packets": 100, "frames": 1}
    assert {frame["point"] for frame in finding["evidence"]} == {"A/ens33", "B/ens33"}


def test_arp_storm_after_a_quiet_minute_is_told(tmp_path: Path) -> None:
    """The same request was sent before, once in ten seconds."""
    net = Network(["B/ens33"])
    copies(net, "B/ens33", REQUEST, 6, gap=10e6)
    copies(net, "B/ens33", REQUEST, 120, gap=2000)
    assert len(of_story(net, tmp_path, NAME)) == 1


@pytest.mark.parametrize("frame", [SOLICITATION, DATAGRAM], ids=["neighbour solicitation", "broadcast datagram"])
def test_ip_frame_to_a_group_going_round_is_told(tmp_path: Path, frame: Packet) -> None:
    net = Network(["B/ens33"])
    copies(net, "B/ens33", frame, 200, gap=1000)
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["facts"]["sender"], finding["facts"]["packets"]) == (frame.src, 200)


def test_symptoms_of_a_storm_are_left_out(tmp_path: Path) -> None:
    net = Network(["B/ens33"])
    copies(net, "B/ens33", arp(1, CARD_A, A, "192.168.111.77"), 200, gap=1000)
    assert [finding["name"] for finding in read(net, tmp_path)["findings"]] == [NAME]


def test_station_that_asks_for_its_own_address_is_silent(tmp_path: Path) -> None:
    """A host that has two addresses asks for one under the other, once for each packet that it passes on."""
    net = Network(["B/ens33"])
    second = "192.168.111.200"
    copies(net, "B/ens33", arp(1, CARD_A, second, A), 150, gap=1070)
    net.now += 5e6
    copies(net, "B/ens33", arp(2, CARD_A, A, B, to=CARD_B), 1, gap=10)
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize("again", [1, 20], ids=["once", "looping"])
def test_flood_beside_broadcasts_that_come_once_is_silent(tmp_path: Path, again: int) -> None:
    """One program floods; two other stations ask meanwhile, and what they ask does not go round. In a loop it does."""
    net = Network(["B/ens33"])
    copies(net, "B/ens33", REQUEST, 200, gap=1000)
    net.now = 50_000.0
    for number in (8, 9):
        copies(net, "B/ens33", arp(1, f"02:00:c0:a8:6f:0{number}", f"192.168.111.{number}", B), again, gap=1003)
    assert len(of_story(net, tmp_path, NAME)) == (0 if again == 1 else 1)


@pytest.mark.parametrize("later", [1, 20], ids=["once", "looping"])
def test_burst_that_ends_by_itself_is_silent(tmp_path: Path, later: int) -> None:
    """VMware announces a machine 288 times in 45 ms by RARP; then ARP of others passes once. Not in a loop."""
    net = Network(["B/ens33"])
    copies(net, "B/ens33", arp(3, CARD_A, "0.0.0.0", "0.0.0.0"), 288, gap=156)
    for number in (8, 9):
        net.now += 1e5
        copies(net, "B/ens33", arp(1, f"02:00:c0:a8:6f:0{number}", f"192.168.111.{number}", B), later, gap=1003)
    findings = of_story(net, tmp_path, NAME)
    assert [finding["facts"]["sender"] for finding in findings] == ([] if later == 1 else [CARD_A])


def test_arp_request_once_a_second_is_silent(tmp_path: Path) -> None:
    """As RFC 1122 section 2.3.2.1 allows, for minutes."""
    net = Network(["B/ens33"])
    copies(net, "B/ens33", REQUEST, 300, gap=1e6)
    assert of_story(net, tmp_path, NAME) == []


def test_scan_of_many_addresses_is_silent(tmp_path: Path) -> None:
    net = Network(["B/ens33"])
    for number in range(200):
        copies(net, "B/ens33", arp(1, CARD_A, A, f"192.168.111.{number}"), 1, gap=500)
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize("frame", [REQUEST, DATAGRAM], ids=["arp", "ip"])
def test_copies_of_a_mirror_port_is_silent(tmp_path: Path, frame: Packet | bytes) -> None:
    """A mirror of 60 ports shows a broadcast 60 times at once, and the next one as often."""
    net = Network(["B/ens33"])
    copies(net, "B/ens33", frame, 60, gap=2)
    net.now += 5e6
    copies(net, "B/ens33", frame, 60, gap=2)
    assert of_story(net, tmp_path, NAME) == []


def test_beacon_and_multicast_stream_is_silent(tmp_path: Path) -> None:
    """Broadcasts 20 ms apart; a stream of equal datagrams that IP does not number, as of an empty MPEG transport."""
    net = Network(["B/ens33"])
    copies(net, "B/ens33", DATAGRAM, 200, gap=20_000)
    copies(net, "B/ens33", udp("10.0.0.9:5004 > 239.1.1.1:5004", bytes(1316), dmac="01:00:5e:01:01:01"), 300, gap=500)
    assert of_story(net, tmp_path, NAME) == []


def test_flood_with_forged_source_is_silent(tmp_path: Path) -> None:
    """An attack sends equal echo requests with a group's address as their source."""
    net = Network(["B/ens33"])
    flood = Packet("icmp", "ff02::1", "ff02::1", icmp=(128, 0), echo=1, seq=1, dmac="33:33:00:00:00:01")
    copies(net, "B/ens33", flood, 1000, gap=8)
    copies(net, "B/ens33", flood.but(src="fe80::9", seq=2), 1000, gap=20)
    assert of_story(net, tmp_path, NAME) == []


def test_unicast_repeats_and_copies_of_any_is_silent(tmp_path: Path) -> None:
    """A flood of equal packets to one station; a capture at `any` of a host with many veths."""
    net = Network(["B/ens33", "any"], cooked={"any"})
    copies(net, "B/ens33", DATAGRAM.but(dmac=CARD_B, dst=B), 300, gap=500)
    copies(net, "any", DATAGRAM, 300, gap=500)
    assert of_story(net, tmp_path, NAME) == []
