"""`capnet capture --why` of a container on real Docker: the rule that drops, and the one that rewrites."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.lab import lab
from capnet.record.find.inventory import survey_host
from capnet.record.remote.docker_host import DockerHost, connect
from capnet.scenario.docker.execute import execute
from tests.live.captures import PROJECT, capturing

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


def captured_reasons(host: DockerHost, folder: Path, *words: str, sends: Callable[[], object]) -> list[tuple[str, str]]:
    """Name and match of what stopped packets, by counters alone."""
    with capturing(*words, "--host", f"A={host.url}", "-w", "web.pcapng", folder=folder):
        sends()
    return [(reason.name, reason.match) for reason in analyze(folder / "web.pcapng").kernel]


def test_rule_of_the_legacy_backend_is_named(hosts: dict[str, DockerHost], tmp_path: Path) -> None:
    """Docker's own rules are of nf_tables; both backends see each packet."""
    a, client = hosts["A"], hosts["B"].client.containers.get("client")
    rule = "FORWARD -i ens33 -p tcp --dport 80 -j DROP"
    asks = ["timeout", "3", "wget", "-q", "-O", "-", "http://192.168.111.128:8080/passwd"]
    rules(a, f"iptables-legacy -A {rule}")
    try:
        named = captured_reasons(a, tmp_path, "web", sends=lambda: execute(client, asks))
    finally:
        rules(a, f"iptables-legacy -D {rule}")
    assert named == [("iptables-legacy filter FORWARD rule 1", "equal")]
    assert captured_reasons(a, tmp_path, "web", sends=lambda: execute(client, asks)) == []


@pytest.mark.parametrize("counts_ip", [1, 0], ids=["with br_netfilter", "without"])
def test_rule_of_a_bridge_is_named(hosts: dict[str, DockerHost], tmp_path: Path, counts_ip: int) -> None:
    a = hosts["A"]
    a.client.containers.run("busybox", ["sleep", "600"], name="two", detach=True)
    (web,) = a.client.containers.get("web").attrs["NetworkSettings"]["Networks"].values()
    rule = f"FORWARD -p IPv4 --ip-proto icmp --ip-dst {web['IPAddress']} -j DROP"
    setting = "sysctl -w net.bridge.bridge-nf-call-iptables"
    pings = ["ping", "-c", "4", "-i", "0.1", "-W", "1", web["IPAddress"]]
    two = a.client.containers.get("two")
    try:
        rules(a, f"{setting}={counts_ip}; ebtables-nft -A {rule}")
        named = captured_reasons(a, tmp_path, "web", "two", sends=lambda: execute(two, pings))
        rules(a, f"ebtables-nft -D {rule}")
        assert named == [("ebtables filter FORWARD rule 1", "equal")]
        assert captured_reasons(a, tmp_path, "web", "two", sends=lambda: execute(two, pings)) == []
    finally:
        rules(a, f"{setting}=1")
        two.remove(force=True)


def test_filter_of_tc_is_named(hosts: dict[str, DockerHost], tmp_path: Path) -> None:
    """At the host end of web's veth; with --why the kernel's own reason says the same."""
    a, web = hosts["A"], hosts["A"].client.containers.get("web")
    (veth,) = (end.veth for each in survey_host(a).containers if each.name == "web" for end in each.endpoints)
    rules(
        a, f"unshare --mount --propagation private {sys.executable} {PROJECT}/tests/live/tc_drop.py {veth} 500 ingress"
    )
    try:
        pings = ["ping", "-c", "5", "-i", "0.1", "-W", "1", "-s", "1000", "192.168.111.129"]
        named = captured_reasons(a, tmp_path, "web", sends=lambda: execute(web, pings))
        assert named == [(f"{veth} clsact drops", "equal")]
        named = captured_reasons(a, tmp_path, "web", "--why", sends=lambda: execute(web, pings))
        assert named == [("TC_INGRESS", "equal"), (f"{veth} clsact drops", "equal")]
        small = [word.replace("1000", "100") for word in pings]
        assert captured_reasons(a, tmp_path, "web", sends=lambda: execute(web, small)) == []
    finally:
        rules(a, f"tc qdisc del dev {veth} clsact")
