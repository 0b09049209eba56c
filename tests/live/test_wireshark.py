"""capnet's extcap under tshark: containers of a lab as interfaces, their packets, and nothing that stays behind.

As root tshark reads the global extcap folder only. So each test installs with --system into a copy of it, which lies
over the folder in a mount namespace of the test's own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.lab import lab
from capnet.lab.addressing import Lab
from capnet.record.remote.docker_host import connect
from capnet.wireshark.program import find_wireshark

PROJECT = Path(__file__).resolve().parents[2]
CAPNET = shlex.join([sys.executable, "-m", "capnet"])
PINGS = [
    "sh",
    "-c",
    "while :; do ping -c 1 -W 1 172.17.0.2; sleep 0.1; done",
]
BUSY = ["sh", "-c", "while :; do sleep 1; done"]

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (Debian: apt install tshark)"),
]


@pytest.fixture(scope="module")
def made() -> Iterator[Lab]:
    """A lab of this module's own; on A `bbox` pings `web` all the time, and `db` is on a network of an odd name."""
    before = os.environ.get("CAPNET_LAB_DIR")
    os.environ["CAPNET_LAB_DIR"] = f"/run/capnet-shark-{os.getpid()}"
    try:
        with lab.running(print) as made:
            host = connect(made.hosts["A"].docker_url, name="A")
            host.client.networks.create("my net {x}")
            for name, command, network in (
                ("web", BUSY, "bridge"),
                ("bbox", PINGS, "bridge"),
                ("db", BUSY, "my net {x}"),
            ):
                host.client.containers.run("busybox", command, name=name, network=network, detach=True)
            host.close()
            yield made
    finally:
        del os.environ["CAPNET_LAB_DIR"]
        if before is not None:
            os.environ["CAPNET_LAB_DIR"] = before


