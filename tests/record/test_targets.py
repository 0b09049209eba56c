"""Targets of `capnet capture`, on what two hosts of a lab had.

hosts.topology.json was recorded by `survey_hosts` in a lab of Docker 20.10 with one container for each kind of
network, a Compose project (by its labels), a container in another's namespace, and a service of a swarm:
containers web (bridge), db, api and side (user-defined bridge), shut (internal), mv (macvlan), lonely (none), hostly
(host), over and over2 (overlay), tasks svc.1 and svc.2 of service svc.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.errors import UsageError
from capnet.record.targets.container_points import ContainerPoint, container_points
from capnet.record.targets.containers import Selection, is_container, selected, without_bystanders
from capnet.record.targets.target_words import split_words
from capnet.record.targets.uplinks import RoutedDevices
from capnet.topology import Interface, PublishedPort, Topology

HOSTS = Path(__file__).with_name("hosts.topology.json")
UPLINKS = {"A": ["ens33"], "B": ["ens33"]}


@pytest.fixture
def hosts() -> Topology:
    return Topology.load(HOSTS)


def names(hosts: Topology, **wanted: tuple[str, ...]) -> list[str]:
    return [f"{container.host}/{container.name}" for container in selected(hosts, Selection(**wanted))]


def points(hosts: Topology, *targets: str) -> list[str]:
    return [place.name for place in found(hosts, *targets)]


def found(hosts: Topology, *targets: str) -> list[ContainerPoint]:
    return container_points(hosts, selected(hosts, Selection(targets)), UPLINKS)


def veths(hosts: Topology, container: str) -> list[str]:
    """Host ends on the host itself, as the inventory has them."""
    (owner,) = (each for each in hosts.containers if each.name == container)
    return [f"{owner.host}/{end.veth}" for end in owner.endpoints if end.veth and not end.veth_netns]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"targets": ("web",)}, ["A/web"]),
        ({"targets": ("A/web", "web")}, ["A/web"]),
        ({"networks": ("back",)}, ["A/api", "A/db"]),
        ({"networks": ("net",)}, ["A/svc.2", "A/over", "B/svc.1", "B/over2"]),
        ({"networks": ("host",)}, ["A/hostly"]),
        ({"networks": ("none",)}, ["A/lonely"]),
        ({"projects": ("shop",)}, ["A/api", "A/db"]),
        ({"services": ("api",)}, ["A/api"]),
        ({"services": ("svc",)}, ["A/svc.2", "B/svc.1"]),
        ({"services": ("api",), "projects": ("shop",)}, ["A/api"]),
        ({"targets": ("shop",)}, ["A/api", "A/db"]),
        ({"targets": ("svc",)}, ["A/svc.2", "B/svc.1"]),
    ],
)
def test_selection_is_resolved_to_containers(hosts, wanted, expected):
    assert sorted(names(hosts, **wanted)) == sorted(expected)


def test_id_prefix_means_its_container(hosts):
    web = next(container for container in hosts.containers if container.name == "web")
    assert names(hosts, targets=(web.id[:8],)) == ["A/web"]


@pytest.mark.parametrize("end", ["172.17.0.2", "mac", "veth"])
def test_address_mac_or_veth_means_its_container(hosts, end):
    web = next(container for container in hosts.containers if container.name == "web")
    (endpoint,) = web.endpoints
    assert names(hosts, targets=(getattr(endpoint, end, end),)) == ["A/web"]


def test_interface_of_the_host_is_no_container(hosts):
    with pytest.raises(UsageError, match="docker0 is an interface of the host: write -i docker0"):
        names(hosts, targets=("docker0",))


def test_all_is_every_container_but_balancers(hosts):
    assert len(selected(hosts, Selection(everything=True))) == sum(not each.balances for each in hosts.containers)


def test_unknown_name_lists_the_nearest_first(hosts):
    with pytest.raises(
        UsageError, match=r"no running container is called wbe; nearest: web, .* \(\d+ more: see capnet"
    ):
        names(hosts, targets=("wbe",))


def test_unknown_network_lists_networks(hosts):
    with pytest.raises(UsageError, match=r"no network is called bak; nearest: back, mac, "):
        names(hosts, networks=("bak",))


def test_network_without_containers_says_so(hosts):
    hosts.containers = [container for container in hosts.containers if container.name != "shut"]
    with pytest.raises(UsageError, match="network closed has no running container here"):
        names(hosts, networks=("closed",))


def test_name_of_container_and_network_is_refused(hosts):
    db = next(container for container in hosts.containers if container.name == "db")
    db.name = "back"
    with pytest.raises(
        UsageError, match="is a container and a network: write A/back for the container, --network back"
    ):
        names(hosts, targets=("back",))
    assert names(hosts, targets=("A/back",)) == ["A/back"]


def test_one_name_on_two_hosts_is_refused(hosts):
    over2 = next(container for container in hosts.containers if container.name == "over2")
    over2.name = "over"
    with pytest.raises(UsageError, match="over is more than one container: write one of A/over, B/over"):
        names(hosts, targets=("over",))
    assert names(hosts, targets=("B/over",)) == ["B/over"]


def test_service_of_two_projects_needs_one(hosts):
    web = next(container for container in hosts.containers if container.name == "web")
    web.project, web.compose_service = "other", "api"
    with pytest.raises(UsageError, match="service api is in the projects other, shop: add --project"):
        names(hosts, services=("api",))
    assert names(hosts, services=("api",), projects=("shop",)) == ["A/api"]
    assert names(hosts, services=("other/api",)) == ["A/web"]


@pytest.mark.parametrize(
    ("target", "absent"),
    [("web", {"hostly", "lonely", "side"}), ("side", {"hostly", "lonely"}), ("hostly", {"lonely", "side"})],
)
def test_containers_that_no_packet_shows_are_left_out(hosts, target, absent):
    """Else each capture of a host that runs one container in host mode would be said to show one."""
    everybody = {container.name for container in hosts.containers}
    kept = without_bystanders(hosts, selected(hosts, Selection((target,))))
    assert everybody - {container.name for container in kept.containers} == absent - {target}


def test_bridge_container_is_seen_up_to_the_nic(hosts):
    assert points(hosts, "web") == ["A/web/eth0", *veths(hosts, "web"), "A/docker0", "A/ens33"]


def test_user_defined_network_adds_loopback(hosts):
    """Docker's DNS server answers there."""
    assert points(hosts, "db")[:2] == ["A/db/lo", "A/db/eth0"]


