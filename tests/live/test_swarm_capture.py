"""`capnet capture --swarm`: one overlay network on all nodes, by ssh and by a service whose tasks dial in."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from capnet.lab.addressing import Lab
from capnet.lab.daemon import processes
from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT
from tests.live.labs import own_lab
from tests.live.sshd import sshd
from tests.live.swarms import Clients, attached, found, join
from tests.live.tshark_view import tshark

pytestmark = pytest.mark.live

NETWORK = "shop"


@pytest.fixture(scope="module")
def made() -> Iterator[Lab]:
    with own_lab("nodes") as running:
        yield running


@pytest.fixture(scope="module")
def nodes(made: Lab) -> Iterator[Clients]:
    """A swarm of A and B with an overlay network, and a container on it on each. Docker's socket is where it is
    elsewhere."""
    a, b = (docker.DockerClient(base_url=host.docker_url) for host in made.hosts.values())
    with closing(a), closing(b):
        clients = {"A": a, "B": b}
        for host in made.hosts.values():
            link = ["ln", "-s", host.socket, "/run/docker.sock"]
            subprocess.run(["nsenter", f"--target={processes.listener(host)}", "--mount", *link], check=True)
        found(clients)
        join(clients, "B")
        a.networks.create(NETWORK, driver="overlay", attachable=True)
        for client, name in ((a, "left"), (b, "right")):
            attached(client, NETWORK, name)
        yield clients


@pytest.fixture(autouse=True)
def nothing_is_left(nodes: Clients) -> Iterator[None]:
    """Neither a service nor a container of capnet; the swarm takes a moment to remove a task."""
    yield
    assert nodes["A"].services.list() == []
    for client in nodes.values():
        wait_until(lambda client=client: _containers(client) == [], "its containers are gone", within=60)


def _containers(client: Any) -> list[str]:
    listed = client.containers.list(all=True, ignore_removed=True)
    return [container.name for container in listed if container.name.startswith("capnet-")]


def capturing(made: Lab, *words: str) -> list[str]:
    """capnet with the network of host A, to which B can dial in."""
    command = [sys.executable, "-m", "capnet", "capture", *words, "--host", made.hosts["A"].docker_url]
    netns = f"--net={made.hosts['A'].netns}"
    return ["nsenter", netns, "--", "sh", "-c", f"cd {PROJECT} && exec {shlex.join(command)}"]


def capture_ping(made: Lab, nodes: Clients, file: Path) -> tuple[str, dict[str, Any]]:
    """Captures the network on all nodes while left pings right twenty times: what capnet said, and the topology."""
    command = capturing(made, "--swarm", NETWORK, "-w", str(file))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: file.exists() or process.poll() is not None, "it captures", within=120)
        nodes["A"].containers.get("left").exec_run(["ping", "-c", "20", "-i", "0.1", "-q", "right"])
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    return said, json.loads(file.with_suffix(".topology.json").read_text())


def check_everywhere(file: Path, topology: dict[str, Any]) -> None:
    """Each request and each answer is at both containers, in both overlay namespaces, and in VXLAN at both NICs."""
    for host, box in (("A", "left"), ("B", "right")):
        for place in (f"{box}/eth0", f"overlay:{NETWORK}/br0", f"overlay:{NETWORK}/vxlan0", "ens33"):
            assert len(tshark(file, "icmp", "frame.number", interface=f"{host}/{place}")) == 40, (host, place)
    hosts = {container["name"]: container["host"] for container in topology["containers"]}
    assert (hosts["left"], hosts["right"]) == ("A", "B")
    clocks = {host["name"]: host["clock"] for host in topology["hosts"]}
    assert len(clocks["A"]) >= 2 and len(clocks["B"]) >= 2
    assert all(abs(each["ahead_ns"]) <= each["uncertainty_ns"] < 100_000_000 for each in clocks["B"])


def test_node_without_image_is_told_how_to_get_it(made: Lab, nodes: Clients, tmp_path: Path) -> None:
    command = capturing(made, "--swarm", NETWORK, "-w", str(tmp_path / "none.pcapng"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 4
    assert "not by ssh (ssh://192.168.111.129: ssh: connect to host" in done.stderr
    assert "capnet image save | ssh B docker load" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_network_is_captured_where_tasks_dial_in(made: Lab, nodes: Clients, tmp_path: Path) -> None:
    """What comes from B passes the NICs of both hosts, and is not captured again."""
    saved = subprocess.run([sys.executable, "-m", "capnet", "image", "save"], cwd=PROJECT, capture_output=True)
    nodes["B"].images.load(saved.stdout)
    said, topology = capture_ping(made, nodes, tmp_path / "dialled.pcapng")
    port = said.partition("leads there (to ")[2].partition(")")[0].rpartition(":")[2]
    assert port.isdigit(), said
    check_everywhere(tmp_path / "dialled.pcapng", topology)
    assert tshark(tmp_path / "dialled.pcapng", f"tcp.port == {port}", "frame.number") == []


def test_container_that_starts_on_a_node_joins(made: Lab, nodes: Clients, tmp_path: Path) -> None:
    """Its node tells of it; the one on the other node asks it, and both capture what passes."""
    file = tmp_path / "late.pcapng"
    with subprocess.Popen(
        capturing(made, "--swarm", NETWORK, "-w", str(file)), stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: file.exists() or process.poll() is not None, "it captures", within=120)
        attached(nodes["B"], NETWORK, "late")
        assert process.stderr is not None
        assert any("B/late/eth0" in line for line in process.stderr)
        nodes["A"].containers.get("left").exec_run(["ping", "-c", "5", "-i", "0.1", "-q", "late"])
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
        nodes["B"].containers.get("late").remove(force=True)
    assert process.returncode == 0, said
    for place in ("A/left/eth0", "B/late/eth0", "B/ens33"):
        assert len(tshark(file, "icmp", "frame.number", interface=place)) == 10, place


def test_network_is_captured_by_ssh_to_the_nodes(
    made: Lab, nodes: Clients, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with sshd(made.hosts["B"], tmp_path_factory.mktemp("ssh"), 22):
        said, topology = capture_ping(made, nodes, tmp_path / "ssh.pcapng")
    assert "service" not in said
    check_everywhere(tmp_path / "ssh.pcapng", topology)
    assert tshark(tmp_path / "ssh.pcapng", "tcp.port == 22", "frame.number") == []


def test_killed_capture_is_cleaned_up_after(made: Lab, nodes: Clients, tmp_path: Path) -> None:
    """kill -9: what ran on the nodes ends with the connection; the service's name stays until `scenario clean`."""
    command = capturing(made, "--swarm", NETWORK, "-w", str(tmp_path / "killed.pcapng"))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_until((tmp_path / "killed.pcapng").exists, "it captures", within=120)
        assert any(name.startswith("capnet-capture") for name in _containers(nodes["B"]))
        process.kill()
    wait_until(
        lambda: not any(name.startswith("capnet-capture") for name in _containers(nodes["B"])), "it is gone", within=60
    )
    assert len(nodes["A"].services.list()) == 1
    clean = [sys.executable, "-m", "capnet", "scenario", "clean", "--host", made.hosts["A"].docker_url]
    done = subprocess.run(clean, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0 and "service capnet-swarm" in done.stdout + done.stderr, done.stderr


@pytest.mark.parametrize(
    ("host", "network", "complaint"),
    [("B", NETWORK, "B is no manager of a swarm"), ("A", "shoppe", "no overlay network of that name; it has ")],
)
def test_swarm_that_is_none_is_refused(made: Lab, nodes: Clients, host: str, network: str, complaint: str) -> None:
    url = made.hosts[host].docker_url
    command = [sys.executable, "-m", "capnet", "capture", "--swarm", network, "--host", url]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 2 and complaint in done.stderr, done.stderr
