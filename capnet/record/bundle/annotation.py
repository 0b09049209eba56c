"""Writes a capture again with packet ids and comments: the same packet has the same id at every capture point.

Input: a `Study` and the blocks of its first pass. Output: pcapng. Frames keep their bytes, times, lengths and order.
Each gets `epb_packetid` (`trace.packet_ids`), and a comment that says what happened to it since the previous hop.
One pcapng file stays what it was, block by block; several files, and pcap, become one section (`other_blocks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

import numpy as np

from capnet.analysis.core.schema import Values
from capnet.analysis.engine import Study
from capnet.analysis.trace.packet_ids import IdentifiedBlock, PacketIds, open_again
from capnet.errors import UnreadableInput, UsageError
from capnet.quick_tuple import NamedTuple
from capnet.record.bundle import previous_hop_kernel as hop
from capnet.record.bundle.file_interfaces import FileInterfaces
from capnet.record.bundle.other_blocks import AnnotatedOutput, KeptBlocks, MergedBlocks, SourceBlocks, merged_head
from capnet.record.bundle.packet_comments import MAX_COMMENT_BYTES, PacketComments
from capnet.record.bundle.previous_hop import PreviousHops
from capnet.wire import fields
from capnet.wire.capture import Capture
from capnet.wire.formats import pcapng_emit
from capnet.wire.formats.file_reader import FileReader
from capnet.wire.formats.pcap import PcapReader

EmitTable: TypeAlias = Annotated[np.ndarray, "(frames, pcapng_emit.WIDTH) int64"]


@dataclass
class Written:
    """Frames that were written, that have an id, and that have a comment."""

    frames: int = 0
    named: int = 0
    commented: int = 0


@dataclass
class _Stream:
    """One source: its current block, and how far it has been written."""

    number: int
    blocks: Iterator[IdentifiedBlock]
    capture: Capture
    named: IdentifiedBlock | None = None
    rows: Values = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # rows of depth 0
    times: Values = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # ns, made non-decreasing
    at: int = 0

    def advance(self) -> None:
        """Takes the next block that holds frames; `named` is None when there is none."""
        latest = int(self.times[-1]) if len(self.times) else 0
        for named in self.blocks:
            rows = np.flatnonzero(named.block.rows[:, fields.DEPTH] == 0)
            if len(rows):
                times = named.block.rows[rows, fields.TIME]
                self.named, self.rows, self.at = named, rows, 0
                self.times = np.maximum.accumulate(np.maximum(times, latest))
                return
        self.named = None


class _Part(NamedTuple):
    """Frames of one stream that are written together: a row each of `table` (`pcapng_emit`) and `sights`."""

    stream: _Stream
    table: EmitTable
    sights: hop.Sights
    times: Values


def annotate(
    study: Study,
    source_blocks: SourceBlocks,
    write: Callable[[Any], object],
    progress: Callable[[int], None] | None = None,
) -> Written:
    """Reads the sources of `study` once more and writes the annotated capture, piece by piece.

    `progress` is called with the number of frames written so far. Raises UnreadableInput, and UsageError for sources
    that cannot be merged.
    """
    return _Annotation(study, source_blocks, write).run(progress)


class _Annotation:
    def __init__(self, study: Study, source_blocks: SourceBlocks, write: Callable[[Any], object]) -> None:
        self.study = study
        self.source_blocks = source_blocks
        self.output = AnnotatedOutput(write)
        self.packets = PacketIds(study)
        self.comments = PacketComments(study)
        self.hops = PreviousHops(study, self.packets)
        self.written = Written()
        is_kept = len(study.sources) == 1 and study.report.inputs[0].format == "pcapng"
        self.interfaces = FileInterfaces(study)
        self.kept = KeptBlocks(study, source_blocks, self.output, self.interfaces) if is_kept else None
        self._out = np.zeros(1 << 20, dtype=np.uint8)
        self._comment = np.zeros(MAX_COMMENT_BYTES + 32, dtype=np.uint8)  # and the frame number

    def run(self, progress: Callable[[int], None] | None) -> Written:
        if self.kept is None:
            self.output.write(merged_head(self.study, self.source_blocks, self.interfaces))
        captures: list[Capture] = []
        try:
            streams = []
            for number, base in enumerate(self.interfaces.first):
                on_block = self.kept or MergedBlocks(self.output, base)
                captures.append(open_again(self.study, self.study.sources[number], on_block))
                streams.append(_Stream(number, self._named(number, captures[-1]), captures[-1]))
            for stream in streams:
                stream.advance()
            while any(stream.named for stream in streams):
                self._batch(streams)
                if progress:
                    progress(self.written.frames)
        finally:
            for capture in captures:
                capture.close()
        if self.written.frames != self.study.report.coverage.frames:
            raise UnreadableInput("the input has changed while it was read; annotate it when it is complete")
        return self.written

    def _named(self, number: int, capture: Capture) -> Iterator[IdentifiedBlock]:
        for block in capture.blocks():
            yield self.packets.identify(number, self.study.bases[number], capture, block)

    def _batch(self, streams: list[_Stream]) -> None:
        """Writes, in time order, the frames that no block still to come can precede; then takes new blocks."""
        live = [stream for stream in streams if stream.named]
        parts = self._parts(live)
        order = np.argsort(np.concatenate([part.times for part in parts]), kind="stable")
        sights = np.concatenate([part.sights for part in parts])
        since, shape = (np.empty(len(order), dtype=np.int64) for _ in range(2))
        since[order], shape[order] = self.hops.before(sights[order], self.output.number)
        position = np.empty(len(order), dtype=np.int64)  # in the output, per frame of the parts
        position[order] = np.arange(len(order))
        sizes = np.empty(len(order), dtype=np.int64)
        start = 0
        for part in parts:
            stop = start + len(part.table)
            self._comment_on(part, since[start:stop], shape[start:stop])
            self._emit(part, False)
            sizes[position[start:stop]] = part.table[:, pcapng_emit.LENGTH]
            start = stop
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        if offsets[-1] > len(self._out):
            self._out = np.zeros(int(offsets[-1]), dtype=np.uint8)
        start = 0
        for part in parts:
            part.table[:, pcapng_emit.OUT] = offsets[position[start : start + len(part.table)]]
            self._emit(part, True)
            start += len(part.table)
        self.output.write(self._out[: int(offsets[-1])].data)
        self.output.number += len(order)
        self.written.frames += len(order)
        for stream in live:
            if stream.at == len(stream.rows):
                stream.advance()

    def _parts(self, live: list[_Stream]) -> list[_Part]:
        """Each stream's frames up to the earliest time at which a stream's block ends."""
        until = min(int(stream.times[-1]) for stream in live)
        parts = []
        for stream in live:
            stop = int(np.searchsorted(stream.times, until, side="right"))
            if stop > stream.at:
                parts.append(_Part(stream, *self._table(stream, stop), stream.times[stream.at : stop]))
                stream.at = stop
        return parts

    def _comment_on(self, part: _Part, since: Values, shape: Values) -> None:
        """Fills the columns of the table that say which comment a frame gets."""
        table, flows = part.table, part.sights[:, hop.FLOW]
        table[:, pcapng_emit.SINCE] = since
        table[:, pcapng_emit.TEXT] = -1
        followed = np.flatnonzero(flows >= 0)
        table[followed, pcapng_emit.TEXT], table[followed, pcapng_emit.TEXT_END] = self.comments.of(
            flows[followed], shape[followed], since[followed]
        )
        self.written.commented += int((table[:, pcapng_emit.TEXT] >= 0).sum())

    def _table(self, stream: _Stream, stop: int) -> tuple[EmitTable, hop.Sights]:
        """(table for `pcapng_emit.emit`, sights for `PreviousHops.before`) of a stream's frames up to `stop`."""
        named = stream.named
        assert named is not None
        rows = stream.rows[stream.at : stop]
        decoded = named.block.rows
        table = np.zeros((len(rows), pcapng_emit.WIDTH), dtype=np.int64)
        timed = decoded[rows, fields.TIME] >= 0
        if self.kept is None and not timed.all():
            raise UsageError(
                f"{self.study.sources[stream.number].label}: has packets without a time (simple packet blocks), "
                "which cannot be merged with others; annotate this file alone"
            )
        table[:, pcapng_emit.AT] = named.block.record_at[rows]
        table[:, pcapng_emit.CAPLEN] = decoded[rows, fields.CAPLEN]
        table[:, pcapng_emit.WIRELEN] = decoded[rows, fields.WIRELEN]
        table[:, pcapng_emit.TIMED] = timed
        interfaces = self.interfaces.of_point[named.first_point + decoded[rows, fields.POINT]]
        table[:, pcapng_emit.INTERFACE] = interfaces - (self.kept.first_interface if self.kept else 0)
        ids = np.where(timed, named.ids[rows], 0)
        table[:, pcapng_emit.ID] = ids
        flows = named.flow_rows[named.id_rows[rows]]
        flows[ids == 0] = -1
        self.written.named += int((ids > 0).sum())
        return table, self.hops.sights(ids, flows, decoded[named.id_rows[rows]])

    def _emit(self, part: _Part, write: bool) -> None:
        """Sets the lengths of the part's blocks, or writes the blocks to `_out`."""
        named = part.stream.named
        assert named is not None
        capture, view = named.capture, self.packets.machine.view
        buf = self.packets.machine.bytes(named.block.raw)
        assert isinstance(capture, FileReader)  # studies with `on_block` read each file for itself
        head = capture.header if isinstance(capture, PcapReader) else None
        big = capture.big
        self.packets.machine.run(pcapng_emit.emit)(
            buf, head.record_header & 255 if head else 0, 1_000_000_000 // head.unit if head else 0,
            int(big), int(big if self.kept else False), view(part.table.reshape(-1)), len(part.table),
            view(self.comments.texts), view(self._comment), view(self._out), int(write),
        )  # fmt: skip
