"""The scenarios as a person plays them, in a lab of their own, against what conntrack, Docker and tshark say."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest

from capnet.lab import addressing, lab, scenario_runner
from capnet.lab.addressing import LabHost
from capnet.lab.daemon import processes
from capnet.scenario import library
from capnet.scenario.checks import checks
from capnet.scenario.skeleton import write_skeleton
from capnet.scenario.wait import wait_until
from tests.conntrack import reported, translations
from tests.live import swarms
from tests.live.labs import own_clients
from tests.live.swarms import Clients
from tests.live.wait_for_output import rest_of_output, wait_for_output

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Clients]:
    """Both hosts of a running lab, by name."""
    with own_clients("scenarios") as clients:
        yield clients


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "capnet", *words], cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def run(*words: str) -> str:
    with start(*words) as process:
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def things(hosts: dict[str, docker.DockerClient]) -> dict[str, Any]:
    """Everything on the hosts that a scenario could leave behind, and its capture programs."""
    left: dict[str, Any] = {}
    for name, client in hosts.items():
        left[name] = (
            sorted(each.name for each in client.containers.list(all=True, ignore_removed=True)),
            sorted(each.name for each in client.networks.list() if each.name not in ("docker_gwbridge", "ingress")),
            client.info()["Swarm"]["LocalNodeState"],
        )
    left["captures"] = sorted(capture_programs())
    return left


def capture_programs() -> Iterator[str]:
    """Capture programs that a scenario in this test's own lab started: they have inherited its environment."""
    ours = f"CAPNET_LAB_DIR={os.environ['CAPNET_LAB_DIR']}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
            if name in ("dumpcap", "tcpdump") and ours in (process / "environ").read_bytes().split(b"\0"):
                yield name
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended


def test_bridge_shows_what_conntrack_says(hosts: dict[str, docker.DockerClient], tmp_path: Path) -> None:
    before = things(hosts)
    bundle = tmp_path / "bridge.pcapng"
    out = run("scenario", "bridge", "--lab", "--output", str(bundle))
    assert str(bundle) in out
    assert things(hosts) == before

    report = json.loads(run("analyze", str(bundle), "--format", "json"))
    known = translations(tmp_path / "bridge.topology.json")
    found = reported(report)
    assert found <= known
    assert {(row["kind"], row["proto"]) for row in report["nat"]} == {
        ("snat", "tcp"), ("snat", "udp"), ("snat", "icmp"), ("dnat", "tcp"),
    }  # fmt: skip
    # What conntrack has beyond that are connections from before the taps listened.
    ports = {str(side) for each in found for side in (each.before, each.after)}
    assert all(str(each.before) not in ports for each in known - found)
    assert report["models"][0]["model"] == "bridge"
    assert all(point["dropped"] == 0 for point in report["points"])


