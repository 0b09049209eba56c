"""idle-connection-forgotten: connections that end by a pause."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, PSH, RST, SYN, Network, Packet, tcp, udp
from tests.story_reports import C1, A, B

SECOND = 1e6  # µs
V4 = (f"{C1}:40000 > {B}:5432", f"{B}:5432 > {C1}:40000")
V6 = ("[fd00::1]:40000 > [fd00::2]:5432", "[fd00::2]:5432 > [fd00::1]:40000")


class Connection:
    """A client that sends 8 octets at a time, and a server that answers each time with 12."""

    def __init__(self, ends: tuple[str, str] = V4, net: Network | None = None, points: int = 1) -> None:
        self.net = net or Network(["A/docker0", "A/ens33"][:points])
        self.out, self.back = ends
        self.sent, self.got = 1, 1
        self.put(tcp(self.out, seq=0, flags=SYN))
        self.put(tcp(self.back, seq=0, ack=1, flags=SYN | ACK))
        self.put(tcp(self.out, seq=1, ack=1))

    def put(self, packet: Packet, points: int | None = None) -> None:
        """At the first `points` of the story; behind the first one the client has A's address, and B one TTL more."""
        self.net.now += 100
        packet = packet.but(ident=round(self.net.now / 100) % 60_000 + 1)
        is_out = packet.dport == 5432
        for number, point in enumerate(self.net.points[:points]):
            outside = packet.but(**({"src": A} if is_out else {"dst": A, "ttl": packet.ttl + 1})) if number else packet
            self.net.at(self.net.now + 10 * (number if is_out else -number), point, outside)

    def request(self, **more: object) -> Packet:
        return tcp(self.out, bytes(8), seq=self.sent, ack=self.got, flags=PSH | ACK, **more)

    def exchange(self) -> None:
        self.put(self.request())
        self.sent += 8
        self.put(tcp(self.back, bytes(12), seq=self.got, ack=self.sent, flags=PSH | ACK))
        self.got += 12
        self.put(tcp(self.out, seq=self.sent, ack=self.got))

    def rest(self, seconds: float) -> None:
        self.net.now += seconds * SECOND

    def retry(self, tries: int = 5, points: int | None = None) -> None:
        for number in range(tries):
            self.put(self.request(), points)
            self.rest(0.2 * 2**number)

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "idle-connection-forgotten")


def other(played: Connection) -> Connection:
    """Another client of the same server, in the same capture."""
    return Connection((played.out.replace("40000", "50000"), played.back.replace("40000", "50000")), played.net)


@pytest.mark.parametrize(("seconds", "timer"), [(903, 900), (355, 350), (250, 240), (70, 60)])
@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
def test_pause_beyond_a_timer_is_told(tmp_path: Path, seconds: int, timer: int, ends: tuple[str, str]) -> None:
    """The server answers another client meanwhile."""
    played = Connection(ends)
    played.exchange()
    played.rest(seconds)
    played.retry()
    other(played).exchange()
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["silent_s"], facts["timer_s"], facts["attempts"]) == ("error", seconds, timer, 5)
    assert f"was silent for {seconds} s" in finding["says"]
    assert [facts["client"], facts["server"]] == ends[0].split(" > ")


def test_data_that_stops_between_points_is_told(tmp_path: Path) -> None:
    played = Connection(points=2)
    played.exchange()
    played.rest(903)
    played.put(tcp("192.168.111.1:1 > 192.168.111.2:2"), 2)  # both points still record
    played.retry(points=1)
    played.put(tcp("192.168.111.1:1 > 192.168.111.2:2"), 2)
    (finding,) = played.findings(tmp_path)
    assert finding["level"] == "error"
    assert "reaches A/docker0 and no longer A/ens33" in finding["says"]
    assert {frame["point"] for frame in finding["evidence"]} == {"A/docker0"}


def test_pause_without_another_sign_is_told(tmp_path: Path) -> None:
    """Nothing else shows whether the server still lives: likely, not certain."""
    played = Connection()
    played.exchange()
    played.rest(903)
    played.retry()
    (finding,) = played.findings(tmp_path)
    assert finding["level"] == "warning"


def test_keepalives_that_come_too_late_is_told(tmp_path: Path) -> None:
    """Linux sends the first one after 7200 s, then one every 75 s."""
    played = Connection()
    played.exchange()
    played.rest(7200)
    for _ in range(9):
        played.put(tcp(played.out, seq=played.sent - 1, ack=played.got))
        played.rest(75)
    played.put(tcp(played.out, seq=played.sent, ack=played.got, flags=RST | ACK))
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["silent_s"], finding["facts"]["attempts"]) == (7200, 9)


