"""neighbour-unanswered: solicitations that get no advertisement at any point."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Endpoint
from tests.analysis.findings.reported import CARD_A, CARD_B, of_capture, of_story, two_hosts
from tests.stories import Network, Packet, advertise, solicit

NAME = "neighbour-unanswered"
HOST_A, HOST_B, CONTAINER, NOBODY = "2001:db8::10", "2001:db8::20", "2001:db8::ff:2", "2001:db8::77"


def ask(net: Network, target: str, times: int, asker: str = HOST_B, point: str = "B/ens33") -> None:
    for _ in range(times):
        net.at(net.now, point, solicit(CARD_B, asker, target))
        net.now += 1e6


def echo(src: str, dst: str, seq: int, *, reply: bool = False, **more: object) -> Packet:
    return Packet("icmp", src, dst, icmp=(129 if reply else 128, 0), echo=7, seq=seq, payload=bytes(56)).but(**more)


def test_solicitation_repeated_without_answer_is_told(tmp_path: Path) -> None:
    """B's own interface; an address that is asked for once proves nothing."""
    net = Network(["B/ens33"])
    ask(net, NOBODY, times=3)
    ask(net, "2001:db8::78", times=1)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"] == f"{HOST_B} asked for {NOBODY} 3 times (neighbor solicitation), no answer"
    assert finding["level"] == "warning"
    assert finding["facts"] == {"asks": HOST_B, "for": NOBODY, "requests": 3}


@pytest.mark.parametrize("points", [["B/ens33"], ["A/ens33", "B/ens33"], ["A/docker0", "A/ens33", "B/ens33"]])
def test_container_behind_a_host_that_is_no_proxy_is_told(tmp_path: Path, points: list[str]) -> None:
    """Its packets arrive, brought by A; B looks for it on the link, and cannot answer."""
    net = Network(points)
    for number in range(4):
        asked = echo(CONTAINER, HOST_B, number, ttl=63, smac=CARD_A, dmac=CARD_B)
        own = asked.but(ttl=64, smac="02:42:ac:11:00:02", dmac="02:42:9c:1d:00:80")
        net.pass_by(*((point, own if point == "A/docker0" else asked) for point in points))
        net.pass_by(*((p, solicit(CARD_B, HOST_B, CONTAINER)) for p in reversed(points) if p != "A/docker0"))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"{HOST_B} asked for {CONTAINER} 4 times (neighbor solicitation), no answer, "
        f"though its packets come from {CARD_A} at {next(p for p in points if p != 'A/docker0')}"
    )
    assert "proxy_ndp" in finding["fix"]


def test_container_that_a_bridge_of_a_host_has_is_told(tmp_path: Path) -> None:
    """B wants to reach it first, and gets no answer; its own host does, on its bridge."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"])
    container_mac, bridge_mac = "02:42:ac:11:00:02", "02:42:9c:1d:00:80"
    net.at(0, "A/docker0", solicit(bridge_mac, "2001:db8::ff:1", CONTAINER))
    net.at(50, "A/docker0", advertise(container_mac, CONTAINER, "2001:db8::ff:1", to=bridge_mac))
    talk = echo(HOST_A, HOST_B, 1, smac=CARD_A, dmac=CARD_B)
    net.pass_by(("A/ens33", talk), ("B/ens33", talk))
    for _ in range(4):
        net.pass_by(*((point, solicit(CARD_B, HOST_B, CONTAINER)) for point in ("B/ens33", "A/ens33")))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert finding["says"].endswith(f"no answer, though {container_mac} has it at A/docker0")


def test_container_that_the_topology_knows_is_told(tmp_path: Path) -> None:
    """Nothing else shows it."""
    net = Network(["B/ens33"])
    ask(net, CONTAINER, times=3)
    topology = two_hosts()
    topology.containers[0].endpoints = [Endpoint("bridge", "eth0", "02:42:ac:11:00:02", [f"{CONTAINER}/80"])]
    (finding,) = of_story(net, tmp_path, NAME, topology)
    assert finding["level"] == "error"
    assert finding["says"].endswith("though 02:42:ac:11:00:02 has it at A/web/eth0")


def test_own_interface_that_gets_the_questions_is_told(tmp_path: Path) -> None:
    """A filter of A drops ICMPv6, and with it neighbor discovery; A itself asks two other hosts."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(4):
        for last in ("8", "9"):
            asked = echo(HOST_A, f"2001:db8::9{last}", number, smac=CARD_A, dmac=f"02:00:c0:a8:6f:9{last}")
            net.pass_by(("A/ens33", asked))
        net.pass_by(*((point, solicit(CARD_B, HOST_B, HOST_A)) for point in ("B/ens33", "A/ens33")))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert finding["says"].endswith("no answer, though its own interface A/ens33 gets the questions")


@pytest.mark.parametrize("point", ["A/ens33", "B/ens33"])
def test_solicitation_answered_at_a_point_is_silent(tmp_path: Path, point: str) -> None:
    net = Network(["A/ens33", "B/ens33"])
    ask(net, HOST_A, times=3)
    net.at(net.now, point, advertise(CARD_A, HOST_A, HOST_B, to=CARD_B))
    assert of_story(net, tmp_path, NAME) == []


def test_duplicate_address_detection_is_silent(tmp_path: Path) -> None:
    """Nobody should answer (RFC 4862 section 5.4)."""
    net = Network(["B/ens33"])
    ask(net, HOST_B, times=3, asker="::")
    assert of_story(net, tmp_path, NAME) == []


def test_bystander_of_the_questions_is_silent(tmp_path: Path) -> None:
    """C gets what B sends to the group, and would not get an answer."""
    net = Network(["C/ens33"])
    ask(net, HOST_A, times=2, point="C/ens33")
    net.at(net.now, "C/ens33", echo("2001:db8::30", HOST_B, 1, smac="02:00:c0:a8:6f:82", dmac=CARD_B))
    net.at(net.now, "C/ens33", echo(HOST_B, "2001:db8::30", 1, reply=True, smac=CARD_B, dmac="02:00:c0:a8:6f:82"))
    assert of_story(net, tmp_path, NAME) == []


def test_three_solicitations_between_two_stations_is_told(tmp_path: Path) -> None:
    """They alone speak at the point, so it may be the interface of either; who got an answer would not go on."""
    net = Network(["B/ens33"])
    for reply, ends in ((False, (HOST_B, HOST_A, CARD_B, CARD_A)), (True, (HOST_A, HOST_B, CARD_A, CARD_B))):
        src, dst, smac, dmac = ends
        net.at(net.now, "B/ens33", echo(src, dst, 1, reply=reply, smac=smac, dmac=dmac))
    ask(net, NOBODY, times=3)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"] == f"{HOST_B} asked for {NOBODY} 3 times (neighbor solicitation), no answer"


def test_link_local_probes_of_docker_is_silent() -> None:
    assert of_capture("pcaps/overlay-two.pcapng", NAME) == []
