"""Veth pairs: which points are the two ends of one, by the topology.

A frame that enters one end leaves the other: there is no bridge between. Without a topology, names do not tell which
host end belongs to which container.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from capnet.analysis.core.results import Point
from capnet.topology import Topology


def with_peers(points: list[Point], topology: Topology | None) -> list[Point]:
    """The points, each with the name of the point at the other end of its veth pair."""
    peers = dict(_pairs(topology)) if topology else {}
    names = {point.name for point in points}
    return [replace(point, peer=peer) if (peer := peers.get(point.name)) in names else point for point in points]


def _pairs(topology: Topology) -> Iterator[tuple[str, str]]:
    """(name of an end, name of the other end), in both directions, as points are named."""
    networks = {(namespace.host, namespace.netns): namespace.network for namespace in topology.namespaces}
    for container in topology.containers:
        for endpoint in container.endpoints:
            network = networks.get((container.host, endpoint.veth_netns or ""))
            if endpoint.veth and (network or not endpoint.veth_netns):
                folder = f"{container.host}/overlay:{network}" if network else container.host
                inner = f"{container.host}/{container.name}/{endpoint.interface}"
                outer = f"{folder}/{endpoint.veth}"
                yield inner, outer
                yield outer, inner
