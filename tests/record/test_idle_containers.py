"""Containers that do not work: stopped, paused, restarting.

idle_containers.json is what `docker inspect` of Docker 20.10 printed of one that had been stopped, one that had only
been created, one that ends at once and restarts, and one that was paused, without what a topology does not need.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from capnet.errors import UsageError
from capnet.record.find.host_facts import HostFacts
from capnet.record.find.host_topology import build_topology
from capnet.record.saved.saved_outputs import topology_of_files
from capnet.record.targets.containers import Selection, selected, without_bystanders
from capnet.record.targets.idle_containers import idle_warnings
from capnet.report.inventory.rows import inventory_rows
from capnet.topology import Container, Endpoint, Network, StoppedContainer, Topology

RECORDED = Path(__file__).with_name("idle_containers.json")
WEB = Container(
    "A", "shop-web-1", "f1", "py", "shop_default", [Endpoint("shop_default", "eth0", None, [])], project="shop"
)


@pytest.fixture
def host() -> Topology:
    """What capnet makes of them, beside a container of the same project that runs."""
    entries = json.loads(RECORDED.read_text(encoding="utf-8"))
    running = [entry for entry in entries if entry["State"]["Running"]]
    stopped = [entry for entry in entries if not entry["State"]["Running"]]
    topology = build_topology(HostFacts("A", containers=running, stopped=stopped))
    topology.containers.append(WEB)
    return topology


def refused(host: Topology, **wanted: tuple[str, ...]) -> str:
    with pytest.raises(UsageError) as error:
        selected(host, Selection(**wanted))
    return str(error.value)


def test_stopped_container_has_its_state_and_names(host: Topology) -> None:
    by_name = {each.name: each for each in host.stopped}
    assert sorted(by_name) == ["created", "shop-api-1"]
    api = by_name["shop-api-1"]
    assert (api.state, api.exit_code, api.project, api.compose_service) == ("exited", 137, "shop", "api")
    assert (api.networks, api.names) == (["shop_default"], ["api", "shop-api-1"])
    assert by_name["created"].ended is None and by_name["created"].exit_code is None
    assert {each.name: each.state for each in host.containers if each is not WEB} == {
        "crashing": "restarting", "paused": "paused",
    }  # fmt: skip


def test_saved_outputs_have_the_stopped_ones_too() -> None:
    topology, _ = topology_of_files([RECORDED])
    assert [each.name for each in topology.stopped] == ["shop-api-1", "created"]


def test_topology_file_keeps_the_stopped_ones(host: Topology, tmp_path: Path) -> None:
    host.save(tmp_path / "a.topology.json")
    assert Topology.load(tmp_path / "a.topology.json").stopped == host.stopped


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (
            {"targets": ("shop-api-1",)},
            "container shop-api-1 does not run (exited with 137): `docker start shop-api-1`",
        ),
        ({"targets": ("api",)}, "api has no running container here; not running: shop-api-1 (exited with 137)"),
        (
            {"services": ("api",)},
            "service api has no running container here; not running: shop-api-1 (exited with 137)",
        ),
    ],
)
def test_target_that_does_not_run_is_said_to_be_stopped(
    host: Topology, wanted: dict[str, tuple[str, ...]], says: str
) -> None:
    assert refused(host, **wanted) == says


def test_without_running_containers_no_network_is_proposed(host: Topology) -> None:
    host.containers, host.stopped = [], []
    assert refused(host, targets=("nosuch",)) == "no running container is called nosuch; no container is running"


def test_capture_says_which_of_its_project_are_idle(host: Topology) -> None:
    chosen = [WEB, *(each for each in host.containers if each.name == "paused")]
    host = without_bystanders(host, chosen)
    assert list(idle_warnings(host, {each.id for each in chosen})) == [
        "not running, and so not captured: shop-api-1 (exited with 137)",
        "paused is paused: nothing in it answers until `docker unpause paused`",
    ]


def test_container_of_another_project_is_not_told(host: Topology) -> None:
    """`created` shares the default bridge with others, by chance."""
    stopped = StoppedContainer("A", "other", "9", "exited", 1, None, "other", "x", ["other_default"], ["x"])
    host.stopped.append(stopped)
    assert [each.name for each in without_bystanders(host, [WEB]).stopped] == ["shop-api-1"]


@pytest.mark.parametrize(("bridge", "says"), [(None, True), ("br-1", False)])
def test_host_end_off_its_bridge_is_said(bridge: str | None, says: bool) -> None:
    end = Endpoint("shop_default", "eth0", None, [], "veth1", kind="veth", bridge=bridge)
    web = Container("A", "web", "1", "i", "shop_default", [end])
    topology = Topology(networks=[Network("shop_default", "9", "bridge", "A", bridge="br-1")], containers=[web])
    told = "A/veth1 of web is no port of br-1: `ip link set veth1 master br-1`"
    assert list(idle_warnings(topology, {"1"})) == [told] * says
    (row,) = inventory_rows(topology)
    assert row.bridge == bridge


def joined(netns: str | None, owner_netns: str | None, is_running: bool = True) -> Topology:
    """What capnet makes of `side`, which joined the network namespace of `vpn`; both may have files of namespaces."""
    entry = json.loads(RECORDED.read_text(encoding="utf-8"))[0]
    running = entry["State"] | {"Running": True, "Paused": False, "Restarting": False, "Status": "running"}
    vpn = entry | {"Name": "/vpn", "Id": "a" * 64, "State": running if is_running else entry["State"]}
    host_config = entry["HostConfig"] | {"NetworkMode": f"container:{'a' * 64}"}
    side = entry | {"Name": "/side", "Id": "b" * 64, "State": running, "HostConfig": host_config}
    namespaces = {"a" * 64: owner_netns, "b" * 64: netns}
    return build_topology(
        HostFacts(
            "A",
            containers=[side, vpn] if is_running else [side],
            stopped=[] if is_running else [vpn],
            container_netns={name: file for name, file in namespaces.items() if file},
        )
    )


@pytest.mark.parametrize(
    ("netns", "owner_netns", "is_running"),
    [("/proc/9/ns/net", "/proc/7/ns/net", True), ("/proc/9/ns/net", None, False), (None, None, False)],
    ids=["restarted", "stopped", "stopped-unseen"],
)
def test_namespace_of_an_owner_that_left_it_is_said(
    netns: str | None, owner_netns: str | None, is_running: bool
) -> None:
    """A container restarts into a namespace of its own; who joined the old one keeps it, with a loopback alone."""
    topology = joined(netns, owner_netns, is_running)
    side = next(container for container in topology.containers if container.name == "side")
    assert (side.lost_network_of, side.shares_network_with) == ("vpn", None)
    *_, warning = idle_warnings(topology, {"b" * 64})
    assert warning.startswith("side has no network: it joined that of vpn")
    assert "`docker restart side`" in warning
    assert [row.network for row in inventory_rows(topology) if row.container == "side"] == ["none (lost that of vpn)"]


@pytest.mark.parametrize(
    ("netns", "owner_netns"), [("/proc/7/ns/net", "/proc/7/ns/net"), (None, None), ("/proc/7/ns/net", None)]
)
def test_shared_namespace_is_not_said_to_be_lost(netns: str | None, owner_netns: str | None) -> None:
    """Both have one, or without root it is not known."""
    topology = joined(netns, owner_netns)
    side = next(container for container in topology.containers if container.name == "side")
    assert (side.lost_network_of, side.shares_network_with) == (None, "vpn")
    assert not any("no network" in warning for warning in idle_warnings(topology, {"b" * 64}))


BINDINGS = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}


def with_ports(ports: dict[str, Any], mode: str, *, is_internal: bool = True) -> Topology:
    """What capnet makes of a container that was made with BINDINGS, and of what Docker publishes of them."""
    entry = json.loads(RECORDED.read_text(encoding="utf-8"))[0]
    running = entry["State"] | {"Running": True, "Paused": False, "Restarting": False, "Status": "running"}
    networks = {} if mode == "host" else {mode: {"IPAddress": "10.9.0.2", "IPPrefixLen": 24, "NetworkID": "9" * 64}}
    web = entry | {
        "Name": "/web", "Id": "a" * 64, "State": running,
        "HostConfig": entry["HostConfig"] | {"NetworkMode": mode, "PortBindings": BINDINGS},
        "NetworkSettings": entry["NetworkSettings"] | {"Ports": ports, "Networks": networks},
    }  # fmt: skip
    inner = {"Name": "inner", "Id": "9" * 64, "Driver": "bridge", "Scope": "local", "Internal": is_internal}
    return build_topology(HostFacts("A", containers=[web], networks=[inner]))


@pytest.mark.parametrize(
    ("mode", "is_internal", "why"),
    [
        ("host", True, "it uses the host's own network, where its ports are the host's"),
        ("inner", True, "all its networks are internal, so connect it to another one too"),
        ("inner", False, "`docker port web` shows what is"),
    ],
)
def test_port_that_is_not_published_is_said(mode: str, is_internal: bool, why: str) -> None:
    """Of the port that Docker was to choose nothing is said."""
    *_, warning = idle_warnings(with_ports({"80/tcp": None}, mode, is_internal=is_internal), {"a" * 64})
    assert warning == f"web was made with -p 8080:80/tcp, which is not published: {why}"


def test_published_port_is_not_said() -> None:
    topology = with_ports({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}, "inner")
    assert not any("not published" in warning for warning in idle_warnings(topology, {"a" * 64}))
    assert [(port.host_port, port.container_port) for port in topology.containers[0].ports] == [(8080, 80)]
