"""The table `frames` has the values of the rows it is made of, interpreted and compiled, and of hostile rows too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import capnet
from capnet.jit.kernel import Machine
from capnet.wire import fields
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.numbers import proto_name
from capnet.wire.protocols import KIND_OF_NUMBER
from capnet.wire.tables import codes
from capnet.wire.tables.columns import FRAME_COLUMNS, REASONS
from capnet.wire.tables.frames import FrameColumns
from tests.conftest import GOLDENS, MADE

pytestmark = pytest.mark.kernels

NUMBERS = [column.column.name for column in FRAME_COLUMNS if column.how == "number"]


def expected(row: dict[str, int], points: list[str], file: str) -> dict[str, Any]:
    """What the table should say of a row."""
    values: dict[str, Any] = {name: row[name] if row[name] >= 0 else None for name in NUMBERS}
    values |= {name: mac_text(row[name]) if row[name] >= 0 else None for name in ("smac", "dmac", "arp_sha", "arp_tha")}
    has_address = row["layers"] & (fields.LAYER_IP | fields.LAYER_ARP)
    for end in ("src", "dst"):
        values[end] = address_text(row[f"{end}_hi"], row[f"{end}_lo"]) if has_address else None
    is_arp = row["arp_op"] >= 0
    values["proto"] = "arp" if is_arp else proto_name(row["proto"]) if row["proto"] >= 0 else None
    for name in ("tunnel", "via"):
        values[name] = KIND_OF_NUMBER[row[name]].name if row[name] else None
    values["undecoded"] = REASONS[row["reason"] - 1] if row["reason"] else None
    return values | {
        "digest": row["digest"] or None, "detail": row["detail"] or None, "file": file, "point": points[row["point"]],
    }  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True], ids=["interpreted", "compiled"])
@pytest.mark.parametrize("capture", [*GOLDENS, *MADE], ids=lambda path: path.name)
def test_frames_have_the_values_of_rows(capture: Path, compiled: bool) -> None:
    with capnet.open_capture(capture, compiled=compiled) as opened:
        shown = list(opened.frames())
    with capnet.open_capture(capture, compiled=False) as opened:
        rows = [row for block in opened.blocks() for row in block.dicts()]
        points = opened.point_names()
    assert shown == [expected(row, points, str(capture)) for row in rows]


def test_batches_are_bounded_and_in_order() -> None:
    """Rows of several blocks in one batch, and of one block in several."""
    rows = np.tile(fields.BLANK, (50_000, 1))
    rows[:, [fields.FRAME, fields.TIME, fields.POINT]] = np.arange(50_000)[:, None] * [1, 1000, 0]

    class Block:
        def __init__(self, part: Any) -> None:
            self.rows, self.flat, self.layers = part, np.ascontiguousarray(part).reshape(-1), 0

    blocks = [Block(rows[begin : begin + 9_000]) for begin in range(0, 50_000, 9_000)]
    columns = FrameColumns(Machine(compiled=True), "x", capacity=20_000)
    batches = list(columns.batches(blocks, lambda: ["p"]))
    assert [batch.rows for batch in batches] == [9_000] * 5 + [5_000]
    frames = np.concatenate([batch.data[1].values for batch in batches])  # type: ignore[union-attr]
    assert (frames == np.arange(50_000)).all()


def test_more_addresses_than_memory_are_all_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of addresses begin anew; batches before keep their texts."""
    monkeypatch.setattr(codes, "MAX_VALUES", 5_000)
    rows = np.tile(fields.BLANK, (4_000, 1))
    rows[:, fields.LAYERS] = fields.LAYER_IPV4
    rows[:, fields.SRC_HI] = rows[:, fields.DST_HI] = 0
    rows[:, fields.SRC_LO] = (0xFFFF << 32) + np.arange(4_000)
    rows[:, fields.DST_LO] = (0xFFFF << 32) + 0x0A000000 + np.arange(4_000)[::-1] * 7

    class Block:
        def __init__(self, part: Any) -> None:
            self.rows, self.flat, self.layers = part, np.ascontiguousarray(part).reshape(-1), fields.LAYER_IPV4

    blocks = [Block(rows[begin : begin + 500]) for begin in range(0, 4_000, 500)]
    columns = FrameColumns(Machine(compiled=True), "x", capacity=1_000)
    names = [column.name for column in columns.columns]
    sources: list[str] = []
    for batch in list(columns.batches(blocks, lambda: ["p"])):
        column: Any = batch.data[names.index("src")]
        texts = column.texts.to_list()
        sources += [texts[code] for code in column.codes.tolist()]
    assert sources == [address_text(0, int(low)) for low in rows[:, fields.SRC_LO]]
