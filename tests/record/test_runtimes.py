"""Pods and containers of containerd and CRI-O, by what real nodes answered: tests/record/runtimes.

Truth: the API server's podIP and containerIDs, and the interfaces that CNI plugins told the runtime.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from capnet.record.find.inventory import survey_host
from capnet.record.find.runtimes.attachments import attachment_of
from capnet.record.find.runtimes.bundles import Listing, read_listing
from capnet.record.remote.nodes.node_host import NodeHost
from capnet.record.remote.shell import Shell
from capnet.report.inventory.answers import answer
from capnet.report.inventory.rows import inventory_rows
from capnet.report.inventory.table import container_lines
from capnet.topology import Container, Topology
from capnet.topology.lookup import look_up

FOLDER = Path(__file__).parent / "runtimes"
NODES = {"containerd": "node-a", "crio": "node-c"}
LISTING = "list containers of containerd and CRI-O"
ID = "0123456789abcdef" * 4
SANDBOX = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": ID}


KUBE_RULES = "list rules of kube-proxy"  # not asked when these nodes were recorded


class RecordedShell(Shell):
    """Answers as the node did."""

    answers: dict[str, str]

    def run(self, command: Sequence[str], *, title: str | None = None, **_: Any) -> str:
        if title == KUBE_RULES:
            return ""
        return self.answers[title or " ".join(command)]


@cache
def answers(runtime: str) -> dict[str, str]:
    recorded: dict[str, str] = json.loads((FOLDER / f"{runtime}.json").read_text())
    return recorded


def recorded_shell(runtime: str, **changed: str) -> Shell:
    """A shell on the node, with other answers to some questions."""
    shell = RecordedShell("self")
    object.__setattr__(shell, "answers", {**answers(runtime), **changed})
    return shell


def surveyed(runtime: str, **changed: str) -> Topology:
    """The topology of a node, with other answers to some questions."""
    shell = recorded_shell(runtime, **changed)
    return survey_host(NodeHost(NODES[runtime], "unix:///var/run/docker.sock", "6.1", "", lambda undo: shell))


def pods(runtime: str) -> list[dict[str, Any]]:
    """What the API server said of the node's pods."""
    return [pod for pod in json.loads((FOLDER / "pods.json").read_text()) if pod["node"] == NODES[runtime]]


def container(topology: Topology, name: str) -> Container:
    (meant,) = [each for each in topology.containers if name in (each.name, each.full_name)]
    return meant


def plugin_interfaces(runtime: str) -> dict[str, tuple[str, str, str]]:
    """Id of a sandbox → (veth, bridge, MAC inside), as the CNI plugin answered."""
    interfaces = {}
    for line in answers(runtime)[LISTING].splitlines():
        result = json.loads(line.partition(":")[2]) if "/results/" in line.partition(":")[0] else None
        if result:
            bridge, veth, inside = result["result"]["interfaces"]
            interfaces[result["containerId"]] = (veth["name"], bridge["name"], inside["mac"])
    return interfaces


def listing(*bundles: tuple[str, str, object]) -> Listing:
    """What a machine with these bundles answers: process, folder, content of config.json."""
    lines = [f"@capnet {process} {folder}" for process, folder, _ in bundles]
    lines += [f"{folder}/config.json:{json.dumps(config)}" for _, folder, config in bundles]
    return read_listing("\n".join(lines), "/proc/self/root")


@pytest.mark.parametrize("runtime", NODES)
def test_pods_are_those_of_the_api_server(runtime: str) -> None:
    topology = surveyed(runtime)
    assert {each.pod for each in topology.containers if each.pod} == {
        f"{pod['namespace']}/{pod['name']}" for pod in pods(runtime)
    }
    for pod in pods(runtime):
        own = [each for each in topology.containers if each.pod == f"{pod['namespace']}/{pod['name']}"]
        (meant,) = [each for each in own if each.is_pod]
        members = {each.name: each.id for each in own if not each.is_pod}
        assert members == {name: identity.partition("//")[2] for name, identity in pod["containers"].items()}
        assert all(each.shares_network_with == meant.name for each in own if not each.is_pod)
        addresses = [address for end in meant.endpoints for address in end.addresses if "." in address]
        assert addresses == ([] if pod["hostNetwork"] else [f"{pod['podIP']}/24"])


