"""A fleet on Dask: results of a LocalCluster are those of this process, also when a worker is killed in the middle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from capnet.errors import Exit, UsageError
from capnet.fleet.dask_workers import MIN_BATCH_BYTES, DaskWorkers, analyze_batch, batches, problem_of_worker
from capnet.fleet.folder import begin_run, end_run
from capnet.fleet.job import FleetOptions, Job
from tests.conftest import PROJECT
from tests.fleet.inline import GOLDENS, copies, results, run_fleet

EXTRA = "heavy, and optional: pip install 'capnet[dask]'"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT)}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers in processes of their own."""
    distributed = pytest.importorskip("distributed", reason=EXTRA)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local:
        yield local


def fleet(captures: Path, folder: Path, address: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "capnet", "fleet", str(captures), "-o", str(folder), "--to", "jsonl"]
    return subprocess.Popen(
        [*command, "--dask", address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    )


def wait_until_done(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    while process.poll() is None and len(list(folder.glob("done/*.json"))) < count:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)


def test_worker_killed_in_the_middle_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    """A pipe holds up the worker that is killed; a capture takes its place before another worker comes to it."""
    captures, folder = copies(tmp_path / "captures", 7), tmp_path / "fleet"
    pipe = captures / "pipe.pcapng"
    os.mkfifo(pipe)
    with fleet(captures, folder, cluster.scheduler_address) as process:
        wait_until_done(process, folder, 6)
        while len(busy := [state for state in cluster.scheduler.workers.values() if state.processing]) != 1:
            assert process.poll() is None
        shutil.copy(GOLDENS / "none.pcapng", tmp_path / "none.pcapng")
        (tmp_path / "none.pcapng").replace(pipe)
        os.kill(next(worker.pid for worker in cluster.workers.values() if worker.worker_address == busy[0].address), 9)
        _, error = process.communicate(timeout=60)
    assert process.returncode == Exit.OK, error
    document, _ = run_fleet([captures], tmp_path / "here")
    assert json.loads((folder / "fleet.json").read_text(encoding="ascii")) == document
    assert results(folder) == results(tmp_path / "here")
    assert sorted(file.name for file in folder.rglob(".*")) == [".lock"]


def test_interrupted_fleet_goes_on_with_dask(cluster: Any, tmp_path: Path) -> None:
    captures, folder = copies(tmp_path / "captures", 3), tmp_path / "fleet"
    os.mkfifo(captures / "pipe.pcapng")
    with fleet(captures, folder, cluster.scheduler_address) as process:
        wait_until_done(process, folder, 3)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    assert "of 4 captures are done; the same command goes on" in error
    with suppress(OSError):  # a worker that waits for the pipe gets on, and finds that the run is over
        os.close(os.open(captures / "pipe.pcapng", os.O_WRONLY | os.O_NONBLOCK))
    (captures / "pipe.pcapng").unlink()
    with fleet(captures, folder, cluster.scheduler_address) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == Exit.OK, error
    document, _ = run_fleet([captures], tmp_path / "here")
    assert json.loads((folder / "fleet.json").read_text(encoding="ascii")) == document


def test_scheduler_that_does_not_answer_is_told(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason=EXTRA)
    with fleet(copies(tmp_path / "captures", 1), tmp_path / "fleet", "tcp://127.0.0.1:1") as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == Exit.LACKS
    assert "--dask tcp://127.0.0.1:1: no scheduler of Dask answers" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("address", ["head", "tcp://head", "tcp://", "8786"])
def test_what_is_no_address_is_told_at_once(address: str, tmp_path: Path) -> None:
    """A client of Dask that was half made waits for itself when Python ends, and prints a traceback."""
    with pytest.raises(UsageError, match="no address of a scheduler"):
        DaskWorkers(address, tmp_path)


def job(folder: Path, number: int, size: int) -> Job:
    file = folder / f"{number}.pcap"
    with file.open("wb") as opened:
        opened.truncate(size)
    return Job((str(file),), str(folder), FleetOptions("csv"))


@pytest.mark.parametrize(
    ("sizes", "least", "expected"),
    [
        ([MIN_BATCH_BYTES, 1, MIN_BATCH_BYTES - 1, 5], 1, [1, 2, 1]),
        ([100, 100, 100, 100], 4, [1, 1, 1, 1]),  # few bytes: as many tasks as keep all workers busy
        ([100, 100, 100, 100], 2, [2, 2]),
        ([0, 0, 0], 8, [3]),
        ([], 8, []),
    ],
)
def test_batches_have_their_bytes(tmp_path: Path, sizes: list[int], least: int, expected: list[int]) -> None:
    jobs = [job(tmp_path, number, size) for number, size in enumerate(sizes)]
    made = list(batches(jobs, least))
    assert [len(batch) for batch in made] == expected
    assert [each for batch in made for each in batch] == jobs


def test_batch_of_a_run_that_is_over_stops(tmp_path: Path) -> None:
    run = begin_run(tmp_path)
    assert [record["outcome"] for record in analyze_batch([job(tmp_path, 1, 0)], run)] == ["failed"]
    end_run(tmp_path)
    with pytest.raises(Exception, match=run):
        analyze_batch([job(tmp_path, 1, 0)], run)


def test_worker_that_cannot_take_part_says_why(tmp_path: Path) -> None:
    from capnet import __version__

    assert problem_of_worker(str(tmp_path), __version__) == ""
    assert "mount captures and results" in problem_of_worker(str(tmp_path / "none"), __version__)
    assert "install the same everywhere" in problem_of_worker(str(tmp_path), "0.0")
