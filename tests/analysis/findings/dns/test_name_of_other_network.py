"""name-of-other-network: questions for a name of a container on a network that the asker is not on."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Topology
from tests.analysis.findings.dns_stories import NO_SUCH_NAME, SERVER_FAILURE, answer, question
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network

POINT = "A/web/eth0"
CLIENT = "10.244.0.7"
NAME = "name-of-other-network"


def two_containers(own: tuple[str, ...] = ("front",), others: tuple[str, ...] = ("back",), host: str = "A") -> Topology:
    """web asks, db of the same or another host has the name."""
    addresses = [f"{CLIENT}/24", "fd00::7/64"]
    web = Container("A", "web", "1", "i", own[0], [Endpoint(each, "eth0", None, addresses) for each in own])
    endpoints = [Endpoint(each, "eth0", None, ["10.9.0.2/24"]) for each in others]
    db = Container(host, "db", "2", "i", others[0], endpoints, full_name="shop-db-1", compose_service="database")
    return Topology(containers=[web, db])


def asked(
    folder: Path, name: str, topology: Topology, code: int | None = None, times: int = 2, **more: object
) -> Findings:
    """Questions for a name, without an answer or with one of this code."""
    net = Network([POINT])
    for number in range(times):
        packet = question(name, ident=number + 1, **more)
        net.at(net.now, POINT, packet)
        if code is not None:
            net.at(net.now + 1000, POINT, answer(packet, code))
        net.now += 2.5e6
    return of_story(net, folder, NAME, topology)


@pytest.mark.parametrize("code", [None, SERVER_FAILURE, NO_SUCH_NAME])
@pytest.mark.parametrize("name", ["db", "shop-db-1", "database", "db.back", "DB"])
def test_name_of_a_container_elsewhere_is_told(name: str, code: int | None, tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, name, two_containers(), code)
    assert (finding["level"], finding["facts"]["container"]) == ("error", "db")
    assert finding["says"].startswith("web asked 2 times for ")
    assert "container db, which runs on other networks (back) than web (front)" in finding["says"]
    assert finding["fix"].startswith("`docker network connect back web`")


def test_question_over_ipv6_is_told(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "db", two_containers(), ends="[fd00::7]:40000 > [fd00:96::a]:53")
    assert finding["facts"]["client"] == "web"


def test_name_on_the_default_bridge_is_told(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "db", two_containers(("bridge",), ("bridge",)), NO_SUCH_NAME)
    assert "both are on the default network bridge, where containers have no names" in finding["says"]
    assert "docker network create NETWORK" in finding["fix"]


def test_asker_on_the_default_bridge_is_told(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "db", two_containers(("bridge",), ("bridge", "back")))
    assert finding["fix"].startswith("`docker network connect back web`")


def test_container_on_the_default_bridge_alone_is_told(tmp_path: Path) -> None:
    """It has no name anywhere, and they share no network."""
    (finding,) = asked(tmp_path, "db", two_containers(("front",), ("bridge",)))
    assert "which runs on other networks (bridge) than web (front)" in finding["says"]
    assert "docker network create NETWORK" in finding["fix"]


def test_single_question_is_a_warning(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "db", two_containers(), times=1)
    assert finding["level"] == "warning"


def test_name_that_was_found_is_silent(tmp_path: Path) -> None:
    """Another one has the name too, on this network or in the DNS."""
    assert asked(tmp_path, "db", two_containers(), code=0) == []


def test_shared_network_is_silent(tmp_path: Path) -> None:
    assert asked(tmp_path, "db", two_containers(("front", "back"), ("back",)), NO_SUCH_NAME) == []


@pytest.mark.parametrize("name", ["db.example.com", "web", "redis"])
def test_other_names_are_silent(name: str, tmp_path: Path) -> None:
    assert asked(tmp_path, name, two_containers(), NO_SUCH_NAME) == []


def test_own_name_on_the_default_bridge_is_silent(tmp_path: Path) -> None:
    assert asked(tmp_path, "web", two_containers(("bridge",), ("bridge",)), NO_SUCH_NAME) == []


def test_container_of_another_host_is_silent(tmp_path: Path) -> None:
    """Hosts that share no swarm know nothing of each other's names: to connect them is another task."""
    assert asked(tmp_path, "db", two_containers(host="B"), NO_SUCH_NAME) == []
