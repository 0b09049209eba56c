"""An export that is interrupted leaves no file and says so. The first Ctrl-C at a stream keeps what was captured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capnet.errors import Exit
from tests.conftest import PROJECT

OVERLAY = PROJECT / "pcaps" / "overlay.pcapng"
LAST_WORDS = b"Ctrl-C again stops that\n"


@contextmanager
def exporting(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A capture that does not end: a pipe whose first blocks are read. It has begun to write."""
    command = [sys.executable, "-m", "capnet", "export", "-", "-o", str(folder / "x.csv")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(PROJECT)}
    ) as process:
        assert process.stdin and process.stderr
        process.stdin.write(OVERLAY.read_bytes())
        process.stdin.flush()
        while not list(folder.glob(".x*")):
            assert process.poll() is None
        yield process


def test_terminated_export_leaves_nothing(tmp_path: Path) -> None:
    with exporting(tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        error = process.stderr.read()  # type: ignore[union-attr]
    assert process.returncode == Exit.INTERRUPTED, error
    assert b"interrupted" in error
    assert list(tmp_path.iterdir()) == []


def test_second_interrupt_leaves_nothing(tmp_path: Path) -> None:
    with exporting(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().endswith(LAST_WORDS)  # type: ignore[union-attr]
        process.send_signal(signal.SIGINT)
        error = process.stderr.read()  # type: ignore[union-attr]
    assert process.returncode == Exit.INTERRUPTED, error
    assert b"interrupted" in error
    assert list(tmp_path.iterdir()) == []


def test_first_interrupt_keeps_what_was_captured(tmp_path: Path) -> None:
    """As in `tcpdump -w - | capnet export -`, where Ctrl-C reaches both, and tcpdump ends the stream."""
    with exporting(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().endswith(LAST_WORDS)  # type: ignore[union-attr]
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait() == Exit.OK
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]
    whole = subprocess.run(
        [sys.executable, "-m", "capnet", "export", str(OVERLAY), "-o", "-", "--to", "csv"],
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert (tmp_path / "x.csv").read_bytes().count(b"\n") == whole.count(b"\n")
