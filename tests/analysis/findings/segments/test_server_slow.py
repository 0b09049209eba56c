"""server-slow: answers that begin late though the requests are acknowledged. Played with a real kernel too."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.facts.transport.tcp_connections import segments
from capnet.analysis.findings.segments import server_slow
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, PSH, SYN, Network, Packet, tcp

SECOND = 1e6  # µs
V4, V6 = ("10.2.0.2", "10.1.0.2"), ("[fd02::2]", "[fd01::2]")


class Client:
    """A client of one server, with a connection for each request; 1 ms there and back."""

    def __init__(self, hosts: tuple[str, str] = V4, service: int = 80) -> None:
        self.net, self.hosts, self.port, self.service = Network(["c/eth0"]), hosts, 40000, service

    def put(self, packet: Packet, wait: float = 0.0005) -> None:
        self.net.now += wait * SECOND
        self.net.at(self.net.now, "c/eth0", packet.but(ident=len(self.net.recorded) + 1))

    def ask(self, wait: float, ack: float | None = 0.001, banner: bytes = b"") -> None:
        """A request that is acknowledged after `ack` s (None: with the answer) and answered after `wait` s."""
        self.port += 1
        client, server = self.hosts
        out, back = f"{client}:{self.port} > {server}:{self.service}", f"{server}:{self.service} > {client}:{self.port}"
        self.put(tcp(out, seq=0, flags=SYN))
        self.put(tcp(back, seq=0, ack=1, flags=SYN | ACK), 0.001)
        self.put(tcp(out, seq=1, ack=1))
        if banner:
            self.put(tcp(back, banner, seq=1, ack=1, flags=PSH | ACK))
        self.put(tcp(out, bytes(100), seq=1, ack=1 + len(banner), flags=PSH | ACK))
        if ack is not None:
            self.put(tcp(back, seq=1 + len(banner), ack=101), ack)
        self.put(tcp(back, bytes(500), seq=1 + len(banner), ack=101, flags=PSH | ACK), wait - (ack or 0))

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "server-slow")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_answers_after_seconds_is_told(tmp_path: Path, hosts: tuple[str, str]) -> None:
    played = Client(hosts)
    for wait in (2.0, 0.01, 3.0, 0.01):
        played.ask(wait)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["slow"], facts["answers"]) == ("warning", 2, 4)
    assert (facts["median_s"], facts["worst_s"], facts["port"]) == (3.0, 3.0, 80)


@pytest.mark.parametrize("service", [6379, 11300])
def test_clients_that_wait_for_an_item_is_silent(tmp_path: Path, service: int) -> None:
    """BLPOP of Redis, `reserve` of beanstalkd: the server answers when there is one."""
    played = Client(service=service)
    for wait in (2.0, 0.01, 5.8, 0.01):
        played.ask(wait)
    assert played.findings(tmp_path) == []


def test_redis_that_holds_up_all_clients_is_told(tmp_path: Path) -> None:
    """It has one thread: what waits behind a slow command gets its answer in the same moment."""
    played = Client(service=6379)
    begin = played.net.now
    for wait in (3.0, 2.5):
        played.net.now = begin + (3.0 - wait) * SECOND
        played.ask(wait)
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["slow"], finding["facts"]["answers"]) == (2, 2)


@pytest.mark.parametrize("service", [179, 646])
def test_routers_that_announce_by_timers_is_silent(tmp_path: Path, service: int) -> None:
    """BGP: an UPDATE of one router is no answer to that of the other; each waits for its own timer."""
    played = Client(service=service)
    for wait in (2.0, 0.01, 3.0):
        played.ask(wait)
    assert played.findings(tmp_path) == []


def test_slow_network_is_silent(tmp_path: Path) -> None:
    """The acknowledgment takes as long as the answer: the way is long, or something was lost."""
    played = Client()
    for _ in range(4):
        played.ask(1.2, ack=1.1)
        played.ask(1.2, ack=None)
    assert played.findings(tmp_path) == []


def test_far_server_is_silent(tmp_path: Path) -> None:
    """A satellite: 150 ms to the acknowledgment, so that 1 s are seven ways and no wait."""
    played = Client()
    for _ in range(4):
        played.ask(1.1, ack=0.15)
    assert played.findings(tmp_path) == []


def test_long_polling_is_silent(tmp_path: Path) -> None:
    played = Client()
    for _ in range(4):
        played.ask(30)
    assert played.findings(tmp_path) == []


def test_server_that_speaks_first_is_silent(tmp_path: Path) -> None:
    """SSH, mail and MySQL: what a person or a session types next has no answer at once."""
    played = Client()
    for _ in range(4):
        played.ask(3, banner=b"SSH-2.0-x\r\n")
    assert played.findings(tmp_path) == []


def test_few_slow_answers_is_silent(tmp_path: Path) -> None:
    """Two of twenty: what is not cached."""
    played = Client()
    for number in range(20):
        played.ask(2 if number < 2 else 0.01)
    assert played.findings(tmp_path) == []


def test_single_slow_answer_is_silent(tmp_path: Path) -> None:
    played = Client()
    played.ask(2)
    assert played.findings(tmp_path) == []


def test_keepalive_before_an_answer_is_no_request(tmp_path: Path) -> None:
    """Long polling: two probes while the client waits for 108 s, and news 18 s after the last one."""
    played = Client()
    for _ in range(3):
        played.ask(0.01)
        client, server = played.hosts
        out, back = f"{client}:{played.port} > {server}:80", f"{server}:80 > {client}:{played.port}"
        played.put(tcp(out, bytes(100), seq=101, ack=501, flags=PSH | ACK))
        played.put(tcp(back, seq=501, ack=201), 0.001)
        for _ in range(2):
            played.put(tcp(out, bytes(1), seq=200, ack=501), 45)
            played.put(tcp(back, seq=501, ack=201), 0.001)
        played.put(tcp(back, bytes(500), seq=501, ack=201, flags=PSH | ACK), 18)
    assert played.findings(tmp_path) == []


def test_keepalive_after_a_retransmission_is_silent(tmp_path: Path) -> None:
    """A probe repeats the last octet that was sent at all, not that of the segment before; later the server pushes."""
    played = Client()
    for _ in range(3):
        played.port += 1
        client, server = played.hosts
        out, back = f"{client}:{played.port} > {server}:80", f"{server}:80 > {client}:{played.port}"
        played.put(tcp(out, seq=0, flags=SYN))
        played.put(tcp(back, seq=0, ack=1, flags=SYN | ACK), 0.001)
        played.put(tcp(out, seq=1, ack=1))
        played.put(tcp(out, bytes(100), seq=1, ack=1))
        played.put(tcp(out, bytes(100), seq=101, ack=1, flags=PSH | ACK))
        played.put(tcp(out, bytes(100), seq=1, ack=1), 0.3)
        played.put(tcp(back, bytes(50), seq=1, ack=201, flags=PSH | ACK), 0.001)
        played.put(tcp(out, seq=201, ack=51))
        played.put(tcp(out, bytes(1), seq=200, ack=51), 4)
        played.put(tcp(back, seq=51, ack=201), 0.001)
        played.put(tcp(back, bytes(50), seq=51, ack=201, flags=PSH | ACK), 2)
    assert played.findings(tmp_path) == []


class Talk(Client):
    """One connection, each message `wait` s after the one before: `>` of the client, `<` of the server."""

    def __init__(self, *messages: tuple[str, int, float]) -> None:
        super().__init__()
        client, server = self.hosts
        ends = {">": f"{client}:40000 > {server}:80", "<": f"{server}:80 > {client}:40000"}
        self.put(tcp(ends[">"], seq=0, flags=SYN))
        self.put(tcp(ends["<"], seq=0, ack=1, flags=SYN | ACK), 0.001)
        self.put(tcp(ends[">"], seq=1, ack=1))
        sent = {">": 1, "<": 1}
        for end, octets, wait in messages:
            other = "<" if end == ">" else ">"
            self.put(tcp(ends[end], bytes(octets), seq=sent[end], ack=sent[other], flags=PSH | ACK), wait)
            sent[end] += octets
            self.put(tcp(ends[other], seq=sent[other], ack=sent[end]), 0.001)


def test_connection_of_many_slow_answers_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls of a controller for a day: 1,000 looks at all of its 5,000 segments took 38 s."""
    read: list[int] = []
    monkeypatch.setattr(server_slow, "segments", lambda context, row: read.append(row) or segments(context, row))
    talk = Talk(*[(">", 300, 0.5), ("<", 300, 1.5)] * 40)
    (finding,) = talk.findings(tmp_path)
    assert (finding["facts"]["slow"], len(read)) == (40, 1)


