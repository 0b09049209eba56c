"""Packets that found no room in the kernel's buffer: what capnet says is what was sent and is not in the file.

The capture program is stopped while more comes than its buffer holds. So drops are sure, and sent = kept + dropped.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.wire.capture import open_capture
from tests.live.captures import PROJECT, READY, taps_below
from tests.live.wait_for_output import rest_of_output, wait_for_output

pytestmark = pytest.mark.live

# The other end of the veth has no address, and is known without being asked.
LINKS = (
    "ip link set lo up && ip link add v0 type veth peer v1 && ip addr add 10.9.0.1/24 dev v0 && ip link set v1 up && "
    "ip link set v0 up && ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0"
)
BURST = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[1])):
    sender.sendto(bytes(1000), (sys.argv[2], 9))
"""


class Namespace:
    """A network namespace with a loopback and a veth, and a capture at one of them."""

    def __init__(self, folder: Path, program: str, interface: str) -> None:
        self.folder, self.interface = folder, interface
        self.holder = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", f"{LINKS} && echo up && exec sleep 600"], stdout=subprocess.PIPE, text=True
        )
        assert self.holder.stdout is not None
        assert self.holder.stdout.readline() == "up\n"
        self.enter = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        words = [sys.executable, "-m", "capnet", "capture", "-i", interface, "--buffer", "2", "-w", "d.pcapng", "udp"]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PATH": path_with(program, folder)}
        self.capture = subprocess.Popen(
            [*self.enter, *words], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
        )
        wait_for_output(self.capture, READY)
        (self.tap,) = taps_below(self.capture.pid, interface)
        assert Path(f"/proc/{self.tap}/comm").read_text().strip() == program

    def send(self, count: int) -> None:
        address = "127.0.0.1" if self.interface == "lo" else "10.9.0.2"
        subprocess.run([*self.enter, sys.executable, "-c", BURST, str(count), address], check=True)

    def end(self) -> str:
        """What the capture says when it has ended by Ctrl-C."""
        self.capture.send_signal(signal.SIGINT)
        said = rest_of_output(self.capture, 60)[1]
        assert self.capture.returncode == 0, said
        return said

    def close(self) -> None:
        if self.capture.poll() is None:
            self.capture.kill()
            self.capture.communicate()
        self.holder.kill()
        self.holder.communicate()


def path_with(program: str, folder: Path) -> str:
    """A PATH on which this is the only capture program."""
    only = folder / "bin"
    only.mkdir()
    for file in Path("/usr/bin").iterdir():
        if file.name not in ("dumpcap", "tcpdump"):
            (only / file.name).symlink_to(file)
    place = shutil.which(program)
    assert place is not None
    (only / program).symlink_to(place)
    return str(only)


@pytest.fixture(params=itertools.product(["dumpcap", "tcpdump"], ["lo", "v0"]), ids="-".join)
def namespace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Namespace]:
    opened = Namespace(tmp_path, *request.param)
    yield opened
    opened.close()


def kept_and_dropped(path: Path) -> tuple[int, int | None]:
    with open_capture(path) as opened:
        list(opened.blocks())
        (interface,) = opened.interfaces
        return interface.packets, interface.dropped


def test_dropped_packets_are_those_that_are_not_in_the_file(namespace):
    os.kill(namespace.tap, signal.SIGSTOP)
    namespace.send(20_000)
    os.kill(namespace.tap, signal.SIGCONT)
    namespace.send(10)
    said = namespace.end()
    kept, dropped = kept_and_dropped(namespace.folder / "d.pcapng")
    assert dropped is not None and dropped > 10_000
    sent = 20_010
    assert kept + dropped == sent
    assert f"{kept:,} packets in d.pcapng" in said
    assert said.splitlines()[-2].split()[-1] == f"{dropped:,}"
    (finding,) = (each for each in analyze(namespace.folder / "d.pcapng").findings if each.name.startswith("capture-"))
    assert finding.name == "capture-dropped-packets"
    assert f"lost {dropped:,} packets" in finding.says


def test_capture_that_drops_nothing_says_zero(namespace):
    namespace.send(1000)
    said = namespace.end()
    assert kept_and_dropped(namespace.folder / "d.pcapng") == (1000, 0)
    assert said.splitlines()[-2].split()[-1] == "0"
    assert not [each for each in analyze(namespace.folder / "d.pcapng").findings if each.name.startswith("capture-")]
