"""Reads frames of captures into memory, and writes those that stay as one pcapng file.

Of an interface stay its link type, its name, its MAC, and when it listened, which findings about missing packets ask
for. Comments, filters, descriptions and the names of machines and programs do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, TypeAlias

import numpy as np

from capnet import __version__
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.schema import Mask
from capnet.analysis.engine import Source, Study
from capnet.errors import UsageError
from capnet.quick_tuple import NamedTuple
from capnet.wire import fields
from capnet.wire.block import Block, Rows
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer as pcapng
from capnet.wire.formats.reader import CaptureInterface

MAX_FRAMES = 20_000  # in memory, with their rows: some 100 MB
MAX_CAPTURE = 64 << 20  # bytes of these frames

Hashes: TypeAlias = Annotated[np.ndarray, "uint64[n]"]


class CandidateFrame(NamedTuple):
    """A frame. `rows`: as decoded, the outermost first; `conversation`: a hash of its innermost ends."""

    point: int
    time: int
    wirelen: int
    raw: bytes
    rows: tuple[Document, ...]
    conversation: int
    file: str
    number: int


class PointFacts(NamedTuple):
    """What is written of a capture point. Times in ns; None where the capture does not say."""

    name: str
    linktype: int
    snaplen: int
    mac: str | None
    started: int | None
    ended: int | None
    dropped: int | None


class Loaded(NamedTuple):
    """Frames in the order of their file, of several files by time; their points, and names of addresses."""

    frames: list[CandidateFrame]
    points: list[PointFacts]
    names: dict[str, list[str]]


class Chosen(NamedTuple):
    """Which frames of a large capture are read: by file and number, by conversation, or by any address; None: all."""

    numbers: frozenset[tuple[str, int]] | None = None
    conversations: frozenset[int] | None = None
    addresses: frozenset[int] | None = None

    def rows(self, block: Block, file: str) -> Mask:
        """A mask of the rows that were chosen."""
        if self.numbers is not None:
            return np.isin(block["frame"], [number for name, number in self.numbers if name == file])
        if self.conversations is not None:
            return np.isin(conversations_of(block.rows), _hashes(self.conversations))
        if self.addresses is not None:
            addresses = _hashes(self.addresses)
            return np.isin(ends_of(block.rows, "src"), addresses) | np.isin(ends_of(block.rows, "dst"), addresses)
        return np.ones(len(block), dtype=bool)


class TooMany(Exception):
    """More frames than fit in memory."""


def load(study: Study, chosen: Chosen, vxlan_port: int) -> Loaded:
    """The chosen frames of a study's files, read again. TooMany if they do not fit in memory."""
    frames: list[CandidateFrame] = []
    points: list[PointFacts] = []
    names: dict[str, list[str]] = {}
    size = 0
    for number, source in enumerate(study.sources):
        first = len(points)
        for part in source.parts:
            assert part.path is not None
            with open_capture(part.path, vxlan_port=vxlan_port) as capture:
                for block in capture.blocks():
                    for frame in _frames(block, chosen, part.label, first):
                        frames.append(frame)
                        size += len(frame.raw)
                        if len(frames) > MAX_FRAMES or size > MAX_CAPTURE:
                            raise TooMany
                for address, own in capture.names.of.items():
                    names.setdefault(address, []).extend(own)
                if len(points) == first:
                    points += [_facts(study, number, interface) for interface in capture.interfaces]
    if len(study.sources) > 1:
        frames.sort(key=lambda frame: frame.time)
    return Loaded(frames, points, names)


def _facts(study: Study, number: int, interface: CaptureInterface) -> PointFacts:
    """The point of an interface: its name in the report, and what the report holds to be known of its times."""
    ends = [*study.bases[1:], len(study.report.points)]
    own = [
        point
        for point in study.report.points[study.bases[number] : ends[number]]
        if point.interface == interface.number
    ]
    name = own[0].name if len(own) == 1 else interface.name or "any"
    times = (own[0].started, own[0].ended) if own else (None, None)
    return PointFacts(
        name,
        interface.linktype,
        interface.snaplen,
        interface.mac,
        *times,
        interface.dropped,
    )


