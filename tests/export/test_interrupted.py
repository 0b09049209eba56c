"""An export that is ended by SIGTERM or Ctrl-C leaves no file, and says that it was interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from capnet.errors import Exit
from tests.conftest import PROJECT

OVERLAY = PROJECT / "pcaps" / "overlay.pcapng"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_export_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    """A capture that never ends: a pipe whose first blocks are read, and then the signal."""
    command = [sys.executable, "-m", "capnet", "export", "-", "-o", str(tmp_path / "x.csv")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(PROJECT)}
    ) as process:
        assert process.stdin and process.stderr
        process.stdin.write(OVERLAY.read_bytes())
        process.stdin.flush()
        while not list(tmp_path.glob(".x*")):  # it has begun to write
            assert process.poll() is None
        process.send_signal(number)
        error = process.stderr.read()
    assert process.returncode == Exit.INTERRUPTED, error
    assert b"interrupted" in error
    assert list(tmp_path.iterdir()) == []
