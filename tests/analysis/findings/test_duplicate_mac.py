"""duplicate-mac: two macvlan containers of two hosts with one MAC."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import of_capture, of_story
from tests.stories import ACK, RST, SYN, Network, tcp

NAME = "duplicate-mac"
MAC, SERVER_MAC = "02:42:c0:a8:6f:0a", "00:0c:29:5c:00:82"
ADDRESS, SERVER = "192.168.111.10", "192.168.111.130"
ONE, OTHER, CARD = "A/m1/eth0", "B/m2/eth0", "C/ens33"


def connect(net: Network, own: str, port: int, *, last: str, refused: bool = False) -> None:
    """A connection of the container at `own`, whose last packet of the server arrives at `last`."""
    for number, (flags, is_answer) in enumerate(((SYN, False), (SYN | ACK, True), (ACK, False), (ACK, True))):
        packet = tcp(f"{ADDRESS}:{port} > {SERVER}:80", flags=flags, seq=port + number, smac=MAC, dmac=SERVER_MAC)
        if is_answer:
            packet = packet.but(ends=f"{SERVER}:80 > {ADDRESS}:{port}", smac=SERVER_MAC, dmac=MAC, ack=port)
        way = [last if number == 3 else own, CARD]
        net.pass_by(*((point, packet) for point in (way[::-1] if is_answer else way)))
    if refused:
        reset = tcp(f"{ADDRESS}:{port} > {SERVER}:80", flags=RST, seq=port, smac=MAC, dmac=SERVER_MAC)
        net.pass_by((last, reset), (CARD, reset))
    net.now += 1e5


def of_connections(folder: Path, *connections: tuple[str, int, str], points: tuple[str, str] = (ONE, OTHER)) -> object:
    net = Network([*points, CARD])
    for own, port, last in connections:
        connect(net, own, port, last=last, refused=own != last)
    return of_story(net, folder, NAME)


def test_packets_that_arrive_at_the_other_host_is_told(tmp_path: Path) -> None:
    """Whoever has sent last gets what the server sends; the other one resets what it does not know."""
    net = Network([ONE, OTHER, CARD])
    for own, port, last in ((ONE, 4001, OTHER), (OTHER, 4002, ONE), (ONE, 4003, ONE), (OTHER, 4004, ONE)):
        connect(net, own, port, last=last, refused=own != last)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"{MAC} belongs to {ONE} and to {OTHER}: packets of 3 conversations of one arrived at the other"
    )


def test_container_that_moved_to_another_host_is_silent(tmp_path: Path) -> None:
    """It is made anew there with its address and MAC; some answers come too late."""
    moved = ((ONE, 4001, ONE), (ONE, 4002, OTHER), (OTHER, 4005, OTHER), (OTHER, 4006, OTHER))
    assert of_connections(tmp_path, *moved) == []


def test_equal_bridges_of_two_hosts_is_silent(tmp_path: Path) -> None:
    """Each host has a container 172.17.0.2 with the MAC that Docker gives it."""
    assert of_connections(tmp_path, (ONE, 4001, ONE), (OTHER, 4002, OTHER), (ONE, 4003, ONE)) == []
    assert of_capture("pcaps/bridge-clash.pcapng", NAME) == []


def test_two_interfaces_of_one_host_is_silent(tmp_path: Path) -> None:
    """A bond: what leaves by one comes back by the other."""
    points = ("A/m1/eth0", "A/m1/eth1")
    net = Network([*points, CARD])
    for own, port, last in ((points[0], 4001, points[1]), (points[1], 4002, points[0]), (points[0], 4003, points[0])):
        connect(net, own, port, last=last)
    assert of_story(net, tmp_path, NAME) == []
