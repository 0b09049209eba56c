"""network-slow: delays between two points that no Ethernet and no kernel has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, Packet, tcp
from tests.story_reports import A, B

MS = 1e3  # µs
V4 = (f"{A}:40000 > {B}:80", f"{B}:80 > {A}:40000")
V6 = ("[fd00::1]:40000 > [fd00::2]:80", "[fd00::2]:80 > [fd00::1]:40000")
MACS = (
    {"smac": "02:00:00:00:00:aa", "dmac": "02:00:00:00:00:bb"},
    {"smac": "02:00:00:00:00:bb", "dmac": "02:00:00:00:00:aa"},
)


def play(
    folder: Path, there: float, back: float, ends: tuple[str, str] = V4, packets: int = 8, answers: int = 8,
    ahead: float = 0, points: tuple[str, str] = ("A/ens33", "B/ens33"), routed: bool = False, keeps_ttl: bool = False,
) -> Findings:  # fmt: skip
    """Requests and answers with these delays in ms between two points; `ahead`: the second clock, ms."""
    net = Network(list(points), files={points[1]: "second.pcapng"}, clocks={points[1]: (ahead * MS, 0.0)})

    def behind(packet: Packet) -> Packet:
        other = packet.routed(smac="02:00:00:00:00:cc", dmac="02:00:00:00:00:dd") if routed else packet
        return other.but(ttl=packet.ttl) if keeps_ttl else other

    for number in range(packets):
        request = tcp(ends[0], bytes(10), seq=1 + 10 * number, ack=1 + 20 * number, ident=number + 1, **MACS[0])
        answer = tcp(ends[1], bytes(20), seq=1 + 20 * number, ack=11 + 10 * number, ident=number + 1, **MACS[1])
        net.at(net.now, points[0], request)
        net.at(net.now + there * MS, points[1], behind(request))
        if number < answers:
            net.at(net.now + (there + 0.1) * MS, points[1], answer)
            net.at(net.now + (there + 0.1 + back) * MS, points[0], behind(answer))
        net.now += 500 * MS
    return of_story(net, folder, "network-slow")


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("ahead", [0.0, 40.0], ids=["one clock", "other clock"])
def test_slow_ethernet_is_told(tmp_path: Path, ends: tuple[str, str], ahead: float) -> None:
    (finding,) = play(tmp_path, 30, 0.1, ends, ahead=ahead)
    assert (finding["level"], finding["facts"]["from"], finding["facts"]["to"]) == ("warning", "A/ens33", "B/ens33")
    assert finding["facts"]["round_trip_ms"] == pytest.approx(30.1, abs=0.1)


def test_slow_host_is_told(tmp_path: Path) -> None:
    """A shaped card: packets wait between the bridge and the card of one host."""
    (finding,) = play(tmp_path, 50, 0.1, points=("A/docker0", "A/ens33"), routed=True)
    assert finding["facts"]["round_trip_ms"] == pytest.approx(50.1, abs=0.1)


def test_clocks_that_differ_is_silent(tmp_path: Path) -> None:
    """The second clock is 300 ms ahead: there 300 ms more, back 300 ms less."""
    assert play(tmp_path, 0.2, 0.2, ahead=300) == []


@pytest.mark.parametrize("keeps_ttl", [False, True], ids=["routers", "proxies of ARP"])
def test_far_network_is_silent(tmp_path: Path, keeps_ttl: bool) -> None:
    """What has other MACs in between may be far away: 80 ms are a continent."""
    assert play(tmp_path, 40, 40, routed=True, keeps_ttl=keeps_ttl) == []


def test_few_answers_is_silent(tmp_path: Path) -> None:
    """One direction alone has enough packets."""
    assert play(tmp_path, 30, 30, packets=8, answers=3) == []


def test_few_packets_is_silent(tmp_path: Path) -> None:
    assert play(tmp_path, 30, 30, packets=3) == []


def test_quick_ethernet_is_silent(tmp_path: Path) -> None:
    assert play(tmp_path, 5, 5) == []