def _frames(block: Block, chosen: Chosen, file: str, first: int) -> Iterable[CandidateFrame]:
    """The frames of a block of which any row was chosen."""
    if not len(block):
        return
    starts = np.flatnonzero(block["depth"] == 0)
    is_chosen = np.logical_or.reduceat(chosen.rows(block, file), starts)
    conversations = conversations_of(block.rows)
    ends = np.append(starts[1:], len(block))
    for start, end in zip(starts[is_chosen].tolist(), ends[is_chosen].tolist(), strict=True):
        rows = tuple(dict(zip(fields.NAMES, map(int, row), strict=True)) for row in block.rows[start:end])
        outer, at = rows[0], int(block.record_at[start])
        raw = bytes(block.raw[at : at + outer["caplen"]])
        inner = start + max(range(len(rows)), key=lambda index: rows[index]["depth"])
        place = first + outer["point"], outer["time"], outer["wirelen"]
        yield CandidateFrame(*place, raw, rows, int(conversations[inner]), file, outer["frame"])


# -- hashes, for masks of many rows: numbers of 64 bits that wrap around -----------------------------------
_FACTORS = tuple(np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))


def conversations_of(rows: Rows) -> Hashes:
    """A hash of protocol and both ends of each row, the same for both directions; without IP, of its MACs."""
    ends = sum(
        _mixed(ends_of(rows, end) + _column(rows, port) * _FACTORS[2])
        for end, port in (("src", "sport"), ("dst", "dport"))
    )
    macs = _mixed(_column(rows, "smac")) + _mixed(_column(rows, "dmac")) + _column(rows, "ethertype")
    has_ip = rows[:, fields.LAYERS] & (fields.LAYER_IP | fields.LAYER_ARP) != 0
    return np.where(has_ip, ends + _column(rows, "proto") * _FACTORS[1], macs)


def ends_of(rows: Rows, end: str) -> Hashes:
    """A hash of the address at the end `src` or `dst` of each row."""
    return _column(rows, f"{end}_hi") * _FACTORS[0] + _column(rows, f"{end}_lo") * _FACTORS[1]


def _column(rows: Rows, name: str) -> Hashes:
    return rows[:, fields.COLUMN[name]].astype(np.uint64)


def _mixed(values: Hashes) -> Hashes:
    return (values ^ (values >> np.uint64(29))) * _FACTORS[1]


def _hashes(values: frozenset[int]) -> Hashes:
    return np.fromiter(values, dtype=np.uint64, count=len(values))


def capture_of(
    frames: Sequence[CandidateFrame], points: Mapping[int, PointFacts], names: Iterable[tuple[str, str]] = ()
) -> bytes:
    """A pcapng file with these frames and points; a point may have none of the frames."""
    number_of = {point: number for number, point in enumerate(points)}
    blocks = [pcapng.section(userappl=f"capnet {__version__}")]
    for facts in points.values():
        blocks.append(pcapng.interface(facts.name, mac=facts.mac, linktype=facts.linktype, snaplen=facts.snaplen))
    for frame in frames:
        time = max(frame.time, 0)
        blocks.append(pcapng.packet(number_of[frame.point], time, frame.raw, wire_length=frame.wirelen))
    if pairs := list(names):
        blocks.append(pcapng.names(pairs))
    last = max((frame.time for frame in frames), default=0)
    for point, facts in points.items():
        if (facts.started, facts.ended, facts.dropped) != (None, None, None):
            times = {"start_ns": facts.started, "end_ns": facts.ended, "kernel_dropped": facts.dropped}
            blocks.append(pcapng.statistics(number_of[point], max(last, 0), **times))
    return b"".join(blocks)


def must_be_files(sources: Sequence[Source]) -> None:
    """UsageError for standard input, which cannot be read twice."""
    if any(source.path is None for source in sources):
        raise UsageError("reduce reads the capture several times, which standard input cannot be; save it first")
