"""duplicate-mac: two macvlan containers of two hosts with one MAC."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint
from tests.analysis.findings.reported import of_capture, of_story, two_hosts
from tests.stories import ACK, RST, SYN, Network, arp, ping, tcp

NAME = "duplicate-mac"
MAC, SERVER_MAC = "02:42:c0:a8:6f:0a", "00:0c:29:5c:00:82"
OTHER_MAC = "02:42:c0:a8:6f:4d"
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


WEB, DB, APP = "172.17.0.3", "172.17.0.9", "172.17.0.2"
WEB_POINT, DB_POINT, BRIDGE = "A/web/eth0", "A/db/eth0", "A/docker0"
COPIED, APP_MAC = "02:42:ac:11:00:03", "02:42:ac:11:00:02"


def on_one_bridge(points: list[str], *, other_mac: str = COPIED) -> Network:
    """app asks web twice, which answers; then the bridge has learned the other port, and SYNs for web come to db."""
    net = Network(points)
    for address, mac, own in ((WEB, COPIED, WEB_POINT), (DB, other_mac, DB_POINT)):
        for point in {own, BRIDGE} & set(points):
            net.at(net.now, point, arp(1, APP_MAC, APP, address))
            net.at(net.now + 20, point, arp(2, mac, address, APP, to=APP_MAC))
        net.now += 1000
        port = 4000 + len(net.recorded)
        syn = tcp(f"{APP}:{port} > {address}:80", flags=SYN, seq=7, smac=APP_MAC, dmac=mac)
        back = syn.but(src=address, dst=APP, sport=80, dport=port, flags=SYN | ACK, ack=8, smac=mac, dmac=APP_MAC)
        for packet in (syn, back):
            net.pass_by(*((point, packet) for point in (BRIDGE, own) if point in points))
    lost = tcp(f"{APP}:5000 > {WEB}:80", flags=SYN, seq=9, smac=APP_MAC, dmac=COPIED)
    for number in range(4):
        net.pass_by(*((point, lost.but(ident=number)) for point in (BRIDGE, DB_POINT) if point in points), gap=1e6)
    return net


def test_two_containers_of_one_host_is_told(tmp_path: Path) -> None:
    (finding,) = of_story(on_one_bridge([WEB_POINT, DB_POINT, BRIDGE]), tmp_path, NAME)
    assert finding["level"] == "error" and "--mac-address" in finding["fix"]
    assert finding["facts"]["points"] == [WEB_POINT, DB_POINT]


def test_two_addresses_of_one_mac_on_a_bridge_is_told(tmp_path: Path) -> None:
    (finding,) = of_story(on_one_bridge([BRIDGE]), tmp_path, NAME)
    assert finding["level"] == "warning"
    assert finding["facts"]["addresses"] == [WEB, DB] and finding["facts"]["mac"] == COPIED


def test_containers_with_macs_of_their_own_is_silent(tmp_path: Path) -> None:
    """The server is busy; a flood shows its SYNs at the neighbour."""
    assert of_story(on_one_bridge([BRIDGE], other_mac="02:42:ac:11:00:09"), tmp_path, NAME) == []
    net = on_one_bridge([WEB_POINT, DB_POINT, BRIDGE], other_mac="02:42:ac:11:00:09")
    assert of_story(net, tmp_path, NAME) == []


def test_copies_at_another_host_is_silent(tmp_path: Path) -> None:
    """What the MAC sends is flooded to the other host, whose container sends to it from there, and gets no answer."""
    net = Network([ONE, OTHER, CARD])
    for number in range(6):
        flooded = tcp(f"{ADDRESS}:4001 > {SERVER}:80", flags=ACK, seq=number, ident=number, smac=MAC, dmac=SERVER_MAC)
        net.pass_by((ONE, flooded), (CARD, flooded), (OTHER, flooded))
        asked = ping(f"192.168.111.77 > {ADDRESS}", 5, number, ident=90 + number, smac=OTHER_MAC, dmac=MAC)
        answer = asked.but(ends=f"{ADDRESS} > 192.168.111.77", icmp=(0, 0), smac=MAC, dmac=OTHER_MAC)
        net.pass_by((OTHER, asked), (CARD, asked), (ONE, asked))
        net.pass_by((ONE, answer), (CARD, answer))
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize(
    ("second_mac", "is_answered", "is_sent_again", "is_told"),
    [(MAC, False, True, True), (OTHER_MAC, False, True, False), (MAC, True, False, False), (MAC, False, False, False)],
    ids=["one MAC", "two MACs", "one MAC, answered", "one MAC, asked once"],
)  # fmt: skip
def test_containers_with_one_mac_on_a_bridge_by_topology(
    second_mac: str, is_answered: bool, is_sent_again: bool, is_told: bool, tmp_path: Path
) -> None:
    """Captured at their client alone: what the bridge delivers elsewhere gets no answer."""
    topology = two_hosts()
    topology.containers = [
        Container("A", name, name * 32, "", "front", [
            Endpoint("front", "eth0", mac, [f"172.18.0.{number}/16"], f"veth{number}", kind="veth", bridge="br-front")
        ])
        for number, name, mac in ((2, "m1", MAC), (3, "m2", second_mac))
    ]  # fmt: skip
    net = Network(["A/cli/eth0"])
    for number in range(3):
        port = 40000 if is_sent_again else 40000 + number
        ends = f"172.18.0.9:{port} > 172.18.0.2:80"
        net.pass_by(("A/cli/eth0", tcp(ends, flags=SYN, seq=7, smac=SERVER_MAC, dmac=MAC, ident=number)), gap=1e6)
        if is_answered:
            back = f"172.18.0.2:80 > 172.18.0.9:{port}"
            net.pass_by(("A/cli/eth0", tcp(back, flags=SYN | ACK, ack=8, smac=MAC, dmac=SERVER_MAC)))
    findings = of_story(net, tmp_path, NAME, topology)
    assert [finding["facts"]["containers"] for finding in findings] == ([["m1", "m2"]] if is_told else [])
    if is_told:
        assert findings[0]["says"] == (
            f"m1 and m2 have one MAC, {MAC}, on br-front of A: 3 SYNs to 172.18.0.2 got no answer, as a bridge "
            "delivers to the port that the MAC sent from last"
        )
