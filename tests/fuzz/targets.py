"""Targets of the fuzzer: functions of bytes that raise where a promise is broken. Tests call them too.

The promises: any bytes are read in bounded time and memory, with no exception but UnreadableInput, and no offset in a
row exceeds what was captured. Kernels run interpreted, and a frame lies in a buffer of exactly its length, so
an index outside is an IndexError; compiled, it would be silent.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.analysis.engine import Source, analyze
from capnet.errors import UnreadableInput
from capnet.report.drawing.frame import render as render_frame
from capnet.report.formats.json import render as render_json
from capnet.report.formats.table import render as render_table
from capnet.wire import fields
from capnet.wire.capture import open_capture
from capnet.wire.decode import ROWS_PER_RECORD, decode
from capnet.wire.fields import ABSENT, BLANK, CAPLEN, COLUMN, PAYLOAD_AT, START, WIDTH
from capnet.wire.formats import record as rec
from capnet.wire.formats.pcapng import packet_comments

CORPUS = Path(__file__).parent / "corpus"
LINKTYPES = (1, 113, 276, 101, 0, 108, 9, 228, 12, 147)
MAY_BE_NEGATIVE = {COLUMN[name] for name in ("src_hi", "src_lo", "dst_hi", "dst_lo")}


class Strict:
    """Bytes without negative indices, which Python would count from the end."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __getitem__(self, at: int) -> int:
        if at < 0:
            raise IndexError(f"octet {at}")
        return self.data[at]


def frame(data: bytes) -> None:
    """One frame: link type (1 octet), more octets on the wire than captured (1 octet, × 64), the frame."""
    if len(data) < 2:
        return
    raw = data[2:]
    record = np.zeros(rec.WIDTH, dtype=np.int64)
    record[[rec.CAPLEN, rec.WIRELEN, rec.LINKTYPE]] = (
        len(raw), len(raw) + 64 * (data[1] & 127), LINKTYPES[data[0] % len(LINKTYPES)],
    )  # fmt: skip
    flat = np.empty(ROWS_PER_RECORD * WIDTH, dtype=np.int64)
    places, out = np.zeros(ROWS_PER_RECORD, dtype=np.int64), np.zeros(9, dtype=np.int64)
    port = 7777 if data[1] & 128 else 0
    decode.interpreted(
        Strict(raw), memoryview(record), 0, 1, port, memoryview(BLANK), memoryview(flat), ROWS_PER_RECORD,
        memoryview(places), memoryview(out),
    )  # fmt: skip
    check_rows(flat[: int(out[1]) * WIDTH].reshape(-1, WIDTH), len(raw))


def check_rows(rows: np.ndarray, captured: int) -> None:
    """The rows of one record of `captured` octets."""
    assert 1 <= len(rows) <= ROWS_PER_RECORD
    for row in rows.tolist():
        assert 0 <= row[START] <= captured, "a frame begins outside of the record"
        assert row[CAPLEN] >= 0 and row[START] + row[CAPLEN] <= captured, "a frame ends outside of the record"
        assert ABSENT <= row[PAYLOAD_AT] <= captured, "a payload begins outside of the record"
        for column, value in enumerate(row):
            assert value >= ABSENT or column in MAY_BE_NEGATIVE, fields.NAMES[column]


def file(data: bytes) -> None:
    """A whole file: walkers, blocks, the decoder, and the tables of a pass."""
    try:
        with open_capture(io.BytesIO(data), name="fuzz", compiled=False) as capture:
            aggregator = Aggregator(capture.machine, budget=4096)
            for block in capture.blocks():
                aggregator.add(block, 0)
            assert capture.packets <= len(data) // 12 + 1 or capture.compression
            for problem in capture.problems:
                assert problem.offset >= 0
                assert problem.offset <= len(data) or capture.compression
            assert len(capture.problems) <= 1000
            assert capture.buffer_size <= 2 * rec.MAX_BLOCK
            for table in (aggregator.flows, aggregator.stations, aggregator.arps, aggregator.tunnels):
                assert len(table) <= 16 * capture.packets
    except UnreadableInput:
        pass


def report(data: bytes) -> None:
    """A whole analysis, rendered in each format."""
    before = sys.stdin
    sys.stdin = SimpleNamespace(buffer=io.BytesIO(data))  # type: ignore[assignment]
    try:
        contents = analyze([Source(None)], compiled=False).to_dict()
    except UnreadableInput:
        return
    finally:
        sys.stdin = before
    for text in (render_json(contents), render_table(contents), *shown(data)):
        hostile = {character for character in text if character != "\n" and not character.isprintable()}
        assert not hostile, f"reaches a terminal unescaped: {hostile}"


def shown(data: bytes, most: int = 20) -> Iterator[str]:
    """The first frames as `capnet packet` shows them, comments included."""
    with open_capture(io.BytesIO(data), name="fuzz", compiled=False) as capture:
        for block in capture.blocks():
            for frame_number in np.unique(block["frame"]).tolist():
                chosen = np.flatnonzero(block["frame"] == frame_number)
                rows = [dict(zip(fields.NAMES, map(int, row), strict=True)) for row in block.rows[chosen]]
                at, commented = int(block.record_at[chosen[0]]), capture.format == "pcapng" and rows[0]["time"] >= 0
                comments = packet_comments(block.raw, at, rows[0]["caplen"], capture.big) if commented else []
                yield render_frame(rows, "fuzz", "here", comments=comments)
                if not (most := most - 1):
                    return


TARGETS: dict[str, Callable[[bytes], Any]] = {"frame": frame, "file": file, "report": report}