def test_internal_network_ends_at_its_bridge(hosts):
    assert points(hosts, "shut")[-1].startswith("A/br-")


def test_port_ignored_on_an_internal_network_adds_the_nic(hosts):
    """Docker publishes nothing there; who asks for the port comes in by the host's NIC, and is refused."""
    shut = next(each for each in hosts.containers if each.name == "shut")
    shut.unpublished = [PublishedPort("tcp", "", 8085, 80)]
    assert points(hosts, "shut")[-1] == "A/ens33"


def test_shared_points_come_once_behind_the_others(hosts):
    listed = points(hosts, "api", "db")
    assert len(listed) == len(set(listed)) == 8
    assert listed[0] == "A/api/lo"
    assert listed[-1] == "A/ens33"


def test_shared_namespace_is_its_owners(hosts):
    assert points(hosts, "side") == points(hosts, "api")
    assert points(hosts, "side")[0] == "A/api/lo"


def test_macvlan_container_is_seen_at_its_parent(hosts):
    assert points(hosts, "mv") == ["A/mv/lo", "A/mv/eth0", "A/ens33"]


def test_container_without_network_has_loopback(hosts):
    assert points(hosts, "lonely") == ["A/lonely/lo"]


def test_host_mode_has_the_hosts_interfaces(hosts):
    listed = points(hosts, "hostly")
    assert listed[:2] == ["A/lo", "A/ens33"]
    assert {"A/docker0", "A/docker_gwbridge"} <= set(listed)
    assert not any("veth" in name for name in listed)


