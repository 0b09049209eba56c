"""Analyzes captures on the workers of a Dask cluster (extra `dask`), by the function that the processes run.

Workers write results themselves, into the folder of the fleet: it and the captures are at the same paths everywhere, as
on NFS. Only records come back. Captures go out in batches, so that a task is worth its way; a worker that dies loses
the capture that it was analyzing, since what its batch had done before is there.
Method: Dask sends a task whose worker died to another one, three times (`distributed.scheduler.allowed-failures`).
Of a batch that fails nevertheless, each capture becomes a task, and one that fails alone is a failed one.
A thread of a worker cannot be stopped: it looks before each capture whether the run that sent it goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from capnet import __version__
from capnet.errors import EnvironmentLacks, UsageError
from capnet.export.extras import library
from capnet.fleet.folder import begin_run, current_run, end_run
from capnet.fleet.job import Job, Record
from capnet.fleet.one_capture import analyze_capture, failed_record

MIN_BATCH_BYTES = 256 << 20  # of captures in a task
MAX_BATCH_CAPTURES = 1_000  # tiny ones: the batch that is lost with its scheduler is bounded
BATCHES_PER_WORKER = 4  # at least, where there are so many captures: so that all have work to the end
CONNECT_S = 5
_is_address = re.compile(r"([a-z0-9+.-]+://)?[^/\s]+:[0-9]{1,5}").fullmatch


class RunEnded(Exception):
    """The run that sent a batch is over: its records are not awaited."""


class DaskWorkers:
    """`add` captures, then iterate over their records as they come; more may be added meanwhile."""

    def __init__(self, address: str, folder: Path) -> None:
        if not _is_address(address):  # a client that it fails for waits 10 s for itself when Python ends
            raise UsageError(f"--dask {address}: is no address of a scheduler; one is tcp://head:8786")
        distributed = library("distributed", "dask", "--dask")
        self._distributed = distributed
        self._folder = folder.absolute()
        self._waiting: list[Job] = []
        self._batches: dict[Any, list[Job]] = {}
        self._as_completed: Any = None
        try:
            self._client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise EnvironmentLacks(f"--dask {address}: no scheduler of Dask answers ({error})") from error
        try:
            self._check()
            self._run = begin_run(folder)
        except BaseException:  # Ctrl-C too: an open client keeps its threads, and the scheduler its connection
            self._client.close()
            raise

    def add(self, job: Job) -> None:
        """Analyze this capture too."""
        self._waiting.append(job)

    def __iter__(self) -> Iterator[tuple[Job, Record]]:
        self._as_completed = self._distributed.as_completed(loop=self._client.loop)
        self._submit()
        for future in self._as_completed:
            jobs = self._batches.pop(future)
            yield from self._results(future, jobs)
            self._submit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._batches:
            self._client.cancel(list(self._batches), force=True)
        end_run(self._folder)
        self._client.close()

    def _check(self) -> None:
        """Every worker has this capnet, and sees the folder of the fleet. EnvironmentLacks if one does not."""
        if not self._client.nthreads():
            raise EnvironmentLacks("--dask: the scheduler has no workers; start some: dask worker ADDRESS --nthreads 1")
        run_on_all = partial(self._client.run, on_error="return")
        for worker, problem in run_on_all(problem_of_worker, str(self._folder), __version__).items():
            if problem:
                raise EnvironmentLacks(f"--dask: worker {worker}: {problem}")

    def _submit(self) -> None:
        """Send what was added, in batches."""
        threads = sum(self._client.nthreads().values())
        for batch in batches(self._waiting, max(threads, 1) * BATCHES_PER_WORKER):
            self._send(batch)
        self._waiting.clear()

    def _send(self, batch: Sequence[Job]) -> None:
        future = self._client.submit(analyze_batch, list(batch), self._run, pure=False, retries=1)
        self._batches[future] = list(batch)
        self._as_completed.add(future)

    def _results(self, future: Any, jobs: list[Job]) -> Iterator[tuple[Job, Record]]:
        """The records of a batch; a batch that failed is sent again, capture by capture."""
        error = future.exception()
        if error is None:
            yield from zip(jobs, future.result(), strict=True)
        elif isinstance(error, EnvironmentLacks):
            raise error
        elif len(jobs) > 1:
            for job in jobs:
                self._send([job])
        else:
            yield jobs[0], failed_record(jobs[0], f"the task failed on its workers: {type(error).__name__}: {error}")


def batches(jobs: Sequence[Job], least: int) -> Iterator[list[Job]]:
    """The jobs in their order, in parts of MIN_BATCH_BYTES; in smaller ones if there were fewer than `least` parts."""
    sizes = [job.bytes for job in jobs]
    limit = max(min(MIN_BATCH_BYTES, -(-sum(sizes) // least)), 1)
    batch: list[Job] = []
    taken = 0
    for job, size in zip(jobs, sizes, strict=True):
        batch.append(job)
        taken += size
        if taken >= limit or len(batch) >= MAX_BATCH_CAPTURES:
            yield batch
            batch, taken = [], 0
    if batch:
        yield batch


def analyze_batch(jobs: Sequence[Job], run: str) -> list[Record]:
    """The records of captures: what a task of Dask is. Raises RunEnded if the run that sent it is over."""
    records = []
    for job in jobs:
        if current_run(Path(job.folder)) != run:
            raise RunEnded(run)
        records.append(analyze_capture(job))
    return records


def problem_of_worker(folder: str, version: str) -> str:
    """What keeps a worker from analyzing; empty if nothing does. Runs on the worker."""
    if version != __version__:
        return f"has capnet {__version__}, and this is {version}; install the same everywhere"
    if not os.access(folder, os.W_OK):
        return f"cannot write to {folder}; mount captures and results at the same paths everywhere"
    return ""