class Desk:
    """A place with the extcap installed; `run` runs a shell script there."""

    def __init__(self, folder: Path, extcap: Path) -> None:
        self.temporary = folder / "tmp"
        self.copy = folder / "extcap"
        self.home = folder / "home"
        for made in (self.temporary, self.copy, self.home):
            made.mkdir()
        self.variables = {
            **os.environ, "PYTHONPATH": str(PROJECT), "HOME": str(self.home), "TMPDIR": str(self.temporary),
        }  # fmt: skip
        over = f"cp -a {extcap}/. {self.copy}; mount --bind {self.copy} {extcap}"
        self.begin = f"set -e; {over}; {CAPNET} wireshark install --system >/dev/null; "

    def start(self, script: str) -> subprocess.Popen[str]:
        """Starts the script in a mount namespace of its own."""
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", self.begin + script]
        return subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.variables, cwd=PROJECT
        )

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """The finished script."""
        with self.start(script) as process:
            stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(script, process.returncode, stdout, stderr)

    def processes(self) -> list[str]:
        """Command lines of what runs with this desk's environment."""
        mark = f"TMPDIR={self.temporary}".encode()
        lines = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # it has ended
                continue
        return lines

    def wait_until_empty(self) -> None:
        """Fails unless every process ends and every temporary file goes."""
        deadline = time.monotonic() + 40
        while (left := [*self.processes(), *self.temporary.iterdir()]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert left == []


@pytest.fixture
def desk(made: Lab, tmp_path: Path) -> Iterator[Desk]:
    """The place of a test. Whatever the test did, nothing may stay behind it."""
    extcap = find_wireshark().global_extcap
    assert extcap is not None
    before = set(extcap.iterdir())
    opened = Desk(tmp_path, extcap)
    yield opened
    opened.wait_until_empty()
    assert set(extcap.iterdir()) == before


FIELDS = "-n -T fields -e frame.interface_name -e ip.src -e ip.dst -e icmp.type"


def rows(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_tshark_lists_hosts_containers_networks(desk: Desk) -> None:
    listed = desk.run("tshark -D").stdout
    interfaces = re.findall(r"^\d+\. (capnet\S+) \((.*)\)$", listed, re.MULTILINE)
    assert dict(interfaces) == {
        "capnet-host:A": "all containers of A",
        "capnet-host:B": "all containers of B",
        "capnet:A/bbox": "container bbox of A (bridge 172.17.0.3)",
        "capnet:A/db": "container db of A (my net ?x? 172.18.0.2)",
        "capnet:A/web": "container web of A (bridge 172.17.0.2)",
        "capnet-network:A/bridge": "network bridge of A (bridge)",
        "capnet-network:A/my%20net%20%7Bx%7D": "network my net ?x? of A (bridge)",
    }


def test_tshark_captures_container_at_all_its_points(desk: Desk) -> None:
    captured = rows(desk.run(f"tshark -i capnet:A/web -f icmp -c 30 {FIELDS}"))
    assert len(captured) == 30
    names = {name for name, *_ in captured}
    assert {"A/web/eth0", "A/docker0"} < names
    assert any(name.startswith("A/veth") for name in names)
    assert {(source, target) for _, source, target, _ in captured} == {
        ("172.17.0.3", "172.17.0.2"), ("172.17.0.2", "172.17.0.3")
    }  # fmt: skip


def test_tshark_captures_two_interfaces_at_once(desk: Desk) -> None:
    """Until both have shown what only one of them does: on a busy machine the second begins much later."""
    names: set[str] = set()
    script = f"exec tshark -l -i capnet:A/web -i capnet-network:A/bridge -f icmp {FIELDS}"
    with desk.start(script) as process:
        assert process.stdout is not None
        for line in process.stdout:
            names.add(line.split("\t")[0])
            if {"A/web/eth0", "A/bbox/eth0"} <= names:
                break
        process.terminate()
        process.communicate(timeout=60)
    assert {"A/web/eth0", "A/bbox/eth0"} <= names


def test_tshark_captures_all_containers_of_a_host(desk: Desk) -> None:
    captured = rows(desk.run(f"tshark -i capnet-host:A -f icmp -c 60 {FIELDS}"))
    assert {"A/web/eth0", "A/bbox/eth0", "A/docker0"} < {name for name, *_ in captured}


def test_filter_and_snaplen_hold_at_every_point(desk: Desk) -> None:
    script = (
        f"tshark -i capnet:A/web -f 'icmp[0] == 8' -o extcap.capnet_a_web.snaplen:60 -c 12 {FIELDS} -e frame.cap_len"
    )
    assert {tuple(row[3:]) for row in rows(desk.run(script))} == {("8", "60")}


def test_buffer_is_that_of_every_point(desk: Desk) -> None:
    """As tcpdump and dumpcap are told it, in KiB or MiB."""
    with desk.start(f"exec tshark -i capnet:A/web -f 'port 9' -o extcap.capnet_a_web.buffer:3 {FIELDS}") as process:
        wait_for_taps(desk)
        buffers = set(re.findall(r"-B (\d+)", "\n".join(desk.processes())))
        process.terminate()
        process.communicate(timeout=60)
    assert buffers <= {"3", "3072"} and buffers


def test_later_container_is_captured(desk: Desk, made: Lab) -> None:
    """It begins after the capture of its network, and dumpcap takes its interface in the middle of the stream."""
    host = connect(made.hosts["A"].docker_url, name="A")
    with desk.start(f"exec tshark -l -i capnet-network:A/bridge -f icmp {FIELDS}") as process:
        assert process.stdout is not None
        wait_for_taps(desk)
        host.client.containers.run("busybox", PINGS, name="later", detach=True)
        try:
            names = (line.split("\t")[0] for line in process.stdout)
            assert any(name == "A/later/eth0" for name in names)
        finally:
            process.terminate()
            _, stderr = process.communicate(timeout=60)
            host.client.containers.get("later").remove(force=True)
            host.close()
    assert "extcap pipe" not in stderr


def test_network_of_odd_name_is_captured(desk: Desk) -> None:
    """Its bridge sees nothing but what db sends there."""
    with desk.start(f"tshark -i 'capnet-network:A/my%20net%20%7Bx%7D' -f icmp -c 2 {FIELDS}") as process:
        host = connect(f"unix://{os.environ['CAPNET_LAB_DIR']}/A/docker.sock", name="A")
        try:
            while process.poll() is None:
                host.client.containers.get("db").exec_run(["ping", "-c", "1", "-W", "1", "172.18.0.1"])
        finally:
            host.close()
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert {frozenset(line.split("\t")[1:3]) for line in stdout.splitlines()} == {
        frozenset(("172.18.0.1", "172.18.0.2"))
    }


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("tshark -i capnet:A/web -f 'porti 80' -c 1", 'Invalid capture filter "porti 80"'),
        ("tshark -i capnet-host:B -c 1", "no container is running"),
    ],
)
def test_error_is_shown_by_tshark(desk: Desk, script: str, complaint: str) -> None:
    done = desk.run(script)
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if re.search("Error (by|from) extcap pipe", line)]
    assert len(errors) == 1 and "capnet: " in errors[0] and complaint in errors[0]


