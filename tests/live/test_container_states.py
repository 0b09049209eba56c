"""What the kernel and Docker say of containers that do not work, in `capnet capture --report` and `capnet ps`.

Truth: `docker inspect`, and the options with which the containers are made.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capnet.lab import addressing
from capnet.scenario.wait import wait_until
from tests.live.captures import Capture
from tests.live.labs import own_clients
from tests.live.swarms import Clients
from tests.live.test_ps import capnet, url

pytestmark = pytest.mark.live

SLEEP = ["sleep", "100000"]
ADDRESS = "192.168.111.128"  # of host A


@pytest.fixture(scope="module")
def hosts() -> Iterator[Clients]:
    with own_clients("states") as clients:
        yield clients


@pytest.fixture
def run(hosts: Clients) -> Iterator[Any]:
    """Runs containers on A, which are removed at the end of the test."""
    made = []

    def running(name: str, command: list[str], **options: Any) -> Any:
        made.append(hosts["A"].containers.run("busybox", command, name=name, detach=True, **options))
        return made[-1]

    yield running
    for container in made:
        container.remove(force=True)


def report(folder: Path, target: str, container: Any, *words: str) -> list[dict[str, Any]]:
    """The findings of a capture of the target, while the container runs a command."""
    capture = Capture(target, "--host", url("A"), "-w", "c.pcapng", folder=folder)
    capture.wait_until_ready()
    container.exec_run(list(words))
    assert capture.end() == 0, capture.said
    done = capnet("analyze", folder / "c.pcapng", "--format", "json")
    return json.loads(done.stdout)["findings"]


def named(findings: list[dict[str, Any]], name: str) -> str:
    (says,) = [finding["says"] for finding in findings if finding["name"] == name]
    return says


def test_server_on_its_loopback_is_named(run: Any, tmp_path: Path) -> None:
    web = run("web", ["httpd", "-f", "-p", "127.0.0.1:80"])
    client = run("client", SLEEP)
    wait_until(lambda: web.exec_run(["grep", "-q", ":0050 ", "/proc/net/tcp"]).exit_code == 0, "web listens")
    web.reload()
    address = web.attrs["NetworkSettings"]["IPAddress"]
    says = named(report(tmp_path, "web", client, "nc", "-w", "2", address, "80"), "connection-refused")
    assert f"{address} (web) refused connections to port 80" in says
    assert says.endswith("a program listens on that port in A/web, but at 127.0.0.1:80 only")


def test_container_whose_owner_restarted_has_no_network(run: Any, tmp_path: Path) -> None:
    """Docker keeps it in the namespace of the owner's first life."""
    owner = run("vpn", SLEEP)
    joined = run("joined", SLEEP, network_mode="container:vpn")
    (before,) = json.loads(capnet("ps", "joined", "--host", url("A"), "--format", "json").stdout)["containers"]
    assert before["network"] == "container:vpn"
    owner.restart(timeout=0)
    assert "docker restart joined" in capnet("ps", "joined", "--host", url("A")).stdout
    says = named(report(tmp_path, "joined", joined, "nc", "-w", "1", ADDRESS, "80"), "not-sent")
    assert "programs in A/joined had no route" in says
    assert says.endswith("it joined the network of container vpn, which has ended or restarted since")
    joined.restart(timeout=0)
    (after,) = json.loads(capnet("ps", "joined", "--host", url("A"), "--format", "json").stdout)["containers"]
    assert after["network"] == "container:vpn"


def test_container_without_a_route_is_named(run: Any, tmp_path: Path) -> None:
    alone = run("alone", SLEEP, network_mode="none")
    assert "programs in A/alone had no route" in named(
        report(tmp_path, "alone", alone, "nc", "-w", "1", ADDRESS, "80"), "not-sent"
    )


def test_bridge_that_is_down_is_named(hosts: Clients, run: Any, tmp_path: Path) -> None:
    client = run("cut", SLEEP)
    netns = ["nsenter", f"--net={addressing.chosen().hosts['A'].netns}", "ip", "link", "set", "docker0"]
    subprocess.run([*netns, "down"], check=True)
    try:
        findings = report(tmp_path, "cut", client, "nc", "-w", "4", ADDRESS, "80")
    finally:
        subprocess.run([*netns, "up"], check=True)
    assert any("docker0 in A, on the way to container cut, is down" in finding["says"] for finding in findings)
