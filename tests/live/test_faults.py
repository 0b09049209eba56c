"""Faults played on this machine's kernel: capnet names each, and nothing of the network stays.

Which ones a run plays is in the header of its output; see `fault_choice`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.record.find.kernel_features import missing_features
from capnet.scenario.faults import library
from capnet.scenario.faults.play import Played
from capnet.scenario.faults.verdict import judge
from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT
from tests.live.fault_choice import chosen
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A variable that all processes of a play inherit, by which they are found."""
    value = f"CAPNET_MARK={uuid.uuid4()}"
    monkeypatch.setenv(*value.split("="))
    return value


def marked(mark: str) -> Iterator[str]:
    """Command lines of the processes with the mark, without this one, which has set it after its start."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                yield (process / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has just ended, or is none of ours


def interfaces() -> list[str]:
    return sorted(path.name for path in Path("/sys/class/net").iterdir())


def start(name: str, output: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "capnet", "scenario", "fault", name, "--lab", "--output", str(output)],
        cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("name", chosen())
def test_fault_played_live_is_named(name: str, tmp_path: Path, mark: str) -> None:
    fault = library.load(name)
    if missing := missing_features(fault.needs_kernel):
        pytest.skip(f"{name}: this kernel lacks {', '.join(missing)}")
    with start(name, tmp_path) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    played = Played(tmp_path / f"{name}.pcapng", tmp_path / f"{name}.healthy.pcapng")
    assert judge(fault, played).wrong == ()
    assert list(marked(mark)) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_interrupted_fault_leaves_nothing(how: signal.Signals, tmp_path: Path, mark: str) -> None:
    """A namespace goes with the process that holds it, which ends with capnet, even by SIGKILL."""
    before = interfaces()
    with start("no-return-route", tmp_path) as process:
        wait_for_output(process, "break it")
        assert len(list(marked(mark))) > 4  # capnet, and what holds its namespaces: else nothing is proved below
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    wait_until(lambda: not list(marked(mark)), "its processes have ended", within=20)
    assert interfaces() == before
