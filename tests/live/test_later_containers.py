"""Containers that start, restart, stop or get another network while they are captured, in a lab of the module's own."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.record.remote.docker_host import DockerHost
from capnet.topology import Topology
from capnet.wire.capture import open_capture
from tests.cli.test_watch import terminal
from tests.live.captures import Capture, capturing, inside, ping, points, seen, times, url
from tests.live.labs import own_hosts
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live

BUSY = ["sh", "-c", "while :; do sleep 1; done"]
REQUESTS = "icmp.type == 8"
PEER = "192.168.111.129"
JOINS = "captured from "


@pytest.fixture(scope="module")
def host() -> Iterator[DockerHost]:
    """Host A with the container web of the project shop, on the network back."""
    with own_hosts("later") as opened:
        opened["A"].client.networks.create("back")
        start(opened["A"], "web")
        yield opened["A"]


@pytest.fixture
def guest(host: DockerHost) -> Iterator[str]:
    """The name of a container that the test starts; it is removed afterwards."""
    yield "guest"
    for container in host.client.containers.list(all=True, filters={"name": "^/?guest$"}):
        container.remove(force=True)


def start(host: DockerHost, name: str, project: str = "shop", network: str = "back", service: str = "") -> None:
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": service or name}
    host.client.containers.run("busybox", BUSY, name=name, network=network, labels=labels, detach=True)


def wait_until_joined(capture: Capture, name: str, count: int = 3) -> None:
    """Until so many points, this one among them, are captured that were not: of a container, lo, eth0 and a veth."""
    assert capture.process.stderr is not None
    joined: list[str] = []
    for line in capture.process.stderr:
        capture.said += line
        if line.startswith(JOINS):
            joined += line.partition(": ")[2].strip().split(", ")
        if len(joined) >= count and any(each.startswith(name) for each in joined):
            return
    pytest.fail(f"{name} never joined: {joined}, {capture.said}")


# -- what joins ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "words", [("--project", "shop"), ("--network", "back"), ("--service", "guest", "web"), ("--all",)]
)
def test_container_that_is_covered_joins(host, guest, tmp_path, words):
    if "--service" in words:
        start(host, "other", service="guest")
    try:
        with capturing(*words, *url(host), "-w", "j.pcapng", folder=tmp_path) as capture:
            start(host, guest)
            wait_until_joined(capture, "A/guest/eth0")
            ping(host, guest, PEER)
    finally:
        if "--service" in words:
            host.client.containers.get("other").remove(force=True)
    path = tmp_path / "j.pcapng"
    names = points(path)
    assert seen(path, REQUESTS)["A/guest/eth0"] == 5
    assert len(names) == len(set(names))
    assert set(seen(path, REQUESTS)) <= set(names)
    topology = Topology.load(tmp_path / "j.topology.json")
    assert guest in [container.name for container in topology.containers]
    (end,) = next(each for each in topology.containers if each.name == guest).endpoints
    assert seen(path, REQUESTS)[f"A/{end.veth}"] == 5
    with open_capture(path) as opened:
        list(opened.blocks())
        assert opened.problems == []
        assert opened.names.of[end.addresses[0].partition("/")[0]] == [guest]


def test_container_that_is_not_covered_stays_out(host, guest, tmp_path):
    """Another one that is covered comes behind it: by then it would be there."""
    with capturing("--project", "shop", *url(host), "-w", "n.pcapng", folder=tmp_path) as capture:
        start(host, guest, project="other")
        start(host, "late")
        wait_until_joined(capture, "A/late/eth0")
        host.client.containers.get("late").remove(force=True)
    assert not any("guest" in name for name in points(tmp_path / "n.pcapng"))
    names = [each.name for each in Topology.load(tmp_path / "n.topology.json").containers]
    assert "late" in names


@pytest.mark.parametrize("is_removed", [False, True])
def test_container_that_ends_at_once_is_told(host, guest, tmp_path, is_removed):
    """It has ended before capnet looks; one of another project is not told."""
    with capturing("--project", "shop", *url(host), "-w", "e.pcapng", folder=tmp_path) as capture:
        for name, project in (("stranger", "other"), (guest, "shop")):
            labels = {"com.docker.compose.project": project}
            host.client.containers.run("busybox", ["true"], name=name, network="back", labels=labels, remove=is_removed)
        assert capture.process.stderr is not None
        for line in capture.process.stderr:
            capture.said += line
            if "container A/guest started, and is not captured" in line:
                break
    assert not any("guest" in name for name in points(tmp_path / "e.pcapng"))
    if not is_removed:
        host.client.containers.get("stranger").remove()
    assert capture.said.count("is not captured") == 1, capture.said
    assert "stranger" not in capture.said


def test_container_that_is_not_covered_has_its_name(host, guest, tmp_path):
    """It has no points of its own; the bridge shows what it sends to one that is covered."""
    address = host.client.containers.get("web").attrs["NetworkSettings"]["Networks"]["back"]["IPAddress"]
    with capturing("web", *url(host), "-w", "b.pcapng", folder=tmp_path):
        start(host, guest, project="other")
        inside(host, guest, "ping", "-c", "20", "-i", "0.1", address)
    assert not any("guest" in name for name in points(tmp_path / "b.pcapng"))
    names = Topology.load(tmp_path / "b.topology.json").names()
    assert names[host.client.containers.get(guest).attrs["NetworkSettings"]["Networks"]["back"]["IPAddress"]] == guest


def test_restarted_container_has_new_points(host, tmp_path):
    """Its second life is another point, because nothing was listened at in between; both have the container's name."""
    with capturing("web", *url(host), "-w", "r.pcapng", folder=tmp_path) as capture:
        ping(host, "web", PEER)
        host.client.containers.get("web").restart(timeout=0)
        wait_until_joined(capture, "A/web/eth0#2")
        ping(host, "web", PEER, 3)
    assert re.search(r"A/web/eth0 ended at \d\d:\d\d:\d\d: container web has stopped", capture.said), (
        capture.said.splitlines()
    )
    path = tmp_path / "r.pcapng"
    assert seen(path, REQUESTS)["A/web/eth0#2"] == 3
    assert seen(path, REQUESTS)["A/ens33"] == 8
    topology = Topology.load(tmp_path / "r.topology.json")
    (web,) = [each for each in topology.containers if each.name == "web"]
    assert {point.container for point in topology.points if point.name.startswith("A/web/eth0")} == {"web"}
    assert f"A/{web.endpoints[0].veth}" in points(path)
    with open_capture(path) as opened:
        list(opened.blocks())
        first, second = (each for each in opened.interfaces if (each.name or "").startswith("A/web/eth0"))
        assert first.ended < second.started
    assert times(path) == sorted(times(path))


