"""`capnet capture --why` of a container on real Docker: the rule that drops, and the one that rewrites."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.record.find.inventory import survey_host
from capnet.record.remote.docker_host import DockerHost
from capnet.scenario.docker.execute import execute
from capnet.scenario.wait import wait_until
from tests.live.captures import PROJECT, Capture, address, capturing, seen
from tests.live.labs import own_hosts
from tests.live.test_later_containers import wait_until_joined
from tests.live.test_why import nothing_stays, watchers

pytestmark = pytest.mark.live

LIST_RULES = "from capnet.record.kernel.rule_tracer import netlink, rule_numbers; print(rule_numbers(netlink()))"
CLOSED = "-i ens33 -p tcp --dport 80 -m comment --comment 'closed today' -j DROP"


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, DockerHost]]:
    """A: web on port 80, published as 8080. B: client."""
    with own_hosts("why") as opened:
        serve = ["httpd", "-f", "-h", "/etc"]
        opened["A"].client.containers.run("busybox", serve, name="web", ports={"80/tcp": 8080}, detach=True)
        opened["B"].client.containers.run("busybox", ["sleep", "600"], name="client", detach=True)
        yield opened


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


def test_why_names_a_rule_that_came_and_went(hosts: dict[str, DockerHost], tmp_path: Path) -> None:
    """It is in neither of the two lists of rules, of before and after."""
    a, web = hosts["A"], hosts["A"].client.containers.get("web")
    rule = "FORWARD -i docker0 -p icmp -m comment --comment 'for a moment' -j DROP"
    with capturing("web", "--host", f"A={a.url}", "--why", "-w", "web.pcapng", folder=tmp_path):
        rules(a, f"iptables -I {rule}")
        execute(web, ["ping", "-c", "3", "-i", "0.1", "-W", "1", "192.168.111.129"])
        rules(a, f"iptables -D {rule}")
    (dropped,) = [reason for reason in analyze(tmp_path / "web.pcapng").kernel if reason.known_by == "trace"]
    assert (dropped.name, dropped.packets) == ("iptables filter FORWARD rule 1", 3)
    assert dropped.text == '-A FORWARD -i docker0 -p icmp -m comment --comment "for a moment" -j DROP'


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


def test_xdp_before_the_capture_is_told(hosts: dict[str, DockerHost], tmp_path: Path) -> None:
    """Its program drops all that web sends, before the capture at the host end of the veth."""
    a, web = hosts["A"], hosts["A"].client.containers.get("web")
    (veth,) = (end.veth for each in survey_host(a).containers if each.name == "web" for end in each.endpoints)
    words = f"unshare --mount --propagation private {sys.executable} {PROJECT}/tests/live/tc_drop.py {veth} 0 xdp"
    rules(a, words)
    try:
        with capturing("web", "--host", f"A={a.url}", "-w", "x.pcapng", folder=tmp_path) as capture:
            execute(web, ["ping", "-c", "2", "-i", "0.1", "-W", "1", "192.168.111.129"])
    finally:
        rules(a, f"ip link set dev {veth} xdp off")
    (warning,) = [line for line in capture.said.splitlines() if "XDP" in line]
    assert warning.startswith(f"A/{veth}: the XDP program id ")
    assert {name.rpartition("/")[2] for name in seen(tmp_path / "x.pcapng", "arp or icmp")} == {"eth0"}
    with capturing("web", "--host", f"A={a.url}", "-w", "y.pcapng", folder=tmp_path) as capture:
        pass
    assert "XDP" not in capture.said


@pytest.fixture
def start_later(hosts: dict[str, DockerHost]) -> Iterator[Callable[[], object]]:
    """Starts the container later on A; it is removed afterwards."""
    client = hosts["A"].client
    yield lambda: client.containers.run("busybox", ["sleep", "600"], name="later", detach=True)
    for container in client.containers.list(all=True, filters={"name": "^/?later$"}):
        container.remove(force=True)


def dropped_in(path: Path, namespace: str) -> list[tuple[str, str, str, str]]:
    """What stopped packets there: name, how it is known, how well it matches, and the point."""
    dropped = [each for each in analyze(path).kernel if each.namespace == namespace and each.action == "dropped"]
    return [(each.name, each.known_by, each.match, each.point) for each in dropped]


def tracing_programs() -> int:
    """How many programs watch kernels, without the shells that end them."""
    return sum(Path(f"/proc/{pid}/comm").read_text().startswith("python") for pid in watchers())


def in_later(host: DockerHost, *command: str) -> str:
    """What a program of this machine prints in the network namespace of the container later."""
    assert host.shell is not None
    pid = host.client.containers.get("later").attrs["State"]["Pid"]
    return host.shell.run(command, netns=f"/proc/{pid}/ns/net")


def is_later_traced(host: DockerHost) -> bool:
    return "capnet" in in_later(host, sys.executable, "-c", LIST_RULES)


def ping_into_drop(point: str, capture: Capture, host: DockerHost) -> None:
    """Pings the container later when it has joined at this point, and a rule inside it drops pings."""
    wait_until_joined(capture, point, count=2)
    wait_until(lambda: is_later_traced(host), "its namespace is traced")
    assert tracing_programs() == 4  # at A, web and later, and of the machine's drops
    in_later(host, "iptables", "-A", "INPUT", "-p", "icmp", "-j", "DROP")
    web = host.client.containers.get("web")
    execute(web, ["ping", "-c", "4", "-i", "0.1", "-W", "1", address(host, "later")])


def test_why_traces_a_container_that_starts_later(hosts, start_later, tmp_path):
    """Its second life is another namespace; what watched the first one ends with it."""
    a = hosts["A"]
    with (
        nothing_stays(),
        capturing("--all", "--host", f"A={a.url}", "--why", "-w", "w.pcapng", folder=tmp_path) as capture,
    ):
        start_later()
        ping_into_drop("A/later/eth0", capture, a)
        a.client.containers.get("later").restart(timeout=0)
        ping_into_drop("A/later/eth0#2", capture, a)
    (dropped,) = [each for each in analyze(tmp_path / "w.pcapng").kernel if each.action == "dropped"]
    assert (dropped.name, dropped.text) == ("iptables filter INPUT rule 1", "-A INPUT -p icmp -j DROP")
    assert (dropped.namespace, dropped.known_by, dropped.match) == ("A/later", "trace", "equal")
    assert dropped.packets == dropped.missing == 8
    assert {each.point for each in dropped.evidence} == {"A/later/eth0", "A/later/eth0#2"}


def test_why_tells_drops_at_a_later_veth(hosts, start_later, tmp_path):
    """By tc, at an interface that was not there when the kernel's events were first filtered."""
    a = hosts["A"]
    with capturing("--all", "--host", f"A={a.url}", "--why", "-w", "w.pcapng", folder=tmp_path) as capture:
        start_later()
        wait_until_joined(capture, "A/later/eth0", count=2)
        wait_until(lambda: is_later_traced(a), "its namespace is traced")
        (veth,) = (end.veth for each in survey_host(a).containers if each.name == "later" for end in each.endpoints)
        tc = f"{sys.executable} {PROJECT}/tests/live/tc_drop.py {veth} 500 ingress"
        rules(a, f"unshare --mount --propagation private {tc}")
        later = a.client.containers.get("later")
        execute(later, ["ping", "-c", "4", "-i", "0.1", "-W", "1", "-s", "1000", "192.168.111.129"])
    assert ("TC_INGRESS", "drop-reason", "equal", f"A/{veth}") in dropped_in(tmp_path / "w.pcapng", "A")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_ended_why_leaves_nothing_in_later_namespaces(hosts, start_later, tmp_path, how):
    a, chance = hosts["A"], random.Random(how.value)
    with nothing_stays():
        for _ in range(3):
            capture = Capture("--all", "--host", f"A={a.url}", "--why", "-w", "w.pcapng", folder=tmp_path)
            capture.wait_until_ready()
            start_later()
            time.sleep(chance.uniform(0, 0.8))
            capture.end(how)
            assert not is_later_traced(a)
            a.client.containers.get("later").remove(force=True)
