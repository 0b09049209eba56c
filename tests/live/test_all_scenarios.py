"""`capnet scenario all --lab` where no lab runs: every scenario shows what it claims, and nothing stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.scenario import expect, library
from tests.conftest import PROJECT

pytestmark = pytest.mark.live

WITHIN = 600  # seconds, User-Mode Linux included


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.CompletedProcess[str], Path]]:
    """What it printed, and the folder with all captures. One lab for each kernel, however many tests look at it."""
    output, lab = tmp_path_factory.mktemp("captures"), Path(f"/run/capnet-all-{os.getpid()}")
    done = subprocess.run(
        [sys.executable, "-m", "capnet", "scenario", "all", "--lab", "--output", str(output)],
        cwd=PROJECT, env=os.environ | {"CAPNET_LAB_DIR": str(lab)}, capture_output=True, text=True, timeout=WITHIN,
    )  # fmt: skip
    assert not lab.exists()
    yield done, output


@pytest.mark.parametrize("name", library.files())
def test_a_scenario_shows_what_it_claims(played: tuple[subprocess.CompletedProcess[str], Path], name: str) -> None:
    done, output = played
    row = next((line for line in done.stdout.splitlines() if line.split()[:1] == [name]), "")
    assert " ok, " in row, done.stdout + done.stderr
    verdicts = expect.verify(library.load(name), output / f"{name}.pcapng")
    assert [each for each in verdicts if not each.true] == []


def test_all_of_them_is_a_success(played: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = played
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("removing the lab") == done.stderr.count("starting a Docker daemon on each host")
