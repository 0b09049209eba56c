"""`capnet capture` as a person runs it: started, waited for, ended; and what its file holds, as tshark reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capnet.record.remote.docker_host import DockerHost
from capnet.scenario.docker.execute import execute
from capnet.topology import Topology
from tests.live.wait_for_output import rest_of_output, wait_for_output

PROJECT = Path(__file__).parents[2]
READY = "Ctrl-C ends it"


class Capture:
    """A running `capnet capture`; `said` is its standard error when it has ended."""

    def __init__(self, *words: str, folder: Path, stdout: int = subprocess.PIPE, env: dict[str, str] | None = None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "capnet", "capture", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **(env or {})},
            text=True,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        self.said = self.printed = ""

    def wait_until_ready(self) -> None:
        """All its points are listened at."""
        self.said += wait_for_output(self.process, READY)

    def children(self) -> set[int]:
        """Its capture programs and whatever else it has started."""
        return descendants(self.process.pid)

    def end(self, number: signal.Signals | None = signal.SIGINT, within: float = 60) -> int:
        """Sends the signal, if any, and returns the exit code; nothing that it started runs then."""
        started = self.children()
        if number is not None:
            self.process.send_signal(number)
        self.printed, rest = rest_of_output(self.process, within)
        self.said += rest
        deadline = time.monotonic() + 10
        while left := {pid for pid in started if is_running(pid)}:
            assert time.monotonic() < deadline, f"still running: {left}"
            time.sleep(0.02)
        return self.process.returncode


@contextmanager
def capturing(*words: str, folder: Path, **options: object) -> Iterator[Capture]:
    """A capture that listens; ended by Ctrl-C when the block ends, with exit code 0."""
    capture = Capture(*words, folder=folder, **options)
    try:
        capture.wait_until_ready()
        yield capture
        code = capture.process.poll()
        code = capture.end() if code is None else capture.end(None)
        assert code == 0, capture.said
    finally:
        if capture.process.poll() is None:
            capture.process.kill()
            capture.process.communicate()


def descendants(pid: int) -> set[int]:
    """Processes that it has started, and those that they have."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def taps_below(parent: int, interface: str) -> list[int]:
    """The capture programs at interfaces of this name that a process has started."""
    found = []
    for pid in descendants(parent):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if words[0] in (b"dumpcap", b"tcpdump") and interface.encode() in words:
            found.append(pid)
    return found


def seen(path: Path, display_filter: str) -> Counter[str]:
    """Point → how many of its packets the filter selects. Fails if tshark finds the file damaged."""
    words = ["tshark", "-n", "-r", str(path), "-Y", display_filter, "-T", "fields", "-e", "frame.interface_name"]
    done = subprocess.run(words, capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "Running as user" not in line]
    assert (done.returncode, complaints) == (0, [])
    return Counter(done.stdout.split())


def times(path: Path) -> list[float]:
    """Of all packets, in the order of the file."""
    words = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch"]
    return [float(word) for word in subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()]


def inside(host: DockerHost, container: str, *words: str) -> str:
    """What a command prints in a container. The test fails if the command does."""
    status, out = execute(host.client.containers.get(container), list(words))
    assert status == 0, out
    return out


def ping(host: DockerHost, container: str, address: str, count: int = 5) -> None:
    """Sends so many echo requests from the container, twenty a second."""
    inside(host, container, "ping", "-c", str(count), "-i", "0.05", address)


def address(host: DockerHost, container: str) -> str:
    """The address of a container on its only network."""
    (endpoint,) = host.client.containers.get(container).attrs["NetworkSettings"]["Networks"].values()
    return str(endpoint["IPAddress"])


def url(host: DockerHost) -> tuple[str, str]:
    """The option that names the host."""
    return "--host", f"{host.name}={host.url}"


def points(path: Path) -> list[str]:
    """Names of the points in the topology beside a capture."""
    return [point.name for point in Topology.load(path.with_suffix("").with_suffix(".topology.json")).points]