def test_overlay_container_is_seen_in_its_namespace(hosts):
    over = found(hosts, "over")
    assert [place.name for place in over] == [
        *("A/over/lo", "A/over/eth0", "A/over/eth1"),
        *veths(hosts, "over"),
        *("A/overlay:net/br0", "A/overlay:net/vxlan0", "A/docker_gwbridge", "A/ens33"),
    ]
    (namespace,) = (each for each in hosts.namespaces if (each.host, each.network) == ("A", "net"))
    assert {place.netns for place in over if place.role == "overlay"} == {namespace.netns}


def test_service_is_seen_at_its_balancers(hosts):
    assert {"A/balancer:net/eth0", "A/balancer:ingress/eth0", "B/balancer:net/eth0"} <= set(points(hosts, "svc"))


@pytest.mark.parametrize(
    ("words", "targets", "capture_filter"),
    [
        (["web"], ["web"], ""),
        (["web", "db", "port", "80"], ["web", "db"], "port 80"),
        (["web", "port 80 and tcp"], ["web"], "port 80 and tcp"),
        (["web", "not", "arp"], ["web"], "not arp"),
        (["web", "(tcp", "or", "udp)"], ["web"], "(tcp or udp)"),
        (["web", "prt 80"], ["web"], "prt 80"),
        (["tcp[13]&2!=0"], [], "tcp[13]&2!=0"),
        (["tcp", "tcp", "port", "80"], ["tcp"], "tcp port 80"),
    ],
)
def test_filter_begins_with_its_first_word(words, targets, capture_filter):
    """A container may be called tcp: then the first tcp is its name, if another one follows or not."""
    is_first = iter([True, False, False]) if words[:2] == ["tcp", "tcp"] else iter([False] * 9)
    assert split_words(words, None, lambda word: next(is_first)) == (targets, capture_filter)


def test_two_filters_are_refused():
    with pytest.raises(UsageError, match="two filters"):
        split_words(["web", "port", "80"], "tcp", lambda word: False)


def test_filter_that_is_an_option_is_refused():
    with pytest.raises(UsageError, match="begins with -"):
        split_words(["web"], "-z reboot", lambda word: False)


def test_name_of_container_begins_no_filter(hosts):
    assert is_container(hosts, "web")
    assert not is_container(hosts, "tcp")


@pytest.mark.parametrize(
    ("kind", "address", "is_point"),
    [
        (None, "192.168.222.128/24", True),
        ("tun", "10.8.0.2/24", True),
        ("wireguard", "fd00:8::2/64", True),
        ("vlan", "10.7.0.2/24", True),
        (None, "fe80::1/64", False),
        ("bridge", "192.168.122.1/24", False),
        ("dummy", "10.6.0.1/24", False),
        ("macvlan", "192.168.111.5/24", False),
    ],
)
def test_other_way_out_of_the_host_is_a_point(hosts: Topology, kind: str | None, address: str, is_point: bool) -> None:
    """A published port is asked by a second NIC too, and a VPN's routes may take the answers."""
    host = next(host for host in hosts.hosts if host.name == "A")
    host.interfaces += [Interface(name, 90, None, [address], kind) for name in ("way0", "unused0")]
    routed = {"A": RoutedDevices(["ens33"], ["ens33", "docker0", "way0"])}
    places = container_points(hosts, selected(hosts, Selection(("web",))), UPLINKS, routed)
    names_of_host = [place.interface for place in places if place.name.count("/") == 1 and place.role != "veth"]
    assert names_of_host == ["docker0", "ens33", *["way0"] * is_point]


def test_ways_besides_the_default_routes_are_few(hosts: Topology) -> None:
    host = next(host for host in hosts.hosts if host.name == "A")
    ways = [f"wg{number}" for number in range(20)]
    host.interfaces += [Interface(way, 90, None, ["10.8.0.2/24"], "wireguard") for way in ways]
    places = container_points(
        hosts, selected(hosts, Selection(("web",))), UPLINKS, {"A": RoutedDevices([], ["ens33", *ways])}
    )
    assert [place.interface for place in places if place.interface in ways] == ways[:6]
