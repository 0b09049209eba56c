"""answer-not-translated: a server answers a client that asked another address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.bridges import APP, APP_MAC, BRIDGE, BRIDGE_MAC, WEB, WEB_MAC
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, RST, SYN, Network, Packet, about, arp, ping, tcp, udp
from tests.story_reports import A, B, read

SERVICE = "10.96.0.10"
CLIENT_POINT = "A/app/eth0"


def ask(number: int) -> Packet:
    return tcp(f"{APP}:41000 > {SERVICE}:80", flags=SYN, seq=7000, ident=number, smac=APP_MAC, dmac=BRIDGE_MAC)


def answer(number: int, src: str = f"{WEB}:80") -> Packet:
    return tcp(f"{src} > {APP}:41000", flags=SYN | ACK, seq=500 + number, ack=7001, ident=100 + number, smac=WEB_MAC,
               dmac=APP_MAC)  # fmt: skip


def reset(number: int) -> Packet:
    return tcp(f"{APP}:41000 > {WEB}:80", flags=RST, seq=7001, ident=200 + number, smac=APP_MAC, dmac=WEB_MAC)


def untranslated(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "answer-not-translated")


@pytest.mark.parametrize("point", [CLIENT_POINT, BRIDGE])
def test_answer_of_the_server_itself_is_told(tmp_path: Path, point: str) -> None:
    """At the bridge, the SYN is seen before and behind its translation."""
    net = Network([point])
    for number in range(3):
        net.pass_by((point, ask(number)), gap=20)
        if point == BRIDGE:
            net.pass_by((point, ask(number).routed(dst=WEB, smac=BRIDGE_MAC, dmac=WEB_MAC)), gap=20)
        net.pass_by((point, answer(number)), gap=20)
        net.pass_by((point, reset(number)), gap=1e6)
    (finding,) = untranslated(net, tmp_path)
    assert finding["level"] == "error"
    assert (finding["facts"]["service"], finding["facts"]["server"]) == (f"{SERVICE}:80", f"{WEB}:80")
    assert "bridge-nf-call" in finding["fix"]


def look_up(net: Network, point: str, *, asked_mac: str = BRIDGE_MAC) -> None:
    """Three questions to a cluster's name server, which answers on the bridge from its own address."""
    net.at(net.now, point, arp(1, WEB_MAC, WEB, APP))
    net.at(net.now + 20, point, arp(2, APP_MAC, APP, WEB, to=WEB_MAC))
    for port in range(42000, 42003):
        net.now += 1e5
        question = udp(f"{APP}:{port} > {SERVICE}:53", b"question", ident=port, smac=APP_MAC, dmac=asked_mac)
        reply = udp(f"{WEB}:53 > {APP}:{port}", b"answer", ident=port + 50, smac=WEB_MAC, dmac=APP_MAC)
        refusal = ping(f"{APP} > {WEB}", 0, 0, icmp=(3, 3), smac=APP_MAC, dmac=WEB_MAC)
        net.pass_by((point, question))
        if point == BRIDGE:
            net.pass_by((point, question.routed(dst=WEB, smac=BRIDGE_MAC, dmac=WEB_MAC)), gap=20)
        net.pass_by((point, reply))
        net.pass_by((point, about(refusal, reply)))


@pytest.mark.parametrize("point", [CLIENT_POINT, BRIDGE])
def test_answer_of_a_name_server_itself_is_told(tmp_path: Path, point: str) -> None:
    """`reply from unexpected source: 172.17.0.3#53, expected 10.96.0.10#53`."""
    net = Network([point])
    look_up(net, point)
    (finding,) = [of for of in read(net, tmp_path)["findings"] if of["level"] != "info"]
    assert (finding["name"], finding["level"]) == ("answer-not-translated", "error")
    assert finding["says"] == (
        f"{APP} asked {SERVICE}:53, and {WEB}:53 answered from its own address, 3 times: the request was translated, "
        "the answer was not, and the clients refuse it ('port unreachable')"
    )
    assert "bridge-nf-call" in finding["fix"]


