"""datagram-refused: "port unreachable" about datagrams that a container was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.bridges import APP, APP_MAC, WEB, WEB_MAC
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, about, arp, ping, udp

RECORDED = Path(__file__).parents[2] / "facts" / "kernel" / "recorded" / "udp-loopback.pcapng"
POINT = "A/docker0"
ROUTER = "192.168.111.1"


def network() -> Network:
    """Two containers of one bridge, whose MACs are made of their addresses."""
    net = Network([POINT])
    net.pass_by((POINT, arp(1, APP_MAC, APP, WEB)))
    net.pass_by((POINT, arp(2, WEB_MAC, WEB, APP)))
    return net


def ask(net: Network, port: int, sport: int = 40000, *, sender: str = WEB, code: int = 3) -> None:
    """A datagram of app, and who refuses it."""
    datagram = udp(f"{APP}:{sport} > {WEB}:{port}", smac=APP_MAC, dmac=WEB_MAC, ident=sport)
    error = ping(f"{sender} > {APP}", 0, 0, icmp=(3, code), smac=WEB_MAC, dmac=APP_MAC)
    net.pass_by((POINT, datagram), gap=1e6)
    net.pass_by((POINT, about(error, datagram)), gap=1e6)


def refused(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "datagram-refused")


def test_port_without_a_program_is_told(tmp_path: Path) -> None:
    net = network()
    for number in range(3):
        ask(net, 514, 40000 + number)
    (finding,) = refused(net, tmp_path)
    assert finding["says"] == f"{WEB} refused 3 datagrams to UDP port 514 (ICMP port unreachable)"
    assert finding["level"] == "warning" and "with /udp" in finding["fix"]


def test_server_on_the_loopback_is_told() -> None:
    """Of a real container with a published port, and with its witnesses."""
    (finding,) = [finding for finding in analyze(RECORDED).findings if finding.level != "info"]
    assert finding.name == "datagram-refused"
    assert "172.29.0.2 (udps) refused 3 datagrams to UDP port 5353, to which 192.168.111.128:5353" in finding.says
    assert finding.says.endswith("a program listens on that port in A/udps, but at 127.0.0.1:5353 only")
    assert finding.fix is not None and finding.fix.startswith("let the server in A/udps listen on 0.0.0.0:5353")


def test_late_answer_that_its_client_refuses_is_silent(tmp_path: Path) -> None:
    """The client has gone; the server's port is a low one, and so is the client's."""
    net = network()
    for number in range(3):
        net.pass_by((POINT, udp(f"{WEB}:123 > {APP}:{200 + number}", smac=WEB_MAC, dmac=APP_MAC)))
        ask(net, 123, 200 + number)
    assert refused(net, tmp_path) == []


def test_single_datagram_is_silent(tmp_path: Path) -> None:
    net = network()
    ask(net, 514)
    assert refused(net, tmp_path) == []


@pytest.mark.parametrize("port", [53, 33434, 40001])
def test_port_of_others_is_silent(port: int, tmp_path: Path) -> None:
    """Of a name server, of traceroute, of a client."""
    net = network()
    for number in range(3):
        ask(net, port, 50000 + number)
    assert refused(net, tmp_path) == []


def test_scan_is_silent(tmp_path: Path) -> None:
    net = network()
    for port in range(1000, 1010):
        ask(net, port)
        ask(net, port, 40001)
    assert refused(net, tmp_path) == []


@pytest.mark.parametrize(("sender", "code"), [(ROUTER, 3), (WEB, 1), (WEB, 13)])
def test_other_refusal_is_silent(sender: str, code: int, tmp_path: Path) -> None:
    """A rule of a router; host unreachable; prohibited."""
    net = network()
    for number in range(3):
        ask(net, 514, 40000 + number, sender=sender, code=code)
    assert refused(net, tmp_path) == []


def test_network_without_containers_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for number in range(3):
        datagram = udp(f"10.0.0.1:{40000 + number} > 10.0.0.2:514", ident=number)
        error = ping("10.0.0.2 > 10.0.0.1", 0, 0, icmp=(3, 3))
        net.pass_by(("A/ens33", datagram))
        net.pass_by(("A/ens33", about(error, datagram)))
    assert refused(net, tmp_path) == []