@pytest.mark.parametrize(("ttl", "level"), [(64, "error"), (61, "warning")])
def test_reset_after_a_pause_is_told(tmp_path: Path, ttl: int, level: str) -> None:
    """The balancer's own stack has no such connection; a reset with the server's TTL may be of its new process."""
    played = Connection()
    played.put(tcp(played.back, bytes(12), seq=1, ack=1, ttl=61))
    played.got += 12
    played.net.recorded = [(t, p, q.but(ttl=61) if q.src == B else q) for t, p, q in played.net.recorded]  # type: ignore[union-attr]
    played.put(tcp(played.out, seq=1, ack=played.got))
    played.rest(903)
    played.put(played.request())
    played.put(tcp(played.back, seq=played.got, flags=RST, ttl=ttl))
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["reset"]) == (level, True)


@pytest.mark.parametrize(("ttl", "seconds", "is_told"), [(62, 30, True), (64, 30, False), (62, 15, False)])
def test_early_reset_of_another_host_is_told(tmp_path: Path, ttl: int, seconds: int, is_told: bool) -> None:
    """A program may reset a connection after 30 s on its own account; a host between the ends has forgotten it."""
    played = Connection()
    played.exchange()
    played.rest(seconds)
    played.put(played.request())
    played.put(tcp(played.back, seq=played.got, flags=RST, ttl=ttl))
    findings = played.findings(tmp_path)
    assert [finding["level"] for finding in findings] == ["warning"] * is_told
    assert all(f"reset that {B} did not send itself" in finding["says"] for finding in findings)


def test_reset_between_two_keepalives_is_told(tmp_path: Path) -> None:
    """Linux waits 75 s after its first keepalive: a host that forgets after 50 s does so in between."""
    played = Connection()
    played.exchange()
    played.rest(10)
    played.put(tcp(played.out, seq=played.sent - 1, ack=played.got))
    played.put(tcp(played.back, seq=played.got, ack=played.sent))
    played.rest(55)
    played.put(played.request())
    played.put(tcp(played.back, seq=played.got, flags=RST, ttl=61))
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["silent_s"], finding["facts"]["survived_s"]) == (55.0, 10.0)


def test_reset_after_keepalives_is_no_forgotten_connection(tmp_path: Path) -> None:
    """Keepalives every 10 s: the connection was not silent, and another host resets it all the same."""
    played = Connection()
    played.exchange()
    for _ in range(7):
        played.rest(10)
        played.put(tcp(played.out, seq=played.sent - 1, ack=played.got))
        played.put(tcp(played.back, seq=played.got, ack=played.sent))
    played.put(played.request())
    played.put(tcp(played.back, seq=played.got, flags=RST, ttl=61))
    assert played.findings(tmp_path) == []
    (finding,) = of_story(played.net, tmp_path, "reset-in-session")
    assert finding["facts"]["why"] == "foreign"


def test_pause_that_another_connection_survives_is_silent(tmp_path: Path) -> None:
    """Both were silent for as long: time is not what ended one of them."""
    played = Connection()
    second = other(played)
    played.exchange()
    second.exchange()
    played.rest(903)
    played.retry()
    second.exchange()
    assert played.findings(tmp_path) == []


def test_pause_that_is_survived_is_silent(tmp_path: Path) -> None:
    played = Connection()
    for _ in range(3):
        played.exchange()
        played.rest(1000)
    assert played.findings(tmp_path) == []


def test_server_that_is_gone_is_silent(tmp_path: Path) -> None:
    """New connections get no answer either."""
    played = Connection()
    played.exchange()
    played.rest(903)
    played.retry()
    for _ in range(3):
        played.put(tcp(played.out.replace("40000", "50000"), seq=9, flags=SYN))
        played.rest(1)
    assert played.findings(tmp_path) == []


def test_data_lost_before_the_pause_is_silent(tmp_path: Path) -> None:
    """The path broke while they talked: the pauses are those between repeats."""
    played = Connection()
    played.exchange()
    played.retry(10)
    assert played.findings(tmp_path) == []


def test_connection_closed_before_the_pause_is_silent(tmp_path: Path) -> None:
    played = Connection()
    played.exchange()
    played.put(tcp(played.back, seq=played.got, ack=played.sent, flags=FIN | ACK))
    played.rest(903)
    played.retry()
    other(played).exchange()
    assert played.findings(tmp_path) == []


def test_single_loss_after_a_pause_is_silent(tmp_path: Path) -> None:
    played = Connection()
    played.exchange()
    played.rest(903)
    played.retry(2)
    played.exchange()
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("is_routed", [False, True])
def test_hosts_of_one_link_have_no_timer_between(tmp_path: Path, is_routed: bool) -> None:
    """The other host was restarted in the pause, and opens new connections; behind a router it may be a timer."""
    played = Connection()
    played.exchange()
    played.rest(130)
    played.retry()
    played.put(tcp(f"{B}:49152 > {C1}:445", seq=0, flags=SYN))
    played.net.recorded = [
        (
            time,
            point,
            packet.but(smac="02:00:00:00:00:01", dmac="02:00:00:00:00:02")  # type: ignore[union-attr]
            if packet.src == C1  # type: ignore[union-attr]
            else packet.but(smac="02:00:00:00:00:02", dmac="02:00:00:00:00:01", ttl=63 if is_routed else 64),  # type: ignore[union-attr]
        )
        for time, point, packet in played.net.recorded
    ]
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["timer_s"]) == (("error", 60) if is_routed else ("warning", None))
    assert ("restarted" in finding["fix"]) != is_routed


