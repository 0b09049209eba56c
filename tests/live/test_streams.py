"""`capnet capture -w -` into readers that are slow or stand still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.captures import PROJECT, READY, seen
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live

PACKETS = 20_000  # of 1000 octets: more than a pipe and capnet's queue hold
BURST = f"""
import socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range({PACKETS}):
    sender.sendto(bytes(1000), ("127.0.0.1", 9))
"""


@pytest.fixture
def streaming() -> Iterator[subprocess.Popen[bytes]]:
    """A capture of loopback, in a network namespace of its own, where PACKETS were sent. Nobody has read yet."""
    words = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", sys.executable, "-m", "capnet"]
    with subprocess.Popen(
        [*words, "capture", "-i", "lo", "udp", "-w", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    ) as process:  # fmt: skip
        try:
            wait_for_output(process, READY)
            inside = ["nsenter", f"--net=/proc/{process.pid}/ns/net", sys.executable, "-c", BURST]
            subprocess.run(inside, check=True)
            yield process
        finally:
            process.kill()


def test_reader_that_stands_still_keeps_nothing_running(streaming):
    """What it has not taken is said; nothing waits for it longer than ten seconds, however much there is."""
    streaming.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert streaming.wait(60) == 4
    assert time.monotonic() - began < 40
    assert "the reader took nothing for 5 s; " in streaming.stderr.read()


def test_reader_that_is_slow_gets_everything(streaming, tmp_path: Path):
    """It pauses after each part, in all longer than capnet waits for one that takes nothing."""
    path = tmp_path / "slow.pcapng"
    streaming.send_signal(signal.SIGINT)
    with path.open("wb") as file:
        while data := os.read(streaming.stdout.fileno(), 1 << 20):
            file.write(data)
            time.sleep(0.4)
    assert streaming.wait(60) == 0
    assert seen(path, "udp").total() == PACKETS
