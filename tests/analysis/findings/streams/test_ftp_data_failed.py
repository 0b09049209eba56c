"""ftp-data-failed: data connections of FTP that go to another address or to a port that is not published."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named, of_story
from tests.stories import ACK, PSH, RST, SYN, Network, Packet, about, tcp
from tests.story_reports import A, B, read

NAME = "ftp-data-failed"
INSIDE = "172.17.0.2"  # the server's own address, behind the published port of B
SECOND = 1e6  # µs


class Session:
    """A control connection of A to B:21, as A sees it."""

    def __init__(self, points: tuple[str, ...] = ("A/ens33",), port: int = 21) -> None:
        self.net = Network(list(points))
        self.out, self.back = f"{A}:50000 > {B}:{port}", f"{B}:{port} > {A}:50000"
        self.sent, self.got, self.data_port = 101, 901, 50001
        self.put(tcp(self.out, seq=100, flags=SYN))
        self.put(tcp(self.back, seq=900, ack=101, flags=SYN | ACK))
        self.put(tcp(self.out, seq=101, ack=901))
        self.reply(b"220 ready")

    def put(self, packet: Packet) -> None:
        packet = packet.but(ident=len(self.net.recorded) + 1)
        self.net.pass_by(*((point, packet) for point in self.net.points), gap=500)

    def reply(self, text: bytes) -> None:
        self.put(tcp(self.back, text + b"\r\n", seq=self.got, ack=self.sent, flags=PSH | ACK))
        self.got += len(text) + 2

    def command(self, text: bytes) -> None:
        self.put(tcp(self.out, text + b"\r\n", seq=self.sent, ack=self.got, flags=PSH | ACK))
        self.sent += len(text) + 2

    def connect(self, ends: str, answer: int | None = None, tries: int = 4) -> None:
        """A data connection; `answer`: flags."""
        client, server = ends.split(" > ")
        for _ in range(tries if answer is None else 1):
            self.put(tcp(ends, seq=7, flags=SYN))
            if answer is not None:
                self.put(tcp(f"{server} > {client}", seq=3, ack=8, flags=answer))
            else:
                self.net.now += SECOND

    def transfer(self, address: str, to: str, port: int = 40000, answer: int | None = None, reply: bytes = b"") -> None:
        """Passive mode: the server names an address, the client connects `to` that or another one."""
        self.data_port += 1
        self.command(b"PASV")
        octets = b",".join((address.replace(".", ",").encode(), b"%d" % (port >> 8), b"%d" % (port & 255)))
        self.reply(reply or b"227 Entering Passive Mode (" + octets + b").")
        self.connect(f"{A}:{self.data_port} > {to}:{port}", answer)

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, NAME)


@pytest.mark.parametrize("control_port", [21, 2121])
def test_address_behind_the_published_port_is_told(tmp_path: Path, control_port: int) -> None:
    played = Session(port=control_port)
    played.transfer(INSIDE, INSIDE)
    played.transfer(INSIDE, INSIDE, port=40001)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (facts["address"], facts["ports"], facts["connections"]) == (INSIDE, [40000, 40001], 2)
    assert "not the address that they ask" in finding["says"] and f"name {B}" in finding["fix"]


@pytest.mark.parametrize("answer", [None, RST | ACK], ids=["unanswered", "refused"])
@pytest.mark.parametrize("reply", [b"", b"229 Entering Extended Passive Mode (|||40000|)"], ids=["PASV", "EPSV"])
def test_ports_that_are_not_published_is_told(tmp_path: Path, answer: int | None, reply: bytes) -> None:
    """The client connects to the address that it asks anyway, as curl does, or by EPSV."""
    played = Session()
    played.transfer(INSIDE, B, answer=answer, reply=reply)
    (finding,) = played.findings(tmp_path)
    assert "to its port 40000;" in finding["says"] and "publish the passive ports" in finding["fix"]
    assert finding["facts"]["outcomes"] == ["refused" if answer else "unanswered"]


def test_connections_that_fail_differently_are_told(tmp_path: Path) -> None:
    """One is refused at the server's address, one gets no answer there, one goes to the address behind it."""
    played = Session()
    played.transfer(B, B, answer=RST | ACK)
    played.transfer(B, B, port=40001)
    played.transfer(INSIDE, INSIDE, port=40002)
    elsewhere, at_server = sorted(played.findings(tmp_path), key=lambda finding: finding["facts"]["connections"])
    assert f"open 1 data connection to {INSIDE}," in elsewhere["says"] and "nothing answers there" in elsewhere["says"]
    assert "some are refused, and the others get no answer" in at_server["says"]
    assert at_server["facts"]["ports"] == [40000, 40001]


