"""connection-cut: established connections that nothing answers any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, PSH, RST, SYN, Network, Packet, tcp
from tests.story_reports import C1, B

POINT = "A/web/eth0"
V4, V6 = (C1, B), ("[fd00:d0c::2]", "[2001:db8:111::81]")


def opened(net: Network, hosts: tuple[str, str] = V4, port: int = 5555) -> tuple[str, str]:
    """A connection with one request and its answer; the next octet of the client is 106."""
    client, server = hosts
    out, back = f"{client}:{port} > {server}:6379", f"{server}:6379 > {client}:{port}"
    for packet in (
        tcp(out, seq=100, flags=SYN),
        tcp(back, seq=900, ack=101, flags=SYN | ACK),
        tcp(out, b"PING\n", seq=101, ack=901, flags=PSH | ACK),
        tcp(back, b"PONG\n", seq=901, ack=106, flags=PSH | ACK),
    ):
        pass_by(net, packet)
    return out, back


def pass_by(net: Network, packet: Packet) -> None:
    net.pass_by((POINT, packet.but(ident=len(net.recorded) + 1)))


def ask(net: Network, request: Packet, times: int, apart: float = 4e5) -> None:
    for _ in range(times):
        pass_by(net, request)
        net.now += apart


def told(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "connection-cut")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_request_that_is_repeated_in_vain_is_told(tmp_path: Path, hosts: tuple[str, str]) -> None:
    """The container behind a service was removed while clients were connected; another one goes on."""
    net = Network([POINT])
    out, _ = opened(net, hosts)
    ask(net, tcp(out, b"PING\n", seq=106, ack=906), 6)
    opened(net, hosts, port=5556)
    (finding,) = told(net, tmp_path)
    client, server = (host.strip("[]") for host in hosts)
    peer = f"{server}:6379" if "." in server else f"[{server}]:6379"
    assert finding["level"] == "warning"
    assert finding["says"] == (
        f"nothing answers 1 established connection of {client} with {peer} any more: the same bytes were sent 6 times "
        f"in vain, last seen at {POINT}; 1 other connection to it went on"
    )


def test_keepalives_in_vain_is_told(tmp_path: Path) -> None:
    net = Network([POINT])
    out, _ = opened(net)
    ask(net, tcp(out, seq=105, ack=906), 4, apart=1e6)
    pass_by(net, tcp(out, seq=106, ack=906, flags=RST | ACK))
    (finding,) = told(net, tmp_path)
    assert finding["facts"]["tries"] == 4 and finding["facts"]["point"] == POINT


def test_answer_that_comes_late_is_silent(tmp_path: Path) -> None:
    """The path was away for two seconds."""
    net = Network([POINT])
    out, back = opened(net)
    ask(net, tcp(out, b"PING\n", seq=106, ack=906), 6)
    pass_by(net, tcp(back, b"PONG\n", seq=906, ack=111))
    assert told(net, tmp_path) == []


def test_fin_that_is_repeated_in_vain_is_silent(tmp_path: Path) -> None:
    """The peer is closed already: no program waits."""
    net = Network([POINT])
    out, _ = opened(net)
    ask(net, tcp(out, seq=106, ack=906, flags=FIN | ACK), 6)
    assert told(net, tmp_path) == []


def test_full_segments_in_vain_is_silent(tmp_path: Path) -> None:
    """They may be too large for the path."""
    net = Network([POINT])
    out, _ = opened(net)
    ask(net, tcp(out, bytes(1448), seq=106, ack=906), 6)
    assert told(net, tmp_path) == []


def test_keepalives_that_are_answered_is_silent(tmp_path: Path) -> None:
    net = Network([POINT])
    out, back = opened(net)
    for _ in range(5):
        ask(net, tcp(out, seq=105, ack=906), 1, apart=1e6)
        pass_by(net, tcp(back, seq=906, ack=106))
    assert told(net, tmp_path) == []


def served(net: Network, number: int, mac: str = "02:00:00:00:00:02") -> str:
    """A connection with the server of this number, which answers by `mac`; the ends of what the client sends."""
    out, back = f"{C1}:{5000 + number} > 203.0.113.{number}:443", f"203.0.113.{number}:443 > {C1}:{5000 + number}"
    for packet in (
        tcp(out, seq=100, flags=SYN, dmac=mac),
        tcp(back, seq=900, ack=101, flags=SYN | ACK, smac=mac, dmac="02:00:00:00:00:01", ttl=50),
        tcp(out, b"PING\n", seq=101, ack=901, flags=PSH | ACK, dmac=mac),
        tcp(back, b"PONG\n", seq=901, ack=106, flags=PSH | ACK, smac=mac, dmac="02:00:00:00:00:01", ttl=50),
    ):
        pass_by(net, packet)
    return out


@pytest.mark.parametrize("pause", [0.5, 40.0], ids=["at once", "after a pause"])
@pytest.mark.parametrize("answered", [False, True], ids=["nothing comes", "one server answers"])
def test_servers_behind_a_lost_way_is_told_once(tmp_path: Path, pause: float, answered: bool) -> None:
    """The cable is pulled: connections in use, and those that were idle, as on a public capture (gencyber-pcap)."""
    net = Network([POINT])
    ends = [served(net, number) for number in range(1, 6)]
    net.now += pause * 1e6
    for _ in range(6):
        for out in ends:
            pass_by(net, tcp(out, b"PING\n", seq=106, ack=906))
        net.now += 4e5
        if answered:
            served(net, 9)
            pass_by(net, tcp(f"203.0.113.9:443 > {C1}:5009", seq=906, ack=106, smac="02:00:00:00:00:02", ttl=50))
    findings = told(net, tmp_path)
    if answered:
        assert len(findings) == (5 if pause < 5 else 0)
        return
    (finding,) = findings
    assert (finding["facts"]["connections"], finding["facts"]["lost_way"]) == (5, True)
    assert f"nothing came to {C1} from 02:00:00:00:00:02: 5 established connections with 5 servers" in finding["says"]
    assert of_story(net, tmp_path, "idle-connection-forgotten") == []


def test_two_silent_servers_are_told_each(tmp_path: Path) -> None:
    """Two may share a host; a third one answers by another router."""
    net = Network([POINT])
    ends = [served(net, number) for number in (1, 2)]
    served(net, 3, mac="02:00:00:00:00:03")
    for _ in range(6):
        for out in ends:
            pass_by(net, tcp(out, b"PING\n", seq=106, ack=906))
        net.now += 4e5
    assert [finding["facts"].get("lost_way") for finding in told(net, tmp_path)] == [None, None]


def test_way_that_is_lost_twice_is_told_twice(tmp_path: Path) -> None:
    """In between it works: nothing is missing from the first loss to the end of the second one."""
    net = Network([POINT])
    ends = [served(net, number) for number in range(1, 7)]
    for lost, others in ((ends[:3], ends[3:]), (ends[3:], [])):
        for _ in range(6):
            for out in lost:
                pass_by(net, tcp(out, b"PING\n", seq=106, ack=906))
            net.now += 1e6
        for out in others:
            server, client = (out.split(" > ")[number] for number in (1, 0))
            answer = tcp(f"{server} > {client}", seq=906, ack=106, smac="02:00:00:00:00:02", ttl=50)
            pass_by(net, answer.but(dmac="02:00:00:00:00:01"))
    findings = told(net, tmp_path)
    assert [(finding["facts"]["connections"], finding["facts"]["silent_s"] < 6.5) for finding in findings] == [
        (3, True),
        (3, True),
    ]


def test_first_requests_of_several_lengths_is_told(tmp_path: Path) -> None:
    net = Network([POINT])
    for number, octets in enumerate((517, 300)):
        out, back = f"{C1}:{5000 + number} > {B}:443", f"{B}:443 > {C1}:{5000 + number}"
        pass_by(net, tcp(out, seq=100, flags=SYN))
        pass_by(net, tcp(back, seq=900, ack=101, flags=SYN | ACK))
        ask(net, tcp(out, bytes(octets), seq=101, ack=901), 6)
    (finding,) = told(net, tmp_path)
    assert "nothing answers what the client sends first: 300 to 517 bytes, sent 6 times" in finding["says"]


def test_request_among_repeated_syn_acks_is_silent(tmp_path: Path) -> None:
    """The way there is lost, or the queue of the server is full: nothing reads what is in the request."""
    net = Network([POINT])
    out, back = f"{C1}:5000 > {B}:443", f"{B}:443 > {C1}:5000"
    pass_by(net, tcp(out, seq=100, flags=SYN))
    for _ in range(4):
        pass_by(net, tcp(back, seq=900, ack=101, flags=SYN | ACK))
        pass_by(net, tcp(out, seq=101, ack=901))
        ask(net, tcp(out, bytes(300), seq=101, ack=901), 2)
    assert told(net, tmp_path) == []
