"""Several hands on one capture: batches are decoded side by side, and each hand counts its part of all flows.

A part of the flows is always counted by the same hand, in the file's order: a retransmission, or the first packet of a
flow, is one only in order. So the result is the same for any number of hands. Each hand does what is next: count its
part of the next batch if that is decoded, else read and decode another. Reading is one hand's work at a time; it and
finding the records take little time, because the bytes are in the processor's cache when they are walked. The compiled
kernels, where all time goes, release the GIL.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from threading import Condition, Thread
from typing import Any

import numpy as np

from capnet.analyze.ledger import Ledger, hash_block
from capnet.analyze.packed import KEY
from capnet.wire.capture import ROWS, Batch, Capture
from capnet.wire.frames import Block

MOST_HANDS = 4  # reading, and looking at each row, are not shared


def hands() -> int:
    """How many hands this process may use at once: processors, at most MOST_HANDS."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        usable = os.cpu_count() or 1
    return min(usable, MOST_HANDS)


class _Decoded:
    """A block that waits to be counted, by each hand once."""

    def __init__(self, batch: Batch, hashes: Any, hands: int) -> None:
        self.batch = batch
        self.hashes = hashes  # view of them
        self.left = hands
        self.block: Block
        self.is_last = True  # of its batch


class Hands:
    """One capture being read into a ledger, by as many hands as the ledger has parts.

    `base`: number of the capture's first point; `others`: how many points other captures have. `progress` is called
    after each block.
    """

    def __init__(
        self, capture: Capture, ledger: Ledger, base: int, others: int, progress: Callable[[], None] | None = None
    ) -> None:
        self.capture = capture
        self.ledger = ledger
        self.base = base
        self.others = others
        self.progress = progress
        self.count = len(ledger.parts)
        self._change = Condition()
        # One batch being decoded by each hand, one being counted.
        machine = capture.machine
        self._free = [(Batch(machine), machine.view(np.zeros(ROWS, dtype=np.int64))) for _ in range(self.count + 1)]
        self._ready: dict[tuple[int, int], _Decoded] = {}  # by number of batch, number of block in it
        self._at = [(0, 0)] * self.count  # what each hand counts next
        self._taken = 0  # batches
        self._reading = False
        self._ended = False
        self._error: BaseException | None = None

    def work(self) -> None:
        """Read the capture to its end. Raises what any hand met."""
        others = [Thread(target=self._hand, args=(number,), daemon=True) for number in range(1, self.count)]
        for each in others:  # daemons: one that waits for a stream must not keep an interrupted program from ending
            each.start()
        try:
            self._hand(0)
            if not self._error:
                for each in others:
                    each.join()
        except BaseException as error:  # an interrupt, between two steps
            self._stop(error)
        if self._error:
            raise self._error

    def _hand(self, number: int) -> None:
        try:
            while (step := self._next(number)) is not None:
                step()
        except BaseException as error:
            self._stop(error)

    def _stop(self, error: BaseException) -> None:
        with self._change:
            self._error = self._error or error
            self._change.notify_all()

    def _next(self, number: int) -> Callable[[], None] | None:
        """The next step for a hand, as soon as there is one; None when nothing is left to do."""
        with self._change:
            while not self._error:
                if self._at[number] in self._ready:
                    return partial(self._count, number)
                if self._free and not self._reading and not self._ended:
                    self._reading = True
                    return self._read
                if self._ended and self._at[number] == (self._taken, 0):
                    return None
                self._change.wait()
            return None

    def _read(self) -> None:
        batch, hashes = self._free.pop()
        more = self.capture.take(batch)
        with self._change:
            turn = self._taken
            if more:
                self._taken += 1
            else:
                self._ended = True
            self._reading = False
            self._change.notify_all()
        if more:
            self._decode(_Decoded(batch, hashes, self.count), (turn, 0))

    def _decode(self, decoded: _Decoded, at: tuple[int, int]) -> None:
        block = self.capture.decode(decoded.batch)
        assert block is not None
        machine = self.capture.machine
        hash_block(machine, block, self.base, machine.view(np.zeros(KEY, dtype=np.int64)), decoded.hashes)
        decoded.block, decoded.left = block, self.count
        decoded.is_last = decoded.batch.done == decoded.batch.count
        with self._change:
            self._ready[at] = decoded
            self._change.notify_all()

    def _count(self, number: int) -> None:
        turn, part = at = self._at[number]
        decoded = self._ready[at]
        points = self.others + decoded.batch.interfaces
        self.ledger.see_part(self.ledger.parts[number], decoded.block, decoded.hashes, self.base, points)
        if self.progress and number == 0:
            self.progress()
        with self._change:
            self._at[number] = (turn + 1, 0) if decoded.is_last else (turn, part + 1)
            decoded.left -= 1
            if decoded.left:
                return
            del self._ready[at]
            if decoded.is_last:
                self._free.append((decoded.batch, decoded.hashes))
                self._change.notify_all()
                return
        self._decode(decoded, (turn, part + 1))
