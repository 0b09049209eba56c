"""Reads a capture with several threads.

Blocks are read one at a time, decoded in parallel, and aggregated in file order, so the result does not depend on the
number of threads. A thread aggregates what it has decoded itself, in its own space: decoding takes 2.5 times as long
where another processor reads the rows. Reading and aggregating together take about as long as decoding, so that two
threads seldom wait for each other. Compiled kernels, which take nearly all the time, release the GIL.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock, Thread

import numpy as np

from capnet.analysis.aggregate.aggregator import Aggregator, hash_block
from capnet.analysis.aggregate.kernels import flow_record
from capnet.wire.capture import MAX_ROWS, Capture, RecordBatch

MAX_THREADS = 4  # reading and aggregating are not shared, so that more threads would wait
MAX_UNINTERRUPTED = 1.0  # seconds: a signal that comes just before the main thread waits is handled when it wakes up
SWITCH_INTERVAL = 1e-4  # seconds; see _switching_often


def default_threads() -> int:
    """How many threads read by default: one a processor of this process, at most MAX_THREADS."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        usable = os.cpu_count() or 1
    return min(usable, MAX_THREADS)


@contextmanager
def _switching_often() -> Iterator[None]:
    """Switch threads often while Python runs beside readers: they need the GIL often, each time for a moment only."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class ParallelReader:
    """Reads one capture into an aggregator with a number of threads.

    `base`: number of the capture's first point; `other_points`: how many points other captures have. `progress` is
    called after each block. `meanwhile`, if it is set, is called once, while the other threads work already.
    """

    def __init__(
        self,
        capture: Capture,
        aggregator: Aggregator,
        base: int,
        other_points: int,
        threads: int,
        progress: Callable[[], None] | None = None,
    ) -> None:
        self.capture = capture
        self.aggregator = aggregator
        self.base = base
        self.other_points = other_points
        self.threads = threads
        self.progress = progress
        self.meanwhile: Callable[[], None] | None = None
        self._reading = Lock()
        self._taken = 0  # batches
        self._change = Condition()
        self._aggregated = 0  # batches
        self._idle = 0  # threads that have nothing more to take
        self._error: BaseException | None = None

    def read(self) -> None:
        """Read the capture to its end. Raises what any thread raised."""
        # Daemons: a thread that waits for a stream must not keep an interrupted program from ending.
        helpers = [Thread(target=self._work, daemon=True) for _ in range(1, self.threads)]
        for helper in helpers:
            helper.start()
        try:
            if self.meanwhile:
                with self._change:  # loading kernels is Python as well
                    self._change.wait_for(lambda: self._aggregated or self._idle or self._error)
                with _switching_often():
                    self.meanwhile()
            self._work()
            if not self._error:
                for helper in helpers:
                    helper.join()
        except BaseException as error:  # an interrupt, between two steps
            self._stop(error)
        if self._error:
            raise self._error

    def _work(self) -> None:
        """One thread: take batches and aggregate them, until none is left."""
        machine = self.capture.machine
        batch = RecordBatch(machine)
        # A cache line and more apart from what other threads write.
        sizes = (flow_record.KEY + 16, MAX_ROWS)
        key, hashes = (machine.view(np.zeros(size, dtype=np.int64)) for size in sizes)
        try:
            while (turn := self._take(batch)) is not None:
                block = self.capture.decode(batch)
                is_its_turn = False
                while block is not None:
                    hash_block(machine, block, self.base, key, hashes)
                    if not (is_its_turn := is_its_turn or self._wait_for(turn)):
                        return
                    self.aggregator.add(block, self.base, self.other_points + batch.interfaces, hashes)
                    if self.progress:
                        self.progress()
                    block = self.capture.decode(batch)
                with self._change:
                    self._aggregated += 1
                    self._change.notify_all()
            with self._change:
                self._idle += 1
                self._change.notify_all()
        except BaseException as error:
            self._stop(error)

    def _take(self, batch: RecordBatch) -> int | None:
        """Read the next batch; its number, None at the end."""
        while not self._reading.acquire(timeout=MAX_UNINTERRUPTED):
            pass
        try:
            if self._error or not self.capture.read_batch(batch):
                return None
            self._taken += 1
            return self._taken - 1
        finally:
            self._reading.release()

    def _wait_for(self, turn: int) -> bool:
        """Wait until all batches before this one are aggregated; False if they never will be."""
        with self._change:
            self._change.wait_for(lambda: self._aggregated == turn or self._error)
            return not self._error

    def _stop(self, error: BaseException) -> None:
        with self._change:
            self._error = self._error or error
            self._change.notify_all()