def test_capture_that_ends_well_complains_of_nothing(desk: Desk) -> None:
    assert "extcap pipe" not in desk.run("tshark -i capnet:A/web -c 3").stderr


@pytest.mark.parametrize("filter_text", ["icmp", "port 9"], ids=["busy", "silent"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_end_of_tshark_ends_everything(desk: Desk, number: signal.Signals, filter_text: str) -> None:
    """Wireshark that is killed removes nothing itself: the FIFO and its file are left, and these only."""
    with desk.start(f"exec tshark -i capnet:A/web -f '{filter_text}' -w {desk.home}/packets") as process:
        wait_for_taps(desk)
        process.send_signal(number)
        process.communicate(timeout=60)
        if number == signal.SIGKILL:  # its dumpcap reads the FIFO until it sees that nothing takes what it has read
            for pid in pids_of(desk, "dumpcap -n"):
                os.kill(pid, signal.SIGKILL)
            for path in desk.temporary.glob("wireshark_*"):  # since 4.6 the FIFO is in a folder
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_kill_of_the_extcap_ends_its_programs(desk: Desk) -> None:
    with desk.start(f"exec tshark -i capnet:A/web -f 'port 9' -w {desk.home}/packets") as process:
        wait_for_taps(desk)
        for pid in pids_of(desk, "capnet.extcap"):
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)
    for path in desk.temporary.glob("capnet-*"):  # of a kill -9; `capnet scenario clean` removes it
        shutil.rmtree(path)


def test_stopped_daemon_has_no_interfaces_and_no_delay(desk: Desk) -> None:
    pid = int((Path(os.environ["CAPNET_LAB_DIR"]) / "B" / "dockerd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        listed = desk.run("tshark -D").stdout
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "capnet:A/web" in listed
    assert "capnet-host:B" not in listed


def test_user_without_permission_sees_no_interfaces(desk: Desk) -> None:
    """tshark that is not root reads WIRESHARK_EXTCAP_DIR. The daemon's socket is root's."""
    user = f"setpriv --reuid=65534 --regid=65534 --clear-groups env WIRESHARK_EXTCAP_DIR={desk.copy} HOME=/nonexistent"
    for folder in (desk.copy, *desk.copy.parents[:3]):
        folder.chmod(0o755)
    python = next(filter(None, (runnable_by(user, path) for path in (sys.executable, "/usr/bin/python3"))), None)
    if python is None:
        pytest.skip(f"other users can run neither {sys.executable} nor a Python >= 3.11 in /usr/bin")
    change = f"sed -i 's#^exec [^ ]* #exec {python} #' {desk.copy}/capnet; chmod 1777 {desk.temporary}"
    done = desk.run(
        f"{change}; tshark -D | grep -c capnet; {user} {desk.copy}/capnet --extcap-interfaces; {user} tshark -D"
    )
    assert done.returncode == 0, done.stderr
    of_root, of_user, *interfaces = done.stdout.splitlines()
    assert int(of_root) == 7
    assert of_user.startswith("extcap {version=")
    assert "capnet" not in "".join(interfaces) + done.stderr
    assert interfaces


def runnable_by(user: str, python: str) -> str | None:
    """The interpreter, if that user can run capnet with it."""
    words = f"{user} PYTHONPATH={PROJECT} {python} -P -c 'import sys, capnet; sys.exit(sys.version_info < (3, 11))'"
    return python if subprocess.run(words, shell=True, capture_output=True).returncode == 0 else None


def pids_of(desk: Desk, words: str) -> list[int]:
    mark = f"TMPDIR={desk.temporary}".encode()
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if words in line and mark in (folder / "environ").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
        except OSError:
            continue
    return pids


def wait_for_taps(desk: Desk) -> None:
    """Until the capture programs in web's namespace run."""
    deadline = time.monotonic() + 60
    while not pids_of(desk, "-i eth0") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids_of(desk, "-i eth0")
