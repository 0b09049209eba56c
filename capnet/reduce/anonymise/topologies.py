"""A topology with new addresses and names, and without what only identifies: ids, images, paths, saved outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from ipaddress import ip_interface
from typing import Any

from capnet.reduce.anonymise.frames import Anonymiser
from capnet.topology import Topology
from capnet.topology.file import as_json, build

_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
# Keys whose values are words of Docker and iproute2, or numbers.
_WORDS = (
    "driver", "kind", "role", "proto", "mode", "endpoint_mode", "state", "mtu", "ifindex", "vni", "udp_port",
    "peer_ifindex", "host_port", "container_port", "published_port", "target_port", "internal", "ingress", "clock",
    "time_ns", "ahead_ns", "uncertainty_ns", "runtime",
)  # fmt: skip
_IDS = ("id", "network_id", "netns", "veth_netns")  # what is equal stays equal
_DEVICES = ("interface", "veth", "bridge", "parent", "master")
_EMPTY = ("docker", "kernel", "image", "describes", "conntrack", "recorded", "outputs", "options", "unseen")
_LEFT_OUT = ("scenario", "surveyed", "pid", "full_name", "pod")
_MODES = ("bridge", "host", "none", "default")  # network_mode


def anonymised(topology: Topology, anonymiser: Anonymiser) -> Topology:
    """The new topology."""
    made: Topology = build(Topology, _object(as_json(topology), anonymiser, ""))
    return made


def addresses_in(topology: Topology) -> Iterator[str]:
    """Every address with its prefix length, and every subnet, that a topology has."""
    for host in topology.hosts:
        yield from (address for interface in host.interfaces for address in interface.addresses)
    for network in topology.networks:
        yield from network.subnets
    for container in topology.containers:
        yield from (address for endpoint in container.endpoints for address in endpoint.addresses)


def _object(entry: dict[str, Any], anonymiser: Anonymiser, kind: str) -> dict[str, Any]:
    """`kind`: the key of the list that the object is in."""
    new = {}
    for key, value in entry.items():
        if key in _LEFT_OUT:
            continue
        if key in _EMPTY:
            new[key] = type(value)()
        elif isinstance(value, list):
            new[key] = [
                _object(item, anonymiser, key) if isinstance(item, dict) else _text(item, anonymiser) for item in value
            ]
        elif not isinstance(value, str) or key in _WORDS:
            new[key] = value
        else:
            new[key] = _string(key, value, anonymiser, kind)
    return new


def _string(key: str, value: str, anonymiser: Anonymiser, kind: str) -> str:
    names = anonymiser.names
    if key in _IDS:
        return blake2b(value.encode(), key=anonymiser.key, digest_size=32).hexdigest() if value else value
    if kind == "points" and key == "name":
        return names.point(value)
    if key in _DEVICES or (kind == "interfaces" and key == "name"):
        return names.device(value)
    if key == "network_mode" and value in _MODES:
        return value
    return _text(value, anonymiser)


def _text(value: str, anonymiser: Anonymiser) -> str:
    """An address, a MAC, or a name."""
    if _MAC.fullmatch(value):
        return anonymiser.addresses.mac(bytes.fromhex(value.replace(":", ""))).hex(":")
    try:
        ip_interface(value)
    except ValueError:
        return anonymiser.names.text(value)
    address, slash, length = value.partition("/")
    return anonymiser.addresses.text(str(ip_interface(address).ip)) + slash + length
