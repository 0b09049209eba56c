"""Points of two captures that are the same under names that were drawn: `br-1a2b3c4d5e6f`, `veth1a2b3c4`, `cali…`.

Input: the documents of both captures, and their topologies. Output: pairs of points that the other capture has not by
name, on the same host and with the same role. Method: two points are a pair by the first of these that holds for them
and for no other: the container of a veth, the network of a bridge, addresses seen at both bridges, that each capture
has one such point. What is known of both and differs refutes a pair.
Limits: networks that swapped their subnets are told apart by topologies or names of containers alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from itertools import pairwise, product

from capnet.analysis.core.contract.document import Document
from capnet.quick_tuple import NamedTuple
from capnet.report.escape import visible
from capnet.topology import Topology

MAX_ADDRESSES = 2  # of a label
_DRAWN = r"br-[0-9a-f]{12}|veth[0-9a-f]{7,8}|(?:cali|lxc|eni|azv)[0-9a-f]{5,}"  # Docker, CNI, Calico, Cilium, clouds


class SamePoint(NamedTuple):
    """A point of the first capture, and the one of the second that it is."""

    good: str
    bad: str
    name: str  # in words that hold in both: `A/bridge of appnet`
    by: str  # container, network, addresses or role


class _Point(NamedTuple):
    """What is known of a point with a drawn name; empty where it is not."""

    name: str
    host: str
    role: str
    container: str  # of a veth
    network: str  # of a bridge
    addresses: frozenset[str]  # of stations at a bridge: names, and addresses without one
    names: frozenset[str]  # those of them that are names


def same_points(
    good: Document, bad: Document, topologies: tuple[Topology | None, Topology | None] = (None, None)
) -> list[SamePoint]:
    """The pairs, those with the best evidence first."""
    names = [{point["name"] for point in document["points"]} for document in (good, bad)]
    before = [point for point in _points(good, topologies[0]) if point.name not in names[1]]
    after = [point for point in _points(bad, topologies[1]) if point.name not in names[0]]
    candidates = [pair for pair in product(before, after) if _may_be_same(*pair)]
    pairs: list[SamePoint] = []
    for by in ("container", "network", "addresses", "role"):
        holding = [pair for pair in candidates if by == "role" or _shared(*pair, by)]
        sides = [Counter(pair[side].name for pair in holding) for side in (0, 1)]
        unique = [pair for pair in holding if sides[0][pair[0].name] == sides[1][pair[1].name] == 1]
        pairs += [SamePoint(old.name, new.name, _label(old, new, by), by) for old, new in unique]
        paired = [{pair[side].name for pair in unique} for side in (0, 1)]
        candidates = [pair for pair in candidates if pair[0].name not in paired[0] and pair[1].name not in paired[1]]
    return pairs


def containers_of_veths(document: Document) -> dict[str, str]:
    """Veth → the container beside which paths show it."""
    points = {point["name"]: point for point in document["points"]}
    neighbours: dict[str, set[str]] = {}
    for path in document.get("paths", []):
        for hop, after in pairwise(hop["point"] for hop in path["hops"]):
            for point, other in ((hop, after), (after, hop)):
                container = points.get(other, {}).get("container")
                if points.get(point, {}).get("role") == "veth" and container:
                    neighbours.setdefault(point, set()).add(container)
    return {name: containers.pop() for name, containers in neighbours.items() if len(containers) == 1}


def label_of(point: str, kind: str, of: str) -> str:
    """`A/veth of web`: a point in words that hold in another capture of the network too. In English: it is a key."""
    return visible(f"{point.rpartition('/')[0]}/{kind} of {of}".lstrip("/"))


def bridges_of_networks(topology: Topology | None) -> dict[str, str]:
    """Bridge with a drawn name → its name by the network: bridges are named by it that are no capture point."""
    networks = topology.networks if topology else []
    bridges = [(f"{each.host or ''}/{each.bridge}".lstrip("/"), each) for each in networks if each.bridge]
    return {
        name: label_of(name, "bridge", network.name)
        for name, network in bridges
        if re.fullmatch(_DRAWN, network.bridge or "")
    }


def _points(document: Document, topology: Topology | None) -> Iterator[_Point]:
    containers = containers_of_veths(document)
    for point in document["points"]:
        host, _, device = point["name"].rpartition("/")
        if re.fullmatch(_DRAWN, device):
            ends = [end for end in _ends(topology, host) if end[0] == device]
            shown = set(_addresses(document, point["name"])) if point["role"] == "bridge" else set()
            yield _Point(
                point["name"],
                host,
                point["role"],
                containers.get(point["name"]) or next((owner for _, owner in ends), ""),
                next(_networks(topology, host, device), ""),
                frozenset(name or address for address, name in shown),
                frozenset(name for _, name in shown if name),
            )


def _ends(topology: Topology | None, host: str) -> list[tuple[str, str]]:
    """(veth, its container) of a host."""
    containers = topology.containers if topology else []
    return [(end.veth, each.name) for each in containers if each.host == host for end in each.endpoints if end.veth]


def _networks(topology: Topology | None, host: str, device: str) -> Iterator[str]:
    """The network of a bridge."""
    networks = topology.networks if topology else []
    return (network.name for network in networks if network.bridge == device and network.host in (None, host))


def _addresses(document: Document, point: str) -> Iterable[tuple[str, str]]:
    """(address, its name or nothing) of stations at a point that no parent interface shows: a network's own ones."""
    parents = {each["name"] for each in document["points"] if each["role"] == "parent"}
    names = document.get("names", {})
    for station in document.get("stations", []):
        if point in station["points"] and not parents & set(station["points"]):
            for address in station["ips"]:
                number = ip_address(address.partition("%")[0])
                if not (number.is_multicast or number.is_link_local or number.is_unspecified):
                    name = names.get(address, "")
                    yield address, "" if re.search(_DRAWN, name) else name


def _may_be_same(old: _Point, new: _Point) -> bool:
    """Whether nothing that is known of both differs. Of names at a bridge one has to be the same."""
    differs = any(a and b and a != b for a, b in ((old.container, new.container), (old.network, new.network)))
    others = bool(old.names and new.names and not old.names & new.names and not (old.network and new.network))
    return (old.host, old.role) == (new.host, new.role) and not differs and not others


def _shared(old: _Point, new: _Point, by: str) -> bool:
    if by == "addresses":
        return bool(old.addresses & new.addresses)
    return bool(getattr(old, by)) and getattr(old, by) == getattr(new, by)


def _label(old: _Point, new: _Point, by: str) -> str:
    if by == "addresses":
        shared = sorted(old.addresses & new.addresses, key=lambda word: (word not in old.names, word))
        return label_of(old.name, old.role, " and ".join(shared[:MAX_ADDRESSES]))
    if by == "role":
        return f"{old.host}/{old.role}".lstrip("/")
    return label_of(old.name, old.role, getattr(old, by))
