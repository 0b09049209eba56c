"""name-of-stopped-container: questions for a name of a container that has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, StoppedContainer, Topology
from tests.analysis.findings.dns_stories import SERVER_FAILURE, answer, question
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network

POINT = "A/web/eth0"
CLIENT = "10.244.0.7"
V6 = "[fd00::7]:40000 > [fd00:96::a]:53"
NAME = "name-of-stopped-container"


def stopped_api(network: str = "shop_default") -> Topology:
    """web runs, api has ended; both are on one network."""
    api = StoppedContainer("A", "shop-api-1", "2", "exited", 137, None, "shop", "api", [network], ["api", "shop-api-1"])
    web = Container("A", "web", "1", "i", network, [Endpoint(network, "eth0", None, [f"{CLIENT}/24", "fd00::7/64"])])
    return Topology(containers=[web], stopped=[api])


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


@pytest.mark.parametrize("code", [None, SERVER_FAILURE])
@pytest.mark.parametrize("name", ["api", "shop-api-1", "api.shop_default", "API"])
def test_name_of_a_container_that_ended_is_told(name: str, code: int | None, tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, name, stopped_api(), code)
    assert (finding["level"], finding["facts"]["questions"]) == ("error", 2)
    assert (
        "web asked 2 times" in finding["says"]
        and "shop-api-1, which did not run when the capture began (exited with 137)" in finding["says"]
    )
    assert finding["fix"].startswith("`docker start shop-api-1`")


def test_question_over_ipv6_is_told(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "api", stopped_api(), ends=V6)
    assert finding["facts"]["clients"] == ["web"]


def test_single_question_is_a_warning(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "api", stopped_api(), times=1)
    assert finding["level"] == "warning"


def test_name_that_was_found_is_silent(tmp_path: Path) -> None:
    """The container started meanwhile, or another one has the name too."""
    assert asked(tmp_path, "api", stopped_api(), code=0) == []


def test_name_of_another_is_silent(tmp_path: Path) -> None:
    assert asked(tmp_path, "api.example.com", stopped_api()) == []


def test_name_on_the_default_bridge_is_silent(tmp_path: Path) -> None:
    assert asked(tmp_path, "api", stopped_api("bridge")) == []