def test_new_scenario_runs_and_passes_its_checks(
    hosts: dict[str, docker.DockerClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `capnet scenario new` writes, as it is."""
    write_skeleton("bridge-of-mine", tmp_path)
    monkeypatch.setattr(library, "FOLDERS", (tmp_path,))
    bundle = scenario_runner.run_scenario(lab.current(), "bridge-of-mine", output=tmp_path, say=print)
    results = checks.verify(library.load("bridge-of-mine"), bundle)
    assert [result for result in results if not result.passed] == []


def test_overlay_at_ens33_shows_what_docker_and_tshark_say(
    hosts: dict[str, docker.DockerClient], tmp_path: Path
) -> None:
    before = things(hosts)
    bundle = tmp_path / "overlay.pcapng"
    run("scenario", "overlay", "--lab", "--capture", "ens33", "--output", str(bundle))
    assert things(hosts) == before

    report = json.loads(run("analyze", str(bundle), "--format", "json"))
    assert [point["name"] for point in report["points"]] == ["A/ens33", "B/ens33"]
    fields = ["-e", "vxlan.vni", "-e", "ip.src", "-e", "ip.dst"]
    lines = subprocess.run(
        ["tshark", "-n", "-r", str(bundle), "-Y", "vxlan", "-T", "fields", "-E", "occurrence=f", *fields],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert lines
    assert {each["vni"] for each in report["tunnels"]} == {int(line.split()[0]) for line in lines}
    assert {tuple(each["vteps"]) for each in report["tunnels"]} == {("192.168.111.128", "192.168.111.129")}
    assert {address for line in lines for address in line.split()[1:]} == {"192.168.111.128", "192.168.111.129"}
    assert sum(each["frames"] for each in report["tunnels"]) == len(lines)
    inner = {each["proto"] for each in report["flows"]["top"] if each["vni"]}
    assert {"icmp", "tcp"} <= inner
    names = {report["names"][ip] for each in report["tunnels"] for ip in each["inner_ips"]}
    assert names == {"left", "right"}
    assert report["models"][0]["model"] == "overlay"


def leave_while_it_stands_still(client: docker.DockerClient, host: LabHost) -> None:
    """The host leaves its swarm, and its daemon stands still for the 1 s in which it tells that to the others.

    Where this process comes too late, the host has simply left.
    """
    pid = processes.listener(host)
    assert pid is not None
    tells = f"{host.address}, left gossip cluster".encode()
    seen = host.log.stat().st_size
    with ThreadPoolExecutor() as beside:
        left = beside.submit(client.swarm.leave, force=True)
        while tells not in host.log.read_bytes()[seen:]:
            if left.done():
                break
            time.sleep(0.005)  # it does so for 0.8 s
        os.kill(pid, signal.SIGSTOP)
        try:
            select.select([], [], [], 1.5)
        finally:
            os.kill(pid, signal.SIGCONT)
        left.result()


def test_daemon_that_kept_the_gossip_port_restarts(hosts: dict[str, docker.DockerClient], tmp_path: Path) -> None:
    """How it comes to that: see `settings.mend`. By ss(8), the port is taken when the swarm is gone."""
    made = addressing.chosen().hosts
    swarms.found(hosts)

    def port_of_gossip() -> bool:
        return ":7946" in run("lab", "exec", "B", "ss", "-Hltn")

    for _ in range(10):  # it has to be stopped within 0.8 s
        swarms.join(hosts, "B")
        wait_until(port_of_gossip, "B listens to gossip")
        leave_while_it_stands_still(hosts["B"], made["B"])
        if port_of_gossip():
            break
    hosts["A"].swarm.leave(force=True)
    assert port_of_gossip()

    urls = ["--host", made["A"].docker_url, "--peer", made["B"].docker_url]
    with start("scenario", "overlay", *urls, "--output", str(tmp_path)) as process:
        _, said = process.communicate(timeout=400)
    assert process.returncode == 4
    assert "port 7946 of host B is taken" in said
    with start("scenario", "overlay", "--lab", "--output", str(tmp_path)) as process:
        _, said = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert "Docker of B starts again: it kept port 7946" in said
    assert not port_of_gossip()


def test_closed_stdout_changes_no_verdict(hosts: dict[str, docker.DockerClient], tmp_path: Path) -> None:
    """As `capnet scenario none --lab | head`: the claims are judged all the same."""
    with start("scenario", "none", "--lab", "--output", str(tmp_path)) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert "all 6 expectations are met" in said
    assert process.returncode == 0


def test_overlay_without_second_host_says_what_it_needs() -> None:
    with start("scenario", "overlay", "--host", "unix:///nowhere.sock") as process:
        _, err = process.communicate(timeout=400)
    assert process.returncode in (2, 4)
    assert "Traceback" not in err


def interrupted_when(line: str, how: signal.Signals, *words: str) -> tuple[int, str]:
    """Play a scenario and send it a signal once it has said `line`, while its taps listen.

    Its exit code, and what it said afterwards.
    """
    with start(*words) as process:
        wait_for_output(process, line)
        assert len(list(capture_programs())) == 7  # else their absence afterwards proves nothing
        process.send_signal(how)
        _, rest = rest_of_output(process, within=400)
    return process.returncode, rest


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_interrupted_scenario_leaves_nothing(
    hosts: dict[str, docker.DockerClient], tmp_path: Path, how: signal.Signals
) -> None:
    before = things(hosts)
    words = ("scenario", "bridge", "--lab", "--output", str(tmp_path / "x.pcapng"))
    code, rest = interrupted_when("bbox to host", how, *words)
    assert code == 130, rest
    assert things(hosts) == before


def test_clean_removes_what_a_kill_left(hosts: dict[str, docker.DockerClient], tmp_path: Path) -> None:
    before = things(hosts)
    interrupted_when(
        "bbox to host", signal.SIGKILL, "scenario", "bridge", "--lab", "--output", str(tmp_path / "x.pcapng")
    )
    # Taps end with the program that started them, however it ends: when the kernel has closed their standard input.
    wait_until(lambda: not list(capture_programs()), "its taps have ended", within=60)
    assert things(hosts)["A"] != before["A"]
    run("scenario", "clean", "--lab")
    assert things(hosts) == before


def test_promiscuous_nic_is_put_back_after_a_kill(hosts: dict[str, docker.DockerClient], tmp_path: Path) -> None:
    """And after a run that ends well: the change itself stands in the label of a container that is removed."""

    def promiscuous() -> bool:
        return "PROMISC" in run("lab", "exec", "A", "ip", "link", "show", "dev", "ens33").partition(">")[0]

    assert not promiscuous()
    run("scenario", "macvlan", "--lab", "--output", str(tmp_path))
    assert not promiscuous()
    with start("scenario", "macvlan", "--lab", "--output", str(tmp_path)) as process:
        wait_for_output(process, "container web")
        assert promiscuous()
        process.kill()
    assert promiscuous()
    run("scenario", "clean", "--lab")
    assert not promiscuous()
