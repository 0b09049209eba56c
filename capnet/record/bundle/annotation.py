"""A capture written again with what was found out: the same packet carries the same id at every point.

Frames keep their bytes, times, lengths and order. Each gets `epb_packetid` (equal for the same packet wherever it was
seen, `trace.packet_ids`) and, where something happened to it since the hop before, a comment that says what. One pcapng
file stays what it was, block by block; several files, and pcap, become one section with an interface per point.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from capnet import __version__
from capnet.analysis.engine import Study
from capnet.analysis.trace.packet_ids import IdentifiedBlock, PacketIds, open_again
from capnet.errors import UnreadableInput, UsageError
from capnet.record.bundle import previous_hop
from capnet.record.bundle.packet_comments import LONGEST_COMMENT, Notes
from capnet.record.bundle.pcapng_blocks import (
    INTERFACE_NUMBERS,
    encodable,
    is_mac,
    kind_of,
    made_block,
    order_of,
    statistics,
    turned_names,
)
from capnet.record.bundle.previous_hop import Hops
from capnet.wire import fields
from capnet.wire.capture import Capture
from capnet.wire.formats import pcapng, pcapng_emit, pcapng_walk
from capnet.wire.formats import pcapng_writer as writer
from capnet.wire.formats.pcap import PcapReader


class Collected:
    """What a first pass over the sources must keep of their other blocks: its `see` is the `on_block` of the study.

    `interfaces`: per source, interface description blocks and whether they are big-endian. `names`: all name records.
    """

    def __init__(self) -> None:
        self.interfaces: dict[int, list[tuple[bytes, bool]]] = {}
        self.names = pcapng.Names()

    def see(self, source: int, block: bytes, big: bool) -> None:
        kind = kind_of(block, big)
        if kind == pcapng.INTERFACE_DESCRIPTION:
            self.interfaces.setdefault(source, []).append((block, big))
        elif kind == pcapng.NAME_RESOLUTION:
            pcapng.parse_names(block, big, self.names)


@dataclass
class Written:
    """What was written, in frames."""

    frames: int = 0
    named: int = 0
    commented: int = 0


@dataclass
class _Stream:
    """One source on its way through: its current block, and how far it has been written."""

    number: int
    blocks: Iterator[IdentifiedBlock]
    capture: Capture
    named: IdentifiedBlock | None = None
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # rows of depth 0
    times: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # never falling
    at: int = 0

    def advance(self) -> None:
        """Take the next block that holds frames; `named` is None when there is none."""
        latest = int(self.times[-1]) if len(self.times) else 0
        for named in self.blocks:
            rows = np.flatnonzero(named.block.rows[:, fields.DEPTH] == 0)
            if len(rows):
                times = named.block.rows[rows, fields.TIME]
                self.named, self.rows, self.at = named, rows, 0
                self.times = np.maximum.accumulate(np.maximum(times, latest))
                return
        self.named = None


def annotate(
    study: Study,
    collected: Collected,
    write: Callable[[Any], object],
    progress: Callable[[int], None] | None = None,
) -> Written:
    """Read the sources of `study` once more and `write` the annotated capture, piece by piece.

    `progress` is called with the number of frames written so far. Raises UnreadableInput, and UsageError for what
    cannot be merged.
    """
    return _Annotation(study, collected, write).run(progress)


class _Annotation:
    def __init__(self, study: Study, collected: Collected, write: Callable[[Any], object]) -> None:
        self.study = study
        self.collected = collected
        self.write = write
        self.packets = PacketIds(study)
        self.notes = Notes(study)
        self.as_it_was = len(study.sources) == 1 and study.report.inputs[0].format == "pcapng"
        self.written = Written()
        self.number = 0  # of the last frame, as Wireshark counts
        self._first_interface = 0  # of the current section
        self._seen_interfaces = 0
        self._begun = False
        self.hops = Hops(study, self.packets)
        self._out = np.zeros(1 << 20, dtype=np.uint8)
        self._comment = np.zeros(LONGEST_COMMENT + 32, dtype=np.uint8)

    def run(self, progress: Callable[[int], None] | None) -> Written:
        if not self.as_it_was:
            self.write(self._head())
        captures: list[Capture] = []
        try:
            streams = []
            for number in range(len(self.study.sources)):
                told = self._as_it_was if self.as_it_was else _Merged(self, number)
                captures.append(open_again(self.study, number, told))
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

    # -- frames ------------------------------------------------------------------------------------
    def _batch(self, streams: list[_Stream]) -> None:
        """Write, in time order, what no block still to come can precede; then take new blocks."""
        live = [stream for stream in streams if stream.named]
        until = min(int(stream.times[-1]) for stream in live)
        parts = []
        for stream in live:
            stop = int(np.searchsorted(stream.times, until, side="right"))
            if stop > stream.at:
                parts.append((stream, self._table(stream, stop), stream.times[stream.at : stop]))
                stream.at = stop
        order = np.argsort(np.concatenate([times for _, _, times in parts]), kind="stable")
        seen = np.concatenate([sights for _, (_, sights), _ in parts])
        since, shape = (np.empty(len(order), dtype=np.int64) for _ in range(2))
        since[order], shape[order] = self.hops.before(seen[order], self.number)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        sizes = np.empty(len(order), dtype=np.int64)
        start = 0
        for stream, (table, sights), _ in parts:
            stop = start + len(table)
            table[:, pcapng_emit.SINCE] = since[start:stop]
            flows = sights[:, previous_hop.FLOW]
            told = np.flatnonzero(flows >= 0)
            table[:, pcapng_emit.TEXT] = -1
            table[told, pcapng_emit.TEXT], table[told, pcapng_emit.TEXT_END] = self.notes.of(
                flows[told], shape[start:stop][told], since[start:stop][told]
            )
            self.written.commented += int((table[:, pcapng_emit.TEXT] >= 0).sum())
            self._emit(stream, table, False)
            sizes[place[start:stop]] = table[:, pcapng_emit.LENGTH]
            start = stop
        begins = np.concatenate([[0], np.cumsum(sizes)])
        if begins[-1] > len(self._out):
            self._out = np.zeros(int(begins[-1]), dtype=np.uint8)
        start = 0
        for stream, (table, _), _ in parts:
            table[:, pcapng_emit.OUT] = begins[place[start : start + len(table)]]
            self._emit(stream, table, True)
            start += len(table)
        self.write(self._out[: int(begins[-1])].data)
        self.number += len(order)
        self.written.frames += len(order)
        for stream in live:
            if stream.at == len(stream.rows):
                stream.advance()

    def _table(self, stream: _Stream, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The frames of a stream up to `stop`, for `pcapng_emit.emit`, and for `Hops.before`."""
        named = stream.named
        assert named is not None
        rows = stream.rows[stream.at : stop]
        decoded = named.block.rows
        table = np.zeros((len(rows), pcapng_emit.WIDTH), dtype=np.int64)
        timed = decoded[rows, fields.TIME] >= 0
        if not (self.as_it_was or timed.all()):
            raise UsageError(
                f"{self.study.sources[stream.number].label}: has packets without a time (simple packet blocks), "
                "which cannot be merged with others; annotate this file alone"
            )
        table[:, pcapng_emit.AT] = named.block.record_at[rows]
        table[:, pcapng_emit.CAPLEN] = decoded[rows, fields.CAPLEN]
        table[:, pcapng_emit.WIRELEN] = decoded[rows, fields.WIRELEN]
        table[:, pcapng_emit.TIMED] = timed
        shift = -self._first_interface if self.as_it_was else named.first_point
        table[:, pcapng_emit.INTERFACE] = decoded[rows, fields.POINT] + shift
        ids = np.where(timed, named.ids[rows], 0)
        table[:, pcapng_emit.ID] = ids
        flows = named.flow_rows[named.id_rows[rows]]
        flows[ids == 0] = -1
        self.written.named += int((ids > 0).sum())
        return table, self.hops.sights(ids, flows, decoded[named.id_rows[rows]])

    def _emit(self, stream: _Stream, table: np.ndarray, write: bool) -> None:
        named = stream.named
        assert named is not None
        capture, view = named.capture, self.packets.machine.view
        buf = self.packets.machine.bytes(named.block.raw)
        head = capture.header if isinstance(capture, PcapReader) else None
        big = capture.big
        self.packets.machine.run(pcapng_emit.emit)(
            buf, head.record_header & 255 if head else 0, 1_000_000_000 // head.unit if head else 0,
            int(big), int(big if self.as_it_was else False), view(table.reshape(-1)), len(table),
            view(self.notes.texts), view(self._comment), view(self._out), int(write),
        )  # fmt: skip

    # -- blocks that are no packets ------------------------------------------------------------------
    def _as_it_was(self, block: bytes, big: bool) -> None:
        """One pcapng file: its other blocks stay where they are."""
        kind = kind_of(block, big)
        if kind == pcapng.SECTION_HEADER:
            self._first_interface = self._seen_interfaces
            # The section grows: its length is left unspecified (section 4.1).
            self.write(block[:16] + b"\xff" * 8 + block[24:])
            if not self._begun:
                self._begun = True
                self.write(self._names(big))
            return
        if kind == pcapng.INTERFACE_DESCRIPTION:
            block = self._named_interface(block, big, self._seen_interfaces, big)
            self._seen_interfaces += 1
        if pcapng_walk.is_numbered(kind):
            self.number += 1
        self.write(block)

    def _head(self) -> bytes:
        """Section header, interfaces and names of a file that did not have them so."""
        blocks = [writer.section(userappl=f"capnet {__version__}")]
        points = self.study.report.points
        at = 0
        for number, given in enumerate(self.study.report.inputs):
            for block, big in self.collected.interfaces.get(number, []):
                blocks.append(self._named_interface(block, big, at, False))
                at += 1
            if given.format == "pcap":
                with open_again(self.study, number) as capture:
                    assert isinstance(capture, PcapReader)
                    head = capture.header
                    blocks.append(
                        writer.interface(
                            encodable(points[at].name),
                            linktype=head.linktype,
                            snaplen=head.snaplen,
                            resolution=9 if head.unit == 1 else 6,
                        )
                    )
                at += 1
        return b"".join([*blocks, self._names(False)])

    def _named_interface(self, block: bytes, big: bool, number: int, big_out: bool) -> bytes:
        """An interface block; with the name of its point when it has another or none."""
        name = self.study.report.points[number].name
        options = list(pcapng.options(block[16:-4], big))
        own = next((pcapng.text(value) for code, value in options if code == 2), None)
        if own == name and big == big_out:
            return block
        turned = [
            (code, value[::-1] if big != big_out and INTERFACE_NUMBERS.get(code) == len(value) else value)
            for code, value in options
            if code != 2
        ]
        linktype, _, snaplen = struct.unpack_from(">HHI" if big else "<HHI", block, 8)
        body = struct.pack(">HHI" if big_out else "<HHI", linktype, 0, snaplen)
        return made_block(pcapng.INTERFACE_DESCRIPTION, body, [(2, encodable(name).encode()), *turned], big_out)

    def _names(self, big: bool) -> bytes:
        """What the report calls addresses and MACs, as a name resolution block; empty when the input names them all."""
        addresses: list[tuple[str, str]] = []
        macs: list[tuple[str, str]] = []
        for key, name in self.study.report.names.items():
            if self.collected.names.of.get(key) != [name]:
                (macs if is_mac(key) else addresses).append((key, encodable(name)))
        if not addresses and not macs:
            return b""
        block = writer.names(addresses, macs)
        return turned_names(block) if big else block


class _Merged:
    """`on_block` of one of several sources: what still means something in the one section that they become."""

    def __init__(self, annotation: _Annotation, source: int) -> None:
        self.annotation = annotation
        self.interfaces = annotation.study.bases[source]  # seen so far, those of sources before included
        self.first = self.interfaces  # of the current section

    def __call__(self, block: bytes, big: bool) -> None:
        to, kind = self.annotation, kind_of(block, big)
        if kind == pcapng.SECTION_HEADER:
            self.first = self.interfaces
        elif kind == pcapng.INTERFACE_DESCRIPTION:
            self.interfaces += 1
        elif kind == pcapng.INTERFACE_STATISTICS:
            number = int.from_bytes(block[8:12], order_of(big)) + self.first
            if number < self.interfaces:
                to.write(statistics(block, big, number))
        elif kind == pcapng.NAME_RESOLUTION:
            to.write(turned_names(block) if big else block)
        elif not big:  # custom blocks, secrets, journal: their bytes mean the same here
            to.number += pcapng_walk.is_numbered(kind)
            to.write(block)
