"""host-blocks-containers: a firewall's INPUT chain between containers and the host that they run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Host, Interface, PublishedPort, Topology
from tests.analysis.findings.bridges import (
    APP,
    APP_MAC,
    BRIDGE,
    BRIDGE_MAC,
    CARD,
    GATEWAY,
    WEB,
    WEB_MAC,
    host,
    knock,
    surf,
)
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import SYN, Network, advertise, arp, solicit, tcp
from tests.story_reports import A, read

NAME = "host-blocks-containers"
INSIDE = "A/app/eth0"


def asks(address: str, port: int = 5432, dmac: str = BRIDGE_MAC) -> object:
    return tcp(f"{APP}:40000 > {address}:{port}", flags=SYN, seq=7, smac=APP_MAC, dmac=dmac)


def asked(folder: Path, *addresses: str, others: bool = True, dmac: str = BRIDGE_MAC) -> Findings:
    """app asks its host, and what it sends to B passes."""
    net = host()
    if others:
        surf(net, APP, APP_MAC, BRIDGE, BRIDGE_MAC, 1)
    for address in addresses:
        knock(net, asks(address, dmac=dmac), BRIDGE)  # type: ignore[arg-type]
    return of_story(net, folder, NAME)


def test_port_of_the_bridges_address_is_told(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, GATEWAY)
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"4 SYNs of {APP} to {GATEWAY}:5432, on their own host, got no answer at {BRIDGE}; the host passes on what "
        "they send to others"
    )
    assert "ufw allow in on docker0" in finding["fix"]


def test_hosts_own_address_beside_it_is_told(tmp_path: Path) -> None:
    """It is known from what the host masquerades. Both are one cause."""
    (finding,) = asked(tmp_path, GATEWAY, A)
    assert finding["facts"]["services"] == [f"{GATEWAY}:5432", f"{A}:5432"]


def test_bridge_that_shows_nothing_else_is_told(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, GATEWAY, others=False)
    assert finding["level"] == "warning" and finding["says"].endswith(f"got no answer at {BRIDGE}")


def test_containers_interface_alone_is_told(tmp_path: Path) -> None:
    net = Network([INSIDE])
    net.at(0, INSIDE, arp(1, APP_MAC, APP, GATEWAY))
    net.at(20, INSIDE, arp(2, BRIDGE_MAC, GATEWAY, APP, to=APP_MAC))
    syn = tcp(f"{APP}:42000 > 192.168.111.129:80", flags=SYN, seq=100, smac=APP_MAC, dmac=BRIDGE_MAC)
    back = syn.but(ends=f"192.168.111.129:80 > {APP}:42000", flags=18, ack=101, ttl=63, smac=BRIDGE_MAC, dmac=APP_MAC)
    net.pass_by((INSIDE, syn)), net.pass_by((INSIDE, back))
    knock(net, asks(GATEWAY), INSIDE)  # type: ignore[arg-type]
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "warning" and "on their gateway" in finding["says"]


def test_ipv6_address_of_the_bridge_is_told(tmp_path: Path) -> None:
    net, gateway = Network([BRIDGE]), "fd00:d0c::1"
    net.at(0, BRIDGE, solicit(APP_MAC, "fd00:d0c::3", gateway))
    net.at(20, BRIDGE, advertise(BRIDGE_MAC, gateway, "fd00:d0c::3", to=APP_MAC))
    net.now = 1000
    syn = tcp(f"[fd00:d0c::3]:40000 > [{gateway}]:5432", flags=SYN, seq=7, smac=APP_MAC, dmac=BRIDGE_MAC)
    knock(net, syn, BRIDGE)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["services"] == [f"[{gateway}]:5432"]


def test_symptoms_of_a_blocked_host_are_left_out(tmp_path: Path) -> None:
    net = host()
    surf(net, APP, APP_MAC, BRIDGE, BRIDGE_MAC, 1)
    knock(net, asks(GATEWAY), BRIDGE)  # type: ignore[arg-type]
    assert [finding["name"] for finding in read(net, tmp_path)["findings"] if finding["level"] != "info"] == [NAME]


@pytest.mark.parametrize("address", [WEB, "192.168.111.77"], ids=["neighbour", "beyond"])
def test_container_or_machine_that_is_silent_is_silent(tmp_path: Path, address: str) -> None:
    """A container on the bridge, or a machine behind the host, drops the port itself."""
    assert asked(tmp_path, address, dmac=WEB_MAC if address == WEB else BRIDGE_MAC) == []


def test_router_of_a_lan_is_silent(tmp_path: Path) -> None:
    """A PC's card: its gateway passes everything on and hides its own web pages."""
    net = host()
    surf(net, APP, APP_MAC, BRIDGE, BRIDGE_MAC, 1)
    lan = tcp(f"{A}:40000 > 192.168.111.1:443", flags=SYN, seq=7, smac="00:0c:29:5a:00:80", dmac="00:50:56:c0:00:08")
    net.at(net.now, CARD, arp(2, "00:50:56:c0:00:08", "192.168.111.1", A, to="00:0c:29:5a:00:80"))
    knock(net, lan, CARD)
    assert of_story(net, tmp_path, NAME) == []


def of_topology(mac: str, ports: list[PublishedPort]) -> Topology:
    """Host A with its bridge and its card; web publishes ports."""
    interfaces = [
        Interface("docker0", 3, mac, [f"{GATEWAY}/16"], kind="bridge"), Interface("ens33", 2, None, [f"{A}/24"]),
    ]  # fmt: skip
    web = Container("A", "web", "1", "i", "bridge", [], ports)
    return Topology(hosts=[Host("A", "20.10", "6.1", interfaces)], containers=[web])


def asked_with(folder: Path, topology: Topology) -> Findings:
    """app asks its host's other address, and nothing else is seen."""
    net = host()
    knock(net, asks(A), BRIDGE)  # type: ignore[arg-type]
    return of_story(net, folder, NAME, topology)


def test_other_address_of_the_host_by_topology_is_told(tmp_path: Path) -> None:
    (finding,) = asked_with(tmp_path, of_topology(BRIDGE_MAC, []))
    assert finding["facts"]["services"] == [f"{A}:5432"]


def test_published_port_of_the_host_is_silent(tmp_path: Path) -> None:
    assert asked_with(tmp_path, of_topology(BRIDGE_MAC, [PublishedPort("tcp", "0.0.0.0", 5432, 5432)])) == []


def test_address_of_another_host_by_topology_is_silent(tmp_path: Path) -> None:
    assert asked_with(tmp_path, of_topology("02:00:00:00:00:99", [])) == []
