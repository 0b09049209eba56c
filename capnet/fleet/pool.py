"""Analyzes captures in processes of this machine, each with one thread.

A process that dies (the kernel kills it where memory is short) takes one capture with it, which is tried once more.
Processes end with the one that started them, also if that is killed.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from capnet.errors import EnvironmentLacks
from capnet.fleet.job import Job, Record
from capnet.fleet.one_capture import analyze_capture, failed_record
from capnet.interrupts import Interruptible
from capnet.quick_dataclass import state

MAX_DEATHS = 2  # of processes with one capture
END_S = 5.0  # to leave what is being written, before a process is killed
_PR_SET_PDEATHSIG = 1  # prctl(2)
# Shared by all processes.
_LOADED_BEFORE = ("capnet.analysis.pipeline", "capnet.fleet.dataset", "capnet.fleet.report.summary")


@state
class _Worker:
    process: BaseProcess
    connection: Connection
    job: Job | None = None


class ProcessPool:
    """`add` captures, then iterate over their records as they come; more may be added meanwhile.

    Leaving the `with` block ends the processes. What they were analyzing is not done then.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[Job] = deque()
        self._workers: list[_Worker] = []
        self._deaths: dict[Job, int] = {}
        # Linux's fork shares what is loaded; elsewhere libraries of the system do not survive it.
        self._context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")

    def add(self, job: Job) -> None:
        """Analyze this capture too."""
        self._waiting.append(job)

    def __iter__(self) -> Iterator[tuple[Job, Record]]:
        for module in _LOADED_BEFORE:
            import_module(module)
        while self._waiting or any(worker.job for worker in self._workers):
            self._hand_out()
            for ready in wait([worker.connection for worker in self._workers if worker.job]):
                worker = next(each for each in self._workers if each.connection is ready)
                result = self._received(worker)
                if result is not None:
                    yield result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
        for worker in self._workers:
            worker.connection.close()
            if worker.job:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(END_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()
        signal.signal(signal.SIGINT, before)

    def _hand_out(self) -> None:
        """Give waiting captures to processes without one, which are started as they are needed."""
        while self._waiting:
            worker = next((each for each in self._workers if each.job is None), None)
            if worker is None:
                if len(self._workers) >= self._size:
                    return
                worker = self._started()
            worker.job = self._waiting.popleft()
            with suppress(OSError):  # it is dead, which `_received` sees
                worker.connection.send(worker.job)

    def _started(self) -> _Worker:
        own, its = self._context.Pipe()
        # fork copies these ends too; a process that kept them would keep the others alive.
        others = [*(worker.connection for worker in self._workers), own] if sys.platform == "linux" else []
        arguments = (its, others, os.getpid())
        process = self._context.Process(target=_work, args=arguments, daemon=True)  # type: ignore[attr-defined]
        process.start()
        its.close()
        worker = _Worker(process, own)
        self._workers.append(worker)
        return worker

    def _received(self, worker: _Worker) -> tuple[Job, Record] | None:
        """What a process sent; None if it died, and its capture is tried again."""
        job, worker.job = worker.job, None
        assert job
        try:
            result = worker.connection.recv()
        except (EOFError, OSError):
            return self._after_death(worker, job)
        if isinstance(result, EnvironmentLacks):
            raise result
        return job, result

    def _after_death(self, worker: _Worker, job: Job) -> tuple[Job, Record] | None:
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        self._deaths[job] = self._deaths.get(job, 0) + 1
        if self._deaths[job] < MAX_DEATHS:
            self._waiting.append(job)  # at the end, when others may need less memory
            return None
        return job, failed_record(job, f"its process died {MAX_DEATHS} times ({_cause(worker.process.exitcode or 0)})")


def _cause(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "SIGKILL: is memory short? Fewer processes at once: --jobs"
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"


def _work(connection: Connection, others: list[Connection], parent: int) -> None:
    """Analyze what comes until the other end is closed."""
    for each in others:
        each.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C at the terminal; the parent decides
    # SIGTERM is an exception, so that no unfinished file stays behind.
    with suppress(EOFError, OSError, KeyboardInterrupt), Interruptible((signal.SIGTERM,)):
        _end_with(parent)
        while True:
            job = connection.recv()
            try:
                result: Record | EnvironmentLacks = analyze_capture(job)
            except EnvironmentLacks as error:
                result = EnvironmentLacks(str(error))
            connection.send(result)


def _end_with(parent: int) -> None:
    """Let the kernel send SIGTERM when the parent is gone. Elsewhere than on Linux the capture is analyzed first."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            raise SystemExit
