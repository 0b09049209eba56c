"""What is no container network and looks like one: nothing of it makes a model likely, or a station a container."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.facts.models.stations import (
    B_MAC,
    CHILD_1,
    CHILD_2,
    HOST,
    HOST_MAC,
    LO_MAC,
    MAC_1,
    MAC_2,
    B,
    Socket,
    arp_everywhere,
    docker_mac,
    exchange,
    likely,
    talk_over_loopback,
    verdicts,
)
from tests.stories import ACK, SYN, Network, arp, ping, tcp, udp
from tests.story_reports import read

QEMU_1, QEMU_2, VMWARE = "52:54:00:12:34:01", "52:54:00:12:34:02", "00:0c:29:5a:00:80"
PUBLIC = "203.0.113.7"


def conversations(net: Network, client: Socket, server: Socket, *points: str, ttl: int = 64) -> None:
    """Enough of them that no count of packets keeps a model away."""
    for port in range(8):
        exchange(net, client._replace(port=40000 + port), server, *points, ttl=ttl)


def nat_router() -> Network:
    """Both sides of a fast router with masquerade and a forwarded port."""
    net = Network(["inside", "outside"])
    out = tcp("192.168.1.20:5555 > 198.51.100.34:443", seq=1000, flags=SYN, ident=1, smac=MAC_1, dmac=HOST_MAC)
    net.pass_by(("inside", out), ("outside", out.routed(src=PUBLIC, smac=HOST_MAC, dmac=B_MAC)), delay=20.0)
    back = tcp(f"198.51.100.34:7000 > {PUBLIC}:8080", seq=4000, flags=SYN, ident=2, smac=B_MAC, dmac=HOST_MAC)
    inside = back.routed(ends="198.51.100.34:7000 > 192.168.1.20:80", smac=HOST_MAC, dmac=MAC_1)
    net.pass_by(("outside", back), ("inside", inside), delay=20.0)
    return net


def cloud_gateway() -> Network:
    """An instance in 172.31.0.0/16, a cloud's default network, reaches itself through its public address."""
    net = Network(["if0"])
    out = tcp(f"172.31.44.222:50000 > {PUBLIC}:50010", seq=1000, flags=SYN, ident=1, smac=MAC_1, dmac=MAC_2)
    net.pass_by(("if0", out), ("if0", out.routed(ends=f"{PUBLIC}:50000 > 172.31.44.222:50010", smac=MAC_2, dmac=MAC_1)))
    return net


def virtual_machines() -> Network:
    """libvirt's bridge, with guests that talk to each other and out; the bridge itself forwards."""
    net = Network(["virbr0", "vnet0", "vnet1"])
    conversations(
        net, Socket(QEMU_1, "192.168.122.10", 0), Socket(QEMU_2, "192.168.122.11", 80), "vnet0", "virbr0", "vnet1"
    )
    conversations(
        net, Socket(HOST_MAC, "198.51.100.9", 0), Socket(QEMU_1, "192.168.122.10", 80), "virbr0", "vnet0", ttl=55
    )
    return net


def home_router() -> Network:
    """OpenWrt's br-lan and a bridge br0 with stations."""
    net = Network(["br-lan", "br0"])
    conversations(net, Socket(MAC_1, "172.20.0.5", 0), Socket(MAC_2, "172.20.0.6", 80), "br-lan", "br0")
    return net


def hypervisor_port() -> Network:
    """Guests behind a hypervisor's switch, whose host asks for one of them in vain."""
    net = Network(["if0"])
    for mac, ip in ((QEMU_1, CHILD_1), (QEMU_2, CHILD_2)):
        arp_everywhere(net, ["if0"], mac, ip, B)
        conversations(net, Socket(mac, ip, 0), Socket(B_MAC, B, 80), "if0")
    arp_everywhere(net, ["if0"], VMWARE, HOST, CHILD_1, times=4)
    return net


def keepalived() -> Network:
    """A host with two cards and a virtual address, which it announces; VRRP itself has a MAC of its own."""
    net = Network(["if0", "if1"])
    for point, ip in (("if0", HOST), ("if1", CHILD_1)):
        arp_everywhere(net, [point], HOST_MAC, ip, B)
        arp_everywhere(net, [point], HOST_MAC, ip, ip)
        conversations(net, Socket(HOST_MAC, ip, 0), Socket(B_MAC, B, 80), point)
    arp_everywhere(net, ["if0"], "00:00:5e:00:01:0a", CHILD_2, CHILD_2)
    conversations(net, Socket(B_MAC, B, 0), Socket("00:00:5e:00:01:0a", CHILD_2, 80), "if0")
    return net


def generator() -> Network:
    """One dummy MAC as source and destination of everything."""
    net = Network(["if0"])
    for server in ("10.0.2.10", "172.18.0.3", "8.8.8.8"):
        conversations(net, Socket(MAC_1, "10.0.1.10", 0), Socket(MAC_1, server, 80), "if0")
    return net


def arp_spoofing() -> Network:
    """A station with a MAC of Docker claims the addresses of others."""
    net = Network(["if0"])
    for claimed in ("172.19.0.2", "172.19.0.3", "172.17.0.2"):
        for _ in range(6):
            net.at(net.now, "if0", arp(2, docker_mac("172.17.0.2"), claimed, "172.19.0.9"))
            net.now += 1e6
    return net


