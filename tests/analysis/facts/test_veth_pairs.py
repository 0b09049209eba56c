"""Veth pairs of points, by the topology. Truth: each topology says which interfaces are pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from capnet.analysis.core.results import Point
from capnet.analysis.facts.layer2.veth_pairs import with_peers
from capnet.topology import Container, Endpoint, Namespace, Topology


def at(name: str) -> Point:
    return Point(name, "a.pcap", 0, "EN10MB", 1, 60, None, "unknown")


def peers(names: list[str], topology: Topology | None) -> dict[str, str | None]:
    return {point.name: point.peer for point in with_peers([at(name) for name in names], topology)}


def test_both_ends_of_a_pair_name_each_other() -> None:
    topology = Topology(
        containers=[Container("A", "web", "1", "", "bridge", [Endpoint("bridge", "eth0", None, [], "veth1")])]
    )
    names = ["A/web/eth0", "A/veth1", "A/veth2", "B/veth1"]
    assert peers(names, topology) == {
        "A/web/eth0": "A/veth1",
        "A/veth1": "A/web/eth0",
        "A/veth2": None,
        "B/veth1": None,
    }
    assert set(peers(names, None).values()) == {None}


def test_end_that_was_not_captured_is_no_peer() -> None:
    topology = Topology(
        containers=[Container("A", "web", "1", "", "bridge", [Endpoint("bridge", "eth0", None, [], "veth1")])]
    )
    assert peers(["A/web/eth0", "A/docker0"], topology) == {"A/web/eth0": None, "A/docker0": None}


def test_end_in_an_overlay_namespace_is_named_by_its_network() -> None:
    endpoint = Endpoint("shop", "eth0", None, [], "veth1", veth_netns="/run/docker/netns/1-shop")
    topology = Topology(
        containers=[Container("A", "web", "1", "", "shop", [endpoint])],
        namespaces=[Namespace("A", "/run/docker/netns/1-shop", "shop")],
    )
    names = ["A/web/eth0", "A/overlay:shop/veth1", "A/veth1"]
    assert peers(names, topology)["A/web/eth0"] == "A/overlay:shop/veth1"
    assert peers(names, replace(topology, namespaces=[]))["A/web/eth0"] is None


@pytest.mark.parametrize(("capture", "pairs"), [("bridge", 4), ("overlay-two", 0)])
def test_golden_topologies_name_pairs(capture: str, pairs: int) -> None:
    topology = Topology.load(Path("pcaps") / f"{capture}.topology.json")
    points = [at(point.name) for point in topology.points]
    assert sum(point.peer is not None for point in with_peers(points, topology)) == pairs
