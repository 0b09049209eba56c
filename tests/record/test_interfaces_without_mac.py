"""Interfaces without a link layer, as VPNs make them in containers: tun and WireGuard have no MAC.

The entries are what `ip -j -d address` prints of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from capnet.record.find.host_facts import HostFacts
from capnet.record.find.host_topology import build_topology
from capnet.topology import Container

NETNS = "/proc/7/ns/net"
VETH = {
    "ifname": "eth0", "ifindex": 3, "link_index": 4, "mtu": 1500, "link_type": "ether", "address": "02:42:ac:12:00:02",
    "linkinfo": {"info_kind": "veth"}, "addr_info": [{"local": "172.18.0.2", "prefixlen": 16}],
}  # fmt: skip


def tunnel(kind: str, address: str | None) -> dict[str, Any]:
    told = [{"local": address, "prefixlen": 24}] if address else []
    return {
        "ifname": "tun0", "ifindex": 9, "mtu": 1420, "link_type": "none", "linkinfo": {"info_kind": kind},
        "addr_info": told,
    }  # fmt: skip


def vpn(*interfaces: dict[str, Any], mac: str | None = "02:42:ac:12:00:02") -> Container:
    """What capnet makes of a running container on `shop` with these interfaces."""
    recorded = Path(__file__).with_name("idle_containers.json")
    (entry, *_) = json.loads(recorded.read_text(encoding="utf-8"))
    attached = {"IPAddress": "172.18.0.2", "NetworkID": "9" * 64} | ({"MacAddress": mac} if mac else {})
    running = entry | {
        "State": entry["State"] | {"Running": True, "Paused": False, "Restarting": False, "Status": "running"},
        "NetworkSettings": entry["NetworkSettings"] | {"Networks": {"shop": attached}},
    }
    networks = [{"Name": "shop", "Id": "9" * 64, "Driver": "bridge", "Scope": "local"}]
    facts = HostFacts("A", containers=[running], networks=networks, interfaces={NETNS: list(interfaces)})
    facts.container_netns[running["Id"]] = NETNS
    (container,) = build_topology(facts).containers
    return container


@pytest.mark.parametrize("kind", ["tun", "wireguard"])
@pytest.mark.parametrize("address", ["10.8.0.2", None])
@pytest.mark.parametrize("mac", ["02:42:ac:12:00:02", "", None])
def test_tunnel_of_a_vpn_is_an_interface_of_no_network(kind: str, address: str | None, mac: str | None) -> None:
    """Docker may tell no MAC either: that is no equal one."""
    eth0, tun0 = vpn(VETH, tunnel(kind, address), mac=mac).endpoints
    assert (eth0.network, eth0.mac) == ("shop", "02:42:ac:12:00:02")
    assert (tun0.interface, tun0.network, tun0.mac, tun0.kind) == ("tun0", "", None, kind)


def test_interface_without_address_is_found_by_its_mac() -> None:
    (eth0,) = vpn(VETH | {"addr_info": []}).endpoints
    assert eth0.network == "shop"
