"""What `capnet capture` takes for a pod, and where it captures it, on the recorded nodes of test_runtimes.

Truth: the routes and interfaces that `ip` printed on the node.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from capnet.errors import UsageError
from capnet.record.remote.shell import Shell
from capnet.record.targets.container_points import container_points
from capnet.record.targets.containers import Selection, selected, without_bystanders
from capnet.record.targets.uplinks import RoutedDevices, routed_devices, uplinks
from capnet.topology import Topology
from tests.record.test_runtimes import NODES, RecordedShell, container, recorded_shell, surveyed

WEB = "web-7d4b9c-x2x5k"


def names(topology: Topology, *targets: str) -> list[str]:
    return [each.name for each in selected(topology, Selection(targets))]


def points(topology: Topology, target: str, shell: Shell | None = None) -> dict[str, str]:
    """Name → role of each point, without that of the host."""
    shell = shell or recorded_shell("containerd")
    node = topology.hosts[0].name
    places = container_points(
        topology, selected(topology, Selection((target,))), {node: uplinks(shell)}, {node: routed_devices(shell)}
    )
    return {place.name.partition("/")[2]: place.role for place in places}


@pytest.mark.parametrize("target", [WEB, f"default/{WEB}", f"node-a/{WEB}", "10.244.1.2", "node-a/default/" + WEB])
def test_pod_is_meant_by_its_name_and_address(target: str) -> None:
    assert names(surveyed("containerd"), target) == [WEB]


def test_container_of_one_pod_alone_is_meant_by_its_name() -> None:
    topology = surveyed("containerd")
    assert names(topology, "nginx") == ["nginx"]
    assert names(topology, "default/db-0/db") == ["db"]
    with pytest.raises(UsageError, match="more than one container: write one of prod/db-0/db, default/db-0/db"):
        names(topology, "db")


def test_pod_of_two_namespaces_is_asked_for_with_one() -> None:
    topology = surveyed("containerd")
    assert names(topology, "prod/db-0") == ["prod/db-0"]
    with pytest.raises(UsageError, match="db-0 is more than one container: write one of prod/db-0, default/db-0"):
        names(topology, "db-0")


def test_pod_and_container_of_one_name_mean_the_pod() -> None:
    topology = surveyed("crio")
    (meant,) = selected(topology, Selection(("client-c",)))
    assert meant.is_pod and [each.name for each in topology.containers].count("client-c") == 2


def test_network_of_a_plugin_has_its_pods() -> None:
    topology = surveyed("containerd")
    on_network = {each.name for each in selected(topology, Selection(networks=("cbr0",)))}
    assert on_network == {WEB, "prod/db-0", "default/db-0", "plain", "shop-web-1"}
    with pytest.raises(UsageError, match="no network is called cbr1; nearest: cbr0"):
        selected(topology, Selection(networks=("cbr1",)))


def test_points_of_a_pod_lead_to_its_tunnel_and_nic() -> None:
    topology = surveyed("containerd")
    veth = container(topology, WEB).endpoints[0].veth
    assert points(topology, WEB) == {
        f"{WEB}/lo": "loopback",  # it has two containers
        f"{WEB}/eth0": "container",
        str(veth): "veth",
        "cni0": "bridge",
        "ens33": "parent",
        "flannel.1": "overlay",
    }


def test_pod_of_one_container_is_not_heard_at_loopback() -> None:
    assert "prod/db-0/lo" not in points(surveyed("containerd"), "prod/db-0")


def test_container_of_a_pod_has_the_points_of_the_pod() -> None:
    topology = surveyed("containerd")
    assert points(topology, "sidecar") == points(topology, WEB)


def test_pod_on_the_host_is_captured_at_the_hosts_interfaces() -> None:
    found = points(surveyed("containerd"), "agent-node-a")
    assert set(found) == {"lo", "ens33", "flannel.1", "cni0"}


def test_pod_without_a_bridge_leaves_by_the_routes() -> None:
    """As with Calico: the host routes to each veth, and by a tunnel device to other nodes. The routes are made."""
    topology = surveyed("containerd")
    container(topology, WEB).endpoints[0].bridge = None
    shell = recorded_shell("containerd")
    assert isinstance(shell, RecordedShell)
    veth = container(topology, WEB).endpoints[0].veth
    routes = [
        {"dst": "10.244.1.2", "dev": veth},
        {"dst": "10.9.0.0/16", "dev": "tunl0"},
        {"dst": "10.8.0.0/16", "dev": "eth7"},
    ]
    shell.answers["ip -j -4 route show table all"] = json.dumps(routes)
    nic = topology.hosts[0].interfaces[1]
    topology.hosts[0].interfaces += [replace(nic, name="tunl0", kind="ipip"), replace(nic, name="eth7", kind=None)]
    assert set(points(topology, WEB, shell)) == {f"{WEB}/lo", f"{WEB}/eth0", veth, "ens33", "tunl0"}


def test_nic_below_a_tunnel_is_a_point() -> None:
    """flannel --iface=eth1: the default route is elsewhere."""
    topology = surveyed("containerd")
    (flannel,) = [each for each in topology.hosts[0].interfaces if each.name == "flannel.1"]
    assert flannel.parent == "ens33"
    flannel.parent = "eth1"
    assert {"eth1", "ens33", "flannel.1"} <= set(points(topology, WEB))


def test_tunnel_without_routes_is_a_point_if_packets_name_it() -> None:
    """cilium_vxlan: programs tell the device with each packet where it goes. Another tunnel without a route is none."""
    topology = surveyed("containerd")
    (flannel,) = [each for each in topology.hosts[0].interfaces if each.name == "flannel.1"]
    topology.hosts[0].interfaces += [
        replace(flannel, name="cilium_vxlan", vni=None, parent=None),
        replace(flannel, name="vxlan7", vni=7, parent=None),
    ]
    found = points(topology, WEB)
    assert found["cilium_vxlan"] == "overlay" and "vxlan7" not in found


def test_container_of_docker_on_a_node_keeps_its_points() -> None:
    """Where pods are routed is no way of Docker's containers."""
    topology = surveyed("containerd")
    for each in topology.containers:
        each.runtime = each.pod = None
    assert "flannel.1" not in points(topology, WEB) and "ens33" in points(topology, WEB)


def test_devices_of_routes_are_those_that_ip_prints() -> None:
    assert routed_devices(recorded_shell("containerd")) == RoutedDevices(["ens33", "flannel.1"], ["cni0", "ens33"])
    assert routed_devices(recorded_shell("crio")) == RoutedDevices(["ens33"], ["cni0", "ens33"])


@pytest.mark.parametrize("runtime", NODES)
def test_bystanders_of_a_pod_keep_their_addresses(runtime: str) -> None:
    """Other pods name addresses; what runs on the host, and containers of other pods, do not."""
    topology = surveyed(runtime)
    chosen = selected(topology, Selection(("nginx",)))
    kept = [each.name for each in without_bystanders(topology, chosen).containers]
    assert {"nginx", "sidecar"} <= set(kept) and "db" not in kept
    assert f"agent-{NODES[runtime]}" not in kept and any("db-" in name for name in kept)


def test_container_on_no_bridge_leaves_by_the_nic_of_its_host() -> None:
    """A pod of the plugin ptp, whose containers Docker runs without a network: the host routes to its veth."""
    topology = surveyed("containerd")
    for each in topology.containers:
        each.runtime = each.pod = None
        for endpoint in each.endpoints:
            endpoint.network, endpoint.bridge = "", None
    found = points(topology, WEB)
    assert found["ens33"] == "parent" and "cni0" not in found
