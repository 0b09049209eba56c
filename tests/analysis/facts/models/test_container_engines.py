"""What shows containers: MACs made of addresses, names of points; and which of it tells the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.facts.models.stations import (
    B_MAC,
    BRIDGE_MAC,
    HOST,
    HOST_MAC,
    MAC_1,
    MAC_2,
    B,
    Socket,
    arp_everywhere,
    docker_mac,
    exchange,
    likely,
    weights,
)
from tests.stories import Network, about, ping, udp
from tests.story_reports import read

WEB, BBOX = "172.17.0.2", "172.17.0.3"
FIRST, SECOND = "10.244.0.2", "10.244.0.9"  # pods


def pod_mac(ip: str) -> str:
    """The MAC that plugins of Kubernetes make for a pod of this address."""
    return docker_mac(ip).replace("02:42", "0a:58", 1)


def outward(net: Network, mac: str, ip: str, gateway: str, *points: str) -> None:
    """A container reaches host B by its gateway, which lowers the TTL of the answer."""
    request = ping(f"{ip} > {B}", 7, 1, ident=1, smac=mac, dmac=gateway)
    net.pass_by(*((point, request) for point in points))
    answer = ping(f"{B} > {ip}", 7, 1, icmp=(0, 0), ident=2, ttl=63, smac=gateway, dmac=mac)
    net.pass_by(*((point, answer) for point in reversed(points)))


def kinds(report: dict[str, Any]) -> dict[str, str]:
    """MAC → kind of the station."""
    return {station["mac"]: station["kind"] for station in report["stations"]}


def test_gateway_of_default_bridge_is_a_bridge(tmp_path: Path) -> None:
    net = Network(["if0"])
    outward(net, docker_mac(WEB), WEB, BRIDGE_MAC, "if0")
    report = read(net, tmp_path)
    assert likely(report) == ["bridge"]
    assert kinds(report)[docker_mac(WEB)] == "container"


def test_gateway_of_another_subnet_may_be_a_swarms(tmp_path: Path) -> None:
    """docker_gwbridge, the way out of an overlay network, looks like a bridge that somebody made; containers that
    talk directly are on none of it."""
    net = Network(["if0"])
    outward(net, docker_mac("172.18.0.2"), "172.18.0.2", BRIDGE_MAC, "if0")
    assert not likely(read(net, tmp_path))
    first, second = (Socket(docker_mac(ip), ip, 80) for ip in ("172.18.0.2", "172.18.0.3"))
    exchange(net, first, second, "if0")
    assert likely(read(net, tmp_path)) == ["bridge"]


def test_containers_that_talk_may_be_on_any_network(tmp_path: Path) -> None:
    net = Network(["if0"])
    exchange(net, Socket(docker_mac(WEB), WEB, 40000), Socket(docker_mac(BBOX), BBOX, 80), "if0")
    report = read(net, tmp_path)
    assert not likely(report)
    assert [model["model"] for model in report["models"]] == ["bridge"]
    assert kinds(report) == {docker_mac(WEB): "container", docker_mac(BBOX): "container"}


@pytest.mark.parametrize("name", ["docker0", "A/br-3efbc96ee016", "cni0", "host/podman1", "nerdctl0"])
def test_bridge_of_an_engine_that_forwards_is_a_bridge(name: str, tmp_path: Path) -> None:
    """Also with the random MACs of newer versions of Docker."""
    net = Network([name])
    outward(net, MAC_1, WEB, MAC_2, name)
    report = read(net, tmp_path)
    assert likely(report) == ["bridge"]
    assert kinds(report) == {MAC_1: "container", MAC_2: "bridge"}


@pytest.mark.parametrize("name", ["br0", "br-lan", "virbr0", "br-3efbc96ee0", "docker_gwbridge", "A/br-shop0000000"])
def test_bridge_of_another_name_is_no_likely_bridge(name: str, tmp_path: Path) -> None:
    net = Network([name])
    outward(net, MAC_1, WEB, MAC_2, name)
    assert not likely(read(net, tmp_path))


@pytest.mark.parametrize(
    ("points", "models"),
    [(["A/cni0", "A/pod/eth0"], ["bridge"]), (["A/docker_gwbridge", "A/pod/eth0"], []), (["br0", "A/pod/eth0"], [])],
    ids=["cni0", "docker_gwbridge", "br0"],
)
def test_interface_and_bridge_with_equal_packets(points: list[str], models: list[str], tmp_path: Path) -> None:
    """What the container sends passes the bridge unchanged: it is a port of it."""
    net = Network(points)
    exchange(net, Socket(MAC_1, FIRST, 40000), Socket(MAC_2, SECOND, 80), *points)
    report = read(net, tmp_path)
    assert ("bridged-path" in weights(report)) is (points[0] != "A/docker_gwbridge")
    assert likely(report) == models


def test_pods_are_containers_and_no_likely_bridge(tmp_path: Path) -> None:
    """OVN makes such MACs as well, and has no Linux bridge."""
    net = Network(["if0"])
    exchange(net, Socket(pod_mac(FIRST), FIRST, 40000), Socket(pod_mac(SECOND), SECOND, 80), "if0")
    report = read(net, tmp_path)
    assert not likely(report)
    assert "pod-mac" in weights(report)
    assert kinds(report) == {pod_mac(FIRST): "container", pod_mac(SECOND): "container"}


def test_bridge_of_docker_is_no_container_where_it_only_answers(tmp_path: Path) -> None:
    """The host's own process: nothing is forwarded. So is a bridge with IPv6 only."""
    net = Network(["docker0"])
    exchange(net, Socket(BRIDGE_MAC, "172.17.0.1", 40000), Socket(docker_mac(WEB), WEB, 80), "docker0")
    assert kinds(read(net, tmp_path)) == {BRIDGE_MAC: "bridge", docker_mac(WEB): "container"}
    net = Network(["docker0"])
    net.pass_by(("docker0", udp("[2001:db8::1]:53 > [2001:db8::2]:5000", b"answer", smac=BRIDGE_MAC, dmac=MAC_1)))
    net.pass_by(("docker0", udp("[2001:db8::2]:5000 > [2001:db8::1]:53", b"query", smac=MAC_1, dmac=BRIDGE_MAC)))
    net.pass_by(("docker0", udp("[2001:db8:9::9]:53 > [2001:db8::2]:5001", b"x", ttl=60, smac=BRIDGE_MAC, dmac=MAC_1)))
    report = read(net, tmp_path)
    assert kinds(report) == {BRIDGE_MAC: "bridge", MAC_1: "container"}
    assert likely(report) == ["bridge"]


