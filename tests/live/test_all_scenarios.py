"""`capnet scenario all --lab` where no lab runs: every scenario shows what it claims, and nothing stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.scenario import library
from capnet.scenario.checks import checks
from tests.conftest import PROJECT
from tests.conntrack import reported, translations

pytestmark = pytest.mark.live

WITHIN = 2400  # seconds, User-Mode Linux included; five minutes where nothing else runs


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
def test_scenario_run_live_passes_its_checks(played: tuple[subprocess.CompletedProcess[str], Path], name: str) -> None:
    done, output = played
    row = next((line for line in done.stdout.splitlines() if line.split()[:1] == [name]), "")
    assert " ok, " in row, done.stdout + done.stderr
    verdicts = checks.verify(library.load(name), output / f"{name}.pcapng")
    assert [each for each in verdicts if not each.passed] == []


def test_scenario_all_exits_with_success(played: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = played
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("removing the lab") == done.stderr.count("starting a Docker daemon on each host")


def test_ipvs_translations_equal_the_report(played: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Truth: conntrack of the balancers' namespaces, read by the tests themselves."""
    _, output = played
    report = analyze([output / "overlay-service.pcapng"]).to_dict()
    truth = translations(output / "overlay-service.topology.json")
    assert reported(report) == truth
    assert len(truth) == 6  # two by the virtual address; two to the ingress sandbox, and on from there