def test_analysis_of_a_restart_claims_no_loss(host, tmp_path):
    """The NIC shows packets of the new container before its own points are listened at: they are not lost."""
    asks = ["sh", "-c", f"while :; do ping -c 1 -W 1 {PEER}; sleep 0.05; done"]
    host.client.containers.run("busybox", asks, name="asks", detach=True)
    try:
        with capturing("asks", "--report", *url(host), "-w", "l.pcapng", folder=tmp_path) as capture:
            host.client.containers.get("asks").restart(timeout=0)
            wait_until_joined(capture, "A/asks/eth0#2", 2)
    finally:
        host.client.containers.get("asks").remove(force=True)
    assert "No packet lost between capture points." in capture.printed


def test_network_that_is_connected_joins(host, guest, tmp_path):
    start(host, guest)
    host.client.networks.create("more")
    try:
        with capturing(guest, *url(host), "-w", "c.pcapng", folder=tmp_path) as capture:
            host.client.networks.get("more").connect(guest)
            wait_until_joined(capture, "A/br-")
            network = host.client.networks.get("more")
            ping(host, guest, network.attrs["IPAM"]["Config"][0]["Gateway"])
        bridge = f"A/br-{network.id[:12]}"
        assert seen(tmp_path / "c.pcapng", REQUESTS)[bridge] == 5
        assert seen(tmp_path / "c.pcapng", REQUESTS)["A/guest/eth1"] == 5
    finally:
        host.client.containers.get(guest).remove(force=True)
        host.client.networks.get("more").remove()


def test_witnesses_know_what_joined(host, guest, tmp_path):
    with capturing("--project", "shop", *url(host), "-w", "w.pcapng", folder=tmp_path) as capture:
        start(host, guest)
        wait_until_joined(capture, "A/guest/eth0")
        ping(host, guest, PEER)
    from capnet.witnesses import Witnesses

    witnesses = Witnesses.load(tmp_path / "w.witnesses.json")
    by_name = {namespace.name: namespace for namespace in witnesses.namespaces}
    assert "A/guest/eth0" in by_name["A/guest"].points
    assert by_name["A/guest"].before is not None
    assert by_name["A/guest"].after is not None
    assert set(points(tmp_path / "w.pcapng")) == {each for space in witnesses.namespaces for each in space.points}