def test_mac_in_an_ipv6_address_is_a_containers(tmp_path: Path) -> None:
    """Docker made the last six octets of an IPv6 address of the MAC; SLAAC puts ff:fe in the middle of it."""
    mac = docker_mac(WEB)
    for ip, kind in (("2001:db8::242:ac11:2", "container"), ("2001:db8::42:acff:fe11:2", "unknown")):
        net = Network(["if0"])
        net.pass_by(("if0", udp(f"[{ip}]:5000 > [2001:db8::1]:53", b"query", smac=mac, dmac=B_MAC)))
        assert kinds(read(net, tmp_path))[mac] == kind


def test_mac_that_claims_other_addresses_is_no_containers(tmp_path: Path) -> None:
    """It may be forged: ARP spoofing from a container."""
    net = Network(["if0"])
    outward(net, docker_mac(WEB), WEB, BRIDGE_MAC, "if0")
    arp_everywhere(net, ["if0"], docker_mac(WEB), "172.17.0.1", BBOX, operation=2)
    report = read(net, tmp_path)
    assert report["models"] == []
    assert kinds(report)[docker_mac(WEB)] == "unknown"


def test_container_among_hosts_is_likely_macvlan(tmp_path: Path) -> None:
    """Not so where the other station is the gateway, or the network one that Docker gives bridges."""
    for container, server, models in (
        ("192.168.111.10", Socket(B_MAC, B, 80), ["macvlan"]),
        ("192.168.111.10", Socket(B_MAC, "192.168.111.1", 80), []),
        ("172.18.0.2", Socket(B_MAC, "172.18.0.9", 80), []),
    ):
        net = Network(["if0"])
        exchange(net, Socket(docker_mac(container), container, 40000), server, "if0")
        assert likely(read(net, tmp_path)) == models


