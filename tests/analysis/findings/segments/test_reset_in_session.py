"""reset-in-session: resets while something is still to be said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, PSH, RST, SYN, Network, Packet, tcp

V4, V6 = ("10.2.0.2", "10.1.0.2"), ("[fd02::2]", "[fd01::2]")


class Session:
    """A client and its server; `points`: the client's side first. The server's packets have TTL 63 everywhere."""

    def __init__(self, hosts: tuple[str, str] = V4, points: tuple[str, ...] = ("c/eth0",)) -> None:
        client, server = hosts
        self.net = Network(list(points))
        self.out, self.back = f"{client}:40000 > {server}:80", f"{server}:80 > {client}:40000"
        self.sent, self.got = 1, 1
        self.put(tcp(self.out, seq=0, flags=SYN))
        self.put(tcp(self.back, seq=0, ack=1, flags=SYN | ACK, ttl=63))
        self.put(tcp(self.out, seq=1, ack=1))

    def put(self, packet: Packet, points: tuple[str, ...] = ()) -> None:
        packet = packet.but(ident=len(self.net.recorded) + 1)
        way = list(points or self.net.points)
        self.net.pass_by(*((point, packet) for point in (way if packet.dport == 80 else way[::-1])))

    def request(self) -> None:
        self.put(tcp(self.out, bytes(100), seq=self.sent, ack=self.got, flags=PSH | ACK))
        self.sent += 100

    def answer(self, flags: int = PSH | ACK) -> None:
        self.put(tcp(self.back, bytes(1000), seq=self.got, ack=self.sent, flags=flags, ttl=63))
        self.got += 1000

    def reset(self, by_server: bool = True, ttl: int = 63, points: tuple[str, ...] = ()) -> None:
        if by_server:
            self.put(tcp(self.back, seq=self.got, ack=self.sent, flags=RST | ACK, ttl=ttl), points)
        else:
            self.put(tcp(self.out, seq=self.sent, ack=self.got, flags=RST | ACK), points)

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "reset-in-session")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_request_that_is_reset_is_told(tmp_path: Path, hosts: tuple[str, str]) -> None:
    """The server's process is killed while it works on the second request."""
    played = Session(hosts)
    played.request()
    played.answer()
    played.request()
    played.reset()
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["why"], facts["octets"], facts["port"]) == ("warning", "unanswered", 1200, 80)


def test_upload_that_goes_on_after_an_answer_is_told(tmp_path: Path) -> None:
    """As one that is too large: the server answers 413 and closes, and octets that it did not read are reset."""
    played = Session()
    for _ in range(60):
        played.request()
    played.answer()
    for _ in range(120):
        played.request()
    played.reset()
    (finding,) = played.findings(tmp_path)
    assert "which had answered before, but not the last 12,000 bytes of the client" in finding["says"]
    assert "413" in finding["fix"] and finding["facts"]["why"] == "unanswered"


@pytest.mark.parametrize("recorded", ["reset", "acknowledgment", "both", "empty segment"])
def test_answer_that_the_capture_lacks_is_silent(tmp_path: Path, recorded: str) -> None:
    """The capture dropped the last answer, as sequence and acknowledgment numbers show; then the idle server resets."""
    played = Session()
    for _ in range(2):
        played.request()
        played.answer()
    played.net.recorded.pop()
    if recorded == "empty segment":
        played.put(tcp(played.back, seq=played.got, ack=played.sent, ttl=63))
        played.request()
    elif recorded != "reset":
        played.put(tcp(played.out, seq=played.sent, ack=played.got))
    played.got -= 1000 * (recorded == "acknowledgment")
    played.reset()
    assert played.findings(tmp_path) == []


def test_answer_that_breaks_off_is_told(tmp_path: Path) -> None:
    played = Session()
    played.request()
    for _ in range(3):
        played.answer(flags=ACK)
    played.reset()
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["why"] == "unfinished" and "of the server" in finding["says"]


def test_client_that_breaks_off_is_told(tmp_path: Path) -> None:
    """Segments of the answer are still on their way when the client resets."""
    played = Session()
    played.request()
    for _ in range(3):
        played.answer(flags=ACK)
    played.reset(by_server=False)
    played.answer(flags=ACK)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["why"] == "unfinished" and "of the client" in finding["says"]


def test_reset_of_something_between_is_told(tmp_path: Path) -> None:
    """The firewall of the client's host resets: the reset has TTL 64, and the server's card does not show it."""
    played = Session(points=("c/eth0", "s/eth0"))
    played.request()
    played.answer()
    played.reset(ttl=64, points=("c/eth0",))
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (facts["why"], facts["ttl"], facts["first_at"], facts["not_at"]) == ("foreign", 64, "c/eth0", "s/eth0")
    assert "did not send itself (TTL 64, its packets have 63)" in finding["says"]


