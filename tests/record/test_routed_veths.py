"""A container's veth that is no port of a bridge: of no network, whatever networks without a bridge Docker has.

The entries are what `ip -j -d address` and `docker network inspect` print of a pod of the CNI plugin ptp.
"""

from __future__ import annotations

import json
from pathlib import Path

from capnet.record.find.host_facts import HostFacts
from capnet.record.find.host_topology import build_topology

NETNS, OF_HOST = "/proc/7/ns/net", "/proc/1/ns/net"
INSIDE = {
    "ifname": "eth0", "ifindex": 2, "link_index": 5, "mtu": 1500, "link_type": "ether", "address": "9e:06:85:23:42:3c",
    "linkinfo": {"info_kind": "veth"}, "addr_info": [{"local": "10.244.1.3", "prefixlen": 24}],
}  # fmt: skip
AT_HOST = {
    "ifname": "veth5f7b3572", "ifindex": 5, "link_index": 2, "link_netnsid": 1, "mtu": 1500, "link_type": "ether",
    "address": "1e:8b:0f:9c:ab:58", "linkinfo": {"info_kind": "veth"},
    "addr_info": [{"local": "10.244.1.1", "prefixlen": 32}],
}  # fmt: skip
WITHOUT_BRIDGE = [
    {"Name": "host", "Id": "1" * 64, "Driver": "host", "Scope": "local"},
    {"Name": "none", "Id": "2" * 64, "Driver": "null", "Scope": "local"},
]


def test_veth_on_no_bridge_is_of_no_network() -> None:
    """It was of the first network without a bridge that Docker listed: host or none."""
    recorded = Path(__file__).with_name("idle_containers.json")
    (entry, *_) = json.loads(recorded.read_text(encoding="utf-8"))
    running = entry | {
        "State": entry["State"] | {"Running": True, "Paused": False, "Restarting": False, "Status": "running"},
        "NetworkSettings": entry["NetworkSettings"] | {"Networks": {"none": {"NetworkID": "2" * 64}}},
    }
    interfaces = {NETNS: [INSIDE], OF_HOST: [AT_HOST]}
    facts = HostFacts("A", containers=[running], networks=WITHOUT_BRIDGE, interfaces=interfaces, host_netns=OF_HOST)
    facts.container_netns[running["Id"]] = NETNS
    (endpoint,) = build_topology(facts).containers[0].endpoints
    assert (endpoint.network, endpoint.network_id) == ("", None)
    assert (endpoint.veth, endpoint.bridge) == ("veth5f7b3572", None)
