"""`capnet capture` of containers that run on real Docker, in a lab of this module's own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.record.remote.docker_host import DockerHost
from capnet.topology import Topology
from capnet.wire.capture import open_capture
from tests.live import swarms
from tests.live.captures import (
    PROJECT,
    READY,
    Capture,
    address,
    capturing,
    inside,
    ping,
    points,
    seen,
    taps_below,
    times,
    url,
)  # fmt: skip
from tests.live.labs import own_hosts
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live

BUSY = ["sh", "-c", "while :; do sleep 1; done"]
SHOP = {"com.docker.compose.project": "shop"}
REQUESTS = "icmp.type == 8"


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, DockerHost]]:
    """A: web and two on the default bridge, api and db of project shop on network back. B: client."""
    with own_hosts("capture") as opened:
        run = opened["A"].client.containers.run
        for name in ("web", "two"):
            run("busybox", BUSY, name=name, detach=True)
        opened["A"].client.networks.create("back")
        for name in ("api", "db"):
            labels = {**SHOP, "com.docker.compose.service": name}
            run("busybox", BUSY, name=f"shop-{name}-1", network="back", labels=labels, detach=True)
        opened["B"].client.containers.run("busybox", BUSY, name="client", detach=True)
        yield opened


# -- what is captured ----------------------------------------------------------------------------------
def test_container_is_captured_from_inside_to_the_nic(hosts, tmp_path):
    with capturing("web", *url(hosts["A"]), "-w", "web.pcapng", folder=tmp_path):
        ping(hosts["A"], "web", "192.168.111.129")
    counts = seen(tmp_path / "web.pcapng", REQUESTS)
    names = points(tmp_path / "web.pcapng")
    assert [name for name in names if "veth" not in name] == ["A/web/eth0", "A/docker0", "A/ens33"]
    assert counts == dict.fromkeys(names, 5)
    assert times(tmp_path / "web.pcapng") == sorted(times(tmp_path / "web.pcapng"))
    topology = Topology.load(tmp_path / "web.topology.json")
    assert any("src=" + address(hosts["A"], "web") in line for line in topology.hosts[0].conntrack)
    assert (tmp_path / "web.witnesses.json").exists()


def test_default_file_is_named_after_the_container(hosts, tmp_path):
    with capturing("web", *url(hosts["A"]), folder=tmp_path) as capture:
        (path,) = tmp_path.glob("web-20*.pcapng")
    assert f"in {path.name}\n" in capture.said


def test_filter_behind_the_name_is_used(hosts, tmp_path):
    with capturing(
        "web", "icmp", "and", "host", "192.168.111.129", *url(hosts["A"]), "-w", "f.pcapng", folder=tmp_path
    ):
        ping(hosts["A"], "web", "192.168.111.129", 2)
        ping(hosts["A"], "web", address(hosts["A"], "two"), 2)
    assert set(seen(tmp_path / "f.pcapng", "frame").values()) == {4}
    assert not seen(tmp_path / "f.pcapng", f"ip.addr == {address(hosts['A'], 'two')}")


@pytest.mark.parametrize(
    "words", [("--network", "back"), ("--project", "shop"), ("shop",), ("shop-api-1", "shop-db-1")]
)
def test_group_of_containers_has_each_point_once(hosts, tmp_path, words):
    with capturing(*words, *url(hosts["A"]), "-w", "shop.pcapng", folder=tmp_path):
        ping(hosts["A"], "shop-api-1", "shop-db-1")
    counts = seen(tmp_path / "shop.pcapng", REQUESTS)
    names = points(tmp_path / "shop.pcapng")
    assert len(names) == len(set(names)) == 8  # lo, eth0, veth of both; the bridge; the NIC
    assert set(counts.values()) == {5}
    assert len(counts) == 5  # all but both loopbacks and the NIC
    assert seen(tmp_path / "shop.pcapng", "dns")["A/shop-api-1/lo"] > 0  # Docker's own server


@pytest.mark.parametrize(("words", "promiscuous"), [((), {1}), (("-p",), {0})])
def test_interfaces_are_left_as_they_are_on_request(hosts, tmp_path, words, promiscuous):
    """The kernel counts how many want promiscuous mode; the host end of the lab's veth is another interface."""
    with capturing("web", *words, *url(hosts["A"]), "-w", "f.pcapng", folder=tmp_path):
        shell = hosts["A"].shell
        links = [
            json.loads(shell.run(["ip", "-j", "-d", "link", "show", name], netns=shell.host_netns))[0]
            for name in ("ens33", "docker0")
        ]
    assert {link["promiscuity"] for link in links} == promiscuous


