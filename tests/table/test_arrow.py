"""Arrow's C stream interface, read by ctypes alone: values, missing ones, release, errors."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

import capnet
from capnet.table import arrow
from capnet.table.batch import Batch, batch_of
from capnet.table.column import KINDS, DataColumn
from capnet.table.table import Table
from tests.conftest import GOLDENS, MADE, PROJECT
from tests.table.arrow_reader import ArrowStream, StreamError

COLUMNS = tuple(DataColumn(kind, kind, "") for kind in KINDS if kind != "octets")
ROWS = [
    (
        True,
        255,
        65535,
        2**32 - 1,
        -(2**15),
        -1,
        -(2**63),
        0.5,
        1_700_000_000_000_000_001,
        "a",
        ["x", "ü"],
        [1, 65535],
        "10.0.0.1",
    ),
    (None, None, None, None, None, None, None, None, None, None, [], [], None),
    (False, 0, 1, 2, -3, 3, 4, 5.0, 0, "", [""], [0], "fe80::1"),
]  # fmt: skip


def read(table: Table) -> list[dict[str, object]]:
    stream = ArrowStream(table.__arrow_c_stream__())
    rows = stream.rows()
    stream.close()
    return rows


def test_values_of_every_kind_arrive() -> None:
    table = Table("t", COLUMNS, lambda: iter([batch_of(COLUMNS, ROWS), batch_of(COLUMNS, ROWS[::-1])]))
    expected = [dict(zip(table.columns, row, strict=True)) for row in [*ROWS, *ROWS[::-1]]]
    assert read(table) == expected == list(table)


def test_formats_are_those_that_are_documented() -> None:
    stream = ArrowStream(Table("t", COLUMNS, lambda: iter([])).__arrow_c_stream__())
    assert stream.rows() == []
    for column in COLUMNS:
        form, inner = stream.formats[column.name]
        expected = KINDS[column.kind].format
        of_list = {"list<string>": "u", "list<uint16>": "S"}.get(KINDS[column.kind].type, "")
        assert (form, inner) == (("i", "u") if expected == "u" else (expected, of_list))
    stream.close()


@pytest.mark.parametrize("capture", [*GOLDENS[:4], *MADE], ids=lambda path: path.name)
def test_frames_arrive_as_they_are_iterated(capture: object) -> None:
    with capnet.open_capture(capture) as opened:  # type: ignore[arg-type]
        arrived = read(opened.frames())
    with capnet.open_capture(capture) as opened:  # type: ignore[arg-type]
        assert arrived == list(opened.frames())


def test_nothing_is_kept_after_release() -> None:
    """Read to its end, left in the middle, and never taken from its capsule."""
    gc.collect()
    before = len(arrow.kept)
    table = Table("t", COLUMNS, lambda: iter([batch_of(COLUMNS, ROWS)] * 3))
    read(table)
    ArrowStream(table.__arrow_c_stream__()).close()
    capsule = table.__arrow_c_stream__()
    del capsule
    del table
    gc.collect()
    assert len(arrow.kept) == before


def test_error_while_reading_is_told_and_no_crash() -> None:
    def batches() -> Iterator[Batch]:
        yield batch_of(COLUMNS, ROWS)
        raise capnet.errors.UnreadableInput("x.pcap: the disk is gone")

    stream = ArrowStream(Table("t", COLUMNS, batches).__arrow_c_stream__())
    with pytest.raises(StreamError, match=r"UnreadableInput: x\.pcap: the disk is gone"):
        stream.rows()
    stream.close()


def test_binary_addresses_are_sixteen_octets() -> None:
    """IPv4 as ::ffff:a.b.c.d (RFC 4291); ARP has addresses too, other frames have none."""
    with capnet.open_capture(PROJECT / "tests" / "made" / "arp.pcap") as opened:
        rows = read(opened.frames(binary=True))
    assert rows[0]["src"] == bytes(10) + b"\xff\xff" + bytes([172, 17, 0, 2])
    assert {len(row["src"]) for row in rows if row["src"] is not None} == {16}  # type: ignore[arg-type]