# -- where it goes -------------------------------------------------------------------------------------
def test_later_point_is_live_in_tshark(host, guest, tmp_path):
    capture = Capture("--project", "shop", "icmp", *url(host), "-w", "-", folder=tmp_path)
    words = ["tshark", "-l", "-n", "-r", "-", "-T", "fields", "-e", "frame.interface_name"]
    with subprocess.Popen(words, stdin=capture.process.stdout, stdout=subprocess.PIPE, text=True) as tshark:
        assert tshark.stdout is not None
        assert capture.process.stdout is not None
        capture.process.stdout.close()
        capture.process.stdout = None
        capture.wait_until_ready()
        start(host, guest)
        wait_until_joined(capture, "A/guest/eth0")
        ping(host, guest, PEER, 1)
        names = {tshark.stdout.readline().strip() for _ in range(8)}
        assert "A/guest/eth0" in names
        assert capture.end() == 0
        tshark.communicate(timeout=30)


def test_ring_files_have_the_points_of_their_time(host, guest, tmp_path):
    """Every file can be read by itself: one that begins later has the interface from the beginning."""
    words = ("--project", "shop", *url(host), "-C", "1", "-w", "r.pcapng")
    with capturing(*words, folder=tmp_path) as capture:
        inside(host, "web", "ping", "-c", "200", "-i", "0.002", "-s", "1400", PEER)
        start(host, guest)
        wait_until_joined(capture, "A/guest/eth0")
        inside(host, guest, "ping", "-c", "300", "-i", "0.002", "-s", "1400", PEER)
        host.client.containers.get(guest).remove(force=True)
        wait_for_output(capture.process, "A/guest/eth0 ended at ")
        inside(host, "web", "ping", "-c", "400", "-i", "0.002", "-s", "1400", PEER)
    captures = sorted(tmp_path.glob("*.pcapng"))
    guests = []
    for path in captures:
        assert set(seen(path, REQUESTS)) <= set(points(path))
        with open_capture(path) as opened:
            list(opened.blocks())
            assert opened.problems == []
            guests.append(next((each for each in opened.interfaces if each.name == "A/guest/eth0"), None))
    kept = sum(seen(path, REQUESTS)["A/guest/eth0"] for path in captures)
    assert 200 < kept <= 300  # the last 0.25 s were in the kernel when the container was killed
    assert guests[0] is None
    assert guests[-1] is not None
    for guest_point, path in zip(guests, captures, strict=True):
        if guest_point and guest_point.packets:
            assert guest_point.started <= guest_point.first
            assert guest_point.ended >= guest_point.last - 10**9, path


def test_watch_shows_a_later_container(host, guest):
    with terminal("watch", "--project", "shop", "--host", f"A={host.url}") as opened:
        opened.wait_for("q ends")
        start(host, guest)
        sends = ["sh", "-c", f"for i in $(seq 100); do ping -c 1 -W 1 {PEER}; sleep 0.1; done"]
        host.client.containers.get(guest).exec_run(sends, detach=True)
        opened.wait_for(guest)
        opened.press("q")
        assert opened.wait() == 0


# -- however it ends -----------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signal_while_containers_come_leaves_nothing(host, guest, tmp_path, number):
    """At random moments around the start of a container: the file can be read, and no program stays."""
    chance = random.Random(int(number))
    for run in range(5):
        capture = Capture("--project", "shop", *url(host), "-w", f"s{run}.pcapng", folder=tmp_path)
        capture.wait_until_ready()
        start(host, guest)
        time.sleep(chance.uniform(0, 0.8))  # nothing says how far it has come: that is the point
        assert capture.end(number) == (-number if number == signal.SIGKILL else 0), capture.said
        host.client.containers.get(guest).remove(force=True)
        path = tmp_path / f"s{run}.pcapng"
        with open_capture(path) as opened:
            list(opened.blocks())
            assert [each.name for each in opened.problems if each.name != "truncated-file"] == []
            assert {each.name for each in opened.interfaces} <= set(points(path))


def test_daemon_that_dies_is_said(host, tmp_path):
    """The last test: the host has no daemon afterwards."""
    with capturing("web", *url(host), "-w", "d.pcapng", folder=tmp_path) as capture:
        pid = int((Path(os.environ["CAPNET_LAB_DIR"]) / "A" / "dockerd.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_for_output(capture.process, "Docker does not tell which containers start; they are not captured")
    assert points(tmp_path / "d.pcapng")
