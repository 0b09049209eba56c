"""Which containers a selection covers, on what two hosts of a lab had (see test_targets)."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.record.remote.shell import Shell
from capnet.record.targets.containers import Selection
from capnet.record.targets.coverage import TargetCoverage
from capnet.record.targets.target_points import Aim
from capnet.topology import Topology

HOSTS = Path(__file__).with_name("hosts.topology.json")


def coverage(selection: Selection, ids: set[str] = frozenset()) -> TargetCoverage:
    shell = Shell("self")
    return TargetCoverage(
        selection, {"A": shell, "B": shell}, "icmp", "icmp and not port 22", {"A": ["ens33"]}, set(ids), 0.0
    )


def covered(selection: Selection, ids: set[str] = frozenset()) -> list[str]:
    return [each.name for each in coverage(selection, ids).containers(Topology.load(HOSTS))]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(targets=("web", "gone")), ["web"]),
        (Selection(networks=("gone", "back")), ["api", "db"]),
        (Selection(projects=("gone", "shop")), ["api", "db"]),
        (Selection(projects=("gone", "shop"), services=("api",)), ["api"]),
        (Selection(services=("gone", "svc")), ["svc.2", "svc.1"]),
        (Selection(), []),
    ],
)
def test_word_that_means_nothing_now_is_no_error(selection, names):
    assert covered(selection) == names


def test_container_chosen_by_its_veth_is_covered_by_its_id():
    """After a restart its veth is another one."""
    hosts = Topology.load(HOSTS)
    (web,) = (each for each in hosts.containers if each.name == "web")
    assert covered(Selection(targets=("veth0000000",)), {web.id}) == ["web"]


def test_filter_of_the_host_is_used_in_its_namespace_alone():
    hosts = Topology.load(HOSTS)
    for host in hosts.hosts:
        host.netns = "/proc/self/ns/net"
    wanted = coverage(Selection(targets=("web",)))
    filters = {point.name: point.capture_filter for point in wanted.points(hosts, wanted.containers(hosts))}
    assert filters.pop("A/web/eth0") == "icmp"
    assert set(filters.values()) == {"icmp and not port 22"}


def test_bridge_that_translates_is_not_promiscuous():
    """A host for each: one translates what its bridges forward, the other one does not."""
    hosts = Topology.load(HOSTS)
    for host in hosts.hosts:
        host.netns = "/proc/self/ns/net"
    wanted = coverage(Selection(everything=True))
    wanted.translate_on_bridges = frozenset("A")
    points = wanted.points(hosts, wanted.containers(hosts))
    bridges = {point.name: point.is_promiscuous for point in points if point.role == "bridge"}
    assert bridges and set(bridges.values()) == {False, True}
    assert all(is_promiscuous == (name[0] == "B") for name, is_promiscuous in bridges.items())
    assert all(point.is_promiscuous for point in points if point.role != "bridge")


def test_modes_are_left_also_of_containers_that_start_later():
    hosts = Topology.load(HOSTS)
    for host in hosts.hosts:
        host.netns = "/proc/self/ns/net"
    wanted = coverage(Selection(everything=True))
    aim = Aim(wanted.points(hosts, wanted.containers(hosts)), hosts, "all", coverage=wanted)
    aim.leave_modes()
    assert not any(point.is_promiscuous for point in aim.points)
    assert not any(point.is_promiscuous for point in wanted.points(hosts, wanted.containers(hosts)))
