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
from threading import Event, Lock, Thread

from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.analysis.aggregate.flow_hashes import FlowHashes
from capnet.wire.capture import Capture, RecordBatch

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
        self._latest = Lock()  # of the batch that was taken last: free when it is aggregated
        self._has_begun = Event()  # a batch was aggregated, or there is none
        self._error: BaseException | None = None

    def read(self) -> None:
        """Read the capture to its end. Raises what any thread raised."""
        # Daemons: a thread that waits for a stream must not keep an interrupted program from ending.
        helpers = [Thread(target=self._work, daemon=True) for _ in range(1, self.threads)]
        for helper in helpers:
            helper.start()
        try:
            if self.meanwhile:
                while not self._has_begun.wait(MAX_UNINTERRUPTED):  # loading kernels is Python as well
                    pass
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
        hashes = FlowHashes(machine)
        own = None
        try:
            while (locks := self._take(batch)) is not None:
                before, own = locks
                is_its_turn = False
                while (block := self.capture.decode(batch)) is not None:
                    hashes_of_block = hashes.of(block, self.base)
                    is_its_turn = is_its_turn or self._wait_for(before)
                    if self._error:
                        return
                    self.aggregator.add(block, self.base, self.other_points + batch.interfaces, hashes_of_block)
                    if self.progress:
                        self.progress()
                is_its_turn = is_its_turn or self._wait_for(before)
                own.release()
                own = None
                self._has_begun.set()
        except BaseException as error:
            self._stop(error)
        finally:
            if own:  # the next one goes on, and sees the error
                own.release()
            self._has_begun.set()

    def _take(self, batch: RecordBatch) -> tuple[Lock, Lock] | None:
        """Read the next batch. Returns the lock that is free when all batches before it are aggregated, and its own.

        None at the end.
        """
        while not self._reading.acquire(timeout=MAX_UNINTERRUPTED):
            pass
        try:
            if self._error or not self.capture.read_batch(batch):
                return None
            before, self._latest = self._latest, Lock()
            self._latest.acquire()
            return before, self._latest
        finally:
            self._reading.release()

    def _wait_for(self, before: Lock) -> bool:
        """Wait until all batches before this one are aggregated, or never will be."""
        while not before.acquire(timeout=MAX_UNINTERRUPTED) and not self._error:
            pass
        return True

    def _stop(self, error: BaseException) -> None:
        self._error = self._error or error
