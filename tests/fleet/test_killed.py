"""A fleet that is killed and interrupted goes on where it was, and ends with what one uninterrupted run gives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from capnet.errors import Exit
from tests.conftest import PROJECT
from tests.fleet.inline import GOLDENS, copies, results, run_fleet

ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT)}


def command(captures: Path, folder: Path) -> list[str]:
    return [sys.executable, "-m", "capnet", "fleet", str(captures), "-o", str(folder), "--to", "jsonl", "--jobs", "2"]


def end_after(captures: Path, folder: Path, done: int, number: signal.Signals) -> tuple[int, str]:
    """Run until so many captures are done, then send the signal: exit code and standard error."""
    with subprocess.Popen(
        command(captures, folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    ) as process:
        while process.poll() is None and len(list(folder.glob("done/*.json"))) < done:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
        process.send_signal(number)
        _, error = process.communicate()
    return process.returncode, error


def test_fleet_killed_three_times_is_finished(tmp_path: Path) -> None:
    kill_three_times(tmp_path, 8)


def kill_three_times(tmp_path: Path, count: int) -> None:
    """A pipe without a writer keeps the runs from finishing too early; then a capture takes its place."""
    captures, folder = copies(tmp_path / "captures", count - 1), tmp_path / "fleet"
    os.mkfifo(captures / "pipe.pcapng")
    assert end_after(captures, folder, count // 8, signal.SIGKILL)[0] == -signal.SIGKILL
    assert end_after(captures, folder, count // 4, signal.SIGKILL)[0] == -signal.SIGKILL
    code, error = end_after(captures, folder, count // 2, signal.SIGTERM)
    assert code == Exit.INTERRUPTED
    assert f"of {count} captures are done; the same command goes on" in error
    (captures / "pipe.pcapng").unlink()
    shutil.copy(GOLDENS / "none.pcapng", captures / "pipe.pcapng")
    before = {file: file.stat().st_mtime_ns for file in folder.glob("done/*.json")}
    finished = subprocess.run(command(captures, folder), env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert f"{len(before)} of {count} captures are done already" in finished.stderr
    assert {file: file.stat().st_mtime_ns for file in before} == before
    document, _ = run_fleet([captures], tmp_path / "at_once")
    assert results(folder) == results(tmp_path / "at_once")
    assert json.loads((folder / "fleet.json").read_text(encoding="ascii")) == document
    assert document["totals"]["failed"] and document["totals"]["damaged"]
    assert sorted(file.name for file in folder.rglob(".*")) == [".lock"]


POOL = """
import os, signal, sys
from capnet.fleet import pool
from capnet.fleet.captures import joined_rings
from capnet.fleet.job import FleetOptions, job_of
from pathlib import Path
def analyze(job):
    if "bad" in job.label:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"outcome": "done"}
pool.analyze_capture = analyze
folder = Path(sys.argv[1])
with pool.ProcessPool(2) as workers:
    for file in ("a.pcap", "bad.pcap", "c.pcap"):
        workers.add(job_of(joined_rings([folder / file])[0], folder, FleetOptions("csv")))
    for job, record in workers:
        print(Path(job.label).name, record["outcome"], record.get("error", ""))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork, so the test cannot replace a function")
def test_capture_that_kills_its_process_is_a_row(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", POOL, str(tmp_path)], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.splitlines()) == [
        "a.pcap done ",
        "bad.pcap failed its process died 2 times (SIGKILL: is memory short? Fewer processes at once: --jobs)",
        "c.pcap done ",
    ]
