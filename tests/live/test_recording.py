"""Places and taps on real Docker: the right namespace, the right interface, every packet."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capnet.errors import EnvironmentLacks
from capnet.record.find import capture_points
from capnet.record.remote.docker_host import DockerHost
from capnet.record.taps.capture_program import PROGRAMS, CaptureProgram
from capnet.record.taps.listening import listening
from capnet.scenario.docker.execute import execute
from tests.live import swarms
from tests.live.labs import own_hosts

pytestmark = pytest.mark.live

BUSY = ["sh", "-c", "while :; do sleep 1; done"]


@pytest.fixture(scope="module")
def host() -> Iterator[DockerHost]:
    """Host A of a lab of this module's own, with containers one and two on its default bridge."""
    with own_hosts("recording") as opened:
        for name in ("one", "two"):
            opened["A"].client.containers.run("busybox", BUSY, name=name, detach=True)
        yield opened["A"]


def inside(host: DockerHost, container: str, *words: str) -> str:
    status, out = execute(host.client.containers.get(container), list(words))
    assert status == 0, out
    return out


def address(host: DockerHost, container: str) -> str:
    return host.client.containers.get(container).attrs["NetworkSettings"]["IPAddress"]


def count(path: Path, display_filter: str) -> int:
    words = ["tshark", "-n", "-r", str(path), "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    return len(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def test_daemon_is_found_through_its_socket(host: DockerHost) -> None:
    assert host.shell is not None
    with Path(f"/proc/{host.shell.host}/cmdline").open() as cmdline:
        assert cmdline.read().startswith("dockerd")


@pytest.mark.parametrize("name", ["one", "two"])
def test_veth_host_end_equals_sysfs(host: DockerHost, name: str) -> None:
    """/sys/class/net/eth0/iflink, seen inside the container, is the index of the other end on the host."""
    assert host.shell is not None
    index = inside(host, name, "cat", "/sys/class/net/eth0/iflink").strip()
    listing = host.shell.run(["ip", "-o", "link"], netns=host.shell.host_netns)
    expected = next(line.split()[1].split("@")[0] for line in listing.splitlines() if line.startswith(f"{index}: "))
    assert capture_points.veth_host_end(host, name, "eth0", "").interface == expected


def test_container_interface_has_dockers_mac(host: DockerHost) -> None:
    point = capture_points.container_interface(host, "one", "eth0", "")
    assert point.mac == host.client.containers.get("one").attrs["NetworkSettings"]["MacAddress"]
    assert point.name == "A/one/eth0"


def test_missing_interface_lists_those_present(host: DockerHost) -> None:
    with pytest.raises(EnvironmentLacks, match=r"A has no interface eth7 \(it has lo, ens33, docker0"):
        capture_points.host_interface(host, "eth7", "parent", "")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_first_and_last_packet_are_captured(host: DockerHost, program: CaptureProgram, tmp_path: Path) -> None:
    """Nothing but readiness and quiet decides when a tap begins and ends; what was sent is known by construction."""
    points = [
        capture_points.container_interface(host, "one", "eth0", ""),
        capture_points.veth_host_end(host, "one", "eth0", ""),
        capture_points.host_interface(host, "docker0", "bridge", "").filtered("icmp"),
        capture_points.container_interface(host, "two", "eth0", ""),
    ]
    with listening(points, tmp_path, find=lambda shell: program) as captures:
        inside(host, "one", "ping", "-c", "5", "-i", "0.05", address(host, "two"))
    for each in captures:
        assert count(each.path, "icmp.type == 8") == 5, each.point.name
        assert count(each.path, "icmp.type == 0") == 5, each.point.name
        assert each.received is not None and each.received >= 10
        assert each.dropped == 0
    assert count(captures[2].path, "not icmp") == 0  # the capture filter
    times = subprocess.run(
        ["tshark", "-r", str(captures[0].path), "-T", "fields", "-e", "frame.time_epoch"],
        capture_output=True,
        text=True,
    ).stdout.split()
    assert any(not time.endswith("000") for time in times)  # nanoseconds, not microseconds


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_stopped_capture_program_is_let_go_on(host: DockerHost, program: CaptureProgram, tmp_path: Path) -> None:
    """SIGSTOP before the first packet: what waits in the kernel's buffer is read in the end."""
    points = [capture_points.container_interface(host, name, "eth0", "") for name in ("one", "two")]
    with listening(points, tmp_path, find=lambda shell: program) as captures:
        pid = captures[0].process.pid
        os.kill(pid, signal.SIGSTOP)
        inside(host, "one", "ping", "-c", "5", "-i", "0.05", address(host, "two"))
    assert [each.failure for each in captures] == [None, None]
    assert [count(each.path, "icmp.type == 8") for each in captures] == [5, 5]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_failed_capture_program_is_quoted(host: DockerHost, program: CaptureProgram, tmp_path: Path) -> None:
    point = capture_points.host_interface(host, "docker0", "bridge", "").filtered("no such filter")
    with (
        pytest.raises(EnvironmentLacks, match=f"{program.name} cannot capture at A/docker0: .*filter"),
        listening([point], tmp_path, find=lambda shell: program),
    ):
        pytest.fail("it began to listen")


def test_program_ends_when_its_stdin_closes(host: DockerHost, tmp_path: Path) -> None:
    """kill -9 leaves no time to stop anything: closing stdin, as the kernel does then, must be enough."""
    assert host.shell is not None
    with (tmp_path / "out").open("wb") as out:
        process = host.shell.start(["sleep", "1000"], netns=host.shell.host_netns, stdout=out, stderr=out)
    assert process.poll() is None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) != 0


def test_overlay_namespace_holds_the_vxlan_device(host: DockerHost, tmp_path: Path) -> None:
    """The VNI of the vxlan device in the namespace that was found is the one that Docker gave the network."""
    client = host.client
    swarms.found({"A": client})
    try:
        network = client.networks.create("net", driver="overlay", attachable=True)
        for life in range(2):  # the namespace goes with the last container and comes back under another name
            box: Any = swarms.attached(client, "net", f"box{life}")
            point = capture_points.overlay_interface(host, "net", box.name, "vxlan0", "")
            found = next(e for e in capture_points.interfaces(point.shell, point.netns) if e["ifname"] == "vxlan0")
            network.reload()
            vnis = network.attrs["Options"]["com.docker.network.driver.overlay.vxlanid_list"]
            assert found["linkinfo"]["info_data"]["id"] == int(vnis)
            box.remove(force=True)
    finally:
        client.swarm.leave(force=True)
