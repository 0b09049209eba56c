"""The lab as a person uses it: by its commands, in a folder of its own beside whatever else runs here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from capnet.lab import lab
from capnet.lab.addressing import Lab
from tests.live import swarms
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[2]
HOSTS = {"A": "192.168.111.128", "B": "192.168.111.129"}


class Bench:
    """One lab folder, its commands, and a look at the machine from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.suffix = Lab(folder).suffix
        assert self.suffix  # so nothing here can be mistaken for the default lab

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "capnet", "lab", *words],
            cwd=PROJECT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=400)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def inside(self, host: str, *words: str) -> str:
        done = self.run("exec", host, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def recorded(self) -> list[tuple[str, str]]:
        """Everything the lab says it made or was about to make."""
        try:
            return [(kind, name) for kind, name in json.loads((self.folder / "lab.json").read_text())["made"]]
        except FileNotFoundError:
            return []

    def dockerd(self, host: str) -> int:
        return int((self.folder / host / "dockerd.pid").read_text())

    def traces(self) -> dict[str, list[str]]:
        """What of this lab can be found on the machine."""
        hierarchies = Path("/sys/fs/cgroup")
        return {
            "namespaces": sorted(path.name for path in Path("/run/netns").glob(f"*{self.suffix}")),
            "mounts": [
                line
                for line in Path("/proc/self/mountinfo").read_text().splitlines()
                if self.suffix in line or str(self.folder) in line
            ],
            "cgroups": sorted(str(path) for path in hierarchies.glob(f"**/capnet-?{self.suffix}")),
            "processes": sorted(self._processes()),
            "folder": [str(self.folder)] if self.folder.exists() else [],
        }

    def _processes(self) -> Iterator[str]:
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                cgroup = (process / "cgroup").read_text()
                state = (process / "stat").read_text().rpartition(") ")[2][:1]
            except OSError:
                continue
            if state == "Z":  # it has ended; process 1, whose child it is now, has not asked how
                continue
            if str(self.folder) in command or self.suffix in cgroup:
                yield f"{process.name} {command}"


NOTHING: dict[str, list[str]] = {
    "namespaces": [],
    "mounts": [],
    "cgroups": [],
    "processes": [],
    "folder": [],
}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    parent = Path(tempfile.mkdtemp(prefix="capnet-test-", dir="/run"))
    monkeypatch.setenv("CAPNET_LAB_DIR", str(parent / "lab"))
    here = Bench(parent / "lab")
    try:
        yield here
        last = here.run("down")
        assert last.returncode == 0, last.stderr
        assert here.traces() == NOTHING
    finally:
        here.run("down")
        shutil.rmtree(parent)


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def root_namespace() -> dict[str, object]:
    """What the machine itself has of the things that Docker likes to change."""
    return {
        "links": sorted(link["ifname"] for link in json.loads(output("ip", "-j", "link"))),
        "routes": output("ip", "route"),
        "rules": [line for line in output("iptables-save").splitlines() if not line.startswith("#")],
        "forwards": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "/etc/docker": {path.name: path.read_bytes() for path in Path("/etc/docker").glob("*") if path.is_file()},
        "folders": sorted(str(path) for root in ("/opt", "/var/lib") for path in Path(root).glob("*")),
    }


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "does not happen"
        time.sleep(0.002)


def test_lab_has_two_docker_hosts_on_one_lan(bench: Bench) -> None:
    machine = root_namespace()
    made = bench.run("up")
    assert made.returncode == 0, made.stderr
    took = float(made.stderr.splitlines()[-1].removeprefix("lab: up after ").removesuffix(" s"))
    assert took < 20  # 3 s on two processors

    for name, address in HOSTS.items():
        (uplink,) = json.loads(bench.inside(name, "ip", "-j", "-4", "address", "show", "dev", "ens33"))
        (ours,) = uplink["addr_info"]
        assert (ours["local"], ours["prefixlen"]) == (address, 24)
        assert bench.inside(name, "hostname").strip() == name
        client = docker.DockerClient(base_url=f"unix://{bench.folder}/{name}/docker.sock")
        try:
            assert client.info()["Name"] == name
            client.containers.run("busybox", ["true"], remove=True)
        finally:
            client.close()
    bench.inside("A", "ping", "-c1", "-W5", HOSTS["B"])
    bench.inside("B", "ping", "-c1", "-W5", HOSTS["A"])

    assert bench.run("exec", "A", "sh", "-c", "exit 7").returncode == 7
    assert bench.inside("B", "sh", "-c", "echo $DOCKER_HOST").strip() == f"unix://{bench.folder}/B/docker.sock"
    assert bench.run("status").returncode == 0

    assert all(bench.traces().values()), bench.traces()  # so that NOTHING means something
    assert bench.run("down").returncode == 0
    assert bench.traces() == NOTHING
    assert root_namespace() == machine


def test_lab_has_no_route_out(bench: Bench) -> None:
    bench.run("up")
    lan = f"capnet-lan{bench.suffix}"
    links = json.loads(output("ip", "-n", lan, "-j", "-details", "link"))
    # The router's interfaces: the bridge and its two ports. Each port's peer is a host, no other namespace.
    assert sorted(link["ifname"] for link in links) == ["lan0", "lo", "to-A", "to-B"]
    (only,) = json.loads(output("ip", "-n", lan, "-j", "-4", "route"))
    assert only["dst"] == "192.168.111.0/24"
    for name in HOSTS:
        interfaces = json.loads(bench.inside(name, "ip", "-j", "link"))
        assert sorted(link["ifname"] for link in interfaces) == ["docker0", "ens33", "lo"]
        refused = bench.run("exec", name, "ping", "-c1", "-W5", "198.51.100.1")  # RFC 5737: nobody's address
        assert "Destination Net Unreachable" in refused.stdout


def test_swarm_overlay_reaches_the_other_host(bench: Bench) -> None:
    bench.run("up")
    clients = {name: docker.DockerClient(base_url=f"unix://{bench.folder}/{name}/docker.sock") for name in HOSTS}
    try:
        a, b = clients["A"], clients["B"]
        swarms.found(clients, "B")
        until(lambda: [node.attrs["Status"]["State"] for node in a.nodes.list()] == ["ready", "ready"])
        assert {node.attrs["Description"]["Hostname"] for node in a.nodes.list()} == set(HOSTS)
        a.networks.create("across", driver="overlay", attachable=True)
        # Processes that ignore SIGTERM, and a policy that would start them again: `down` ends them all the same.
        always = {"Name": "always"}
        swarms.attached(a, "across", "one", restart_policy=always)
        swarms.attached(b, "across", "two", restart_policy=always)
        address = a.containers.get("one").attrs["NetworkSettings"]["Networks"]["across"]["IPAddress"]
        two = b.containers.get("two")  # which is told by the swarm's gossip where the other is
        until(lambda: two.exec_run(["ping", "-c1", "-W1", address]).exit_code == 0)
    finally:
        for client in clients.values():
            client.close()


def test_second_up_changes_nothing(bench: Bench) -> None:
    bench.run("up")
    before = [bench.dockerd(host) for host in HOSTS]
    again = bench.run("up")
    assert again.returncode == 0
    assert again.stderr == "lab: the lab is already up\n"
    assert [bench.dockerd(host) for host in HOSTS] == before


def test_two_ups_at_once_make_one_lab(bench: Bench) -> None:
    with bench.start("up") as one, bench.start("up") as two:
        said = [process.communicate(timeout=400)[1] for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert sum("already up" in text for text in said) == 1
    assert len(bench.traces()["namespaces"]) == 3


def test_two_runs_at_once_take_turns_and_leave_nothing(bench: Bench, tmp_path: Path) -> None:
    """Whoever made the lab, it goes with the last of them."""
    words = [sys.executable, "-m", "capnet", "scenario", "container", "--lab", "--output", str(tmp_path)]
    with (
        subprocess.Popen(words, cwd=PROJECT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as one,
        subprocess.Popen(words, cwd=PROJECT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as two,
    ):
        said = [process.communicate(timeout=400)[1] for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert bench.traces() == NOTHING


def test_lab_of_a_killed_run_goes_with_the_next_run(bench: Bench, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "capnet", "scenario", "none", "--lab", "--output", str(tmp_path)]
    with subprocess.Popen(words, cwd=PROJECT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_for_output(process, "container bbox")
        process.kill()
    assert bench.run("status").returncode == 0
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert bench.traces() == NOTHING


def test_lab_asked_for_during_a_run_stays(bench: Bench) -> None:
    with lab.running(print):
        assert bench.run("up").returncode == 0
    assert bench.run("status").returncode == 0


def test_down_without_lab_says_so(bench: Bench) -> None:
    done = bench.run("down")
    assert (done.returncode, done.stderr) == (0, "lab: there is no lab\n")
    assert bench.run("status").returncode == 1


@pytest.mark.parametrize("things", range(1, 8))
def test_killed_up_leaves_nothing_after_down(bench: Bench, things: int) -> None:
    """`kill -9` when the record names so many things: the last of them may be made, half made or not at all."""
    with bench.start("up") as process:
        until(lambda: len(bench.recorded()) >= things or process.poll() is not None)
        process.kill()
    assert bench.run("down").returncode == 0
    assert bench.traces() == NOTHING


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("things", [1, 3, 7])
def test_interrupted_up_undoes_itself(bench: Bench, number: signal.Signals, things: int) -> None:
    with bench.start("up") as process:
        until(lambda: len(bench.recorded()) >= things)
        process.send_signal(number)
        _, said = process.communicate(timeout=400)
    assert process.returncode == 130, said
    assert bench.traces() == NOTHING


@pytest.mark.parametrize("victims", ["A", "AB"])
def test_killed_daemons_leave_nothing_after_down(bench: Bench, victims: str) -> None:
    bench.run("up")
    for host in HOSTS:
        bench.inside(host, "docker", "run", "-d", "-p", "8080:80", "busybox", "sleep", "600")
    for host in victims:
        os.kill(bench.dockerd(host), signal.SIGKILL)
    until(lambda: bench.run("status").returncode == 1)
    assert bench.run("down").returncode == 0
    assert bench.traces() == NOTHING


def test_up_repairs_a_lab_with_a_dead_daemon(bench: Bench) -> None:
    bench.run("up")
    os.kill(bench.dockerd("B"), signal.SIGKILL)
    until(lambda: bench.run("status").returncode == 1)
    assert bench.run("exec", "A", "true").returncode != 0
    repaired = bench.run("up")
    assert repaired.returncode == 0
    assert "not whole" in repaired.stderr
    assert bench.run("status").returncode == 0


def test_running_removes_only_what_it_made(bench: Bench) -> None:
    with lab.running(print) as made:
        assert set(made.hosts) == set(HOSTS)
    assert bench.traces() == NOTHING
    bench.run("up")
    with lab.running(print) as found:
        assert found.hosts["A"].address == HOSTS["A"]
    assert bench.run("status").returncode == 0


def test_folders_made_by_docker_are_removed(bench: Bench) -> None:
    """A machine that never ran Docker lacks them; here it is a mount namespace with an empty /opt and /var/lib."""
    command = f"{sys.executable} -m capnet lab"
    script = f"""
        set -e
        mount -t tmpfs tmpfs /opt
        mkdir /opt/upper /opt/work
        mount -t overlay -o lowerdir=/etc,upperdir=/opt/upper,workdir=/opt/work overlay /etc
        mount -t tmpfs tmpfs /opt
        mount -t tmpfs tmpfs /var/lib
        rm -rf /etc/docker
        {command} up
        {command} exec A docker swarm init --advertise-addr {HOSTS["A"]} >/dev/null
        {command} exec A docker network create --driver overlay --attachable across >/dev/null
        ran=no  # Docker has 20 s for a container's network in a swarm that has just begun
        for try in 1 2 3; do {command} exec A docker run --rm --network across busybox true && ran=yes && break; done
        test $ran = yes
        {command} down
        find /opt /var/lib -mindepth 1
        test ! -e /etc/docker
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "", done.stdout
    assert done.returncode == 0, done.stderr


def test_missing_program_is_named_with_its_package(bench: Bench) -> None:
    dockerd = shutil.which("dockerd")
    hidden = f"mount --bind /dev/null {dockerd}; exec {sys.executable} -m capnet lab up"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hidden], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert done.stderr == "capnet: the lab lacks dockerd; apt-get install docker.io\n"


def test_missing_nsenter_is_named(bench: Bench) -> None:
    bench.run("up")
    hidden = f"mount --bind /dev/null {shutil.which('nsenter')}; exec {sys.executable} -m capnet lab exec A true"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hidden], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert done.stderr == "capnet: nsenter cannot be run (Permission denied); install it, or look at PATH\n"


def test_foreign_lab_folder_is_refused(bench: Bench) -> None:
    bench.folder.mkdir()
    (bench.folder / "letters").write_text("mine")
    for command in ("up", "down", "status"):
        assert "is not a lab's folder" in bench.run(command).stderr
    assert (bench.folder / "letters").read_text() == "mine"
    shutil.rmtree(bench.folder)


def test_down_from_inside_a_host_is_refused(bench: Bench) -> None:
    bench.run("up")
    command = (sys.executable, "-m", "capnet", "lab", "down")
    refused = bench.run("exec", "A", *command)
    assert refused.returncode == 2
    assert "inside the lab" in refused.stderr
    assert bench.run("status").returncode == 0