@pytest.mark.parametrize("by_server", [True, False])
def test_reset_after_a_full_answer_is_silent(tmp_path: Path, by_server: bool) -> None:
    """Pools, health checks and TLS libraries reset what they no longer need."""
    played = Session()
    played.request()
    played.answer()
    played.reset(by_server)
    assert played.findings(tmp_path) == []


def test_reset_after_fin_is_silent(tmp_path: Path) -> None:
    played = Session()
    played.request()
    played.put(tcp(played.out, seq=played.sent, ack=played.got, flags=FIN | ACK))
    played.reset()
    assert played.findings(tmp_path) == []


def test_refused_connection_is_silent(tmp_path: Path) -> None:
    net = Network(["c/eth0"])
    net.pass_by(("c/eth0", tcp("10.2.0.2:40000 > 10.1.0.2:80", seq=0, flags=SYN)))
    net.pass_by(("c/eth0", tcp("10.1.0.2:80 > 10.2.0.2:40000", seq=0, ack=1, flags=RST | ACK, ttl=63)))
    assert of_story(net, tmp_path, "reset-in-session") == []


def test_reset_after_a_long_pause_is_silent(tmp_path: Path) -> None:
    """`idle-connection-forgotten` tells it."""
    played = Session()
    played.request()
    played.answer()
    played.net.now += 900e6
    played.request()
    played.reset()
    assert played.findings(tmp_path) == []


def test_reset_of_a_host_without_the_connection_says_so(tmp_path: Path) -> None:
    """The container was made anew: its TCP answers the next request with RST and no ACK (RFC 9293 section 3.10.7.1)."""
    played = Session()
    played.request()
    played.answer()
    played.request()
    played.put(tcp(played.back, seq=played.got, flags=RST, ttl=63))
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["why"] == "unknown" and "no such connection" in finding["says"]
    assert "restarted" in finding["fix"]


def test_goodbye_that_the_client_closes_after_is_silent(tmp_path: Path) -> None:
    """LDAP's unbindRequest has no answer: the server closes with a reset, the client's FIN is on its way already."""
    played = Session()
    played.request()
    played.answer()
    played.put(tcp(played.out, bytes(43), seq=played.sent, ack=played.got, flags=PSH | ACK))
    played.sent += 43
    played.reset()
    played.put(tcp(played.out, seq=played.sent, ack=played.got, flags=FIN | ACK))
    assert played.findings(tmp_path) == []


def test_short_last_message_is_an_info_and_is_told(tmp_path: Path) -> None:
    """A goodbye or a request, which looks the same."""
    played = Session()
    played.request()
    played.answer()
    played.put(tcp(played.out, bytes(43), seq=played.sent, ack=played.got, flags=PSH | ACK))
    played.sent += 43
    played.reset()
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["why"]) == ("info", "parting")
    assert "goodbye" in finding["says"] and "request" in finding["says"]


def test_first_short_request_that_is_reset_is_told(tmp_path: Path) -> None:
    """Nobody says goodbye before anything was said."""
    played = Session()
    played.put(tcp(played.out, bytes(16), seq=played.sent, ack=played.got, flags=PSH | ACK))
    played.sent += 16
    played.reset()
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["why"]) == ("warning", "unanswered")


@pytest.mark.parametrize("begins", [True, False], ids=["whole", "cut"])
def test_keepalive_is_no_request_is_silent(tmp_path: Path, begins: bool) -> None:
    """One octet that is known already (RFC 9293 section 3.8.4), as Windows sends it, without PSH."""
    played = Session()
    played.request()
    played.answer()
    if not begins:  # the capture starts when the connection is idle
        played.net.recorded.clear()
    for _ in range(2):
        played.net.now += 45e6
        played.put(tcp(played.out, bytes(1), seq=played.sent - 1, ack=played.got))
        played.put(tcp(played.back, seq=played.got, ack=played.sent, ttl=63))
    played.net.now += 30e6
    played.reset()
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize(
    ("ttls", "reset", "is_foreign"),
    [
        ((113, 115), 114, False),  # between those of several paths
        ((109, 109), 110, False),  # one hop: another path
        ((115, 116), 243, True),  # another initial TTL
        ((108, 109), 126, True),  # many hops nearer
        ((100, 109), 111, False),  # they do not agree
    ],
)
def test_ttl_tells_another_sender_only_where_paths_do_not(
    tmp_path: Path, ttls: tuple[int, int], reset: int, is_foreign: bool
) -> None:
    played = Session()
    played.request()
    played.answer()
    played.put(tcp(played.out, seq=played.sent, ack=played.got))
    played.answer()
    times = iter(ttls * 5)
    played.net.recorded = [
        (time, point, packet.but(ttl=next(times)) if packet.sport == 80 else packet)  # type: ignore[union-attr]
        for time, point, packet in played.net.recorded
    ]
    played.reset(ttl=reset)
    found = played.findings(tmp_path)
    assert [finding["facts"]["why"] for finding in found] == ["foreign"] * is_foreign