def test_host_that_forwards_for_containers_is_no_macvlan(tmp_path: Path) -> None:
    """The bridge has a port to the outside, and so its MAC: it says that the container's packets go nowhere.

    As on a public capture (orion-belt/tempo, pfcp.pcap): such a host reaches the containers, and no macvlan's does.
    """
    container, host = "192.168.111.10", "192.168.111.12"
    net = Network(["if0"])
    exchange(net, Socket(docker_mac(container), container, 40000), Socket(B_MAC, host, 80), "if0")
    asked = udp(f"{container}:8805 > 192.168.111.77:8805", b"hello", smac=docker_mac(container), dmac=B_MAC)
    net.pass_by(("if0", asked))
    error = ping(f"{host} > {container}", 0, 0, icmp=(3, 1), smac=B_MAC, dmac=docker_mac(container))
    net.pass_by(("if0", about(error, asked)))
    assert likely(read(net, tmp_path)) == []


@pytest.mark.parametrize(("gossips", "models"), [(True, ["overlay"]), (False, [])], ids=["gossip", "none"])
def test_vxlan_between_gossiping_hosts_is_an_overlay(gossips: bool, models: list[str], tmp_path: Path) -> None:
    """With the random MACs of newer versions of Docker, nothing else on the wire tells it from a switch fabric."""
    net = Network(["if0"])
    inner = ping("10.0.1.2 > 10.0.1.4", 1, 1, smac=MAC_1, dmac=MAC_2)
    answer = ping("10.0.1.4 > 10.0.1.2", 1, 1, icmp=(0, 0), smac=MAC_2, dmac=MAC_1)
    gossip = udp(f"{HOST}:7946 > {B}:7946", b"ping", smac=HOST_MAC, dmac=B_MAC)
    net.pass_by(("if0", inner.but(tunnel=(4097, HOST, B, 50000))))
    net.pass_by(("if0", answer.but(tunnel=(4097, B, HOST, 50001))))
    if gossips:
        net.pass_by(("if0", gossip))
        net.pass_by(("if0", gossip.but(ends=f"{B}:7946 > {HOST}:7946", smac=B_MAC, dmac=HOST_MAC)))
    assert likely(read(net, tmp_path)) == models


def test_container_inside_vxlan_is_an_overlay(tmp_path: Path) -> None:
    """One direction is enough, where the other one is lost. A tunnel's end inside another tunnel is no container."""
    for ip, models in (("10.0.1.2", ["overlay"]), (HOST, [])):
        net = Network(["if0"])
        inner = ping(f"{ip} > 10.0.1.4", 1, 1, smac=docker_mac(ip), dmac=MAC_2)
        for _ in range(3):
            net.pass_by(("if0", inner.but(tunnel=(4097, HOST, B, 50000))))
        assert likely(read(net, tmp_path)) == models


@pytest.mark.parametrize("bridge", ["lxcbr0", "lxdbr0", "incusbr0"])
def test_bridge_of_lxc_and_its_successors_is_a_bridge(bridge: str, tmp_path: Path) -> None:
    """Their containers have MACs of 00:16:3e, as virtual machines of Xen have: the bridge's name tells."""
    points = [f"host/{bridge}", "host/ens33"]
    net = Network(points)
    for number in range(1, 4):
        inside = ping(f"10.0.3.7 > {B}", 7, number, ident=number, smac="00:16:3e:11:22:33", dmac="00:16:3e:00:00:00")
        net.pass_by((points[0], inside), (points[1], inside.routed(src=HOST, smac=HOST_MAC, dmac=B_MAC)))
    assert likely(read(net, tmp_path)) == ["bridge"]
