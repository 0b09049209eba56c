"""closed-before-request: requests that meet the closing of an idle connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, PSH, RST, SYN, Network, tcp
from tests.story_reports import C1, C2

POINT, GET, OK = "A/docker0", b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
V4, V6 = (C1, C2), ("[fd00:d0c::2]", "[fd00:d0c::3]")


def idle(
    folder: Path,
    hosts: tuple[str, str] = V4,
    times: int = 3,
    pause: float = 5e6,
    late: bool = True,
    alert: bytes = b"",
    last: bytes = b"",
) -> Findings:
    """A proxy keeps connections to its upstream, which closes them after a pause; `last`: octets of its FIN."""
    net = Network([POINT])
    for number in range(times):
        out, back = f"{hosts[0]}:{5000 + number} > {hosts[1]}:8080", f"{hosts[1]}:8080 > {hosts[0]}:{5000 + number}"
        asked, closed = 101 + len(GET), 901 + len(OK)
        packets = [
            tcp(out, seq=100, flags=SYN),
            tcp(back, seq=900, ack=101, flags=SYN | ACK),
            tcp(out, GET, seq=101, ack=901, flags=PSH | ACK),
            tcp(back, OK, seq=901, ack=asked, flags=PSH | ACK),
        ]
        closing = [tcp(back, alert, seq=closed, ack=asked, flags=PSH | ACK)] if alert else []
        closed += len(alert)
        closing.append(tcp(back, last, seq=closed, ack=asked, flags=FIN | ACK))
        closed += len(last)
        if late:
            closing.append(tcp(out, GET, seq=asked, ack=closed + 1, flags=PSH | ACK))
        closing.append(tcp(back, seq=closed + 1, flags=RST) if late else tcp(out, seq=asked, ack=closed + 1))
        for part in (packets, closing):
            for packet in part:
                net.pass_by((POINT, packet.but(ident=len(net.recorded) + 1)))
            net.now += pause
    return of_story(net, folder, "closed-before-request")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_request_after_the_server_closed_is_told(tmp_path: Path, hosts: tuple[str, str]) -> None:
    (finding,) = idle(tmp_path, hosts)
    client, server = (host.strip("[]") for host in hosts)
    peer = f"{server}:8080" if "." in server else f"[{server}]:8080"
    assert finding["level"] == "warning"
    assert finding["says"] == (
        f"{peer} closed 3 connections of {client} after 5.0 s without a request, and the next request came too late: "
        "it was reset"
    )


def test_request_after_an_alert_of_tls_is_told(tmp_path: Path) -> None:
    """The server says "close notify" before it closes."""
    (finding,) = idle(tmp_path, alert=b"\x15\x03\x03\x00\x13" + bytes(19))
    assert finding["facts"]["pause_s"] == 5.0


def test_single_late_request_is_an_info_and_is_told(tmp_path: Path) -> None:
    (finding,) = idle(tmp_path, times=1)
    assert finding["level"] == "info"


def test_idle_connection_that_is_only_closed_is_silent(tmp_path: Path) -> None:
    assert idle(tmp_path, late=False) == []


@pytest.mark.parametrize("pause", [1e4, 3e5])
def test_close_soon_after_the_answer_is_silent(tmp_path: Path, pause: float) -> None:
    """The server keeps no connection: that is its way, and no timeout of a proxy helps."""
    assert idle(tmp_path, pause=pause) == []


def test_close_with_an_answer_is_silent(tmp_path: Path) -> None:
    """The server did not close for want of a request."""
    assert idle(tmp_path, last=bytes(500)) == []


def parted(folder: Path, last: bytes, fin: bool = True, server_first: bool = False) -> Findings:
    """Three times an idle connection is closed by one end; the other one sends something, and perhaps FIN at once."""
    net = Network([POINT])
    for number in range(3):
        client, server = f"{C1}:{5000 + number}", f"{C2}:8080"
        out, back = f"{client} > {server}", f"{server} > {client}"
        net.pass_by((POINT, tcp(out, seq=100, flags=SYN)))
        net.pass_by((POINT, tcp(back, seq=900, ack=101, flags=SYN | ACK)))
        net.pass_by((POINT, tcp(out, GET, seq=101, ack=901, flags=PSH | ACK)))
        net.pass_by((POINT, tcp(back, OK, seq=901, ack=101 + len(GET), flags=PSH | ACK)), gap=5e6)
        asked, said = 101 + len(GET), 901 + len(OK)
        if server_first:
            out, back, asked, said = back, out, said, asked
        net.pass_by((POINT, tcp(back, seq=said, ack=asked, flags=FIN | ACK)))
        net.pass_by((POINT, tcp(out, last, seq=asked, ack=said + 1, flags=PSH | ACK)))
        if fin:
            net.pass_by((POINT, tcp(out, seq=asked + len(last), ack=said + 1, flags=FIN | ACK)))
        net.pass_by((POINT, tcp(back, seq=said + 1, flags=RST)))
    net.recorded = [(t, p, q.but(ident=n + 1)) for n, (t, p, q) in enumerate(net.recorded)]  # type: ignore[union-attr]
    return of_story(net, folder, "closed-before-request")


def test_alert_of_the_client_before_its_fin_is_silent(tmp_path: Path) -> None:
    """It says "close notify" in turn when it sees the server's FIN: that is no request."""
    assert parted(tmp_path, b"\x15\x03\x03\x00\x15" + bytes(21)) == []


def test_long_request_before_a_fin_is_told(tmp_path: Path) -> None:
    """A client that sends a last request, and closes its side, still lost it."""
    (finding,) = parted(tmp_path, bytes(853))
    assert finding["facts"]["requests"] == 3


def test_client_that_closes_before_the_answer_is_silent(tmp_path: Path) -> None:
    """QUIT and FIN: the "205" of the server meets a reset, but is no request."""
    assert parted(tmp_path, b"205 Connection closing\r\n", fin=False, server_first=True) == []
