"""`capnet capture --why` of a container on real Docker: the rule that drops, and the one that rewrites."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.lab import lab
from capnet.record.remote.docker_host import DockerHost, connect
from capnet.scenario.docker.execute import execute
from tests.live.captures import capturing

pytestmark = pytest.mark.live

CLOSED = "-i ens33 -p tcp --dport 80 -m comment --comment 'closed today' -j DROP"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DockerHost]]:
    """A: web on port 80, published as 8080. B: client."""
    patch = pytest.MonkeyPatch()
    patch.setenv("CAPNET_LAB_DIR", f"/run/capnet-why-{os.getpid()}")
    try:
        with lab.running(print) as made:
            opened = {name: connect(made.hosts[name].docker_url, name=name) for name in "AB"}
            serve = ["httpd", "-f", "-h", "/etc"]
            opened["A"].client.containers.run("busybox", serve, name="web", ports={"80/tcp": 8080}, detach=True)
            opened["B"].client.containers.run("busybox", ["sleep", "600"], name="client", detach=True)
            yield opened
            for host in opened.values():
                host.close()
    finally:
        patch.undo()


def rules(host: DockerHost, command: str = "iptables-save; ip6tables-save") -> list[str]:
    """Of the host's own namespace, without the time of the output."""
    assert host.shell is not None
    printed = host.shell.run(["sh", "-c", command], netns=host.shell.host_netns)
    return [line for line in printed.splitlines() if not line.startswith("#")]


def test_why_names_the_rule_before_a_published_port(hosts: dict[str, DockerHost], tmp_path: Path) -> None:
    a, client = hosts["A"], hosts["B"].client.containers.get("client")
    rules(a, f"iptables -I DOCKER-USER {CLOSED}")
    before = rules(a)
    with capturing("web", "--host", f"A={a.url}", "--why", "-w", "web.pcapng", folder=tmp_path):
        execute(client, ["timeout", "3", "wget", "-q", "-O", "-", "http://192.168.111.128:8080/passwd"])
    assert rules(a) == before
    report = analyze(tmp_path / "web.pcapng")
    dropped, rewrote = sorted(report.kernel, key=lambda reason: reason.action)
    assert (dropped.name, dropped.match) == ("iptables filter DOCKER-USER rule 1", "equal")
    assert dropped.known_by == rewrote.known_by == "trace"
    assert "closed today" in dropped.text
    assert rewrote.text.endswith("-j DNAT --to-destination 172.17.0.2:80")
    (finding,) = [finding for finding in report.findings if finding.level == "error"]
    assert finding.name == "published-port-blocked" and dropped.text in finding.says
    assert finding.fix is not None and "iptables -t filter -vnL DOCKER-USER --line-numbers" in finding.fix
    rules(a, f"iptables -D DOCKER-USER {CLOSED}")


def test_why_of_a_working_port_names_no_drop(hosts: dict[str, DockerHost], tmp_path: Path) -> None:
    a, client = hosts["A"], hosts["B"].client.containers.get("client")
    with capturing("web", "--host", f"A={a.url}", "--why", "-w", "web.pcapng", folder=tmp_path):
        status, page = execute(client, ["wget", "-q", "-O", "-", "http://192.168.111.128:8080/passwd"])
    assert status == 0 and "root" in page
    report = analyze(tmp_path / "web.pcapng")
    assert {reason.action for reason in report.kernel} == {"rewrote"}
    assert [finding.name for finding in report.findings if finding.level != "info"] == []