@pytest.mark.parametrize("runtime", NODES)
def test_ends_of_pods_are_those_of_the_plugin(runtime: str) -> None:
    topology = surveyed(runtime)
    ends = {
        each.id: (end.veth, end.bridge, end.mac)
        for each in topology.containers
        if each.is_pod
        for end in each.endpoints
    }
    assert len(ends) >= 3 and ends.items() <= plugin_interfaces(runtime).items()
    assert {end.network for each in topology.containers if each.is_pod for end in each.endpoints} == {"cbr0"}


@pytest.mark.parametrize("runtime", NODES)
def test_pod_on_the_host_has_no_interface_of_its_own(runtime: str) -> None:
    topology = surveyed(runtime)
    agent = container(topology, f"agent-{NODES[runtime]}")
    assert (agent.network_mode, agent.endpoints, agent.netns) == ("host", [], topology.hosts[0].netns)


@pytest.mark.parametrize("runtime", NODES)
def test_host_port_is_published(runtime: str) -> None:
    """By a plugin that maps ports, for containerd; by CRI-O itself."""
    topology = surveyed(runtime)
    (match,) = look_up(topology, "8080")
    assert match.container and match.container.name.startswith("web-")
    assert [(port.host_port, port.container_port, port.proto) for port in match.ports] == [(8080, 80, "tcp")]


def test_pods_of_one_name_are_called_with_namespace() -> None:
    names = {each.name for each in surveyed("containerd").containers if each.is_pod}
    assert {"default/db-0", "prod/db-0", "web-7d4b9c-x2x5k"} <= names


def test_containers_outside_pods_have_their_names() -> None:
    """Of `ctr run` the id is the name; nerdctl's is in an annotation, and of its own network in CNI's answer."""
    topology = surveyed("containerd")
    outside = {each.name: each.network_mode for each in topology.containers if not each.pod}
    assert outside == {"plain": "cbr0", "shop-web-1": "cbr0", "onhost": "host", "alone": "none"}
    assert container(topology, "plain").endpoints[0].veth


def test_answers_name_the_pod() -> None:
    topology = surveyed("containerd")
    web = container(topology, "web-7d4b9c-x2x5k")
    members = "containers in it: nginx, sidecar"
    asked = (web.endpoints[0].veth, web.endpoints[0].mac, "10.244.1.2", "nginx", "default/db-0", "cni0")
    sentences = [answer(topology, text or "", match) for text in asked for match in look_up(topology, text or "")]
    assert [sentence.partition(" is ")[2] for sentence in sentences] == [
        f"the host end of eth0 in pod web-7d4b9c-x2x5k (10.244.1.2, {asked[1]}), network cbr0; "
        "it is a port of bridge cni0.",
        *(2 * [f"eth0 in pod {web.name}, on network cbr0; its host end is {asked[0]}; {members}."]),
        "a container (image docker.io/library/busybox:latest, containerd): it is in pod web-7d4b9c-x2x5k.",
        "a pod (namespace default, containers db): eth0 on network cbr0.",
        sentences[-1].partition(" is ")[2],
    ]
    assert sentences[-1].startswith("cni0 is an interface of host node-a (bridge") and "web-7d4b9c" in sentences[-1]


def test_rows_have_containers_behind_their_pod() -> None:
    rows = [(row.container, row.network) for row in inventory_rows(surveyed("containerd"))]
    at = rows.index(("web-7d4b9c-x2x5k", "cbr0"))
    assert rows[at + 1 : at + 3] == [("nginx", "pod:web-7d4b9c-x2x5k"), ("sidecar", "pod:web-7d4b9c-x2x5k")]


# -- what is no container --------------------------------------------------------------------------------
def test_pod_without_a_process_and_namespace_has_ended() -> None:
    """The pod's processes are gone, and so is the file of its namespace: the bundles alone are no container."""
    text = answers("containerd")
    web = [each for each in surveyed("containerd").containers if each.pod == "default/web-7d4b9c-x2x5k"]
    ended = text[LISTING]
    for each in web:
        ended = re.sub(rf"^@capnet {each.pid} ", "@capnet - ", ended, flags=re.MULTILINE)
    ended = ended.replace("/var/run/netns/", "/var/run/gone/")
    names = {each.pod for each in surveyed("containerd", **{LISTING: ended}).containers}
    assert "default/web-7d4b9c-x2x5k" not in names and "default/db-0" in names


