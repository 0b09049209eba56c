"""tls-mismatch: TLS at one end of a connection, plain text at the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named, of_story
from tests.stories import ACK, FIN, PSH, SYN, Network, Packet, tcp
from tests.story_reports import A, B, read

NAME = "tls-mismatch"
SECOND = 1e6  # µs
V4, V6 = (A, B), ("[fd00::128]", "[fd00::129]")
HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(506)  # RFC 8446 section 4.1.2
SERVER_HELLO = bytes.fromhex("160303007a020000760303") + bytes(116)
ALERT = bytes.fromhex("15030100020246")  # fatal, protocol_version
GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
GO = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
NGINX = (
    b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\n\r\n<html><head><title>400 The plain "
    b"HTTP request was sent to HTTPS port</title></head></html>"
)


class Service:
    """B:8443, which A asks; `answer` follows the client's first octets, `greeting` comes before them."""

    def __init__(self, ends: tuple[str, str] = V4, points: tuple[str, ...] = ("A/ens33",)) -> None:
        self.net = Network(list(points))
        self.client, self.server = ends
        self.port = 40000

    def put(self, packet: Packet) -> None:
        packet = packet.but(ident=len(self.net.recorded) + 1)
        self.net.pass_by(*((point, packet) for point in self.net.points), gap=500)

    def ask(self, request: bytes, answer: bytes, greeting: bytes = b"", uncaptured: int = 0) -> None:
        """`uncaptured`: octets that the server sends past the capture."""
        self.port += 1
        out, back = (
            f"{self.client}:{self.port} > {self.server}:8443",
            f"{self.server}:8443 > {self.client}:{self.port}",
        )
        self.put(tcp(out, seq=100, flags=SYN))
        self.put(tcp(back, seq=900, ack=101, flags=SYN | ACK))
        self.put(tcp(out, seq=101, ack=901))
        sent, got = 101, 901
        for payload, is_request in ((greeting, False), (request, True), (answer, False)):
            if not payload:
                continue
            ends, seq, ack = (out, sent, got) if is_request else (back, got, sent)
            self.put(tcp(ends, payload, seq=seq, ack=ack, flags=PSH | ACK))
            sent, got = (sent + len(payload), got) if is_request else (sent, got + len(payload))
        got += uncaptured
        self.put(tcp(back, seq=got, ack=sent, flags=FIN | ACK))
        self.put(tcp(out, seq=sent, ack=got + 1, flags=FIN | ACK))
        self.put(tcp(back, seq=got + 1, ack=sent + 1))
        self.net.now += 6 * SECOND

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, NAME)


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [(GO, "HTTP 400, which asks for HTTPS"), (NGINX, "HTTP 400, which asks for HTTPS"), (ALERT, "an alert of TLS")],
    ids=["Go", "nginx", "alert"],
)
def test_plain_http_to_tls_is_told(tmp_path: Path, ends: tuple[str, str], answer: bytes, words: str) -> None:
    played = Service(ends)
    for _ in range(2):
        played.ask(GET, answer)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["connections"], facts["client_speaks"]) == ("warning", 2, "http")
    assert words in finding["says"] and "https://" in finding["fix"]


def test_plain_http_that_is_closed_beside_tls_is_told(tmp_path: Path) -> None:
    """As OpenSSL does in Python and Node.js; another client shows that the port speaks TLS."""
    played = Service()
    played.ask(GET, b"")
    played.client = "192.168.111.130"
    played.ask(HELLO, SERVER_HELLO)
    (finding,) = played.findings(tmp_path)
    assert "while 1 connection with TLS is answered" in finding["says"] and finding["facts"]["clients"] == [A]


def test_answer_that_was_not_captured_is_silent(tmp_path: Path) -> None:
    """The sequence number of the server's FIN shows that it sent something."""
    played = Service()
    played.ask(GET, b"", uncaptured=7)
    played.client = "192.168.111.130"
    played.ask(HELLO, SERVER_HELLO)
    assert played.findings(tmp_path) == []


