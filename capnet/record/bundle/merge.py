"""Brings the packets of several capture files into one order of time, as Enhanced Packet Blocks.

Input: files of one interface each, in time order but for packets that several queues of a network card hand over: such
a packet comes behind at most MIN_LOOKAHEAD later ones. Output: pieces of a pcapng section, little endian.
Method: a k-way merge of batches. What is later than the whole first batch of every file still waits, so that each file
holds a few batches in memory, at any length. Packets of equal time keep the order of the files, then that in the file.
Limits: a packet that comes later than that, as after a clock was set back, follows what was written before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core.schema import Values
from capnet.errors import UnreadableInput
from capnet.jit.kernel import Machine
from capnet.quick_dataclass import mutable
from capnet.record.bundle import merge_kernel as kernel
from capnet.wire.block import RecordBatch
from capnet.wire.capture import open_capture, worth_compiling
from capnet.wire.formats import record
from capnet.wire.formats.file_reader import FileReader

MIN_LOOKAHEAD = 1024  # packets; queues of a card differ by what a processor handles in one go (net.core.netdev_budget)

Frames: TypeAlias = Annotated[np.ndarray, "(n, merge_kernel.WIDTH) int64"]


@mutable
class _Loaded:
    """Frames of one batch that are not written yet, in time order, and the batch whose memory they lie in."""

    batch: RecordBatch
    frames: Frames


class _File:
    """One file: the batches of it that are in memory."""

    def __init__(self, number: int, capture: FileReader) -> None:
        self.loaded: deque[_Loaded] = deque()
        self.written = 0
        self._number = number
        self._capture = capture
        self._is_read = False
        self._spare: list[RecordBatch] = []

    def load(self) -> None:
        """Reads on until enough of it is known behind the first batch."""
        while self.loaded and not len(self.loaded[0].frames):
            self._spare.append(self.loaded.popleft().batch)
        while not self._is_read and sum(len(each.frames) for each in list(self.loaded)[1:]) < MIN_LOOKAHEAD:
            batch = self._spare.pop() if self._spare else RecordBatch(self._capture.machine)
            if not self._capture.read_batch(batch):
                self._is_read = True
                return
            self.loaded.append(_Loaded(batch, self._frames(batch)))

    @property
    def complete_until(self) -> int | None:
        """All its packets up to this time are in memory; None: simply all."""
        return None if self._is_read else int(self.loaded[0].frames[-1, kernel.TIME])

    def take(self, until: int | None) -> Iterator[tuple[RecordBatch, Frames]]:
        """The frames in memory up to a time (None: all), by batch. They are not kept."""
        for each in self.loaded:
            times = each.frames[:, kernel.TIME]
            stop = len(times) if until is None else int(np.searchsorted(times, until, side="right"))
            if stop:
                taken, each.frames = each.frames[:stop], each.frames[stop:]
                self.written += stop
                yield each.batch, taken

    def _frames(self, batch: RecordBatch) -> Frames:
        records = batch.records[: batch.count * record.WIDTH].reshape(batch.count, record.WIDTH)
        frames = np.zeros((batch.count, kernel.WIDTH), dtype=np.int64)
        frames[:, kernel.AT] = records[:, record.AT]
        frames[:, kernel.CAPLEN] = records[:, record.CAPLEN]
        frames[:, kernel.WIRELEN] = records[:, record.WIRELEN]
        frames[:, kernel.TIME] = records[:, record.TIME]
        frames[:, kernel.INTERFACE] = self._number
        times = frames[:, kernel.TIME]
        return frames if (times[1:] >= times[:-1]).all() else frames[np.argsort(times, kind="stable")]


class Merge:
    """The merge of capture files; the packets of file k are at interface k. Files without a header are empty."""

    def __init__(self, paths: Sequence[Path]) -> None:
        sizes = [(path, path.stat().st_size) for path in paths]
        self._machine = Machine(worth_compiling(sizes))
        self._out = np.zeros(1 << 20, dtype=np.uint8)
        self._files: dict[int, _File] = {}
        self.newest_ns = 0  # time of the latest packet so far
        with ExitStack() as stack:
            for number, (path, size) in enumerate(sizes):
                with suppress(UnreadableInput):  # its program ended before it had written a whole header
                    if size:
                        capture = stack.enter_context(open_capture(path, compiled=self._machine.compiled))
                        self._files[number] = _File(number, capture)
            self._open = stack.pop_all()

    def __enter__(self) -> Merge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def written(self, number: int) -> int:
        """How many packets of a file were written so far."""
        return self._files[number].written if number in self._files else 0

    def pieces(self) -> Iterator[memoryview]:
        """All packets, some thousand at a time. A piece is valid until the next one is asked for."""
        while True:
            for file in self._files.values():
                file.load()
            live = [file for file in self._files.values() if file.loaded]
            if not live:
                return
            bounds = [bound for file in live if (bound := file.complete_until) is not None]
            parts = [part for file in live for part in file.take(min(bounds, default=None))]
            yield self._piece(parts)

    def _piece(self, parts: list[tuple[RecordBatch, Frames]]) -> memoryview:
        times: Values = np.concatenate([frames[:, kernel.TIME] for _, frames in parts])
        sizes = np.concatenate([frames[:, kernel.CAPLEN] for _, frames in parts]) + 3 & ~3
        order = np.argsort(times, kind="stable")
        ends = np.cumsum(sizes[order] + kernel.OVERHEAD)
        begins = np.empty(len(order), dtype=np.int64)
        begins[order] = ends - sizes[order] - kernel.OVERHEAD
        if ends[-1] > len(self._out):
            self._out = np.zeros(int(ends[-1]), dtype=np.uint8)
        self.newest_ns = max(self.newest_ns, int(times[order[-1]]))
        view, start = self._machine.view, 0
        for batch, frames in parts:
            frames[:, kernel.OUT] = begins[start : start + len(frames)]
            start += len(frames)
            flat = np.ascontiguousarray(frames).reshape(-1)
            buffer = self._machine.bytes(batch.buffer)
            self._machine.run(kernel.put_packets)(buffer, view(flat), len(frames), view(self._out))
        return self._out[: int(ends[-1])].data
