"""`capnet scenario all --lab` where no lab runs: every scenario shows what it claims, and nothing stays.

A scenario is left out where this kernel lacks what it needs and User-Mode Linux cannot run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.errors import Exit
from capnet.lab.uml import processor
from capnet.record.find.kernel_features import LAB_FEATURES, missing_features
from capnet.scenario import library
from capnet.scenario.checks import checks
from capnet.scenario.preflight.plan import plan_of
from capnet.scenario.preflight.programs import missing_here
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


def reason_left_out(name: str) -> str | None:
    """Why this machine can play the scenario with neither kernel; None if it can, or if only Docker is missing."""
    if absent := missing_here(plan_of(name, library.load(name))):
        return f"{name}: this machine lacks {', '.join(absent)}"
    lack = processor.lack()
    missing = missing_features([*LAB_FEATURES, *library.kernel_needs(name)]) if lack else []
    return f"{name}: this kernel lacks {', '.join(missing)}; {lack}" if missing else None


def row_of(name: str, table: str) -> str:
    """The scenario's row, without the lines below it that wrapped cells take."""
    return next((line for line in table.splitlines() if line.split()[:1] == [name]), "")


@pytest.mark.parametrize("name", library.files())
def test_scenario_run_live_passes_its_checks(played: tuple[subprocess.CompletedProcess[str], Path], name: str) -> None:
    done, output = played
    row = row_of(name, done.stdout)
    if reason := reason_left_out(name):
        assert "User-Mode" in row or " has no " in row, done.stdout + done.stderr
        pytest.skip(reason)
    assert " ok, " in row, done.stdout + done.stderr
    verdicts = checks.verify(library.load(name), output / f"{name}.pcapng")
    assert [each for each in verdicts if not each.passed] == []


def test_scenario_all_exits_with_success(played: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = played
    left_out = [name for name in library.files() if reason_left_out(name)]
    assert done.returncode == (Exit.LACKS if left_out else Exit.OK), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("removing the lab") == done.stderr.count("starting a Docker daemon on each host")


def test_ipvs_translations_equal_the_report(played: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Truth: conntrack of the balancers' namespaces, read by the tests themselves."""
    _, output = played
    if reason := reason_left_out("overlay-service"):
        pytest.skip(reason)
    report = analyze([output / "overlay-service.pcapng"]).to_dict()
    truth = translations(output / "overlay-service.topology.json")
    assert reported(report) == truth
    assert len(truth) == 6  # two by the virtual address; two to the ingress sandbox, and on from there
