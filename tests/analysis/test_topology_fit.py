"""Whether a topology fits a capture: networks by construction, and topologies of other hosts and other times."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet import Topology, analyze
from capnet.analysis.topology_fit import DOES_NOT_FIT, OTHER_TIME
from capnet.topology import Container, Endpoint, Host, Interface, Network, Service, VirtualAddress
from tests.stories import Network as Story
from tests.stories import tcp

MAC = "02:00:00:00:00:01"  # of the sender of every story


def capture(folder: Path, ends: str = "10.1.0.2:5555 > 10.1.0.3:80", point: str = "eth7") -> Path:
    """One TCP packet at one point, 2023-11-14T22:13:20Z."""
    story = Story([point])
    story.at(0, point, tcp(ends))
    return story.write(folder)[0]


def topology(*addresses: str, mac: str | None = None, surveyed: str | None = None) -> Topology:
    """A host with a container that has these addresses."""
    endpoint = Endpoint("net", "eth0", mac, [f"{address}/24" for address in addresses])
    host = Host("A", "20.10", "6.1", [Interface("lo", 1, "00:00:00:00:00:00", ["127.0.0.1/8"])], surveyed=surveyed)
    return Topology(
        hosts=[host],
        networks=[Network("net", "abc", "bridge", "A")],
        containers=[Container("A", "web", "f00", "busybox", "net", [endpoint])],
    )


def problems(file: Path, given: Topology) -> list[str]:
    return [problem.name for problem in analyze(file, given).inputs[0].problems]


@pytest.mark.parametrize("address", ["10.1.0.2", "10.1.0.3"], ids=["source", "destination"])
def test_topology_with_an_address_of_the_capture_is_used(tmp_path: Path, address: str) -> None:
    report = analyze(capture(tmp_path), topology(address))
    assert report.inputs[0].problems == []
    assert report.names == {address: "web"}


def test_topology_with_a_mac_of_the_capture_fits(tmp_path: Path) -> None:
    assert problems(capture(tmp_path), topology("192.0.2.1", mac=MAC)) == []


def test_topology_with_a_virtual_ip_of_the_capture_fits(tmp_path: Path) -> None:
    given = topology("192.0.2.1")
    given.services = [Service("svc", None, "vip", [VirtualAddress("net", "10.1.0.3")])]
    assert problems(capture(tmp_path), given) == []


def test_topology_that_names_the_point_fits(tmp_path: Path) -> None:
    """A bundle's own topology: who sent may be a stranger."""
    from capnet.topology import ListeningPoint

    given = topology("192.0.2.1")
    given.points = [ListeningPoint("eth7", "parent", "A", "eth7", "")]
    assert problems(capture(tmp_path), given) == []


def test_topology_that_names_one_of_two_points_does_not(tmp_path: Path) -> None:
    """Of the same host, and of other containers: its NIC is in each capture."""
    from capnet.topology import ListeningPoint

    story = Story(["A/eth7", "A/web/eth0"])
    for point in ("A/eth7", "A/web/eth0"):
        story.at(0, point, tcp("10.1.0.2:5555 > 10.1.0.3:80"))
    given = topology("192.0.2.1")
    given.points = [ListeningPoint("A/eth7", "parent", "A", "eth7", "NIC")]
    report = analyze(story.write(tmp_path), given)
    assert [problem.name for problem in report.inputs[0].problems] == [DOES_NOT_FIT]


def test_topology_of_others_is_not_used(tmp_path: Path) -> None:
    file = capture(tmp_path)
    report = analyze(file, topology("192.0.2.1", mac="02:42:ac:11:00:02"))
    (problem,) = report.inputs[0].problems
    assert problem.name == DOES_NOT_FIT
    assert "host A, 1 container: no address or MAC in common" in problem.says
    assert report.names == analyze(file).names == {}


def test_topology_with_loopback_in_common_does_not_fit(tmp_path: Path) -> None:
    assert problems(capture(tmp_path, "127.0.0.1:5 > 127.0.0.1:6"), topology("192.0.2.1")) == [DOES_NOT_FIT]


def test_topology_with_half_an_ipv6_address_does_not_fit(tmp_path: Path) -> None:
    """fd00:1::2 and fd00:2::2 end alike."""
    assert problems(capture(tmp_path, "[fd00:1::2]:5 > [fd00:1::3]:6"), topology("fd00:2::2")) == [DOES_NOT_FIT]
    assert problems(capture(tmp_path, "[fd00:1::2]:5 > [fd00:1::3]:6"), topology("fd00:1::2")) == []


def test_topology_without_addresses_is_not_judged(tmp_path: Path) -> None:
    assert problems(capture(tmp_path), Topology(hosts=[Host("A", "", "")])) == []


@pytest.mark.parametrize(
    ("surveyed", "says"),
    [
        ("2023-11-14T22:13:20Z", None),
        ("2023-11-15T21:00:00Z", None),  # within a day
        ("2023-11-17T22:13:20Z", "host A was surveyed 3 days after the capture"),
        ("2023-11-12T22:13:20Z", "host A was surveyed 2 days before the capture"),
        ("yesterday", None),  # no time that can be compared
        (None, None),
    ],
)
def test_topology_of_another_time_is_noted_and_used(tmp_path: Path, surveyed: str | None, says: str | None) -> None:
    report = analyze(capture(tmp_path), topology("10.1.0.2", surveyed=surveyed))
    assert report.names == {"10.1.0.2": "web"}
    assert [problem.name for problem in report.inputs[0].problems] == [OTHER_TIME] * (says is not None)
    assert (says or "") in "".join(problem.says for problem in report.inputs[0].problems)


def test_capture_without_a_clock_has_no_other_time(tmp_path: Path) -> None:
    """A device without a clock writes times of 1970."""
    story = Story(["eth7"])
    story.at(-1_700_000_000e6, "eth7", tcp("10.1.0.2:5 > 10.1.0.3:6"))
    assert problems(story.write(tmp_path)[0], topology("10.1.0.2", surveyed="2023-11-14T22:13:20Z")) == []