def test_compose_service_is_its_containers(hosts, tmp_path):
    with capturing("--service", "api", *url(hosts["A"]), "-w", "api.pcapng", folder=tmp_path):
        ping(hosts["A"], "shop-api-1", "shop-db-1")
    assert not any("shop-db-1" in name for name in points(tmp_path / "api.pcapng"))


def test_two_hosts_are_one_capture(hosts, tmp_path):
    words = ("web", "client", *url(hosts["A"]), *url(hosts["B"]), "-w", "both.pcapng")
    with capturing(*words, folder=tmp_path):
        ping(hosts["A"], "web", "192.168.111.129")
    counts = seen(tmp_path / "both.pcapng", REQUESTS)
    assert (counts["A/ens33"], counts["B/ens33"]) == (5, 5)
    assert {"A/web/eth0", "B/client/eth0"} <= set(points(tmp_path / "both.pcapng"))


def test_swarm_service_is_captured_on_both_hosts(hosts, tmp_path):
    """One task on each host, an overlay between them: inside, in the overlay's namespace, and as VXLAN on the wire."""
    clients = {name: host.client for name, host in hosts.items()}
    swarms.found(clients, "B")
    try:
        clients["A"].networks.create("net", driver="overlay", attachable=True)
        clients["A"].services.create(
            "busybox", BUSY, name="pair", networks=["net"], mode={"Replicated": {"Replicas": 2}}, maxreplicas=1
        )
        deadline = time.monotonic() + 60
        while not all(client.containers.list(filters={"name": "pair"}) for client in clients.values()):
            assert time.monotonic() < deadline, "the service does not run"
            time.sleep(0.1)
        (task,) = clients["A"].containers.list(filters={"name": "pair"})
        (other,) = clients["B"].containers.list(filters={"name": "pair"})
        there = other.attrs["NetworkSettings"]["Networks"]["net"]["IPAddress"]
        words = ("--service", "pair", *url(hosts["A"]), *url(hosts["B"]), "-w", "pair.pcapng")
        with capturing(*words, folder=tmp_path):
            ping(hosts["A"], task.name, there)
        path = tmp_path / "pair.pcapng"
        counts = seen(path, REQUESTS)
        for name in ("A/overlay:net/vxlan0", "B/overlay:net/br0", "A/ens33", "B/ens33"):
            assert counts[name] == 5, name
        assert seen(path, f"vxlan && {REQUESTS}") == {"A/ens33": 5, "B/ens33": 5}
    finally:
        for service in clients["A"].services.list():
            service.remove()
        for client in reversed(clients.values()):
            client.swarm.leave(force=True)


def test_interface_needs_no_docker(tmp_path):
    words = [
        "unshare",
        "-n",
        "sh",
        "-c",
        'ip link set lo up; exec "$@"',
        "sh",
        sys.executable,
        "-m",
        "capnet",
        "capture",
    ]
    words += ["-i", "lo", "icmp", "-w", "lo.pcapng"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "DOCKER_HOST": "unix:///nonexistent"}
    with subprocess.Popen(words, cwd=tmp_path, env=environment, text=True, stderr=subprocess.PIPE) as process:
        try:
            wait_for_output(process, READY)
            (tap,) = taps_below(process.pid, "lo")
            ask = ["nsenter", f"--net=/proc/{tap}/ns/net", "ping", "-c", "3", "-i", "0.1", "127.0.0.1"]
            subprocess.run(ask, stdout=subprocess.DEVNULL, check=True)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    (point,) = points(tmp_path / "lo.pcapng")
    assert point.endswith("/lo")
    assert seen(tmp_path / "lo.pcapng", REQUESTS) == {point: 3}  # libpcap passes on what lo receives


