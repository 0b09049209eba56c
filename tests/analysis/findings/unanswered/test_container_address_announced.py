"""container-address-announced: clients that send to a container's own address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named
from tests.stories import SYN, Network, Packet, about, tcp, udp
from tests.story_reports import C1, A, B, read

CLIENT, CARD, BRIDGE = "B/ens33", "A/ens33", "A/docker0"
V4, V6 = (B, A, C1), ("[2001:db8:111::81]", "[2001:db8:111::80]", "[fd00:d0c::2]")


def announced(
    folder: Path, hosts: tuple[str, str, str] = V4, to: str = "", reaches: bool = False, proto: str = "tcp"
) -> tuple[Findings, Findings]:
    """A control connection by the published port 21; then the client tries another address."""
    client, host, container = hosts
    net = Network([CLIENT, CARD, BRIDGE])
    for number in range(6):
        ask = tcp(f"{client}:5555 > {host}:21", b"PASV", seq=4 * number, ack=9 * number, ident=number + 1)
        inside = ask.routed(ends=f"{client}:5555 > {container}:21")
        net.pass_by((CLIENT, ask), (CARD, ask), (BRIDGE, inside))
        answer = tcp(
            f"{container}:21 > {client}:5555", b"227 (...)", seq=9 * number, ack=4 * number + 4, ident=80 + number
        )
        outside = answer.routed(ends=f"{host}:21 > {client}:5555")
        net.pass_by((BRIDGE, answer), (CARD, outside), (CLIENT, outside))
    for number in range(3):
        ends = f"{client}:6000 > {to or container}:21100"
        packet = tcp(ends, flags=SYN, seq=7, ident=200 + number) if proto == "tcp" else udp(ends, b"RTP", ident=number)
        net.pass_by(*((point, packet) for point in (CLIENT, CARD)[: 1 + reaches]), gap=1.1e6)
        if "." in client and not reaches:
            net.pass_by((CLIENT, about(Packet("icmp", "192.168.111.1", B, icmp=(3, 0)), packet)))
    report = read(net, folder)
    return named(report, "container-address-announced"), named(report, "host-unreachable")


@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_client_of_a_containers_address_is_told(tmp_path: Path, hosts: tuple[str, str, str], proto: str) -> None:
    """FTP in passive mode and SIP say where the data is to go."""
    (finding,), unreachable = announced(tmp_path, hosts, proto=proto)
    client, host, container = (end.strip("[]") for end in hosts)
    reached = f"{host}:21" if "." in host else f"[{host}]:21"
    assert unreachable == [] and finding["level"] == "warning"
    assert finding["says"] == (
        f"{client} sends 3 packets to {container} (21100) and gets no answer: that is the address of a container "
        f"inside its host, which the client reaches as {reached}"
    )


def test_address_of_another_host_is_silent(tmp_path: Path) -> None:
    """It is unreachable, and nothing says that it is the container's."""
    told, unreachable = announced(tmp_path, to="172.17.0.9")
    assert told == [] and len(unreachable) == 1


def test_packets_that_come_to_the_host_is_silent(tmp_path: Path) -> None:
    """The client has a route, and the host drops them: direct-access-dropped."""
    assert announced(tmp_path, reaches=True)[0] == []
