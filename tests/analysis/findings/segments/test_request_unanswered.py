"""request-unanswered: requests that are acknowledged and never answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, PSH, RST, SYN, Network, Packet, tcp

SECOND = 1e6  # µs
V4, V6 = ("10.2.0.2", "10.1.0.2"), ("[fd02::2]", "[fd01::2]")


class Client:
    """A client of one service, with a connection for each request."""

    def __init__(self, port: int = 8080, hosts: tuple[str, str] = V4) -> None:
        self.net, self.hosts, self.service, self.port = Network(["c/eth0"]), hosts, port, 40000

    def put(self, packet: Packet, wait: float = 0.0005) -> None:
        self.net.now += wait * SECOND
        self.net.at(self.net.now, "c/eth0", packet.but(ident=len(self.net.recorded) + 1))

    def ask(
        self, wait: float = 10, answer: bool = False, requests: int = 1, ack: bool = True, end: int | None = FIN | ACK
    ) -> None:
        """`requests`: how many, a minute apart; `end`: flags by which the client gives up after `wait` s."""
        self.port += 1
        client, server = self.hosts
        out, back = f"{client}:{self.port} > {server}:{self.service}", f"{server}:{self.service} > {client}:{self.port}"
        self.put(tcp(out, seq=0, flags=SYN))
        self.put(tcp(back, seq=0, ack=1, flags=SYN | ACK))
        self.put(tcp(out, seq=1, ack=1))
        for number in range(requests):
            self.put(tcp(out, bytes(100), seq=1 + 100 * number, ack=1, flags=PSH | ACK), 60.0 * (number > 0))
            if ack:
                self.put(tcp(back, seq=1, ack=101 + 100 * number))
        if answer:
            self.put(tcp(back, bytes(500), seq=1, ack=101, flags=PSH | ACK))
        if end is not None:
            self.put(tcp(out, seq=1 + 100 * requests, ack=501 if answer else 1, flags=end), wait)

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "request-unanswered")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_requests_without_an_answer_is_told(tmp_path: Path, hosts: tuple[str, str]) -> None:
    played = Client(hosts=hosts)
    played.ask()
    played.ask(end=RST | ACK)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["requests"], facts["longest_s"], facts["answered"]) == ("warning", 2, 10.0, 0)


def test_tls_handshake_that_hangs_is_told(tmp_path: Path) -> None:
    """One is enough: a server answers a ClientHello at once."""
    played = Client(port=443)
    played.ask()
    (finding,) = played.findings(tmp_path)
    assert "in the TLS handshake" in finding["says"]


def test_one_of_several_requests_is_told(tmp_path: Path) -> None:
    played = Client()
    played.ask(wait=0.1, answer=True)
    played.ask()
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["requests"], finding["facts"]["answered"]) == (1, 1)


def test_single_request_of_unknown_kind_is_silent(tmp_path: Path) -> None:
    played = Client()
    played.ask()
    assert played.findings(tmp_path) == []


def test_program_that_collects_is_silent(tmp_path: Path) -> None:
    """Log lines over TCP: the server never says anything, and gets the next ones."""
    played = Client(port=601)
    for _ in range(3):
        played.ask(requests=3)
    assert played.findings(tmp_path) == []


def test_client_that_gives_up_soon_is_silent(tmp_path: Path) -> None:
    played = Client(port=443)
    for _ in range(3):
        played.ask(wait=1)
    assert played.findings(tmp_path) == []


def test_capture_that_ends_soon_is_silent(tmp_path: Path) -> None:
    played = Client(port=443)
    played.ask(end=None)
    played.ask(end=None)
    assert played.findings(tmp_path) == []


def test_request_that_is_not_acknowledged_is_silent(tmp_path: Path) -> None:
    """Lost, not unanswered."""
    played = Client(port=443)
    played.ask(ack=False)
    played.ask(ack=False)
    assert played.findings(tmp_path) == []


def test_answer_that_one_point_missed_is_silent(tmp_path: Path) -> None:
    """The capture program at the bridge dropped the answers, which the server's own interface shows."""
    net = Network(["A/docker0", "A/web/eth0"])
    for number in range(2):
        out, back = f"{V4[0]}:{41000 + number} > {V4[1]}:80", f"{V4[1]}:80 > {V4[0]}:{41000 + number}"
        session = [
            tcp(out, seq=0, flags=SYN), tcp(back, seq=0, ack=1, flags=SYN | ACK), tcp(out, seq=1, ack=1),
            tcp(out, bytes(100), seq=1, ack=1, flags=PSH | ACK), tcp(back, seq=1, ack=101),
        ]  # fmt: skip
        for place, packet in enumerate(session):
            form = packet.but(ident=100 * number + place + 1)
            net.pass_by(*(("A/docker0", form), ("A/web/eth0", form))[:: 1 if packet.src == V4[0] else -1])
        net.at(net.now, "A/web/eth0", tcp(back, bytes(500), seq=1, ack=101, ident=100 * number + 50))
        net.now += 10 * SECOND
        last = tcp(out, seq=101, ack=501, flags=FIN | ACK, ident=100 * number + 60)
        net.pass_by(("A/docker0", last), ("A/web/eth0", last))
    assert of_story(net, tmp_path, "request-unanswered") == []


def test_client_that_resets_soon_is_silent(tmp_path: Path) -> None:
    """It waited for half a second, however long the capture goes on."""
    played = Client(port=443)
    for _ in range(3):
        played.ask(wait=0.5, end=RST | ACK)
    played.put(tcp("10.9.0.2:1 > 10.9.0.3:2", flags=ACK), 600)
    assert played.findings(tmp_path) == []


def test_keepalives_of_a_client_that_waits_is_told(tmp_path: Path) -> None:
    """They are no more requests: the wait is from the only one."""
    played = Client()
    for _ in range(2):
        played.ask(end=None)
        out, back = f"{V4[0]}:{played.port} > {V4[1]}:8080", f"{V4[1]}:8080 > {V4[0]}:{played.port}"
        for _ in range(3):
            played.put(tcp(out, bytes(1), seq=100, ack=1), 45)
            played.put(tcp(back, seq=1, ack=101))
        played.put(tcp(out, seq=101, ack=1, flags=FIN | ACK), 5)
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["requests"], finding["facts"]["longest_s"]) == (2, 140.0)