def switch_fabric() -> Network:
    """VXLAN of switches, VNI 5012, both ways."""
    net = Network(["if0"])
    inner = ping("192.168.12.101 > 192.168.12.102", 1, 1, smac="aa:bb:cc:00:01:01", dmac="aa:bb:cc:00:02:01")
    back = ping("192.168.12.102 > 192.168.12.101", 1, 1, icmp=(0, 0), smac=inner.dmac, dmac=inner.smac)
    for _ in range(8):
        net.pass_by(("if0", inner.but(tunnel=(5012, "1.1.1.1", "2.2.2.2", 50000))))
        net.pass_by(("if0", back.but(tunnel=(5012, "2.2.2.2", "1.1.1.1", 50001))))
    return net


def calico_with_metallb() -> Network:
    """Pods' packets, routed before, in VXLAN with VNI 4096; MetalLB's gossip on port 7946 between the same hosts."""
    net = Network(["if0"])
    for number in range(8):
        inner = ping("10.244.1.5 > 10.244.2.7", 1, number, ttl=63, smac="66:0a:11:22:33:44", dmac="66:0b:11:22:33:44")
        back = inner.but(ends="10.244.2.7 > 10.244.1.5", icmp=(0, 0), smac=inner.dmac, dmac=inner.smac)
        net.pass_by(("if0", inner.but(tunnel=(4096, HOST, B, 50000))))
        net.pass_by(("if0", back.but(tunnel=(4096, B, HOST, 50001))))
        net.pass_by(("if0", back.but(src="10.244.3.7", tunnel=(4096, "192.168.111.130", HOST, 50001))))
        gossip = udp(f"{HOST}:7946 > {B}:7946", bytes([number]) * 20, ident=number, smac=HOST_MAC, dmac=B_MAC)
        net.pass_by(("if0", gossip))
        net.pass_by(("if0", gossip.but(ends=f"{B}:7946 > {HOST}:7946", smac=B_MAC, dmac=HOST_MAC)))
    return net


def loopback_of_a_host() -> Network:
    """A host talks to itself while its second card is idle."""
    net = Network(["lo", "dummy-0"])
    for ip in ("127.0.0.1", "127.0.0.1"):
        talk_over_loopback(net, "lo", ip)
    net.pass_by(("lo", ping("127.0.0.1 > 127.0.0.1", 1, 1, smac=LO_MAC, dmac=LO_MAC)))
    return net


def host_that_calls_itself() -> Network:
    """A host's own address at its loopback, and the same address on the wire."""
    net = Network(["lo", "eth0"])
    talk_over_loopback(net, "lo", HOST)
    conversations(net, Socket(HOST_MAC, HOST, 0), Socket(B_MAC, B, 80), "eth0")
    return net


def pipe_of_a_program() -> Network:
    """A capture from a named pipe: the path is no name of a container."""
    net = Network(["/tmp/wireshark_pipe"])
    conversations(
        net, Socket("08:00:27:00:d3:2d", "10.0.2.15", 0), Socket(QEMU_1, "10.0.2.3", 53), "/tmp/wireshark_pipe"
    )
    return net


def random_macs() -> Network:
    """Addresses as Docker gives them, MACs that no manufacturer assigned: virtual machines have both."""
    net = Network(["eth0"])
    conversations(net, Socket(MAC_1, "172.18.0.4", 0), Socket(MAC_2, "172.18.0.3", 80), "eth0")
    return net


def proxy_on_a_router() -> Network:
    """A proxy answers for others, with connections of its own from the first address of the inner network."""
    net = Network(["if0"])
    arp_everywhere(net, ["if0"], HOST_MAC, "192.168.1.1", "192.168.1.20", operation=2)
    for number, flags in enumerate((SYN, ACK)):
        payload = bytes(88 * number)
        outer = tcp("192.168.1.30:40000 > 192.168.1.1:8080", payload, seq=1000 + number, flags=flags, ident=number)
        inner = tcp("192.168.1.1:50000 > 192.168.1.20:80", payload, seq=9000 + number, flags=flags, ident=number + 4)
        net.pass_by(("if0", outer.but(smac=MAC_2, dmac=HOST_MAC)))
        net.pass_by(("if0", inner.but(smac=HOST_MAC, dmac=MAC_1)))
    return net


STORIES = (
    nat_router, cloud_gateway, virtual_machines, home_router, hypervisor_port, keepalived, generator, arp_spoofing,
    switch_fabric, calico_with_metallb, loopback_of_a_host, host_that_calls_itself, pipe_of_a_program, random_macs,
    proxy_on_a_router,
)  # fmt: skip


OF_CONTAINER_NETWORKS = {"macvlan-host-isolation", "foreign-vtep", "encrypted-overlay"}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_lookalike_has_no_likely_model(story: Callable[[], Network], tmp_path: Path) -> None:
    report: dict[str, Any] = read(story(), tmp_path)
    assert report["coverage"]["frames"] > 0
    assert not likely(report)
    assert not [station for station in report["stations"] if station["kind"] == "container"]
    assert "distinct" not in verdicts(report)
    assert not OF_CONTAINER_NETWORKS & {finding["name"] for finding in report["findings"]}
