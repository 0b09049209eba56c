"""One source of a study, read again for its annotated copy: its frames block by block, in the order of their times.

Compiled, the next block is read, decoded and identified in a thread of its own, while the caller writes this one.
Other blocks than packets are passed to `on_block` when the frames before them were taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from queue import SimpleQueue
from threading import Event, Semaphore, Thread

import numpy as np

from capnet.analysis.core.schema import Values
from capnet.analysis.engine import Study
from capnet.analysis.trace.packet_ids import IdentifiedBlock, PacketIds, open_again
from capnet.quick_tuple import NamedTuple
from capnet.wire import fields
from capnet.wire.block import Block, RecordBatch
from capnet.wire.formats.file_reader import FileReader

OnBlock = Callable[[bytes, bool], None]


class FrameBlock(NamedTuple):
    """What was read in one step: other blocks, and then frames; `identified` is None at the end of the source."""

    other_blocks: list[tuple[bytes, bool]]
    identified: IdentifiedBlock | None
    rows: Values  # of depth 0, one a frame
    times: Values  # of the frames, ns
    is_big_endian: bool


class FrameStream:
    """The current block of a source, and how far it has been written: frames from `at` on are still to be written.

    `number` and `first_point` of the source are those of the study.
    """

    def __init__(self, study: Study, packets: PacketIds, number: int, on_block: OnBlock, is_alone: bool) -> None:
        self.number = number
        self.identified: IdentifiedBlock | None = None
        self.rows = self.times = np.zeros(0, dtype=np.int64)  # times are made non-decreasing
        self.at = 0
        self.is_big_endian = False
        self._first_point = study.bases[number]
        self._packets = packets
        self._on_block = on_block
        self._other_blocks: list[tuple[bytes, bool]] = []
        capture = open_again(study, study.sources[number], lambda *block: self._other_blocks.append(block))
        assert isinstance(capture, FileReader)  # studies with `on_block` read each file for itself
        self.capture = capture
        # Ids of several sources depend on the order in which their blocks come.
        self._ahead = BlocksAhead(capture, self._frames_of) if is_alone and packets.machine.compiled else None
        self._blocks = iter(self._ahead or self._read())

    def advance(self) -> None:
        """Takes the next block that holds frames; `identified` is None when there is none."""
        latest = int(self.times[-1]) if len(self.times) else 0
        for frames in self._blocks:
            for block in frames.other_blocks:
                self._on_block(*block)
            self.identified = frames.identified
            if frames.identified is None:
                return
            if len(frames.rows):
                self.rows, self.at, self.is_big_endian = frames.rows, 0, frames.is_big_endian
                self.times = np.maximum.accumulate(np.maximum(frames.times, latest))
                return

    def close(self) -> None:
        """Ends reading."""
        if self._ahead:
            self._ahead.close()
        self.capture.close()

    def _read(self) -> Iterator[FrameBlock]:
        for block in self.capture.blocks():
            yield self._frames_of(block)
        yield self._frames_of(None)

    def _frames_of(self, block: Block | None) -> FrameBlock:
        other_blocks, self._other_blocks = self._other_blocks, []
        nothing = np.zeros(0, dtype=np.int64)
        if block is None:
            return FrameBlock(other_blocks, None, nothing, nothing, False)
        identified = self._packets.identify(self.number, self._first_point, self.capture, block)
        rows = np.flatnonzero(block.rows[:, fields.DEPTH] == 0)
        return FrameBlock(other_blocks, identified, rows, block.rows[rows, fields.TIME], self.capture.big)


class BlocksAhead:
    """Iterates over the blocks of a capture, each as `prepare` makes it in a thread that is a block ahead at most."""

    def __init__(self, capture: FileReader, prepare: Callable[[Block | None], FrameBlock]) -> None:
        self._capture = capture
        self._prepare = prepare
        self._batches = [RecordBatch(capture.machine) for _ in range(2)]
        self._is_free = [Semaphore(1) for _ in self._batches]
        self._ready: SimpleQueue[tuple[int, FrameBlock] | BaseException] = SimpleQueue()
        self._is_left = Event()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[FrameBlock]:
        while True:
            item = self._ready.get()
            if isinstance(item, BaseException):
                raise item
            number, frames = item
            yield frames
            if frames.identified is None:
                return
            self._is_free[number].release()  # its memory is read into again

    def close(self) -> None:
        """Ends the thread."""
        self._is_left.set()
        for semaphore in self._is_free:
            semaphore.release()
        self._thread.join()

    def _work(self) -> None:
        try:
            for number in cycle(range(len(self._batches))):
                if not self._read_batch(number):
                    break
            self._ready.put((0, self._prepare(None)))
        except BaseException as error:  # raised again in the thread that writes
            self._ready.put(error)

    def _read_batch(self, number: int) -> bool:
        """Reads a batch into memory that is free, and prepares its blocks; False at the end, or when it is closed."""
        batch = self._batches[number]
        self._is_free[number].acquire()
        if self._is_left.is_set() or not self._capture.read_batch(batch):
            return False
        while (block := self._capture.decode(batch)) is not None:
            self._ready.put((number, self._prepare(block)))
            if batch.done == batch.count:
                return True
            self._is_free[number].acquire()  # the next block overwrites this one
            if self._is_left.is_set():
                return False
        return True
