"""`capnet ps` and `capnet capture` where containerd runs containers, and no Docker.

Truth: `ctr containers ls` and `ctr tasks ls`, `ip -j` in each namespace, what sysfs inside says of the other end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.captures import READY, seen
from tests.live.containerd_node import (
    ADDRESS,
    LACKING,
    LAN_ADDRESS,
    ContainerdNode,
    capnet_words,
    containerd_node,
    identity,
)
from tests.live.sshd import sshd_inside
from tests.live.wait_for_output import wait_for_output

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}")]

REQUESTS = "icmp.type == 8"
SERVICE = "10.96.0.10"  # of no interface
BRIDGE_NETFILTER = "/proc/sys/net/bridge/bridge-nf-call-iptables"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerdNode]:
    """With pods web (two containers) and db of two namespaces, a container beside them, and one on the host."""
    with containerd_node(tmp_path_factory.mktemp("node")) as made:
        made.pod("default", "web", "nginx", "sidecar")
        made.pod("default", "db", "db")
        made.pod("prod", "db", "db")
        made.start("default", "plain", "--cni", "--annotation", "nerdctl/name=shop-web-1")
        made.start("default", "onhost", "--net-host")
        yield made


def rows(node: ContainerdNode, *words: object, **more: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(node.capnet("ps", "--format", "json", *words, **more).stdout)[
        "containers"
    ]
    return listed


def test_ps_has_what_ctr_lists(node: ContainerdNode) -> None:
    listed = rows(node)
    ids = [name for space in ("k8s.io", "default") for name in node.ctr(space, "containers", "ls", "-q").split()]
    assert sorted({row["id"] for row in listed}) == sorted(ids) and len(ids) == 9
    assert {row["container"] for row in listed if row["pod"]} == {
        *("web", "nginx", "sidecar"),
        *("default/db", "prod/db", "db"),
    }
    assert {row["container"] for row in listed if not row["pod"]} == {"shop-web-1", "onhost"}


def test_ps_has_the_interfaces_of_ip_inside(node: ContainerdNode) -> None:
    processes = node.processes("k8s.io") | node.processes("default")
    links = {entry["ifindex"]: entry for entry in json.loads(node.run("ip", "-j", "link"))}
    compared = 0
    for row in rows(node):
        if row["network"].startswith("pod:") or row["network"] == "host":
            continue
        netns = f"--net=/proc/{processes[row['id']]}/ns/net"
        (eth0,) = json.loads(node.run("nsenter", netns, "ip", "-j", "address", "show", "eth0"))
        addresses = {f"{each['local']}/{each['prefixlen']}" for each in eth0["addr_info"]}
        assert (row["mac"], set(row["addresses"])) == (eth0["address"], addresses)
        other = links[eth0["link_index"]]
        assert (row["host_end"], row["bridge"]) == (other["ifname"], other["master"]) == (other["ifname"], "cni0")
        compared += 1
    assert compared == 4


def test_ps_by_ssh_is_that_of_the_node(node: ContainerdNode, tmp_path: Path) -> None:
    """From its LAN, where no shim is: by ssh alone."""
    with sshd_inside(node.inside, ADDRESS, tmp_path, 2222):
        by_ssh = rows(node, "--host", f"N=ssh://root@{ADDRESS}:2222", prefix=node.lan)
    assert [{**row, "host": ""} for row in by_ssh] == [{**row, "host": ""} for row in rows(node)]
    assert {row["host"] for row in by_ssh} == {"N"}


def test_ps_without_any_runtime_says_what_was_looked_for(node: ContainerdNode) -> None:
    refused = node.capnet("ps", prefix=node.lan, code=4).stderr
    assert "no Docker daemon answers at unix:///var/run/docker.sock" in refused
    assert "containerd and CRI-O" in refused
    assert ("podman.socket" if shutil.which("podman") else "containerd-shim") in refused


def capture(node: ContainerdNode, *words: object) -> subprocess.Popen[str]:
    """`capnet capture` in the node, when it listens."""
    process = subprocess.Popen([*node.inside, *capnet_words("capture", *words)], stderr=subprocess.PIPE, text=True)
    wait_for_output(process, READY)
    return process


def ping(node: ContainerdNode, container: str, address: str = LAN_ADDRESS) -> None:
    node.ctr("k8s.io", "tasks", "exec", "--exec-id", "ping", container, "ping", "-c", "2", address)


def test_pod_is_captured_at_each_point_up_to_the_nic(node: ContainerdNode, tmp_path: Path) -> None:
    file = tmp_path / "web.pcapng"
    process = capture(node, "web", "-w", file, "--duration", "4", "icmp")
    ping(node, identity("default", "web", "nginx"))
    assert process.wait(60) == 0
    (web,) = [row for row in rows(node) if row["container"] == "web"]
    host = web["host"]
    points = (f"{host}/web/eth0", f"{host}/{web['host_end']}", f"{host}/cni0", f"{host}/ens33")
    assert seen(file, REQUESTS) == dict.fromkeys(points, 2)
    assert f"web ({web['addresses'][0].partition('/')[0]})" in node.capnet("analyze", file).stdout


def routed(node: ContainerdNode) -> int:
    """Packets that the node has sent on so far: IpForwDatagrams, the sixth value of snmp's second line."""
    return int(node.run("cat", "/proc/net/snmp").splitlines()[1].split()[6])


