"""foreign-vtep: VXLAN with a host that is no node of the swarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Network as TopologyNetwork
from capnet.topology import Topology
from tests.analysis.findings.reported import Findings, of_story, two_hosts
from tests.stories import Network, udp
from tests.story_reports import A, B

STRANGER = "192.168.111.66"


def overlay(folder: Path, *vteps: str, gossip: bool = True, topology: Topology | None = None) -> Findings:
    """The findings where VNI 4097 runs between A and each of `vteps`; A and B gossip."""
    net = Network(["A/ens33"])
    for number, vtep in enumerate(vteps):
        for src, dst, inner in (
            (A, vtep, f"10.0.1.2:5 > 10.0.1.{4 + number}:6"),
            (vtep, A, f"10.0.1.{4 + number}:6 > 10.0.1.2:5"),
        ):
            net.pass_by(("A/ens33", udp(inner, b"x", ident=number + 1, tunnel=(4097, src, dst, 50_000))))
    if gossip:
        for ends in (f"{A}:7946 > {B}:7946", f"{B}:7946 > {A}:7946"):
            net.pass_by(("A/ens33", udp(ends, b"gossip", ident=90)))
    return of_story(net, folder, "foreign-vtep", topology)


@pytest.mark.parametrize("topology", [two_hosts(), None], ids=["topology", "gossip"])
def test_vtep_that_is_no_node_is_told(tmp_path: Path, topology: Topology | None) -> None:
    (finding,) = overlay(tmp_path, B, STRANGER, topology=topology)
    assert (finding["level"], finding["facts"]) == ("error", {"vtep": STRANGER, "vnis": [4097]})
    assert finding["evidence"]


def test_vteps_that_are_nodes_is_silent(tmp_path: Path) -> None:
    assert overlay(tmp_path, B, topology=two_hosts()) == []
    assert overlay(tmp_path, B) == []


def one_host(*peers: str) -> Topology:
    """What `capnet capture` on A has: A, and the peers that Docker names for the network."""
    topology = two_hosts()
    topology.hosts = [host for host in topology.hosts if host.name == "A"]
    subnets = {"subnets": ["10.0.1.0/24"], "gateway": "10.0.1.1", "bridge": None, "parent": None}
    network = TopologyNetwork("vx", "id", "overlay", None, vni=4097, options={}, peers=list(peers), **subnets)
    topology.networks = [network]
    return topology


def test_vtep_that_is_no_peer_of_the_network_is_told(tmp_path: Path) -> None:
    (finding,) = overlay(tmp_path, B, STRANGER, topology=one_host(A, B))
    assert finding["facts"] == {"vtep": STRANGER, "vnis": [4097]}
    assert "no host of the topology has that address" in finding["says"]


def test_vteps_of_one_captured_host_is_silent(tmp_path: Path) -> None:
    """Its peer B is a node, whether Docker names the peers or not; B gossips where that is captured."""
    assert overlay(tmp_path, B, gossip=False, topology=one_host(A, B)) == []
    assert overlay(tmp_path, B, gossip=False, topology=one_host()) == []
    assert overlay(tmp_path, B, topology=one_host()) == []


def test_vtep_without_known_nodes_is_silent(tmp_path: Path) -> None:
    """Without topology and gossip it may be VXLAN of another system."""
    assert overlay(tmp_path, B, STRANGER, gossip=False) == []
