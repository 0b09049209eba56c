"""dhcp-unanswered: a client that asks for an address again and again."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.analysis.findings.dhcp_messages import dhcp_message
from tests.analysis.findings.reported import of_story
from tests.stories import Network, Packet, udp

NAME = "dhcp-unanswered"
CLIENT, SERVER, SERVER_MAC = "02:42:c0:a8:6f:0a", "192.168.111.1", "00:50:56:c0:00:08"
EVERYBODY = "ff:ff:ff:ff:ff:ff"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def dhcp(kind: int, *, padding: bytes = b"") -> Packet:
    """A message about the client (RFC 2131 section 2); the server's go to the client's MAC."""
    is_answer = kind in (OFFER, ACK)
    mac = bytes.fromhex(CLIENT.replace(":", ""))
    message = struct.pack(">BBBBI20x", 2 if is_answer else 1, 1, 6, 0, 0x1234) + mac.ljust(16, b"\0") + bytes(192)
    message += bytes.fromhex("63825363") + padding + bytes((53, 1, kind)) + b"\xff"
    if is_answer:
        return udp(f"{SERVER}:67 > 192.168.111.10:68", message, smac=SERVER_MAC, dmac=CLIENT)
    return udp("0.0.0.0:68 > 255.255.255.255:67", message, smac=CLIENT, dmac=EVERYBODY)


def ask(net: Network, points: list[str], times: int = 4, *, offered: tuple[str, ...] = (), **more: bytes) -> None:
    """DISCOVERs four seconds apart at points, each with an OFFER at those of `offered`."""
    for number in range(times):
        net.pass_by(*((point, dhcp(DISCOVER, **more).but(ident=number)) for point in points))
        if offered:
            net.pass_by(*((point, dhcp(OFFER).but(ident=number)) for point in offered))
        net.now += 4e6


def test_discovers_without_an_offer_is_told(tmp_path: Path) -> None:
    """A container's own interface."""
    net = Network(["A/m1/eth0"])
    ask(net, net.points)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert finding["says"] == f"{CLIENT} asked for an address by DHCP 4 times in 12 s and got no offer"
    assert finding["facts"] == {"client": CLIENT, "asked": 4, "offers": 0, "servers": []}


def test_client_somewhere_on_the_link_is_told(tmp_path: Path) -> None:
    """A warning. Padding stands before the type of the message."""
    net = Network(["A/ens33"])
    ask(net, net.points, padding=bytes(3))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "warning"


def test_offers_that_stop_on_the_way_is_told(tmp_path: Path) -> None:
    net = Network(["A/m1/eth0", "A/ens33", "B/ens33"])
    ask(net, net.points, offered=("B/ens33",))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"].endswith(f"and got none: 4 offers of {SERVER} reached B/ens33, none reached A/m1/eth0")
    assert finding["fix"].startswith(f"{SERVER} is up and offers addresses: find what drops its offers behind B/ens33")


def on_a_bridge(folder: Path, times: int, gap: float) -> list[dict[str, object]]:
    """A DHCP server in a container: docker-proxy brings the question to it, and its broadcasts end at the bridge."""
    net = Network(["A/ens33", "A/docker0", "A/dhcp/eth0"])
    for number in range(times):
        asked, inside = (
            dhcp(DISCOVER).but(ident=number),
            udp("172.17.0.1:40000 > 172.17.0.2:67", dhcp(DISCOVER).payload),
        )
        offer = udp("172.17.0.2:67 > 255.255.255.255:68", dhcp(OFFER).payload, ident=number)
        net.pass_by(("A/ens33", asked), ("A/docker0", inside), ("A/dhcp/eth0", inside))
        net.pass_by(("A/dhcp/eth0", offer), ("A/docker0", offer))
        net.now += gap
    return of_story(net, folder, NAME)


def test_server_in_a_container_on_a_bridge_is_told(tmp_path: Path) -> None:
    """The client gives up within three seconds; that all offers end at the bridge needs no time to be sure of."""
    (finding,) = on_a_bridge(tmp_path, times=3, gap=9e5)
    assert finding["level"] == "error" and "none reached A/ens33" in str(finding["says"])
    assert str(finding["fix"]).startswith("a DHCP server on a bridge network")


def test_two_questions_to_a_server_on_a_bridge_is_silent(tmp_path: Path) -> None:
    assert on_a_bridge(tmp_path, times=2, gap=4e6) == []


