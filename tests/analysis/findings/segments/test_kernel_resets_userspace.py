"""kernel-resets-userspace: a host resets a connection, and goes on with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import named, of_story
from tests.stories import ACK, FIN, PSH, RST, SYN, Network, tcp
from tests.story_reports import read

NAME = "kernel-resets-userspace"
V4, V6 = ("10.2.0.2", "10.1.0.2"), ("[fd02::2]", "[fd01::2]")
HERE = "c/eth0"


class Handshake:
    """Segments between a client and a server; the client's have TTL 64 here, the server's 63."""

    def __init__(self, hosts: tuple[str, str] = V4, port: int = 40000) -> None:
        client, server = hosts
        self.out, self.back = f"{client}:{port} > {server}:80", f"{server}:80 > {client}:{port}"
        self.net = Network([HERE])

    def sends(self, flags: int, seq: int, ack: int = 0, *, payload: bytes = b"", ttl: int = 64) -> None:
        packet = tcp(self.out, payload, flags=flags, seq=seq, ack=ack, ttl=ttl, ident=len(self.net.recorded))
        self.net.pass_by((HERE, packet))

    def gets(self, flags: int, seq: int, ack: int = 0, *, payload: bytes = b"", ttl: int = 63) -> None:
        packet = tcp(self.back, payload, flags=flags, seq=seq, ack=ack, ttl=ttl, ident=len(self.net.recorded))
        self.net.pass_by((HERE, packet))

    def is_accepted(self) -> None:
        self.sends(SYN, 100)
        self.gets(SYN | ACK, 900, 101)


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_client_that_goes_on_after_its_own_reset_is_told(tmp_path: Path, hosts: tuple[str, str]) -> None:
    played = Handshake(hosts)
    played.is_accepted()
    played.sends(RST, 101)
    played.sends(ACK, 101, 901)
    played.sends(PSH | ACK, 101, 901, payload=b"GET /")
    played.gets(RST, 901)
    report = read(played.net, tmp_path)
    (finding,) = named(report, NAME)
    facts = finding["facts"]
    assert (facts["by"], facts["host"], facts["connections"]) == ("client", hosts[0].strip("[]"), 1)
    assert [frame["frame"] for frame in finding["evidence"]] == [2, 3, 4]
    assert "behind it" not in finding["says"] and finding["level"] == "error"


@pytest.mark.parametrize("refused_first", [True, False])
def test_server_that_refuses_and_accepts_one_syn_is_told(tmp_path: Path, refused_first: bool) -> None:
    played = Handshake()
    played.sends(SYN, 100)
    answers = [(RST | ACK, 0), (SYN | ACK, 900)]
    for flags, seq in answers if refused_first else answers[::-1]:
        played.gets(flags, seq, 101)
    played.sends(RST, 101)
    report = read(played.net, tmp_path)
    (finding,) = named(report, NAME)
    assert (finding["facts"]["by"], finding["facts"]["host"]) == ("server", V4[1])
    assert "behind it" in finding["says"] and named(report, "connection-refused") == []


def test_half_open_scan_is_silent(tmp_path: Path) -> None:
    """nmap -sS: the kernel resets what the scanner does not want to open."""
    played = Handshake()
    played.is_accepted()
    played.sends(RST, 101)
    assert of_story(played.net, tmp_path, NAME) == []


def test_client_that_resets_after_its_request_is_silent(tmp_path: Path) -> None:
    played = Handshake()
    played.is_accepted()
    played.sends(ACK, 101, 901)
    played.sends(PSH | ACK, 101, 901, payload=b"GET /")
    played.sends(RST | ACK, 106, 901)
    played.gets(PSH | ACK, 901, 106, payload=b"a page")
    played.sends(RST, 106)
    assert of_story(played.net, tmp_path, NAME) == []


def test_forged_reset_with_another_ttl_is_silent(tmp_path: Path) -> None:
    played = Handshake()
    played.is_accepted()
    played.sends(RST, 101, ttl=61)
    played.sends(ACK, 101, 901)
    played.sends(PSH | ACK, 101, 901, payload=b"GET /")
    assert of_story(played.net, tmp_path, NAME) == []


def test_new_connection_of_the_same_port_is_silent(tmp_path: Path) -> None:
    """A scan, and then a connection from the same port."""
    played = Handshake()
    played.is_accepted()
    played.sends(RST, 101)
    played.net.now += 1e6
    played.sends(SYN, 500_000)
    played.gets(SYN | ACK, 700_000, 500_001)
    played.sends(ACK, 500_001, 700_001)
    assert of_story(played.net, tmp_path, NAME) == []


def test_refused_syn_that_is_sent_again_is_silent(tmp_path: Path) -> None:
    """The server starts in between, and accepts the second SYN of the same port."""
    played = Handshake()
    played.sends(SYN, 100)
    played.gets(RST | ACK, 0, 101)
    played.net.now += 1e6
    played.sends(SYN, 100)
    played.gets(SYN | ACK, 900, 101)
    played.sends(ACK, 101, 901)
    assert of_story(played.net, tmp_path, NAME) == []


def test_server_that_resets_an_open_connection_is_silent(tmp_path: Path) -> None:
    played = Handshake()
    played.is_accepted()
    played.sends(ACK, 101, 901)
    played.gets(FIN | ACK, 901, 101)
    played.sends(FIN | ACK, 101, 902)
    played.gets(RST, 902)
    assert of_story(played.net, tmp_path, NAME) == []