# -- where it goes -------------------------------------------------------------------------------------
def test_stream_is_live_in_tshark(hosts, tmp_path):
    """Each packet is printed while the capture goes on, seconds before its end."""
    capture = Capture("web", "icmp", *url(hosts["A"]), "-w", "-", folder=tmp_path)
    words = ["tshark", "-l", "-n", "-r", "-", "-T", "fields", "-e", "frame.interface_name", "-e", "icmp.type"]
    with subprocess.Popen(words, stdin=capture.process.stdout, stdout=subprocess.PIPE, text=True) as tshark:
        assert tshark.stdout is not None
        capture.wait_until_ready()
        ping(hosts["A"], "web", "192.168.111.129", 1)
        lines = [tshark.stdout.readline() for _ in range(8)]
        assert capture.process.poll() is None
        assert sorted(line.split()[0] for line in lines if line.endswith("\t8\n")) == sorted(
            name for name in {line.split()[0] for line in lines}
        )
        capture.process.stdout = None  # tshark's now
        assert capture.end() == 0
        assert tshark.stdout.read() == ""
    assert list(tmp_path.iterdir()) == []


def test_reader_that_goes_ends_the_stream(hosts, tmp_path):
    """Without a packet to write, too."""
    capture = Capture("web", "udp port 1", *url(hosts["A"]), "-w", "-", folder=tmp_path)
    capture.wait_until_ready()
    assert capture.process.stdout is not None
    capture.process.stdout.close()
    capture.process.stdout = None
    assert capture.end(None, within=20) == 0


def test_ring_files_are_whole_bundles(hosts, tmp_path):
    with capturing("web", *url(hosts["A"]), "-C", "1", "-W", "3", "-w", "r.pcapng", folder=tmp_path):
        inside(hosts["A"], "web", "ping", "-c", "400", "-i", "0.002", "-s", "1400", "192.168.111.129")
    captures = sorted(tmp_path.glob("*.pcapng"))
    assert [int(path.name.split("_")[1]) for path in captures] == list(range(len(captures) + 1))[-3:] or len(
        captures
    ) == 3
    for path in captures:
        assert path.stat().st_size <= 1_010_000
        assert re.fullmatch(r"r_\d{5}_\d{14}\.pcapng", path.name)
        assert len(points(path)) == 4
        with open_capture(path) as capture:
            assert sum(1 for _ in capture.records()) > 100
            assert capture.problems == []
    stamps = [stamp for path in captures for stamp in times(path)]
    assert stamps == sorted(stamps)


def test_count_ends_the_capture(hosts, tmp_path):
    with capturing("web", "icmp", "-c", "7", *url(hosts["A"]), "-w", "c.pcapng", folder=tmp_path) as capture:
        ping(hosts["A"], "web", "192.168.111.129")
        capture.process.wait(30)
    assert sum(seen(tmp_path / "c.pcapng", "icmp").values()) == 7
    with open_capture(tmp_path / "c.pcapng") as opened:
        last = max(record.time for record in opened.records())
        assert {each.ended for each in opened.interfaces} == {last}  # what a point has afterwards is not missing
        assert sum(each.delivered or 0 for each in opened.interfaces) == 7


def test_duration_ends_the_capture(hosts, tmp_path):
    began = time.monotonic()
    with capturing("web", "--duration", "1s", *url(hosts["A"]), "-w", "c.pcapng", folder=tmp_path) as capture:
        capture.process.wait(30)
    assert time.monotonic() - began < 20


def test_snaplen_cuts_packets(hosts, tmp_path):
    with capturing("web", "icmp", "-s", "60", *url(hosts["A"]), "-w", "s.pcapng", folder=tmp_path):
        ping(hosts["A"], "web", "192.168.111.129", 2)
    assert seen(tmp_path / "s.pcapng", "frame.cap_len == 60 && frame.len == 98").total() == 16


def test_report_follows_the_capture(hosts, tmp_path):
    with capturing("web", "--report", *url(hosts["A"]), "-w", "r.pcapng", folder=tmp_path) as capture:
        ping(hosts["A"], "web", "192.168.111.129")
    analyzed = [sys.executable, "-m", "capnet", "analyze", "r.pcapng"]
    again = subprocess.run(
        analyzed, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE
    )
    assert capture.printed == again.stdout.decode()
    assert "SNAT (MASQUERADE)" in capture.printed
    assert "A/docker0" in capture.printed