def test_active_mode_that_ends_at_nat_is_told(tmp_path: Path) -> None:
    """At the server, which cannot reach the address that the client names."""
    played = Session(("B/ens33",))
    played.command(b"PORT 10,9,0,7,156,64")
    played.reply(b"200 ok")
    played.connect(f"{B}:20 > 10.9.0.7:40000")
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["mode"] == "active" and "use passive mode" in finding["fix"]


def test_failed_connections_are_explained(tmp_path: Path) -> None:
    played = Session()
    played.transfer(INSIDE, B, answer=RST | ACK)
    report = read(played.net, tmp_path)
    assert named(report, NAME) and not named(report, "connection-refused")


def test_data_connections_that_work_are_silent(tmp_path: Path) -> None:
    """The client replaces the address; or one of several fails, as of a server that is busy."""
    played = Session()
    played.transfer(INSIDE, B, answer=SYN | ACK)
    played.transfer(INSIDE, B, port=40001, answer=RST | ACK)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize(
    ("client", "seconds"), [("192.168.111.130", 0), (A, 20), (A, -20)], ids=["another client", "long after", "before"]
)
def test_other_connection_to_the_port_is_silent(tmp_path: Path, client: str, seconds: float) -> None:
    """The server names a port, and none of its clients connects to it then."""
    played = Session()
    if seconds < 0:
        played.connect(f"{client}:50009 > {B}:40000")
        played.net.now -= seconds * SECOND
    played.command(b"PASV")
    played.reply(b"227 Entering Passive Mode (192,168,111,129,156,64).")
    played.net.now += max(seconds, 0) * SECOND
    if seconds >= 0:
        played.connect(f"{client}:50009 > {B}:40000")
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("text", [b"227 Entering Passive Mode (999,1,1,1,1,1)", b"227 later", b"229 (|||x|)"])
def test_reply_that_names_nothing_is_silent(tmp_path: Path, text: bytes) -> None:
    played = Session()
    played.transfer(INSIDE, B, reply=text)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("seconds", [0, 20], ids=["end", "goes-on"])
def test_syn_that_is_not_sent_again_is_silent(tmp_path: Path, seconds: float) -> None:
    """The capture ends with it, or goes on: the client may have got an answer by a way that is not captured."""
    played = Session()
    played.command(b"PASV")
    played.reply(b"227 Entering Passive Mode (172,17,0,2,156,64).")
    played.put(tcp(f"{A}:50001 > {INSIDE}:40000", seq=7, flags=SYN))
    if seconds:
        played.net.now += seconds * SECOND
        played.command(b"NOOP")
    assert played.findings(tmp_path) == []


def test_syn_that_a_router_refuses_is_told(tmp_path: Path) -> None:
    """The client does not send it again."""
    played = Session()
    played.command(b"PASV")
    played.reply(b"227 Entering Passive Mode (172,17,0,2,156,64).")
    syn = tcp(f"{A}:50001 > {INSIDE}:40000", seq=7, flags=SYN)
    played.put(syn)
    played.put(about(Packet("icmp", "192.168.111.1", A, icmp=(3, 1)), syn))
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["outcomes"] == ["unanswered"]
