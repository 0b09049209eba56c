"""ipvlan: what tells a shared MAC from a host with several addresses and from a gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.analysis.facts.models.stations import (
    B_MAC,
    CHILD_1,
    CHILD_2,
    HOST,
    HOST_MAC,
    MAC_1,
    B,
    Socket,
    arp_everywhere,
    exchange,
    likely,
    verdicts,
)
from tests.stories import Network, ping
from tests.story_reports import read

NAMED = ["A/one/eth0", "A/two/eth0", "A/ens33"]
NAMELESS = ["if0", "if1", "if2"]


def level_2(folder: Path, points: list[str]) -> dict[str, Any]:
    """The report of two children and their parent; the MAC claims both addresses in ARP."""
    one, two, parent = points
    net = Network(points)
    for point, ip in ((one, CHILD_1), (two, CHILD_2)):
        arp_everywhere(net, [point, parent], HOST_MAC, ip, B)
        for port in range(40001, 40005):
            exchange(net, Socket(HOST_MAC, ip, port), Socket(B_MAC, B, 80), point, parent)
    exchange(net, Socket(HOST_MAC, CHILD_1, 40001), Socket(HOST_MAC, CHILD_2, 80), one, two)
    return read(net, folder)


def level_3(folder: Path, points: list[str]) -> dict[str, Any]:
    """The report of two children of two networks, and their parent; only the host's own address is in ARP."""
    first, second = "10.0.1.10", "10.0.2.10"
    one, two, parent = points
    net = Network(points)
    arp_everywhere(net, [parent], HOST_MAC, HOST, B)
    for number, (point, ip) in enumerate(((one, first), (two, second)) * 4):
        request = ping(f"{ip} > {B}", 7, number, ident=number + 1, smac=HOST_MAC, dmac=HOST_MAC)
        net.pass_by((point, request), (parent, request.but(dmac=B_MAC)))
    exchange(net, Socket(HOST_MAC, first, 40001), Socket(HOST_MAC, second, 80), one, two)
    return read(net, folder)


def test_ipvlan_l2_is_one_mac_at_two_interfaces(tmp_path: Path) -> None:
    report = level_2(tmp_path, NAMED)
    assert likely(report) == ["ipvlan-l2"]
    assert verdicts(report) == {"shared"}
    assert ("A/ens33", [CHILD_1, CHILD_2]) in [(verdict["point"], verdict["ips"]) for verdict in report["macs"]]


def test_ipvlan_l3_sends_to_its_own_mac_without_arp(tmp_path: Path) -> None:
    report = level_3(tmp_path, NAMED)
    assert likely(report) == ["ipvlan-l3"]
    assert verdicts(report) == {"shared"}


def test_shared_mac_without_names_is_no_likely_ipvlan(tmp_path: Path) -> None:
    """A host that answers for several addresses at several cards looks the same."""
    for mode, report in (("ipvlan-l2", level_2(tmp_path, NAMELESS)), ("ipvlan-l3", level_3(tmp_path, NAMELESS))):
        assert [(model["model"], model["confidence"]) for model in report["models"]] == [(mode, 0.45)]


def test_host_with_two_addresses_is_no_likely_ipvlan(tmp_path: Path) -> None:
    net = Network(["if0"])
    for ip in (CHILD_1, CHILD_2):
        arp_everywhere(net, ["if0"], HOST_MAC, ip, B)
        exchange(net, Socket(HOST_MAC, ip, 80), Socket(B_MAC, B, 40000), "if0")
    assert read(net, tmp_path)["models"] == []


def test_gateway_of_many_networks_is_a_router(tmp_path: Path) -> None:
    """Many addresses are behind one MAC, and their TTL is no longer an initial one."""
    net = Network(["if0"])
    for number in range(1, 9):
        server = Socket(B_MAC, f"10.9.{number}.1", 80)
        exchange(net, Socket(MAC_1, CHILD_1, 40000 + number), server, "if0", ttl=57)
    report = read(net, tmp_path)
    assert not likely(report)
    assert "router" in verdicts(report)
    assert "shared" not in verdicts(report)
