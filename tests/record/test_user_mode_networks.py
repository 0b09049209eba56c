"""Containers of rootless podman behind pasta or slirp4netns, before a capture: its points, and what is said of them.

The topology is what `capnet capture` saw as root of podman 5.4.2: its host is the machine, with the NIC ens33.
"""

from __future__ import annotations

import pytest

from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.targets.container_points import container_points
from capnet.record.targets.host_interfaces import host_points
from capnet.record.targets.user_mode_networks import user_mode_warnings
from capnet.report.inventory.answers.containers import container as answer
from capnet.topology import Topology
from capnet.topology.lookup import look_up
from tests.conftest import PROJECT

SAVED = PROJECT / "tests" / "analysis" / "facts" / "rootless-podman.topology.json"


@pytest.fixture
def machine() -> Topology:
    return Topology.load(SAVED)


@pytest.fixture
def bridges(machine: Topology) -> Topology:
    """As it is while another container is on a bridge: the host is the namespace of podman's bridges."""
    machine.hosts[0].netns = "/proc/1/root/run/user/1000/containers/networks/rootless-netns/rootless-netns"
    return machine


def points(topology: Topology) -> list[str]:
    return [place.name for place in container_points(topology, topology.containers[:1], {"P": ["ens33"]})]


def warnings(topology: Topology) -> list[str]:
    captured = [
        CapturePoint(place.name, place.role, place.host, place.interface, "", Shell("self"), place.netns)
        for place in container_points(topology, topology.containers, {"P": ["ens33"]})
    ]
    return list(user_mode_warnings(topology, captured, {topology.containers[0].id}))


def test_nic_is_a_point_where_the_process_has_its_sockets(machine: Topology) -> None:
    assert points(machine) == ["P/web/lo", "P/web/ens33", "P/ens33"]
    (said,) = warnings(machine)
    assert said.startswith("packets of web end in pasta, a process") and "at P/ens33 they have" in said


def test_tap_of_the_bridges_is_no_point_of_it(bridges: Topology) -> None:
    """podman's bridges reach others through another pasta, by whose tap packets of this container do not come."""
    assert points(bridges) == ["P/web/lo", "P/web/ens33"]
    (said,) = warnings(bridges)
    assert "only root captures there" in said


def test_container_on_a_bridge_is_not_told(machine: Topology) -> None:
    machine.containers[0].endpoints[0].kind = "veth"
    assert warnings(machine) == []


def test_ps_says_where_packets_end(machine: Topology) -> None:
    (match,) = look_up(machine, "web")
    assert "ens33, whose packets end in the process pasta" in answer(machine, "web", match, "")


def test_user_is_told_who_captures_at_the_machine() -> None:
    """The user of the daemon may enter containers, not the machine's namespace."""
    shell = Shell("self", userns=("false",))
    assert host_points("P", shell, [], "") == []
    with pytest.raises(EnvironmentLacks, match="only root captures at interfaces of the machine"):
        host_points("P", shell, ["eth0"], "")
