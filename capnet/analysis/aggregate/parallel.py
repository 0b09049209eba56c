"""Several hands on one capture: blocks are read in turn, decoded side by side, and counted in turn.

Each hand takes the next batch of records, decodes it, waits until all batches before it are counted, and counts its
own: a retransmission, or the first packet of a flow, is one only in the file's order. So the result is the same for any
number of hands, and the tables are the same ones. A hand counts what it has decoded itself, in its own space: decoding
takes 2.5 times as long where another processor reads the rows. Reading and counting together take about as
long as decoding, so that two hands seldom wait for each other. The compiled kernels, where all time goes, release the
GIL.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock, Thread

import numpy as np

from capnet.analysis.aggregate.aggregator import Ledger, hash_block
from capnet.analysis.aggregate.flow_record import KEY
from capnet.wire.capture import MAX_ROWS, Batch, Capture

MOST_HANDS = 4  # reading and counting are not shared


def hands() -> int:
    """How many hands this process may use at once: processors, at most MOST_HANDS."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        usable = os.cpu_count() or 1
    return min(usable, MOST_HANDS)


@contextmanager
def _taking_turns_often() -> Iterator[None]:
    """Where Python runs beside hands: they want the interpreter often, each time for a moment only."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Hands:
    """One capture being read into a ledger by `count` hands.

    `base`: number of the capture's first point; `others`: how many points other captures have. `progress` is called
    after each block. `meanwhile`, where it is set, is called once, while the other hands work already.
    """

    def __init__(
        self,
        capture: Capture,
        ledger: Ledger,
        base: int,
        others: int,
        count: int,
        progress: Callable[[], None] | None = None,
    ) -> None:
        self.capture = capture
        self.ledger = ledger
        self.base = base
        self.others = others
        self.count = count
        self.progress = progress
        self.meanwhile: Callable[[], None] | None = None
        self._reading = Lock()
        self._taken = 0  # batches
        self._change = Condition()
        self._counted = 0  # batches
        self._idle = 0  # hands that found nothing more to take
        self._error: BaseException | None = None

    def work(self) -> None:
        """Read the capture to its end. Raises what any hand met."""
        others = [Thread(target=self._hand, daemon=True) for _ in range(1, self.count)]
        for each in others:  # daemons: one that waits for a stream must not keep an interrupted program from ending
            each.start()
        try:
            if self.meanwhile:
                with self._change:  # loading kernels is Python as well
                    self._change.wait_for(lambda: self._counted or self._idle or self._error)
                with _taking_turns_often():
                    self.meanwhile()
            self._hand()
            if not self._error:
                for each in others:
                    each.join()
        except BaseException as error:  # an interrupt, between two steps
            self._stop(error)
        if self._error:
            raise self._error

    def _hand(self) -> None:
        machine = self.capture.machine
        batch = Batch(machine)
        # A cache line and more apart from what other hands write.
        key, hashes = (machine.view(np.zeros(size, dtype=np.int64)) for size in (KEY + 16, MAX_ROWS))
        try:
            while (turn := self._take(batch)) is not None:
                block = self.capture.decode(batch)
                mine = False
                while block is not None:
                    hash_block(machine, block, self.base, key, hashes)
                    if not (mine := mine or self._wait(turn)):
                        return
                    self.ledger.see(block, self.base, self.others + batch.interfaces, hashes)
                    if self.progress:
                        self.progress()
                    block = self.capture.decode(batch)
                with self._change:
                    self._counted += 1
                    self._change.notify_all()
            with self._change:
                self._idle += 1
                self._change.notify_all()
        except BaseException as error:
            self._stop(error)

    def _take(self, batch: Batch) -> int | None:
        """Read the next batch; its number, None at the end."""
        with self._reading:
            if self._error or not self.capture.read_batch(batch):
                return None
            self._taken += 1
            return self._taken - 1

    def _wait(self, turn: int) -> bool:
        """Wait until all batches before this one are counted; False if they never will be."""
        with self._change:
            self._change.wait_for(lambda: self._counted == turn or self._error)
            return not self._error

    def _stop(self, error: BaseException) -> None:
        with self._change:
            self._error = self._error or error
            self._change.notify_all()
