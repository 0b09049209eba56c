"""ipvlan: what tells a shared MAC from a host with several addresses and from a gateway."""

from __future__ import annotations

from pathlib import Path

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


def test_ipvlan_l2_is_one_mac_at_two_interfaces(tmp_path: Path) -> None:
    """The MAC claims both addresses in ARP."""
    net = Network(["if0", "if1", "if2"])
    for point, ip in (("if0", CHILD_1), ("if1", CHILD_2)):
        arp_everywhere(net, [point, "if2"], HOST_MAC, ip, B)
        exchange(net, Socket(HOST_MAC, ip, 40001), Socket(B_MAC, B, 80), point, "if2")
    exchange(net, Socket(HOST_MAC, CHILD_1, 40001), Socket(HOST_MAC, CHILD_2, 80), "if0", "if1")
    report = read(net, tmp_path)
    assert likely(report) == ["ipvlan-l2"]
    assert verdicts(report) == {"shared"}
    assert ("if2", [CHILD_1, CHILD_2]) in [(verdict["point"], verdict["ips"]) for verdict in report["macs"]]


def test_ipvlan_l3_sends_to_its_own_mac_without_arp(tmp_path: Path) -> None:
    first, second = "10.0.1.10", "10.0.2.10"
    net = Network(["if0", "if1", "if2"])
    arp_everywhere(net, ["if2"], HOST_MAC, HOST, B)
    for number, (point, ip) in enumerate((("if0", first), ("if1", second))):
        request = ping(f"{ip} > {B}", 7, number, ident=number + 1, smac=HOST_MAC, dmac=HOST_MAC)
        net.pass_by((point, request), ("if2", request.but(dmac=B_MAC)))
    exchange(net, Socket(HOST_MAC, first, 40001), Socket(HOST_MAC, second, 80), "if0", "if1")
    report = read(net, tmp_path)
    assert likely(report) == ["ipvlan-l3"]
    assert verdicts(report) == {"shared"}


def test_host_with_two_addresses_is_no_likely_ipvlan(tmp_path: Path) -> None:
    net = Network(["if0"])
    for ip in (CHILD_1, CHILD_2):
        arp_everywhere(net, ["if0"], HOST_MAC, ip, B)
        exchange(net, Socket(HOST_MAC, ip, 80), Socket(B_MAC, B, 40000), "if0")
    report = read(net, tmp_path)
    assert report["models"][0]["model"] == "ipvlan-l2"
    assert not likely(report)


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