def test_capture_of_a_pod_routes_no_copies(node: ContainerdNode, tmp_path: Path) -> None:
    """An address that is translated at the pod's own bridge, as a service of Kubernetes is.

    While the bridge is promiscuous, its host routes a copy of each packet: that is tried first.
    """
    if node.run("sh", "-c", f"cat {BRIDGE_NETFILTER} || true").strip() != "1":
        pytest.skip(f"{BRIDGE_NETFILTER} is not 1 here")
    addresses = {row["container"]: row["addresses"][0].partition("/")[0] for row in rows(node) if row["addresses"]}
    rule = ["PREROUTING", "-d", SERVICE, "-j", "DNAT", "--to-destination", addresses["prod/db"]]
    unchanged = routed(node)
    node.run("iptables", "-t", "nat", "-A", *rule)
    try:
        node.run("ip", "link", "set", "cni0", "promisc", "on")
        ping(node, identity("default", "web", "nginx"), SERVICE)
        node.run("ip", "link", "set", "cni0", "promisc", "off")
        assert (copied := routed(node)) > unchanged
        process = capture(node, "web", "prod/db", "-w", tmp_path / "web.pcapng", "--duration", "4", "icmp")
        ping(node, identity("default", "web", "nginx"), SERVICE)
        assert process.wait(60) == 0
        assert routed(node) == copied
    finally:
        node.run("iptables", "-t", "nat", "-D", *rule)
    of_pods = {point.partition("/")[2]: count for point, count in seen(tmp_path / "web.pcapng", REQUESTS).items()}
    assert (of_pods["web/eth0"], of_pods["prod/db/eth0"]) == (2, 2)


def test_pod_that_starts_joins_and_ends_alone(node: ContainerdNode, tmp_path: Path) -> None:
    file = tmp_path / "late.pcapng"
    process = capture(node, "--all", "-w", file, "--duration", "10", "icmp")
    node.pod("default", "late", "late")
    wait_for_output(process, "late/eth0")
    ping(node, identity("default", "late", "late"))
    node.end_pod("default", "late", "late")
    wait_for_output(process, "late/eth0 ended at")
    assert process.wait(60) == 0
    # What the kernel holds for a capture program goes with the interface: the second request may be missing.
    joined = {point.partition("/")[2]: count for point, count in seen(file, REQUESTS).items() if "late" in point}
    assert list(joined) == ["late/eth0"] and joined["late/eth0"] >= 1
    assert "late" not in {row["container"] for row in rows(node)}
