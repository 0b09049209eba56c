"""Ports that refuse, and what was meant by them: published ports, loopback, and `-p` that Docker ignores."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import (
    Container,
    Endpoint,
    Host,
    Interface,
    ListeningPoint,
    Network,
    PublishedPort,
    Service,
    ServicePort,
    Topology,
)
from tests import stories
from tests.analysis.findings.reported import named, of_capture
from tests.stories import ACK, RST, SYN, tcp
from tests.story_reports import A, B, read

DB, APP, MAC1 = "172.18.0.2", "172.18.0.3", "192.168.111.50"


def refusal(folder: Path, topology: Topology, point: str, ends: str) -> dict[str, str]:
    """What is said of a port that refuses at a point, and what meant is."""
    topology.points = [ListeningPoint(point, "container", "A", point.rpartition("/")[2], "as recorded")]
    net = stories.Network([point])
    client, server = ends.split(" > ")
    net.pass_by((point, tcp(f"{client} > {server}", seq=12_345, flags=SYN)), gap=10)
    net.pass_by((point, tcp(f"{server} > {client}", ack=12_346, flags=RST | ACK)), gap=10)
    (finding,) = named(read(net, folder, topology=topology), "connection-refused")
    return {"says": finding["says"], "fix": finding["fix"], "meant": finding["facts"].get("meant", "")}


def container(name: str, address: str, network: str = "shop", host: str = "A") -> Container:
    end = Endpoint(network, "eth0", None, [f"{address}/16"], network_id=network, kind="veth")
    return Container(host, name, name, "i", network, [end])


@pytest.fixture
def shop() -> Topology:
    """db publishes its port 5432 as 15432 on A; app is on the same network."""
    db = container("db", DB)
    db.ports = [PublishedPort("tcp", "0.0.0.0", 15432, 5432)]
    host = Host("A", "20.10", "6", [Interface("ens33", 2, None, [f"{A}/24"])])
    networks = [Network("shop", "shop", "bridge", "A", bridge="br-1")]
    return Topology(hosts=[host], networks=networks, containers=[db, container("app", APP)])


def test_port_of_the_host_inside_is_told(shop: Topology, tmp_path: Path) -> None:
    refused = refusal(tmp_path, shop, "A/app/eth0", f"{APP}:40000 > {DB}:15432")
    assert refused["says"].endswith("15432 is the port of the host by which db publishes its port 5432")
    assert refused["meant"] == "db:5432" and "ask for the container's own port: db:5432" in refused["fix"]


@pytest.mark.parametrize("port", [5432, 5433])
def test_port_that_is_not_published_inside_is_silent(shop: Topology, port: int, tmp_path: Path) -> None:
    """The container's own port, which should listen; and one that is published nowhere."""
    assert refusal(tmp_path, shop, "A/app/eth0", f"{APP}:40000 > {DB}:{port}")["meant"] == ""


@pytest.mark.parametrize("port", [5432, 15432])
def test_container_beside_a_loopback_is_named(shop: Topology, port: int, tmp_path: Path) -> None:
    refused = refusal(tmp_path, shop, "A/app/lo", f"127.0.0.1:40000 > 127.0.0.1:{port}")
    assert "the loopback of A/app alone, and db beside it publishes its port 5432" in refused["says"]
    assert refused["fix"].startswith("ask for db:5432 in place of localhost")


def on_another_network(shop: Topology) -> None:
    shop.containers[0].endpoints[0].network = "other"


def with_a_second_one(shop: Topology) -> None:
    second = container("db2", "172.18.0.9")
    second.ports = [PublishedPort("tcp", "0.0.0.0", 25432, 5432)]
    shop.containers.append(second)


@pytest.mark.parametrize("alter", [on_another_network, with_a_second_one])
def test_container_that_cannot_be_meant_is_not_named(shop: Topology, alter: object, tmp_path: Path) -> None:
    alter(shop)  # type: ignore[operator]
    refused = refusal(tmp_path, shop, "A/app/lo", "127.0.0.1:40000 > 127.0.0.1:5432")
    assert refused["meant"] == "" and refused["fix"].startswith("in a container, localhost is the container itself")


def test_loopback_of_a_host_is_no_containers(shop: Topology, tmp_path: Path) -> None:
    refused = refusal(tmp_path, shop, "A/lo", "127.0.0.1:40000 > 127.0.0.1:5432")
    assert "localhost" not in refused["fix"] and refused["meant"] == ""


@pytest.mark.parametrize(
    ("driver", "mode", "is_internal", "says", "fix"),
    [
        ("macvlan", "lan", False, "a network of driver macvlan", f"ask for {MAC1}:80, the container's own address"),
        ("bridge", "host", False, "the host's own network", "ask for port 80 of the host"),
        ("bridge", "lan", True, "an internal network", "connect mac1 to a usual bridge network too"),
        ("bridge", "lan", False, "", "start the server"),
    ],
)
def test_publishing_that_docker_ignores_is_named(
    driver: str, mode: str, is_internal: bool, says: str, fix: str, tmp_path: Path
) -> None:
    mac1 = container("mac1", MAC1, "lan")
    mac1.network_mode, mac1.unpublished = mode, [PublishedPort("tcp", "0.0.0.0", 8181, 80)]
    mac1.endpoints = [] if mode == "host" else mac1.endpoints
    host = Host("A", "20.10", "6", [Interface("ens33", 2, None, [f"{A}/24"])])
    networks = [Network("lan", "lan", driver, "A", internal=is_internal)]
    topology = Topology(hosts=[host], networks=networks, containers=[mac1])
    refused = refusal(tmp_path, topology, "A/ens33", f"{B}:40000 > {A}:8181")
    assert (f"made with `-p 8181:80`, which Docker does not publish on {says}" in refused["says"]) == bool(says)
    assert refused["fix"].startswith(fix)


def test_port_that_the_host_translates_to_is_not() -> None:
    """A client outside asks the host, whose rule leads to the wrong port: what was meant is not for containers."""
    (finding,) = of_capture("pcaps/faults/connection-refused.pcapng", "connection-refused")
    assert "is translated" in finding["says"] and "between containers" not in finding["fix"]
    assert "meant" not in finding["facts"]


@pytest.mark.parametrize(("address", "port", "is_named"), [(A, 8099, True), (A, 8100, False), (B, 8099, False)])
def test_port_of_a_swarms_service_is_named(address: str, port: int, is_named: bool, tmp_path: Path) -> None:
    """dockerd could not set its ingress network up: the node refuses what all nodes should serve."""
    host = Host("A", "20.10", "6", [Interface("ens33", 2, None, [f"{A}/24"])])
    ports = [ServicePort("tcp", 8099, 80, "ingress")]
    topology = Topology(hosts=[host], services=[Service("api", "1", "vip", [], ports)])
    refused = refusal(tmp_path, topology, "A/ens33", f"192.168.111.9:40000 > {address}:{port}")
    assert ("service api publishes it on every node of the swarm" in refused["says"]) == is_named
    assert refused["fix"].startswith("look in dockerd's log on A") == is_named
