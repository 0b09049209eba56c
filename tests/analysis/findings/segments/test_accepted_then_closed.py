"""accepted-then-closed: connections that a proxy accepts, and closes because nothing listens behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, PSH, RST, SYN, Network, Packet, tcp
from tests.story_reports import C1, A, B

SECOND = 1e6  # µs
V4, V6 = (B, A), ("[fd00::2]", "[fd00::1]")


class Host:
    """Host A, which accepts on port 8080 for clients on B."""

    def __init__(self, hosts: tuple[str, str] = V4, points: tuple[str, ...] = ("A/ens33", "A/docker0")) -> None:
        self.net = Network(list(points))
        self.hosts, self.port = hosts, 40000

    def put(self, packet: Packet, point: str = "A/ens33") -> None:
        self.net.now += 500
        self.net.at(self.net.now, point, packet.but(ident=len(self.net.recorded) + 1))

    def connection(
        self,
        request: bool = True,
        end: int | None = None,
        answer: bytes = b"",
        wait: float = 0.0,
        refused: bool = False,
    ) -> None:
        """`end`: flags by which A ends it, by default as docker-proxy: RST after a request, else FIN."""
        self.port += 1
        client, server = self.hosts
        out, back = f"{client}:{self.port} > {server}:8080", f"{server}:8080 > {client}:{self.port}"
        self.put(tcp(out, seq=0, flags=SYN))
        self.put(tcp(back, seq=0, ack=1, flags=SYN | ACK))
        self.put(tcp(out, seq=1, ack=1))
        if request:
            self.put(tcp(out, bytes(80), seq=1, ack=1, flags=PSH | ACK))
        if refused:
            inside = f"172.17.0.1:{self.port + 5000} > {C1}:80"
            self.put(tcp(inside, seq=0, flags=SYN), "A/docker0")
            self.put(tcp(f"{C1}:80 > 172.17.0.1:{self.port + 5000}", seq=0, ack=1, flags=RST | ACK), "A/docker0")
        self.net.now += wait * SECOND
        received = 1 + 80 * request
        if answer:
            self.put(tcp(back, answer, seq=1, ack=received, flags=PSH | ACK))
        flags = end if end is not None else (RST | ACK if request else FIN | ACK)
        self.put(tcp(back, seq=1 + len(answer), ack=received, flags=flags))

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "accepted-then-closed")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("request_first", [True, False])
def test_connections_closed_without_an_octet_is_told(
    tmp_path: Path, request_first: bool, hosts: tuple[str, str]
) -> None:
    played = Host(hosts)
    for _ in range(3):
        played.connection(request_first)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["connections"], finding["facts"]["port"]) == ("warning", 3, 8080)
    assert ("RST after the request" if request_first else "FIN") in finding["says"]


@pytest.mark.parametrize(("port", "request_", "is_hinted"), [(8443, b"GET / HTTP/1.1\r\n\r\n", True),
                                                            (8080, b"GET / HTTP/1.1\r\n\r\n", False),
                                                            (8443, bytes(80), False)])  # fmt: skip
def test_plain_http_to_a_port_of_tls_is_told(tmp_path: Path, port: int, request_: bytes, is_hinted: bool) -> None:
    """OpenSSL in Python and Node.js closes such connections without an alert."""
    played = Host()
    for number in range(2):
        out, back = f"{B}:{41000 + number} > {A}:{port}", f"{A}:{port} > {B}:{41000 + number}"
        played.put(tcp(out, seq=0, flags=SYN))
        played.put(tcp(back, seq=0, ack=1, flags=SYN | ACK))
        played.put(tcp(out, request_, seq=1, ack=1, flags=PSH | ACK))
        played.put(tcp(back, seq=1, ack=1 + len(request_), flags=FIN | ACK))
    (finding,) = played.findings(tmp_path)
    assert ("https://" in finding["fix"]) == is_hinted


def test_single_connection_with_a_refusal_behind_is_told(tmp_path: Path) -> None:
    """The container refuses docker-proxy's own connection while the client's is open."""
    played = Host()
    played.connection(refused=True)
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["refused_by"], finding["facts"]["refused_port"]) == (C1, 80)
    assert f"{C1} refused a connection to port 80" in finding["says"]


@pytest.mark.parametrize(("received", "is_told"), [(1, False), (81, True)], ids=["lost", "acknowledged"])
def test_request_that_never_arrives_is_silent(tmp_path: Path, received: int, is_told: bool) -> None:
    """The server closes because it got nothing: what drops the repeated requests is on the way."""
    played = Host()
    for number in range(2):
        out, back = f"{B}:{41000 + number} > {A}:8080", f"{A}:8080 > {B}:{41000 + number}"
        played.put(tcp(out, seq=0, flags=SYN))
        played.put(tcp(back, seq=0, ack=1, flags=SYN | ACK))
        played.put(tcp(out, seq=1, ack=1))
        for _ in range(3):
            played.put(tcp(out, bytes(80), seq=1, ack=1, flags=PSH | ACK))
            played.net.now += SECOND
        played.put(tcp(back, seq=1, ack=received, flags=FIN | ACK))
    assert bool(played.findings(tmp_path)) == is_told


def test_single_connection_alone_is_silent(tmp_path: Path) -> None:
    played = Host()
    played.connection()
    assert played.findings(tmp_path) == []


def test_server_that_answers_others_is_silent(tmp_path: Path) -> None:
    """One that carries data shows that something serves behind it."""
    played = Host()
    played.connection()
    played.connection()
    played.connection(answer=b"HTTP/1.0 200 OK", end=FIN | ACK)
    assert played.findings(tmp_path) == []


def test_server_that_gives_up_waiting_is_silent(tmp_path: Path) -> None:
    """A time-out: the client said nothing for 15 s."""
    played = Host()
    for _ in range(3):
        played.connection(request=False, wait=15)
    assert played.findings(tmp_path) == []


def test_port_check_of_a_client_is_silent(tmp_path: Path) -> None:
    """The client closes first."""
    played = Host()
    for port in (40001, 40002):
        out, back = f"{B}:{port} > {A}:8080", f"{A}:8080 > {B}:{port}"
        for packet in (
            tcp(out, seq=0, flags=SYN),
            tcp(back, seq=0, ack=1, flags=SYN | ACK),
            tcp(out, seq=1, ack=1, flags=FIN | ACK),
            tcp(back, seq=1, ack=2, flags=FIN | ACK),
            tcp(out, seq=2, ack=2),
        ):
            played.put(packet)
    assert played.findings(tmp_path) == []


def test_refused_syn_is_silent(tmp_path: Path) -> None:
    """Never accepted: `connection-refused`."""
    played = Host()
    for port in (40001, 40002):
        played.put(tcp(f"{B}:{port} > {A}:8080", seq=0, flags=SYN))
        played.put(tcp(f"{A}:8080 > {B}:{port}", seq=0, ack=1, flags=RST | ACK))
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize(
    ("points", "says_proxy"), [(("A/ens33", "A/docker0"), True), (("A/ens33",), False)], ids=["containers", "none"]
)
def test_docker_proxy_is_named_where_containers_are_shown(
    tmp_path: Path, points: tuple[str, ...], says_proxy: bool
) -> None:
    """A name server that closes what it does not answer is no proxy; docker0 without packets shows nothing either."""
    played = Host(points=points)
    if says_proxy:
        played.put(tcp(f"{C1}:80 > 172.17.0.1:9", flags=ACK), "A/docker0")
    for _ in range(3):
        played.connection()
    (finding,) = played.findings(tmp_path)
    assert ("docker-proxy" in finding["fix"]) == says_proxy


@pytest.mark.parametrize(("reset_ttl", "is_own"), [(108, True), (126, False)])
def test_reset_of_a_middlebox_is_not_the_servers(tmp_path: Path, reset_ttl: int, is_own: bool) -> None:
    """A firewall on the way resets after the ClientHello: its RST comes from much nearer than the SYN-ACKs."""
    played = Host()
    for _ in range(3):
        played.connection(end=RST)
    ttls = iter((108, reset_ttl, 109, reset_ttl, 108, reset_ttl))
    played.net.recorded = [
        (time, point, packet.but(ttl=next(ttls)) if packet.sport == 8080 else packet)  # type: ignore[union-attr]
        for time, point, packet in played.net.recorded
    ]
    assert len(played.findings(tmp_path)) == is_own
    others = of_story(played.net, tmp_path, "reset-in-session")
    assert [other["facts"]["why"] for other in others] == ["foreign"] * (not is_own)


@pytest.mark.parametrize(
    ("ends", "ttl"),
    [("89.248.1.9:50000 > 192.168.111.128:21778", 240), ("198.51.100.7:50000 > 203.0.113.5:21778", 64)],
    ids=["routed", "public"],
)
def test_refusal_of_a_stranger_is_silent(tmp_path: Path, ends: str, ttl: int) -> None:
    """A scanner meets a closed port while a client is accepted: what accepts has not asked for it."""
    played = Host()
    scanner, target = ends.split(" > ")
    played.put(tcp(f"{B}:40001 > {A}:8080", seq=0, flags=SYN))
    played.put(tcp(f"{A}:8080 > {B}:40001", seq=0, ack=1, flags=SYN | ACK))
    played.put(tcp(f"{B}:40001 > {A}:8080", seq=1, ack=1))
    played.put(tcp(ends, seq=0, flags=SYN, ttl=ttl), "A/docker0")
    played.put(tcp(f"{target} > {scanner}", seq=0, ack=1, flags=RST | ACK), "A/docker0")
    played.put(tcp(f"{A}:8080 > {B}:40001", seq=1, ack=1, flags=FIN | ACK))
    assert played.findings(tmp_path) == []