def test_terminal_shows_a_line_for_each_point(hosts, tmp_path):
    """Redrawn in place: the cursor goes up by as many lines as there are."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    words = [sys.executable, "-m", "capnet", "capture", "web", *url(hosts["A"]), "-w", "t.pcapng"]
    with subprocess.Popen(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stderr=terminal) as run:
        os.close(terminal)
        try:
            text = ""
            while text.count("\x1b[6A") < 2:
                assert select.select([screen], [], [], 30)[0], text
                text += os.read(screen, 4096).decode()
                assert len(text) < 100_000, text
            run.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                while True:
                    text += os.read(screen, 4096).decode()
        finally:
            run.kill()
    assert run.returncode == 0
    rows = re.findall(r"A/web/eth0 +\d+ +\d+ k?B +\S+", text)
    assert len(rows) >= 3  # twice while it ran, and the last table
    assert "t.pcapng · Ctrl-C ends the capture" in text


# -- however it ends -----------------------------------------------------------------------------------
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.5, 0.9, 1.4, 2.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_what_was_captured_survives_a_signal(hosts, tmp_path, number, delay):
    """At any moment from its start on. What was on the wire a second before is in the file."""
    capture = Capture("web", *url(hosts["A"]), "-w", "s.pcapng", folder=tmp_path)
    time.sleep(0.3)  # nothing says how far it has come: that is the point
    sender = (
        hosts["A"]
        .client.containers.get("web")
        .exec_run(["ping", "-c", "60", "-i", "0.05", "192.168.111.129"], detach=True)
    )
    assert sender is not None
    time.sleep(delay)
    code = capture.end(number)
    inside(hosts["A"], "web", "sh", "-c", "killall ping; true")
    path = tmp_path / "s.pcapng"
    # A program that is still being loaded ends by the signal itself, and has made nothing.
    assert code in ((-number,) if number == signal.SIGKILL or (not path.exists() and code < 0) else (0, 130))
    if code == 0:
        assert "in s.pcapng\n" in capture.said
    if path.exists():
        with open_capture(path) as opened:
            list(opened.blocks())
            assert [each.name for each in opened.problems if each.name != "truncated-file"] == []
        assert len(points(path)) == 4
    if code == 0 and delay >= 1.4:
        assert seen(path, REQUESTS)["A/web/eth0"] > 0


def test_second_signal_loses_nothing(hosts, tmp_path):
    capture = Capture("web", *url(hosts["A"]), "-w", "s.pcapng", folder=tmp_path)
    capture.wait_until_ready()
    ping(hosts["A"], "web", "192.168.111.129")
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        capture.process.send_signal(number)
    assert capture.end(signal.SIGINT) == 0
    assert seen(tmp_path / "s.pcapng", REQUESTS) == dict.fromkeys(points(tmp_path / "s.pcapng"), 5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_tap_ends_its_point_alone(hosts, tmp_path, number):
    with capturing("web", *url(hosts["A"]), "-w", "k.pcapng", folder=tmp_path) as capture:
        ping(hosts["A"], "web", "192.168.111.129")
        time.sleep(1.5)  # the kernel hands packets over after its timeout, and says nothing
        (tap,) = taps_below(capture.process.pid, "docker0")
        os.kill(tap, number)
        ping(hosts["A"], "web", "192.168.111.129", 3)
    counts = seen(tmp_path / "k.pcapng", REQUESTS)
    assert counts.pop("A/docker0") == 5
    assert set(counts.values()) == {8}
    assert re.search(r"A/docker0 ended at \d\d:\d\d:\d\d: ", capture.said)
    assert "A/docker0 (ended)" in capture.said


def test_container_that_goes_ends_its_points_alone(hosts, tmp_path):
    hosts["A"].client.containers.run("busybox", BUSY, name="guest", detach=True)
    with capturing("guest", *url(hosts["A"]), "-w", "g.pcapng", folder=tmp_path) as capture:
        ping(hosts["A"], "guest", "192.168.111.129")
        time.sleep(1.5)
        hosts["A"].client.containers.get("guest").remove(force=True)
        ping(hosts["A"], "web", "192.168.111.129", 3)
    counts = seen(tmp_path / "g.pcapng", REQUESTS)
    assert (counts["A/guest/eth0"], counts["A/docker0"], counts["A/ens33"]) == (5, 8, 8)
    assert re.search(r"A/guest/eth0 ended at \S+: container guest has stopped", capture.said)
    assert re.search(r"A/(veth\w+) ended at \S+: \1 is gone, or was set down", capture.said)


def test_veth_that_leaves_its_bridge_is_said(hosts, tmp_path):
    """At the end of the capture, and in its report; it has its bridge again afterwards."""
    host = hosts["A"]
    host.client.containers.run("busybox", BUSY, name="guest", detach=True)
    try:
        with capturing("guest", *url(host), "-w", "g.pcapng", folder=tmp_path) as capture:
            ping(host, "guest", address(host, "web"), 3)
            (veth,) = set(re.findall(r"A/(veth\w+)", capture.said))
            host.shell.run(["ip", "link", "set", veth, "nomaster"], netns=host.shell.host_netns)
            with contextlib.suppress(Exception):  # nothing answers
                ping(host, "guest", address(host, "web"), 3)
    finally:
        host.client.containers.get("guest").remove(force=True)
    assert f"A/{veth} left docker0 meanwhile, and is no port of it: `ip link set {veth} master docker0`" in capture.said
    findings = analyze(tmp_path / "g.pcapng").findings
    assert any(f"{veth} on A was a port of docker0 when the capture began" in each.says for each in findings)


def test_nothing_left_to_capture_ends_it(hosts, tmp_path):
    hosts["A"].client.containers.run("busybox", BUSY, name="guest", network="none", detach=True)
    try:
        capture = Capture("guest", *url(hosts["A"]), "-w", "g.pcapng", folder=tmp_path)
        capture.wait_until_ready()
        (tap,) = taps_below(capture.process.pid, "lo")
        os.kill(tap, signal.SIGKILL)
        assert capture.end(None) == 0
        assert "nothing is left to capture" in capture.said
    finally:
        hosts["A"].client.containers.get("guest").remove(force=True)


def test_full_disk_is_said_and_the_file_stays(hosts, tmp_path):
    """A file system of 1 MiB: the file ends with a whole packet, and all others of the capture with it."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=True)
    try:
        capture = Capture("web", *url(hosts["A"]), "-w", str(small / "f.pcapng"), folder=tmp_path)
        capture.wait_until_ready()
        inside(hosts["A"], "web", "ping", "-c", "400", "-i", "0.002", "-s", "1400", "192.168.111.129")
        assert capture.end(None) == 4
        assert "f.pcapng cannot be written any further (No space left on device)" in capture.said
        shutil.copy(small / "f.pcapng", tmp_path / "copy.pcapng")
        assert seen(tmp_path / "copy.pcapng", REQUESTS).total() > 200
    finally:
        subprocess.run(["umount", small], check=True)