def test_offers_that_the_client_does_not_take_is_told(tmp_path: Path) -> None:
    net = Network(["A/m1/eth0"])
    ask(net, net.points, offered=("A/m1/eth0",))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"].endswith(f"and took none of 4 offers of {SERVER} that reached A/m1/eth0")


def test_client_that_gets_an_address_is_silent(tmp_path: Path) -> None:
    """The server was slow: it answers the third question. Then it renews its lease for days."""
    net = Network(["A/m1/eth0"])
    ask(net, net.points, times=3)
    net.pass_by(("A/m1/eth0", dhcp(OFFER)))
    net.pass_by(("A/m1/eth0", dhcp(REQUEST)))
    net.pass_by(("A/m1/eth0", dhcp(ACK)))
    assert of_story(net, tmp_path, NAME) == []


def test_request_that_follows_an_unseen_offer_is_silent(tmp_path: Path) -> None:
    """On a switch the offer to another station is not seen, and its request is."""
    net = Network(["B/ens33"])
    ask(net, net.points, times=3)
    net.pass_by(("B/ens33", dhcp(REQUEST)))
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize("relay", [False, True])
def test_search_for_servers_by_a_host_with_an_address_is_silent(tmp_path: Path, relay: bool) -> None:
    """A router looks for strange servers; a relay, which hands a client's questions on to one server, does not."""
    net = Network(["A/ens33"])
    for number in range(4):
        ends = "192.168.111.1:67 > 10.0.0.7:67" if relay else "192.168.111.1:68 > 255.255.255.255:67"
        net.pass_by(("A/ens33", dhcp(DISCOVER).but(ends=ends, ident=number)))
        net.now += 4e6
    findings = of_story(net, tmp_path, NAME)
    assert [finding["facts"]["asked"] for finding in findings] == ([4] if relay else [])


def test_two_discovers_at_the_end_is_silent(tmp_path: Path) -> None:
    net = Network(["A/m1/eth0"])
    ask(net, net.points, times=2)
    assert of_story(net, tmp_path, NAME) == []


OTHERS = ("02:42:c0:a8:6f:0b", "02:42:c0:a8:6f:0c")


def ask_for(net: Network, *clients: str, times: int = 4) -> None:
    """DISCOVERs of several clients, four seconds apart."""
    for number in range(times):
        for client in clients:
            net.pass_by(("A/ens33", dhcp_message(DISCOVER, client, ident=number)))
        net.now += 4e6


def test_clients_of_one_cause_is_told_once(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    ask_for(net, CLIENT, *OTHERS)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"] == (
        f"{CLIENT}, {OTHERS[0]} and {OTHERS[1]} asked for addresses by DHCP, together 12 times in 12 s, and got "
        "no offer"
    )
    assert finding["facts"] == {
        "clients": [CLIENT, *OTHERS], "count": 3, "asked": 12, "offers": 0, "servers": []
    }  # fmt: skip
    assert "frames to these clients on the way" in finding["fix"]


def test_server_that_answers_other_clients_is_told(tmp_path: Path) -> None:
    """Its pool is exhausted: that it is up need not be checked."""
    net = Network(["A/ens33"])
    for client in OTHERS:
        for kind in (DISCOVER, OFFER, REQUEST, ACK):
            net.pass_by(("A/ens33", dhcp_message(kind, client)))
    ask_for(net, CLIENT)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["fix"].startswith(f"a DHCP server is up and answers 2 other clients ({SERVER}): look in its log")


def test_server_that_answered_long_ago_is_told(tmp_path: Path) -> None:
    """It may be down since: that is to be checked."""
    net = Network(["A/ens33"])
    for kind in (DISCOVER, OFFER, REQUEST, ACK):
        net.pass_by(("A/ens33", dhcp_message(kind, OTHERS[0])))
    net.now += 600e6
    ask_for(net, CLIENT)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["fix"].startswith("check that a DHCP server is up")


def test_requests_about_an_earlier_lease_is_told(tmp_path: Path) -> None:
    """A client that comes back asks for what it had; no server answers, so it begins anew."""
    net = Network(["A/ens33"])
    for number in range(2):
        net.pass_by(("A/ens33", dhcp_message(REQUEST, CLIENT, ident=number)))
        net.now += 3e6
    ask_for(net, CLIENT)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"].startswith(f"{CLIENT} asked for an address by DHCP 4 times")
