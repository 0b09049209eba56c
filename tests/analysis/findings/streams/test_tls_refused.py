"""tls-refused: handshakes of TLS that an end ends by an alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named, of_capture, of_story
from tests.stories import ACK, FIN, PSH, SYN, Network, Packet, tcp
from tests.story_reports import A, B, read

NAME = "tls-refused"
RECORDED = Path(__file__).parent.parent / "recorded"
SECOND = 1e6  # µs
V4, V6 = (A, B), ("[fd00::128]", "[fd00::129]")
HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(506)  # RFC 8446 section 4.1.2
FINISHED = bytes.fromhex("1603030028") + bytes(40)  # encrypted


def server_hello(version: int = 3) -> bytes:
    return bytes([0x16, 3, version, 0, 0x7A, 2, 0, 0, 0x76, 3, version]) + bytes(116)


def alert(description: int, level: int = 2) -> bytes:
    return bytes([0x15, 3, 3, 0, 2, level, description])


class Service:
    """B:8443, which A asks; each connection is what its ends send, in turn."""

    def __init__(self, ends: tuple[str, str] = V4) -> None:
        self.net = Network(["A/ens33"])
        self.client, self.server = ends
        self.port = 40000

    def put(self, packet: Packet) -> None:
        self.net.pass_by(("A/ens33", packet.but(ident=len(self.net.recorded) + 1)), gap=500)

    def connect(self, *said: tuple[str, bytes], pause: float = 6.0) -> None:
        """`said`: "client" or "server", and its octets; `pause`: until the next connection [s]."""
        self.port += 1
        out = f"{self.client}:{self.port} > {self.server}:8443"
        back = f"{self.server}:8443 > {self.client}:{self.port}"
        self.put(tcp(out, seq=100, flags=SYN))
        self.put(tcp(back, seq=900, ack=101, flags=SYN | ACK))
        self.put(tcp(out, seq=101, ack=901))
        sent, got = 101, 901
        for end, octets in said:
            ends, seq, ack = (out, sent, got) if end == "client" else (back, got, sent)
            self.put(tcp(ends, octets, seq=seq, ack=ack, flags=PSH | ACK))
            sent, got = (sent + len(octets), got) if end == "client" else (sent, got + len(octets))
        self.put(tcp(out, seq=sent, ack=got, flags=FIN | ACK))
        self.put(tcp(back, seq=got, ack=sent + 1, flags=FIN | ACK))
        self.put(tcp(out, seq=sent + 1, ack=got + 1))
        self.net.now += pause * SECOND

    def go_well(self, pause: float = 6.0) -> None:
        said = (("client", HELLO), ("server", server_hello()), ("client", FINISHED), ("server", FINISHED))
        self.connect(*said, ("client", alert(0, 1)), pause=pause)

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, NAME)


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("description", "words", "advice"),
    [
        (48, "'unknown CA' (48) of the client", "update-ca-certificates"),
        (45, "'certificate expired' (45) of the client", "check the clock"),
        (70, "'protocol version' (70) of the client; the server took TLS 1.0", "share no version"),
        (47, "'illegal parameter' (47) of the client", "read the log"),
    ],
)
def test_alert_of_client_is_told(
    tmp_path: Path, ends: tuple[str, str], description: int, words: str, advice: str
) -> None:
    played = Service(ends)
    for _ in range(2):
        played.connect(("client", HELLO), ("server", server_hello(1)), ("client", alert(description)))
    played.go_well()
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["handshakes"], finding["facts"]["others"]) == ("warning", 2, 1)
    assert (finding["facts"]["refused_by"], finding["facts"]["alert"]) == ("client", description)
    assert words in finding["says"] and "1 other handshake" in finding["says"] and advice in finding["fix"]
    assert [frame["frame"] for frame in finding["evidence"]] == [6, 15]


@pytest.mark.parametrize(
    ("description", "advice"),
    [(40, "no cipher or curve"), (112, "for the name that the client asks for"), (42, "certificate of the client")],
)
def test_alert_of_server_is_told(tmp_path: Path, description: int, advice: str) -> None:
    """At once after the ClientHello, or after the client's own certificate."""
    played = Service()
    played.connect(("client", HELLO), ("server", alert(description)))
    played.connect(("client", HELLO), ("server", server_hello()), ("client", FINISHED), ("server", alert(description)))
    (finding,) = played.findings(tmp_path)
    assert finding["says"].startswith(f"{B}:8443 refused TLS with {A}: 2 handshakes ended by the alert")
    assert finding["facts"]["refused_by"] == "server" and advice in finding["fix"]


@pytest.mark.parametrize(("description", "is_told"), [(70, False), (40, False), (48, True)])
def test_handshake_that_goes_well_at_once(tmp_path: Path, description: int, is_told: bool) -> None:
    """A client that may use an older version tries the newest first; trust does not come by trying again."""
    played = Service()
    said = (("server", server_hello()), ("client", alert(48))) if is_told else (("server", alert(description)),)
    played.connect(("client", HELLO), *said, pause=0.1)
    played.go_well()
    findings = played.findings(tmp_path)
    assert [finding["facts"]["others"] for finding in findings] == [1] * is_told


def test_handshake_in_other_version_at_once_is_silent(tmp_path: Path) -> None:
    played = Service()
    played.connect(("client", HELLO), ("server", alert(70)), pause=0.1)
    played.go_well()
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("octets", [alert(0, 1), alert(0), alert(90), alert(112, 1), b"\x15\x03\x03\0\2\2", b"seven o"])
def test_other_ends_of_connections_is_silent(tmp_path: Path, octets: bytes) -> None:
    """Closed, canceled by a person, a warning; octets that are no alert; and those of what is no TLS."""
    played = Service()
    played.connect(("client", HELLO), ("server", server_hello()), ("client", octets))
    played.connect(("client", b"GET / HTTP/1.0\r\n\r\n"), ("server", b"HTTP/1.0 200 OK\r\n\r\n"), ("client", alert(48)))
    assert played.findings(tmp_path) == []


def test_reset_after_alert_is_explained(tmp_path: Path) -> None:
    """The client closes with octets unread, so that its host resets the connection."""
    played = Service()
    played.connect(("client", HELLO), ("server", alert(40)))
    report = read(played.net, tmp_path)
    (finding,) = named(report, NAME)
    others = [other for other in report["findings"] if other["level"] != "info" and other["name"] != NAME]
    assert all(other["explained_by"] == finding["id"] for other in others)


@pytest.mark.parametrize("name", ["tls-ca", "tls-version"])
def test_recorded_refusal_is_told(name: str) -> None:
    """OpenSSL of Debian 12; tshark shows the same alerts."""
    (finding,) = of_capture(str(RECORDED / name / "node__cni0.pcap"), NAME)
    assert (finding["facts"]["server"], finding["facts"]["clients"]) == ("10.60.0.5", ["10.77.1.8"])


@pytest.mark.parametrize("name", ["tls-healthy", "plain-to-tls"])
def test_recorded_tls_that_works_is_silent(name: str) -> None:
    assert of_capture(str(RECORDED / name / "node__cni0.pcap"), NAME) == []
