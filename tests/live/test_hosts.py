"""What a scenario finds on a person's own Docker hosts stays as it was; what it cannot do there, it says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from capnet.lab import addressing
from capnet.lab.daemon import processes, settings
from capnet.record.find.listening_ports import listening_ports
from capnet.record.remote.shell import Shell
from capnet.scenario.docker.removal import UNDO, leave_swarm, remove_container, remove_network
from capnet.scenario.docker.swarm import enter
from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT
from tests.live import swarms
from tests.live.labs import own_clients
from tests.live.swarms import Clients
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def hosts() -> Iterator[Clients]:
    with own_clients("hosts") as clients:
        yield clients


@pytest.fixture(autouse=True)
def mended(hosts: Clients) -> None:
    """A daemon that a test before left unable to enter a swarm (see `settings.mend`) starts again."""
    settings.mend(addressing.chosen(), print)


def urls(hosts: Clients) -> list[str]:
    socket_of = f"unix://{os.environ['CAPNET_LAB_DIR']}/{{}}/docker.sock"
    return ["--host", socket_of.format("A"), "--peer", socket_of.format("B")]


def capnet(*words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "capnet", *map(str, words)], cwd=PROJECT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def inventory(client: docker.DockerClient) -> dict[str, object]:
    """Without `ingress`: Docker takes it away some time after it has answered that the host has left its swarm."""
    swarm = client.info()["Swarm"]
    return {
        "containers": sorted(each.name for each in client.containers.list(all=True, ignore_removed=True)),
        "networks": sorted(each.name for each in client.networks.list() if each.name != "ingress"),
        "images": sorted(tag for each in client.images.list() for tag in each.tags),
        "swarm": (swarm["LocalNodeState"], swarm.get("NodeID")),
    }


def everything(hosts: Clients) -> dict[str, dict[str, object]]:
    return {name: inventory(client) for name, client in hosts.items()}


@contextlib.contextmanager
def swarm(hosts: Clients, joined: str) -> Iterator[None]:
    """A swarm that host A manages, and B is in it or not; with what is in the block it goes."""
    try:
        swarms.found(hosts, *joined[1:])
        for name in joined:  # Docker makes it a moment after it has entered the swarm
            wait_until(lambda client=hosts[name]: "docker_gwbridge" in inventory(client)["networks"], "docker_gwbridge")
        yield
    finally:
        for client in reversed(hosts.values()):
            for container in client.containers.list(all=True, ignore_removed=True):
                remove_container(container)
        for client in reversed(hosts.values()):
            leave_swarm(client)
            for network in client.networks.list(names=["docker_gwbridge"]):
                remove_network(network)


@pytest.mark.parametrize("joined", ["A", "AB"], ids=["only the manager is in it", "both are in it"])
def test_existing_swarm_is_used_and_stays(hosts: Clients, tmp_path: Path, joined: str) -> None:
    manager = hosts["A"]
    with swarm(hosts, joined):
        mine = manager.networks.create("mine", driver="overlay", attachable=True)
        hosts["A"].containers.create("busybox", name="my-own", network="mine")
        before, nodes = everything(hosts), sorted(node.id for node in manager.nodes.list())
        capnet("scenario", "overlay", *urls(hosts), "--capture", "ens33", "--output", tmp_path)
        if "B" not in joined:  # Docker makes it when the host enters a swarm; ours is gone with our membership
            assert "docker_gwbridge" not in inventory(hosts["B"])["networks"]
        assert everything(hosts) == before
        assert sorted(node.id for node in manager.nodes.list()) == nodes

        vni = json.loads((tmp_path / "overlay.topology.json").read_text())["networks"][0]["vni"]
        mine.reload()
        assert vni != int(mine.attrs["Options"]["com.docker.network.driver.overlay.vxlanid_list"])


def test_slow_swarm_manager_is_waited_for(hosts: Clients) -> None:
    """Its daemon stands still until Docker has answered that the attempt to join continues in the background."""
    manager, worker = addressing.chosen().hosts.values()
    pid = processes.listener(manager)
    assert pid is not None
    with swarm(hosts, "A"), ThreadPoolExecutor() as beside:
        token = hosts["A"].swarm.attrs["JoinTokens"]["Worker"]
        os.kill(pid, signal.SIGSTOP)
        try:
            joined = beside.submit(enter, hosts["B"], worker.address, manager.address, token)
            wait_until(
                lambda: b"Timeout was reached before node joined" in worker.log.read_bytes(), "it gives up to wait"
            )
            assert not joined.done()
        finally:
            os.kill(pid, signal.SIGCONT)
        joined.result()
        assert hosts["B"].info()["Swarm"]["LocalNodeState"] == "active"


def test_container_removed_by_several_is_no_error(hosts: Clients) -> None:
    """As `capnet scenario clean` and a run that was killed while Docker removed its containers."""
    client = hosts["A"]
    box = client.containers.run("busybox", ["sleep", "1000"], labels={UNDO: "true"}, detach=True)
    with ThreadPoolExecutor(8) as beside:
        assert list(beside.map(remove_container, [box] * 8)) == [None] * 8
    assert client.containers.list(all=True) == []


def test_clean_run_by_several_is_no_error(hosts: Clients, tmp_path: Path) -> None:
    """Containers, networks, a swarm of two and an image, each of which somebody else removes meanwhile."""
    archive = b"".join(hosts["A"].images.get("busybox").save(named=True))
    hosts["A"].images.remove("busybox", force=True)
    try:
        before = everything(hosts)
        capnet("scenario", "overlay", *urls(hosts), "--keep", "--output", tmp_path)
        with ThreadPoolExecutor(4) as beside:
            list(beside.map(lambda _: capnet("scenario", "clean", *urls(hosts)), range(4)))
        assert everything(hosts) == before
    finally:
        hosts["A"].images.load(archive)


def test_network_listed_by_a_worker_is_waited_for(hosts: Clients) -> None:
    """The manager alone can remove it; the worker forgets it some time after its last container."""
    with swarm(hosts, "AB"), ThreadPoolExecutor() as beside:
        made = hosts["A"].networks.create("across", driver="overlay", attachable=True)
        box = swarms.attached(hosts["B"], "across", "across")
        listed = hosts["B"].networks.list(names=["across"])
        removed = [beside.submit(remove_network, each) for each in (made, *listed)]
        box.remove(force=True)
        assert [each.result(60) for each in removed] == [None, None]
        assert [client.networks.list(names=["across"]) for client in hosts.values()] == [[], []]


def test_kept_scenario_is_removed_by_clean(hosts: Clients, tmp_path: Path) -> None:
    before = everything(hosts)
    capnet("scenario", "overlay", *urls(hosts), "--keep", "--output", tmp_path)
    kept = everything(hosts)
    assert kept["A"]["containers"] == ["left"] and kept["B"]["containers"] == ["right"]
    assert hosts["A"].containers.get("left").exec_run(["ping", "-c", "1", "right"]).exit_code == 0

    again = capnet("scenario", "bridge", *urls(hosts), "--output", tmp_path)  # a later run leaves it alone
    assert "dead run" not in again.stderr
    assert everything(hosts) == kept

    capnet("scenario", "clean", *urls(hosts))
    assert everything(hosts) == before
    assert capnet("scenario", "clean", *urls(hosts)).stdout == "nothing was left\n"


def test_missing_image_is_made_and_removed(hosts: Clients, tmp_path: Path) -> None:
    client = hosts["A"]
    archive = b"".join(client.images.get("busybox").save(named=True))
    client.images.remove("busybox", force=True)
    try:
        done = capnet("scenario", "bridge", *urls(hosts), "--output", tmp_path)
        assert "no registry answers" in done.stderr
        assert inventory(client)["images"] == []
    finally:
        client.images.load(archive)


def test_unavailable_image_is_named(hosts: Clients, tmp_path: Path) -> None:
    before = everything(hosts)
    done = capnet("scenario", "bridge", *urls(hosts), "--image", "no/such:1", "--output", tmp_path, code=4)
    assert "has no image no/such:1" in done.stderr
    assert "--image" in done.stderr
    assert everything(hosts) == before


@pytest.mark.parametrize("image", ["Bad Image!", ""])
def test_bad_image_name_is_refused(hosts: Clients, tmp_path: Path, image: str) -> None:
    done = capnet("scenario", "none", *urls(hosts)[:2], "--image", image, "--output", tmp_path, code=2)
    assert done.stderr.splitlines()[-1].startswith("capnet: --image")


def test_daemon_setting_for_labs_only_is_told(hosts: Clients, tmp_path: Path) -> None:
    """This daemon has its userland proxy, so the scenario fails, and whoever reads that knows why."""
    done = capnet("scenario", "bridge-hairpin-noproxy", *urls(hosts)[:2], "--output", tmp_path, code=1)
    assert "about a daemon with userland-proxy=false; capnet sets that in a lab only (--lab)" in done.stderr


def test_foreign_container_of_that_name_is_kept(hosts: Clients, tmp_path: Path) -> None:
    other = hosts["A"].containers.create("busybox", name="bbox")
    try:
        before = everything(hosts)
        done = capnet("scenario", "bridge", *urls(hosts), "--output", tmp_path, code=2)
        assert "A already has a container named bbox" in done.stderr
        assert everything(hosts) == before
        assert list(tmp_path.iterdir()) == []
    finally:
        other.remove()


def test_taken_port_is_told_before_anything_is_built(hosts: Clients, tmp_path: Path) -> None:
    other = hosts["A"].containers.run("busybox", ["sleep", "1000"], name="other", ports={"80/tcp": 8080}, detach=True)
    try:
        before = everything(hosts)
        done = capnet("scenario", "bridge", *urls(hosts), "--output", tmp_path, code=2)
        assert "port 8080 of host A is taken by container other, which publishes its port 80/tcp" in done.stderr
        assert "container web" not in done.stderr
        assert everything(hosts) == before
    finally:
        other.remove(force=True)


def test_port_of_a_program_is_told_with_its_name(hosts: Clients, tmp_path: Path) -> None:
    server = [sys.executable, "-m", "http.server", "7000"]
    listener = subprocess.Popen(["nsenter", f"--net={addressing.chosen().hosts['B'].netns}", "--", *server])
    try:
        wait_until(
            lambda: 7000 in listening_ports(Shell("self"), str(addressing.chosen().hosts["B"].netns)), "port 7000"
        )
        done = capnet("scenario", "bridge", *urls(hosts), "--output", tmp_path, code=2)
        assert "port 7000 of host B is taken by python" in done.stderr
        assert f"(process {listener.pid})" in done.stderr
    finally:
        listener.kill()
        listener.wait()


def test_overlapping_subnet_is_told_with_its_network(hosts: Clients, tmp_path: Path) -> None:
    pool = docker.types.IPAMPool(subnet="2001:db8::/32")
    other = hosts["A"].networks.create("lab6", ipam=docker.types.IPAMConfig(pool_configs=[pool]), enable_ipv6=True)
    try:
        done = capnet("scenario", "bridge-user-defined", *urls(hosts), "--output", tmp_path, code=2)
        assert "2001:db8:111::/64, which bridge-user-defined needs, overlaps with 2001:db8::/32" in done.stderr
        assert "Docker's network lab6 on host A" in done.stderr
    finally:
        other.remove()


def test_unknown_interface_is_told_before_it_builds(hosts: Clients, tmp_path: Path) -> None:
    done = capnet("scenario", "bridge", *urls(hosts), "--capture", "nosuch0", "--output", tmp_path, code=2)
    assert "--capture nosuch0: no host has an interface of that name" in done.stderr
    assert "A has lo, ens33" in done.stderr
    assert "container web" not in done.stderr


@pytest.mark.parametrize("name", ["bridge", "bridge-internal", "bridge-user-defined", "macvlan"])
def test_one_host_plays_what_needs_no_second(hosts: Clients, tmp_path: Path, name: str) -> None:
    before = everything(hosts)
    done = capnet("scenario", name, *urls(hosts)[:2], "--output", tmp_path)
    assert "no second host (--peer)" in done.stderr
    assert "could not be checked here:" in done.stderr
    assert "left out: " in done.stderr
    assert everything(hosts) == before


def test_second_run_says_who_runs(hosts: Clients, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "capnet", "scenario", "bridge", *urls(hosts), "--output", str(tmp_path / "first")]
    first = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_output(first, "A: container web")
        done = capnet("scenario", "none", *urls(hosts)[:2], "--output", tmp_path / "second", code=4)
        assert f"capnet scenario bridge (process {first.pid}) uses host A" in done.stderr
    finally:
        first.communicate(timeout=300)
    assert first.returncode == 0


def test_host_behind_tcp_is_captured_by_a_container(hosts: Clients, tmp_path: Path) -> None:
    before = everything(hosts)
    with forwarded(f"{os.environ['CAPNET_LAB_DIR']}/B/docker.sock") as port:
        host = urls(hosts)[1]
        done = capnet("scenario", "bridge", "--host", host, "--peer", f"tcp://127.0.0.1:{port}", "--output", tmp_path)
    assert "B: the daemon is not on this machine; a container runs what needs root" in done.stderr
    topology = json.loads((tmp_path / "bridge.topology.json").read_text())
    assert {point["host"] for point in topology["points"]} == {"A", "B"}
    images = [tag for tag in everything(hosts)["B"]["images"] if "capnet-capture" in tag]
    assert len(images) == 1
    hosts["B"].images.remove(images[0])
    assert everything(hosts) == before


class forwarded:
    """A TCP port on this machine that leads to a unix socket, as `dockerd -H tcp://` would.

    What a command in a container prints first comes together with the header of the answer, as it may on a slow wire.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._accept, daemon=True).start()
        return int(self._server.getsockname()[1])

    def __exit__(self, *exc: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._path)
            executes = threading.Event()
            for pump in ((self._ask, near, far, executes), (self._answer, far, near, executes)):
                threading.Thread(target=pump[0], args=pump[1:], daemon=True).start()

    @staticmethod
    def _ask(source: socket.socket, sink: socket.socket, executes: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if b"/exec/" in data and b"/start " in data:
                    executes.set()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _answer(source: socket.socket, sink: socket.socket, executes: threading.Event) -> None:
        held = b""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                held += data
                if not executes.is_set() or held.partition(b"\r\n\r\n")[2]:
                    executes.clear()
                    sink.sendall(held)
                    held = b""
            sink.sendall(held)
            sink.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("step", ["swarm of", "container left", "capture at", "left to host"])
def test_next_run_removes_what_a_kill_left(
    hosts: Clients, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a folder for temporary files of its own: any other run on this machine removes what it finds there too."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    before = everything(hosts)
    words = [sys.executable, "-m", "capnet", "scenario", "overlay", *urls(hosts), "--output", str(tmp_path)]
    with subprocess.Popen(words, cwd=PROJECT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_for_output(process, step)
        process.send_signal(signal.SIGKILL)
    assert [path.name.split("-")[2] for path in temporary.iterdir()] == [str(process.pid)]

    def cleaned() -> bool:
        """Docker may still be making what it was asked for last: that is there some time after the asker is dead."""
        capnet("scenario", "clean", *urls(hosts))
        return everything(hosts) == before

    assert "removed" in capnet("scenario", "clean", *urls(hosts)).stdout
    assert list(temporary.iterdir()) == []
    wait_until(cleaned, "all is as it was")
