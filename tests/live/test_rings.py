"""Rings of files know what the kernels say in the time of each file, in a lab of this module's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.record.remote.docker_host import DockerHost
from capnet.topology import Topology, topology_path, witnesses_path
from capnet.witnesses import Witnesses
from tests.live.captures import capturing, inside, seen, url
from tests.live.labs import own_hosts

pytestmark = pytest.mark.live

RULE = "-d 192.168.111.129 -p icmp -m comment --comment shut -j DROP"
MUCH = ("-i", "0.002", "-s", "1400")


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, DockerHost]]:
    """A: web."""
    with own_hosts("ring") as opened:
        opened["A"].client.containers.run("busybox", ["sleep", "9999"], name="web", detach=True)
        yield opened


def on_host(host: DockerHost, command: str) -> None:
    assert host.shell is not None
    host.shell.run(["sh", "-c", command], netns=host.shell.host_netns)


def ring(host: DockerHost, folder: Path, *options: str, rule: str = RULE) -> list[Path]:
    """The files of a ring: pings to the gateway fill them, and those to B meet the rule in between."""
    on_host(host, f"iptables -I DOCKER-USER {rule}")
    try:
        with capturing("web", *url(host), "-C", "2", *options, "-w", "r.pcapng", folder=folder):
            for _ in range(3):
                inside(host, "web", "sh", "-c", "ping -c 7 -i 0.05 -W 1 192.168.111.129; true")
                inside(host, "web", "ping", "-c", "600", *MUCH, "172.17.0.1")
    finally:
        on_host(host, f"iptables -D DOCKER-USER {rule}")
    return sorted(folder.glob("r_*.pcapng"))


def drops(path: Path) -> list[tuple[str, int, int, str]]:
    reasons = analyze([path]).kernel
    return [(each.name, each.packets, each.missing, each.match) for each in reasons if each.action == "dropped"]


def test_rule_is_named_in_the_file_of_its_drops(hosts, tmp_path):
    """Pings that lie wholly in one file are all that the rule counted then; of no file it is said to be another one."""
    paths = ring(hosts["A"], tmp_path)
    assert len(paths) >= 4
    named = [drop for path in paths for drop in drops(path)]
    assert ("iptables filter DOCKER-USER rule 1", 7, 7, "equal") in named
    assert {name for name, *_ in named} == {"iptables filter DOCKER-USER rule 1"}
    for path in paths:
        for _, packets, missing, _ in drops(path):
            assert packets <= missing == seen(path, "icmp.type == 8 && ip.dst == 192.168.111.129")["A/docker0"]


def test_file_has_the_moments_of_its_own_time(hosts, tmp_path):
    """The end of one is the beginning of the next, and its packets lie in between, but for a second."""
    paths = ring(hosts["A"], tmp_path)
    moments = []
    for path in paths:
        if not witnesses_path(path).exists():
            continue
        (host,) = (each for each in Witnesses.load(witnesses_path(path)).namespaces if each.name == "A")
        assert host.before is not None and host.after is not None
        moments.append((path, host.before.time, host.after.time))
    assert len(moments) >= len(paths) - 1  # the rest of the packets may have filled another file at the end
    assert all(first[2] <= second[1] for first, second in pairwise(moments))
    for path, before, after in moments:
        report = analyze([path])
        assert before - 10**9 < min(each.first for each in report.points if each.first)
        assert max(each.last for each in report.points if each.last) < after + 10**9


def test_file_that_goes_takes_its_witnesses(hosts, tmp_path):
    paths = ring(hosts["A"], tmp_path, "-W", "2")
    assert len(paths) == 2
    beside = {function(path) for path in paths for function in (topology_path, witnesses_path)}
    assert set(tmp_path.glob("*.json")) <= beside
    assert any(witnesses_path(path).exists() for path in paths)


def test_rule_that_drops_nothing_is_not_named(hosts, tmp_path):
    paths = ring(hosts["A"], tmp_path, rule=RULE.replace("icmp", "udp"))
    assert sum(seen(path, "icmp.type == 0")["A/web/eth0"] for path in paths) == 3 * 607
    assert [drop for path in paths for drop in drops(path)] == []


def test_files_of_two_hosts_have_clock_readings(hosts, tmp_path):
    words = ("web", "-i", "ens33", *url(hosts["A"]), *url(hosts["B"]), "-C", "1", "-w", "c.pcapng")
    with capturing(*words, folder=tmp_path):
        inside(hosts["A"], "web", "ping", "-c", "600", *MUCH, "192.168.111.129")
    for path in sorted(tmp_path.glob("c_*.pcapng")):
        assert all(host.clock for host in Topology.load(topology_path(path)).hosts)
