"""listen-queue-full: a server that leaves SYNs unanswered and accepts others. Played with a real kernel, backlog 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, RST, SYN, Network, Packet, tcp

SECOND = 1e6  # µs
ROUTER, SERVER = "02:00:00:00:00:99", "02:00:00:00:00:80"
V4, V6 = ("10.2.0.2", "10.1.0.2"), ("fd02::2", "fd01::2")


class Server:
    """A server that clients reach through a router: SYNs with TTL 63, its own packets with 64, unless `routed`."""

    def __init__(
        self, points: tuple[str, ...] = ("s/eth0",), hosts: tuple[str, str] = V4, routed: bool = False
    ) -> None:
        self.net = Network(list(points))
        self.client, self.server = hosts
        self.port, self.is_routed = 40000, routed

    def put(self, packet: Packet, is_answer: bool = False) -> None:
        self.net.now += 100
        ident = len(self.net.recorded) + 1
        packet = packet.but(
            ident=ident,
            ttl=63 if self.is_routed or not is_answer else 64,
            **({"smac": SERVER, "dmac": ROUTER} if is_answer else {"smac": ROUTER, "dmac": SERVER}),
        )
        points = self.net.points if not is_answer else self.net.points[::-1]
        for number, point in enumerate(points):
            self.net.at(self.net.now + 20 * number, point, packet)

    def ends(self, client: str | None = None) -> tuple[str, str]:
        near, far = (f"[{host}]" if ":" in host else host for host in (client or self.client, self.server))
        return f"{near}:{self.port} > {far}:80", f"{far}:80 > {near}:{self.port}"

    def accept(self, client: str | None = None, delay: float = 0.0, tries: int = 1) -> None:
        self.port += 1
        out, back = self.ends(client)
        for number in range(tries):
            self.put(tcp(out, seq=7, flags=SYN))
            self.net.now += SECOND * (number < tries - 1)
        self.net.now += delay * SECOND
        self.put(tcp(back, seq=3, ack=8, flags=SYN | ACK), is_answer=True)
        self.put(tcp(out, seq=8, ack=4))

    def ignore(self, client: str | None = None, tries: int = 3, answer: int | None = None) -> None:
        self.port += 1
        out, back = self.ends(client)
        for _ in range(tries):
            self.put(tcp(out, seq=7, flags=SYN))
            self.net.now += 1.02 * SECOND
        if answer is not None:
            self.put(tcp(back, seq=0, ack=8, flags=answer), is_answer=True)

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "listen-queue-full")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_syns_ignored_after_others_were_accepted_is_told(tmp_path: Path, hosts: tuple[str, str]) -> None:
    played = Server(hosts=hosts)
    played.accept()
    played.accept()
    for _ in range(3):
        played.ignore()
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["connections"], facts["syns"], facts["accepted"]) == ("warning", 3, 9, 2)
    assert facts["point"] == "s/eth0"


def test_syn_accepted_late_is_told(tmp_path: Path) -> None:
    """The queue moves again: the third SYN of a connection is answered."""
    played = Server()
    played.accept()
    played.accept(tries=3)
    played.accept()
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["connections"], finding["facts"]["accepted"]) == (1, 2)


def test_point_nearest_to_the_server_is_told(tmp_path: Path) -> None:
    played = Server(points=("r/eth1", "s/eth0"))
    played.accept()
    played.ignore()
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["point"] == "s/eth0"


def test_point_far_from_the_server_is_silent(tmp_path: Path) -> None:
    """Answers come through a router: SYNs may be lost behind this point."""
    played = Server(routed=True)
    played.accept()
    played.ignore()
    assert played.findings(tmp_path) == []


def test_server_that_accepts_nobody_is_silent(tmp_path: Path) -> None:
    played = Server()
    for _ in range(3):
        played.ignore()
    assert played.findings(tmp_path) == []


def test_port_that_opens_later_is_silent(tmp_path: Path) -> None:
    """A rule or a start-up that takes time: nothing was accepted before."""
    played = Server()
    played.ignore()
    played.accept()
    assert played.findings(tmp_path) == []


def test_one_client_that_is_never_accepted_is_silent(tmp_path: Path) -> None:
    """A rule for one address: the others pass."""
    played = Server()
    played.accept()
    played.ignore(client="10.2.0.66")
    played.accept()
    assert played.findings(tmp_path) == []


def test_refused_connections_is_silent(tmp_path: Path) -> None:
    played = Server()
    played.accept()
    played.ignore(answer=RST | ACK)
    assert played.findings(tmp_path) == []


def test_server_that_is_gone_is_silent(tmp_path: Path) -> None:
    """It answered, closed, and accepts nothing from then on: its address may be elsewhere now."""
    played = Server()
    for _ in range(2):
        played.accept()
        played.put(tcp(played.ends()[1], b"HTTP/1.0 200 OK", seq=4, ack=8), is_answer=True)
    for _ in range(3):
        played.ignore()
    assert played.findings(tmp_path) == []


def test_server_that_answered_and_accepts_later_is_told(tmp_path: Path) -> None:
    played = Server()
    for ignored in (1, 0):
        played.accept()
        played.put(tcp(played.ends()[1], b"HTTP/1.0 200 OK", seq=4, ack=8), is_answer=True)
        for _ in range(ignored):
            played.ignore()
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["connections"] == 1


def test_connections_that_were_all_closed_is_silent(tmp_path: Path) -> None:
    """An old kernel drops SYNs with earlier timestamps, as of another client behind one NAT. Its queue is empty."""
    played = Server()
    for _ in range(3):
        played.accept()
        out, back = played.ends()
        for number, (ends, flags) in enumerate(((back, FIN | ACK), (out, FIN | ACK), (back, ACK))):
            played.put(tcp(ends, seq=4 + number // 2, ack=8 + number // 2, flags=flags), is_answer=ends == back)
        played.net.now += 0.1 * SECOND
        played.ignore()
    assert played.findings(tmp_path) == []


def test_syns_that_ask_for_ecn_are_silent(tmp_path: Path) -> None:
    """A firewall drops SYNs with ECE and CWR; the client's third SYN, without them, is accepted (RFC 3168)."""
    played = Server()
    played.accept()
    played.port += 1
    out, back = played.ends()
    for flags in (SYN | 0xC0, SYN | 0xC0, SYN):
        played.put(tcp(out, seq=7, flags=flags))
        played.net.now += 1.02 * SECOND
    played.put(tcp(back, seq=3, ack=8, flags=SYN | ACK), is_answer=True)
    played.accept()
    assert played.findings(tmp_path) == []