def test_silent_host_of_the_link_is_told_without_timer(tmp_path: Path) -> None:
    """At a client that a distant server sends to after a pause: what comes to its own card, no proxy forgot.

    As on a public capture (plaiptp10/Development-of-Network-problem-Analysis-and-Notification-System, request1.pcap):
    Windows drops what its firewall takes for closed. The host has asked for its address by DHCP before.
    """
    back, out = V4
    played = Connection((out.replace("5432", "443"), back.replace("5432", "443")))
    played.net.at(played.net.now - 50, "A/docker0", udp("0.0.0.0:68 > 255.255.255.255:67", bytes(300)))
    played.exchange()
    played.rest(73)
    played.retry()
    played.net.recorded = [
        (time, point, packet.but(smac="02:00:00:00:00:01", dmac="02:00:00:00:00:02", ttl=128))  # type: ignore[union-attr]
        if packet.src in (C1, "0.0.0.0")  # type: ignore[union-attr]
        else (time, point, packet.but(smac="02:00:00:00:00:02", dmac="02:00:00:00:00:01", ttl=101))  # type: ignore[union-attr]
        for time, point, packet in played.net.recorded
    ]
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["timer_s"]) == ("warning", None)
    assert f"it came to the link of {C1}, which itself is silent" in finding["says"]
    assert f"check whether {C1} was restarted" in finding["fix"]


def test_time_until_the_first_answer_is_no_pause(tmp_path: Path) -> None:
    """SYNs that were sent again: nothing could be forgotten yet."""
    net = Network(["A/docker0"])
    for _ in range(3):
        net.at(net.now, "A/docker0", tcp(V4[0], seq=0, flags=SYN))
        net.now += 3 * SECOND
    played = Connection(V4, net)
    played.exchange()
    played.rest(10)
    played.retry(4)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["survived_s"] == 0 and "survived" not in finding["says"]


def test_reset_after_a_pause_is_told_once(tmp_path: Path) -> None:
    """The only request meets the reset: that is no second finding."""
    played = Connection()
    played.rest(903)
    played.put(played.request())
    played.put(tcp(played.back, seq=played.got, flags=RST))
    assert len(played.findings(tmp_path)) == 1
    assert of_story(played.net, tmp_path, "reset-in-session") == []


U4 = (f"{B}:40000 > {A}:5060", f"{C1}:5060 > {B}:40000")
U6 = ("[fd00::2]:40000 > [fd00::1]:5060", "[fd00::1]:5060 > [fd00::2]:40000")


def datagrams(folder: Path, seconds: float, ends: tuple[str, str] = U4, survives: bool = False) -> Findings:
    """A container answers a client through its host, and then sends to it again after a pause, three times."""
    net = Network(["A/docker0", "A/ens33"])
    question, answer = udp(ends[0], b"REGISTER"), udp(ends[1], b"OK, registered")
    inside = question.routed(dst=C1) if "." in ends[0] else question.routed()
    outside = answer.routed(src=A) if "." in ends[0] else answer.routed()
    net.pass_by(("A/ens33", question), ("A/docker0", inside))
    net.pass_by(("A/docker0", answer), ("A/ens33", outside))
    net.now += seconds * SECOND
    for number in range(3):
        change = {"payload": b"INVITE %d" % number, "ident": 50 + number}
        hops = [("A/docker0", answer.but(**change)), ("A/ens33", outside.but(**change))]
        net.pass_by(*(hops if survives else hops[:1]), gap=SECOND)
        net.pass_by(("A/ens33", tcp("192.168.111.1:1 > 192.168.111.2:2", ident=number)))  # it still records
    return of_story(net, folder, "idle-connection-forgotten")


@pytest.mark.parametrize(("seconds", "timer"), [(130, 120), (35, 30)])
@pytest.mark.parametrize("ends", [U4, U6], ids=["IPv4", "IPv6"])
def test_udp_that_stops_after_a_pause_is_told(tmp_path: Path, seconds: int, timer: int, ends: tuple[str, str]) -> None:
    """Behind the bridge, the host's NAT table has forgotten the client's entry."""
    (finding,) = datagrams(tmp_path, seconds, ends)
    assert (finding["level"], finding["facts"]["timer_s"], finding["facts"]["attempts"]) == ("error", timer, 3)
    assert "reaches A/docker0 and no longer A/ens33" in finding["says"]


def test_udp_that_stops_after_a_pause_of_no_timer_is_told(tmp_path: Path) -> None:
    """The host's timeout for UDP was set to a few seconds."""
    (finding,) = datagrams(tmp_path, 8)
    assert (finding["level"], finding["facts"]["timer_s"]) == ("warning", None)


def test_udp_that_survives_a_pause_is_silent(tmp_path: Path) -> None:
    assert datagrams(tmp_path, 130, survives=True) == []
