"""A run of the live tests that is terminated, as by `timeout`, undoes what its fixtures have made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT

TESTS = """
import time
import pytest

@pytest.fixture(scope="module")
def lab():
    yield
    print("lab is undone")

def test_of_a_lab(lab):
    print("begun", flush=True)
    while True:
        time.sleep(0.05)
"""


def test_terminated_run_undoes_its_lab(tmp_path: Path) -> None:
    file = tmp_path / "test_waiting.py"
    file.write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.live.conftest", "-p", "no:cacheprovider", file]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(PROJECT)}
    ) as process:
        assert process.stdout
        assert any("begun" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert "lab is undone" in rest
    assert process.returncode == 2  # interrupted, as pytest says it
