"""Whether the process that made something still lives, by the kernel's own processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from capnet.record.run_id import run_state
from capnet.scenario.wait import wait_until

_TELLS_ITS_RUN = "from capnet.record.run_id import this_run; print(this_run(), flush=True); input()"


def test_run_whose_process_is_a_zombie_is_dead() -> None:
    """A zombie, with its start time, until its parent waits for it: the parent is the test."""
    words = [sys.executable, "-c", _TELLS_ITS_RUN]
    with subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        run = process.stdout.readline().strip()
        assert run_state(run) == "alive"
        process.kill()
        state = Path(f"/proc/{process.pid}/stat")
        wait_until(lambda: state.read_text().rpartition(") ")[2][0] == "Z", "it has ended")
        assert run_state(run) == "dead"
    assert run_state(run) == "dead"


def test_run_of_another_machine_is_unknown() -> None:
    assert run_state("00000000-1-1") == "unknown"


def test_run_of_another_pid_namespace_is_unknown() -> None:
    """It may live: its process has a number of its own there, and is not in this /proc."""
    unshare = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace can be made here: no root, and no user namespaces")
    words = [*unshare, sys.executable, "-c", _TELLS_ITS_RUN]
    with subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        run = process.stdout.readline().strip()
        assert run.count("-") == 2 and run_state(run) == "unknown"
        process.kill()
