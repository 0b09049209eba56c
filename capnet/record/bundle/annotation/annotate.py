"""Writes a capture again with packet ids and comments: the same packet has the same id at every capture point.

Input: a `Study` and the blocks of its first pass. Output: pcapng. Frames keep their bytes, times, lengths and order.
Each gets `epb_packetid` (`trace.packet_ids`), and a comment that says what happened to it since the previous hop.
One pcapng file stays what it was, block by block; several files, and pcap, become one section (`other_blocks`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from capnet.analysis.core.schema import Values
from capnet.analysis.engine import Study
from capnet.analysis.trace.packet_ids import PacketIds
from capnet.errors import UnreadableInput, UsageError
from capnet.quick_tuple import NamedTuple
from capnet.record.bundle.annotation import previous_hop_kernel as hop
from capnet.record.bundle.annotation.frame_stream import FrameStream
from capnet.record.bundle.annotation.frame_tables_kernel import EmitTable, fill_tables
from capnet.record.bundle.annotation.other_blocks import (
    AnnotatedOutput,
    KeptBlocks,
    MergedBlocks,
    SourceBlocks,
    merged_head,
)
from capnet.record.bundle.annotation.packet_comments import MAX_COMMENT_BYTES, PacketComments
from capnet.record.bundle.annotation.previous_hop import PreviousHops
from capnet.record.bundle.file_interfaces import FileInterfaces
from capnet.wire.formats import pcapng_emit
from capnet.wire.formats.pcap import PcapReader


@dataclass
class Written:
    """Frames that were written, that have an id, and that have a comment."""

    frames: int = 0
    named: int = 0
    commented: int = 0


class _Part(NamedTuple):
    """Frames of one stream that are written together: a row each of `table` (`pcapng_emit`) and `sights`."""

    stream: FrameStream
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
        self.comments = PacketComments(study, self.packets)
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
        streams: list[FrameStream] = []
        try:
            for number, base in enumerate(self.interfaces.first):
                on_block = self.kept or MergedBlocks(self.output, base)
                is_alone = len(self.interfaces.first) == 1
                streams.append(FrameStream(self.study, self.packets, number, on_block, is_alone))
            for stream in streams:
                stream.advance()
            while any(stream.identified for stream in streams):
                self._batch(streams)
                if progress:
                    progress(self.written.frames)
        finally:
            for stream in streams:
                stream.close()
        if self.written.frames != self.study.report.coverage.frames:
            raise UnreadableInput("the input has changed while it was read; annotate it when it is complete")
        return self.written

    def _batch(self, streams: list[FrameStream]) -> None:
        """Writes, in time order, the frames that no block still to come can precede; then takes new blocks."""
        live = [stream for stream in streams if stream.identified]
        parts = self._parts(live)
        position = self._find_previous_hops(parts)
        sizes = np.empty(len(position), dtype=np.int64)
        start = 0
        for part in parts:
            stop = start + len(part.table)
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
        self.output.number += len(position)
        self.written.frames += len(position)
        for stream in live:
            if stream.at == len(stream.rows):
                stream.advance()

    def _parts(self, live: list[FrameStream]) -> list[_Part]:
        """Each stream's frames up to the earliest time at which a stream's block ends."""
        until = min(int(stream.times[-1]) for stream in live)
        parts = []
        for stream in live:
            stop = int(np.searchsorted(stream.times, until, side="right"))
            if stop > stream.at:
                parts.append(_Part(stream, *self._tables(stream, stop), stream.times[stream.at : stop]))
                stream.at = stop
        return parts

    def _find_previous_hops(self, parts: list[_Part]) -> Values:
        """Fills the columns of the tables that say which comment a frame gets.

        Returns, for each frame of the parts, its position in the output.
        """
        if len(parts) == 1:
            (part,) = parts
            self._comment_on(part, *self.hops.before(part.sights, self.output.number))
            return np.arange(len(part.table))
        order = np.argsort(np.concatenate([part.times for part in parts]), kind="stable")
        sights = np.concatenate([part.sights for part in parts])
        since, shape, position = (np.empty(len(order), dtype=np.int64) for _ in range(3))
        since[order], shape[order] = self.hops.before(sights[order], self.output.number)
        position[order] = np.arange(len(order))
        start = 0
        for part in parts:
            stop = start + len(part.table)
            self._comment_on(part, since[start:stop], shape[start:stop])
            start = stop
        return position

    def _comment_on(self, part: _Part, since: Values, shape: Values) -> None:
        self.comments.choose(part.sights, since, shape, part.table)
        self.written.commented += int((part.table[:, pcapng_emit.TEXT] >= 0).sum())

    def _tables(self, stream: FrameStream, stop: int) -> tuple[EmitTable, hop.Sights]:
        """(table for `pcapng_emit.emit`, sights for `PreviousHops.before`) of a stream's frames up to `stop`."""
        identified, links = stream.identified, self.packets.links
        assert identified is not None
        rows = stream.rows[stream.at : stop]
        table = np.empty((len(rows), pcapng_emit.WIDTH), dtype=np.int64)
        sights = np.empty((len(rows), hop.SIGHT), dtype=np.int64)
        view, block = self.packets.machine.view, identified.block
        self.packets.machine.run(fill_tables)(
            view(block.flat), view(rows), len(rows), view(block.record_at), view(identified.ids),
            view(identified.id_rows), view(identified.flow_rows), view(self.interfaces.of_point),
            identified.first_point, self.kept.first_interface if self.kept else 0,
            view(links.before), view(links.source), view(table.reshape(-1)), view(sights.reshape(-1)),
        )  # fmt: skip
        if self.kept is None and not table[:, pcapng_emit.TIMED].all():
            raise UsageError(
                f"{self.study.sources[stream.number].label}: has packets without a time (simple packet blocks), "
                "which cannot be merged with others; annotate this file alone"
            )
        self.written.named += int((table[:, pcapng_emit.ID] > 0).sum())
        return table, sights

    def _emit(self, part: _Part, write: bool) -> None:
        """Sets the lengths of the part's blocks, or writes the blocks to `_out`."""
        stream, view = part.stream, self.packets.machine.view
        assert stream.identified is not None
        buf = self.packets.machine.bytes(stream.identified.block.raw)
        head = stream.capture.header if isinstance(stream.capture, PcapReader) else None
        big = stream.is_big_endian
        self.packets.machine.run(pcapng_emit.emit)(
            buf, head.record_header & 255 if head else 0, 1_000_000_000 // head.unit if head else 0,
            int(big), int(big if self.kept else False), view(part.table.reshape(-1)), len(part.table),
            view(self.comments.texts), view(self._comment), view(self._out), int(write),
        )  # fmt: skip
