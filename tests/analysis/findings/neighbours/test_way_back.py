"""arp-unanswered of a next hop for which answers wait: an error, with the client whose questions stay unanswered."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import CARD_A, CARD_B, of_capture, of_story
from tests.stories import ACK, SYN, Network, about, arp, ping, tcp
from tests.story_reports import A, B

CLIENT, GATEWAY, CARD_ROUTER = "10.9.0.5", "192.168.111.254", "02:00:c0:a8:6f:01"
WAITS = f": it asks as soon as packets of {CLIENT} arrive, so its answers to {CLIENT} have to go by this address"


def syn(net: Network, port: int, client: str = CLIENT) -> None:
    net.at(net.now, "A/ens33", tcp(f"{client}:{port} > {A}:80", flags=SYN, seq=9, smac=CARD_ROUTER, dmac=CARD_A))


def waits(net: Network, *, ports: tuple[int, ...] = (4000, 4001), after: float = 100) -> None:
    """Each connection's SYN comes four times, a second apart; A asks three times, from `after` microseconds on."""
    for port in ports:
        for times in range(4):
            syn(net, port)
            if times < 3:
                net.at(net.now + after, "A/ens33", arp(1, CARD_A, A, GATEWAY))
            net.now += 1e6


def test_answers_that_wait_for_their_gateway_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    waits(net)
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "error" and finding["says"].endswith(f"no answer{WAITS}")
    assert finding["fix"].startswith(f"correct the route of {A} to {CLIENT} (`ip route get {CLIENT}` there names")
    assert {frame["frame"] for frame in finding["evidence"]} == {1, 2, 8}  # both connections, and the first question
    assert of_story(net, tmp_path, "connection-unanswered") == []


def test_server_with_a_wrong_gateway_is_told() -> None:
    """A recorded fault. `ip route replace default via 192.168.111.254` broke the network."""
    (finding,) = of_capture("pcaps/faults/wrong-gateway.pcapng", "arp-unanswered")
    assert finding["level"] == "error" and WAITS in finding["says"]
    assert finding["facts"] | {"requests": 0} == {"asks": A, "for": GATEWAY, "requests": 0}


def test_question_at_another_time_is_told_alone(tmp_path: Path) -> None:
    """A filter drops the SYNs; a program of A asks for the gateway a fifth of a second later."""
    net = Network(["A/ens33"])
    waits(net, after=200_000)
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "warning" and finding["says"].endswith("no answer")


def test_dead_backend_of_a_port_is_told_alone(tmp_path: Path) -> None:
    """A translates the port to another host of its network, asks for that one, and says that it is not there."""
    net = Network(["A/ens33"])
    waits(net)
    asked = tcp(f"{CLIENT}:4000 > {A}:80", flags=SYN, seq=9)
    error = about(ping(f"{A} > {CLIENT}", 0, 0, icmp=(3, 1), smac=CARD_A, dmac=CARD_ROUTER), asked)
    net.at(net.now, "A/ens33", error)
    net.now += 1e6
    assert not any(WAITS in finding["says"] for finding in of_story(net, tmp_path, "arp-unanswered"))


def test_capture_that_ends_early_is_told_alone(tmp_path: Path) -> None:
    """Such a message would come after the third question."""
    net = Network(["A/ens33"])
    waits(net, ports=(4000,))
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "warning"


def test_client_that_gets_something_is_told_alone(tmp_path: Path) -> None:
    """Its answers do not go by the address that is asked for."""
    net = Network(["A/ens33"])
    net.at(net.now, "A/ens33", ping(f"{A} > {B}", 7, 1, smac=CARD_A, dmac=CARD_B))
    net.at(net.now + 90, "A/ens33", ping(f"{B} > {A}", 7, 1, icmp=(0, 0), smac=CARD_B, dmac=CARD_A))
    net.now += 1e6
    waits(net)
    net.at(net.now, "A/ens33", ping(f"{A} > {CLIENT}", 7, 1, icmp=(0, 0), smac=CARD_A, dmac=CARD_ROUTER))
    net.now += 1e6
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "warning" and WAITS not in finding["says"]


def test_scan_of_the_host_is_told_alone(tmp_path: Path) -> None:
    """Of so many SYNs one always comes right before a question."""
    net = Network(["A/ens33"])
    for number in range(90):
        for times in range(2):
            net.at(net.now + times * 1e6, "A/ens33", tcp(f"{CLIENT}:{5000 + number} > {A}:{20 + number}", flags=SYN))
        net.now += 1e4
    waits(net, ports=(4000,))
    assert not any(WAITS in finding["says"] for finding in of_story(net, tmp_path, "arp-unanswered"))


def test_accepted_connection_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    waits(net)
    net.at(net.now, "A/ens33", tcp(f"{A}:80 > {CLIENT}:4001", flags=SYN | ACK, seq=5, ack=10, smac=CARD_A))
    net.now += 1e6
    assert not any(WAITS in finding["says"] for finding in of_story(net, tmp_path, "arp-unanswered"))