def test_other_text_to_tls_is_told(tmp_path: Path) -> None:
    """Redis without TLS."""
    played = Service()
    played.ask(b"*1\r\n$4\r\nPING\r\n", ALERT)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["client_speaks"] == "other"


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP 400 in plain text"),
        (b"<!DOCTYPE HTML>\n<html>", "got what is not TLS"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "a greeting in plain text (SSH)"),
    ],
    ids=["HTTP", "HTML", "SSH"],
)
def test_tls_to_plain_text_is_told(tmp_path: Path, ends: tuple[str, str], answer: bytes, words: str) -> None:
    played = Service(ends, ("A/ens33", "B/ens33"))
    played.ask(HELLO, answer)
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["connections"], finding["facts"]["client_speaks"]) == (1, "tls")
    assert words in finding["says"]


def test_tls_after_a_greeting_of_smtp_is_told(tmp_path: Path) -> None:
    played = Service()
    played.ask(HELLO, b"", greeting=b"220 mail ESMTP\r\n")
    assert len(played.findings(tmp_path)) == 1


@pytest.mark.parametrize(
    ("request_", "answer", "greeting"),
    [
        (HELLO, SERVER_HELLO, b""),
        (HELLO, ALERT, b""),  # no protocol in common: both speak TLS
        (GET, OK, b""),
        (GET, b"HTTP/1.1 400 Bad Request\r\n\r\nno Host", b""),
        (GET, b"", b""),  # closed, and nothing shows that the port speaks TLS
        (HELLO, b"", b""),
        (b"EHLO me\r\n", b"250 STARTTLS\r\n", b"220 mail ESMTP\r\n"),
        (HELLO, SERVER_HELLO, b'INFO {"tls_required":true}\r\n'),  # NATS
        (bytes.fromhex("2000000185ae7f000000000121000000"), b"", bytes.fromhex("4a0000000a382e302e333600")),  # MySQL
        (bytes.fromhex("0000000804d2162f"), b"S", b""),  # PostgreSQL's SSLRequest
        (bytes.fromhex("802e0103010015000000100000"), ALERT, b""),  # ClientHello in the form of SSL 2.0
        (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", OK, b""),
    ],
    ids=[
        "TLS", "TLS refused", "HTTP", "bad", "closed", "hello closed", "SMTP", "NATS", "MySQL", "PostgreSQL", "SSL2",
        "proxy",
    ],
)  # fmt: skip
def test_ends_that_agree_are_silent(tmp_path: Path, request_: bytes, answer: bytes, greeting: bytes) -> None:
    played = Service()
    for _ in range(3):
        played.ask(request_, answer, greeting)
    assert played.findings(tmp_path) == []


def test_client_that_falls_back_is_silent(tmp_path: Path) -> None:
    """Docker asks a registry for HTTPS first, then for HTTP."""
    played = Service()
    for _ in range(2):
        played.ask(HELLO, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        played.net.now -= 5.5 * SECOND
        played.ask(GET, OK)
    assert played.findings(tmp_path) == []


def test_port_that_redirects_plain_requests_is_silent(tmp_path: Path) -> None:
    played = Service()
    played.ask(GET, b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://web/\r\n\r\n")
    played.ask(HELLO, SERVER_HELLO)
    assert played.findings(tmp_path) == []


def test_octets_that_were_not_captured_are_silent(tmp_path: Path) -> None:
    """A snap length of 60 octets ends in the headers."""
    played = Service()
    played.net.snaplens = {"A/ens33": 54}
    played.ask(GET, GO)
    assert played.findings(tmp_path) == []


def test_closed_connections_are_explained(tmp_path: Path) -> None:
    """A server that answers plain requests with nothing: the mismatch is the cause."""
    played = Service()
    for _ in range(2):
        played.ask(GET, ALERT)
    report = read(played.net, tmp_path)
    assert named(report, NAME) and not named(report, "accepted-then-closed")