def test_containers_of_docker_are_counted_only() -> None:
    config = {"ociVersion": "1.0.2"}
    found = listing(("5", f"/proc/7/cwd/../../moby/{ID}", config), ("9", "/proc/7/cwd/../../default/web", config))
    assert ([each.name for each in found.containers], found.dockers) == (["web"], 1)


def test_containers_of_podman_are_its_own() -> None:
    """CRI-O and podman keep bundles in the same folder; both write who manages a container."""
    folder = f"/proc/7/cwd/../../{ID}/userdata"
    annotations = {"io.container.manager": "libpod", "io.kubernetes.cri-o.SandboxID": ID}
    assert listing(("9", folder, {"annotations": annotations})).containers == []


def test_config_that_is_being_written_is_left_out() -> None:
    whole = f"/proc/7/cwd/../../k8s.io/{ID}"
    text = f'@capnet 9 {whole}\n@capnet 8 {whole}b\n{whole}/config.json:{{"annotations":\n'
    text += f'{whole}b/config.json:{{"root": 1}}\n'
    assert [each.pid for each in read_listing(text, "/").containers] == [8]


def test_namespace_of_an_unproven_process_is_not_asked() -> None:
    """config.json names the sandbox's process, whose number may be another program's by now."""
    config = {"annotations": SANDBOX, "linux": {"namespaces": [{"type": "network", "path": "/proc/5/ns/net"}]}}
    (found,) = listing(("-", f"/proc/7/cwd/../../k8s.io/{ID}", config)).containers
    assert found.netns == ()


def test_port_without_a_plugin_that_maps_it_is_not_published() -> None:
    result = {
        "kind": "cniCacheV1", "containerId": ID, "ifName": "eth0", "networkName": "net",
        "capabilityArgs": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
    }  # fmt: skip
    mapping = "eyJwbHVnaW5zIjpbeyJ0eXBlIjoicG9ydG1hcCIsImNhcGFiaWxpdGllcyI6eyJwb3J0TWFwcGluZ3MiOnRydWV9fV19"
    without = "eyJwbHVnaW5zIjpbeyJ0eXBlIjoiYnJpZGdlIn1dfQ=="
    ports = []
    for config in (mapping, without, "no base64", None):
        attachment = attachment_of({**result, "config": config})
        assert attachment
        ports.append([port.host_port for port in attachment.ports])
    assert ports == [[8080], [], [], []]


def test_file_where_no_namespace_is_mounted_is_passed_over() -> None:
    """A runtime with mounts of its own: on the host, the file that config.json names is an empty one."""
    web = container(surveyed("containerd"), "web-7d4b9c-x2x5k")
    assert web.netns and web.netns.startswith("/proc/self/root/run/netns/cni-")
    found = answers("containerd")["list network namespaces"]
    device = re.search(r"^(\d+)\.\d+ /proc/self/ns/net$", found, flags=re.MULTILINE)
    assert device
    elsewhere = re.sub(rf"^{device[1]}\.(\d+ /proc/\w+/root/)", r"99.\1", found, flags=re.MULTILINE)
    assert elsewhere != found
    beside = container(surveyed("containerd", **{"list network namespaces": elsewhere}), "web-7d4b9c-x2x5k")
    assert beside.netns == f"/proc/{web.pid}/ns/net"


def test_names_that_hold_escape_sequences_are_shown_escaped() -> None:
    text = answers("containerd")
    hostile = json.dumps("web\x1b[2J\n@capnet 1 /x")[1:-1]
    topology = surveyed("containerd", **{LISTING: text[LISTING].replace("web-7d4b9c-x2x5k", hostile)})
    assert any("\x1b" in each.name for each in topology.containers)
    shown = "\n".join(container_lines(list(inventory_rows(topology)), 200, several_hosts=False))
    assert "\x1b" not in shown and "web\\x1b[2J" in shown


def test_config_of_other_types_is_no_crash() -> None:
    """The files are root's, and yet a runtime may change what it writes."""
    odd = {
        "annotations": {**SANDBOX, "io.kubernetes.cri.sandbox-name": 5},
        "linux": {"namespaces": [7, {"type": "network"}]},
    }
    (found,) = listing(("9", f"/proc/7/cwd/../../k8s.io/{ID}", odd)).containers
    assert (found.name, found.netns) == ("5", ("/proc/9/ns/net",))
    (other,) = listing(("9", "/proc/7/cwd/../../default/odd", {"annotations": [1]})).containers
    assert other.name == "odd"
