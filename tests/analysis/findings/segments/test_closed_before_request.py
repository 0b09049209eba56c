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
    folder: Path, hosts: tuple[str, str] = V4, times: int = 3, pause: float = 5e6, late: bool = True, alert: bytes = b""
) -> Findings:
    """A proxy keeps connections to its upstream, which closes them after a pause."""
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
        closing.append(tcp(back, seq=closed, ack=asked, flags=FIN | ACK))
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


def test_close_at_once_after_the_answer_is_silent(tmp_path: Path) -> None:
    """The server keeps no connection: that is its way, and no timeout of a proxy helps."""
    assert idle(tmp_path, pause=1e4) == []