def test_full_disk_of_the_programs_is_exit_4(hosts, tmp_path):
    """Their folder has no room: the capture goes on, and what is in the file can be read."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", small], check=True)
    try:
        capture = Capture("web", *url(hosts["A"]), "-w", "f.pcapng", folder=tmp_path, env={"TMPDIR": str(small)})
        capture.wait_until_ready()
        inside(hosts["A"], "web", "ping", "-c", "400", "-i", "0.002", "-s", "1400", "192.168.111.129")
        assert capture.end() == 4
        assert f"no space left in {small}/" in capture.said and "packets in f.pcapng" in capture.said
        assert seen(tmp_path / "f.pcapng", REQUESTS).total() > 100
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_dead_daemon_ends_nothing(hosts, tmp_path):
    """The last test: host B has no daemon afterwards."""
    with capturing("client", *url(hosts["B"]), "--why", "-w", "d.pcapng", folder=tmp_path) as capture:
        pid = int((Path(os.environ["CAPNET_LAB_DIR"]) / "B" / "dockerd.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        ping(hosts["A"], "web", "192.168.111.129")
    reasons = [line for line in capture.said.splitlines() if "has ended" in line]
    assert reasons == ["B: connections, rules and counters of the end are not kept: the Docker daemon has ended"]
    assert "nsenter" not in capture.said
    assert seen(tmp_path / "d.pcapng", REQUESTS)["B/ens33"] == 5
    assert json.loads((tmp_path / "d.topology.json").read_text())["containers"][0]["name"] == "client"