def test_datagrams_of_a_server_with_two_cards_is_silent(tmp_path: Path) -> None:
    """The asked address is that of one card, which says so by ARP; the other one answers."""
    net = Network([CLIENT_POINT])
    net.at(0, CLIENT_POINT, arp(1, APP_MAC, APP, SERVICE))
    net.at(20, CLIENT_POINT, arp(2, BRIDGE_MAC, SERVICE, APP, to=APP_MAC))
    net.now = 100
    look_up(net, CLIENT_POINT)
    assert untranslated(net, tmp_path) == []


def test_answer_of_a_server_behind_a_router_is_told(tmp_path: Path) -> None:
    """A translated B's request; the server's route to B does not lead by A."""
    net = Network(["B/ens33"])
    router = "02:50:56:00:00:01"
    for number in range(2):
        syn = tcp(f"{B}:41000 > {A}:8080", flags=SYN, seq=7000, ident=number, smac=CARD_B, dmac=CARD_A)
        back = tcp(f"10.1.2.3:80 > {B}:41000", flags=SYN | ACK, seq=500, ack=7001, ident=100 + number, ttl=62,
                   smac=router, dmac=CARD_B)  # fmt: skip
        rst = tcp(f"{B}:41000 > 10.1.2.3:80", flags=RST, seq=7001, ident=200 + number, smac=CARD_B, dmac=router)
        for packet in (syn, back, rst):
            net.pass_by(("B/ens33", packet), gap=1e5)
    (finding,) = untranslated(net, tmp_path)
    assert finding["facts"]["server"] == "10.1.2.3:80" and "bridge-nf-call" not in finding["fix"]


def test_answer_to_a_client_of_ipv6_is_told(tmp_path: Path) -> None:
    net = Network([CLIENT_POINT])
    for packet in (
        tcp("[fd00::3]:41000 > [fd99::10]:80", flags=SYN, seq=7000, smac=APP_MAC, dmac=BRIDGE_MAC),
        tcp("[fd00::2]:80 > [fd00::3]:41000", flags=SYN | ACK, seq=500, ack=7001, smac=WEB_MAC, dmac=APP_MAC),
        tcp("[fd00::3]:41000 > [fd00::2]:80", flags=RST, seq=7001, smac=APP_MAC, dmac=WEB_MAC),
    ):
        net.pass_by((CLIENT_POINT, packet))
    (finding,) = untranslated(net, tmp_path)
    assert finding["facts"]["server"] == "[fd00::2]:80"


def test_answer_that_the_client_accepts_is_silent(tmp_path: Path) -> None:
    """A capture of one side of the translation: the connection goes on."""
    net = Network([CLIENT_POINT])
    net.pass_by((CLIENT_POINT, ask(1)))
    net.pass_by((CLIENT_POINT, answer(1)))
    net.pass_by((CLIENT_POINT, reset(1).but(flags=ACK)))
    assert untranslated(net, tmp_path) == []


def test_answer_that_is_translated_is_silent(tmp_path: Path) -> None:
    net = Network([CLIENT_POINT])
    net.pass_by((CLIENT_POINT, ask(1)))
    net.pass_by((CLIENT_POINT, answer(1, f"{SERVICE}:80")))
    net.pass_by((CLIENT_POINT, reset(1).but(ends=f"{APP}:41000 > {SERVICE}:80")))
    assert untranslated(net, tmp_path) == []


def test_port_scan_is_silent(tmp_path: Path) -> None:
    """A scanner sends the same SYN to many ports, and resets what answers."""
    net = Network([CLIENT_POINT])
    for port in (22, 80, 443):
        net.pass_by((CLIENT_POINT, ask(port).but(ends=f"{APP}:41000 > {WEB}:{port}")))
    net.pass_by((CLIENT_POINT, answer(1)))
    net.pass_by((CLIENT_POINT, reset(1)))
    assert untranslated(net, tmp_path) == []
