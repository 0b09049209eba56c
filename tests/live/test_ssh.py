"""A second host behind ssh, as `--peer ssh://…`: an sshd inside host B of a lab, reached from inside host A.

The keys and the configuration of both sides are made for the test; nobody's own are read.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import analyze
from capnet.lab.addressing import Lab
from capnet.scenario.wait import wait_until
from capnet.topology import Topology
from tests.conftest import PROJECT
from tests.live.labs import own_lab
from tests.live.sshd import sshd
from tests.live.tshark_view import tshark

pytestmark = pytest.mark.live

PORT = 2222


@pytest.fixture(scope="module")
def made() -> Iterator[Lab]:
    with own_lab("ssh") as running:
        yield running


@pytest.fixture(scope="module")
def url(made: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of host B's daemon through ssh, and an `ssh` in PATH that has the key to it."""
    with sshd(made.hosts["B"], tmp_path_factory.mktemp("ssh"), PORT):
        yield f"ssh://root@{made.hosts['B'].address}:{PORT}{made.hosts['B'].socket}"


def from_host_a(made: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """capnet with the network of host A, the only one from which host B can be reached."""
    return subprocess.run(in_host_a(made, *words), capture_output=True, text=True, timeout=600)


def in_host_a(made: Lab, *words: str) -> list[str]:
    """The words that run capnet so."""
    command = shlex.join([sys.executable, "-m", "capnet", *words])
    return ["nsenter", f"--net={made.hosts['A'].netns}", "--", "sh", "-c", f"cd {PROJECT} && exec {command}"]


def capture_ping(made: Lab, file: Path, *words: str) -> str:
    """Captures ICMP from host A while A pings B twenty times; what capnet said."""
    command = in_host_a(made, "capture", *words, "-w", str(file), "icmp")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as capturing:
        wait_until(lambda: file.exists() or capturing.poll() is not None, "it captures", within=60)
        ping = ["ping", "-c", "20", "-i", "0.05", "-q", made.hosts["B"].address]
        subprocess.run(["nsenter", f"--net={made.hosts['A'].netns}", "--", *ping], check=True, capture_output=True)
        capturing.send_signal(signal.SIGINT)
        said = capturing.communicate(timeout=120)[1]
    assert capturing.returncode == 0, said
    return said


def ssh_processes() -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(("ssh ", "/usr/bin/ssh ")) and str(PORT) in line]


@pytest.mark.parametrize("name", ["bridge", "overlay"])
def test_peer_behind_ssh_is_driven_and_captured(made: Lab, url: str, tmp_path: Path, name: str) -> None:
    words = ["scenario", name, "--host", made.hosts["A"].docker_url, "--peer", url, "--output", str(tmp_path)]
    done = from_host_a(made, *words)
    assert done.returncode == 0, done.stderr
    assert "expectations are met" in done.stderr
    assert "could not be checked here" not in done.stderr
    topology = json.loads((tmp_path / f"{name}.topology.json").read_text())
    assert {point["host"] for point in topology["points"]} == {"A", "B"}
    # What host B's taps hear comes through ssh, past the NICs of both hosts, where others listen.
    bundle = tmp_path / f"{name}.pcapng"
    assert tshark(bundle, f"tcp.port == {PORT}", "frame.number") == []
    assert tshark(bundle, "icmp", "frame.number", interface="A/ens33") != []
    assert ssh_processes() == []


def test_two_hosts_in_one_capture_have_their_clocks(made: Lab, url: str, tmp_path: Path) -> None:
    """Both hosts of the lab have the clock of this machine: what is measured through ssh must say so.

    Then the part of B is shifted by three seconds, as if its clock had been ahead: packets, and what was measured.
    """
    file = tmp_path / "both.pcapng"
    capture_ping(made, file, "-i", "ens33", "--host", f"A={made.hosts['A'].docker_url}", "--host", f"B={url}")
    topology = Topology.load(file.with_suffix(".topology.json"))
    here, there = topology.hosts
    assert (here.name, there.name) == ("A", "B")
    assert len(here.clock) >= 2 and all((each.ahead_ns, each.uncertainty_ns) == (0, 0) for each in here.clock)
    assert len(there.clock) >= 2
    for reading in there.clock:
        assert abs(reading.ahead_ns) <= reading.uncertainty_ns < 100_000_000
    report = analyze(file).to_dict()
    assert [finding for finding in report["findings"] if finding["name"] == "clock-skew"] == []
    delays = _delays_to_b(report)

    shifted = tmp_path / "shifted.pcapng"
    shifted.write_bytes(_shifted(file.read_bytes(), {1}, 3_000_000_000))
    there.clock = [replace(reading, ahead_ns=reading.ahead_ns + 3_000_000_000) for reading in there.clock]
    report = analyze(shifted, topology).to_dict()
    (finding,) = [finding for finding in report["findings"] if finding["name"] == "clock-skew"]
    assert abs(finding["facts"]["ahead_us"] - 3_000_000) < 1000 and finding["facts"]["measured"] >= 2
    assert all(abs(delay - other) < 100 for delay, other in zip(_delays_to_b(report), delays, strict=True))


def _delays_to_b(report: dict[str, Any]) -> list[float]:
    """Median delays between the NICs of both hosts, us."""
    hops = [hop for path in report["paths"] for hop in path["hops"][1:]]
    return sorted(hop["delta_us"]["median"] for hop in hops)


def _shifted(bundle: bytes, interfaces: set[int], ns: int) -> bytes:
    """The pcapng (little endian, nanoseconds) with all packets of these interfaces later by so much."""
    data, at = bytearray(bundle), 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6 and struct.unpack_from("<I", data, at + 8)[0] in interfaces:  # Enhanced Packet Block
            high, low = struct.unpack_from("<II", data, at + 12)
            time = (high << 32 | low) + ns
            struct.pack_into("<II", data, at + 12, time >> 32, time & 0xFFFFFFFF)
        at += length
    return bytes(data)


def test_account_without_root_captures_by_container(
    made: Lab, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The account behind ssh may use Docker's socket, and is neither root nor in sudoers."""
    host, group, file = made.hosts["B"], 48124, tmp_path / "group.pcapng"
    os.chown(host.socket, 0, group)
    Path(host.socket).chmod(0o660)
    for folder in (made.folder, host.folder):
        folder.chmod(0o755)
    with sshd(host, tmp_path_factory.mktemp("group"), PORT + 1, ("member", 48123, group)):
        url = f"ssh://member@{host.address}:{PORT + 1}{host.socket}"
        said = capture_ping(made, file, "-i", "ens33", "--host", url)
    assert "B: no root there (sudo); a container runs what needs root" in said
    assert len(tshark(file, "icmp", "frame.number", interface="B/ens33")) == 40


def test_failing_ssh_says_why(made: Lab, url: str, tmp_path: Path) -> None:
    wrong = url.replace("root@", "nobody@")
    words = ["scenario", "bridge", "--host", made.hosts["A"].docker_url, "--peer", wrong, "--output", str(tmp_path)]
    done = from_host_a(made, *words)
    assert done.returncode == 4
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert ssh_processes() == []