def test_poll_of_the_server_is_silent(tmp_path: Path) -> None:
    """OpenFlow: the controller asks every 2 s, and the switch, which opened the connection, answers at once."""
    hello = [(">", 16, 0.001), ("<", 8, 0.001), (">", 32, 0.001)]
    played = Talk(*hello, *[("<", 56, 2.0), (">", 4000, 0.0003)] * 8)
    assert played.findings(tmp_path) == []


def test_heartbeats_of_both_sides_is_silent(tmp_path: Path) -> None:
    """Each side has a timer of 10 s."""
    played = Talk((">", 500, 0.001), ("<", 400, 0.01), *[(">", 7, 5.0), ("<", 2, 5.0)] * 8)
    assert played.findings(tmp_path) == []


def test_two_timers_that_drift_is_silent(tmp_path: Path) -> None:
    """One of 15 s and one of 16 s: now and then one end speaks twice."""
    rounds = [(">", 31, 3.0), ("<", 27, 12.0), (">", 31, 4.0), (">", 28, 2.5), ("<", 27, 9.0)]
    assert Talk(*rounds * 5).findings(tmp_path) == []


def test_two_people_who_type_is_silent(tmp_path: Path) -> None:
    assert Talk((">", 9, 5.0), ("<", 8, 3.7), (">", 17, 4.1), ("<", 9, 3.1)).findings(tmp_path) == []


def test_slow_answers_in_one_connection_is_told(tmp_path: Path) -> None:
    """A pool's connection to a database: some queries are slow, and the client asks again when it likes."""
    queries = [(">", 80, 0.5), ("<", 300, 0.01), (">", 80, 0.1), ("<", 300, 2.1), (">", 90, 0.3), ("<", 500, 5.4)]
    (finding,) = Talk(*queries * 3).findings(tmp_path)
    assert (finding["facts"]["slow"], finding["facts"]["answers"]) == (6, 9)


def test_client_that_polls_a_slow_server_is_told(tmp_path: Path) -> None:
    """The client's own timer makes the answers come at even intervals, too."""
    (finding,) = Talk(*[(">", 300, 8.0), ("<", 500, 2.0)] * 6).findings(tmp_path)
    assert finding["facts"]["slow"] == 6
