"""Excerpts of blocks, joined, show of their frames what the blocks themselves show."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.analysis.aggregate.limits import limit_stations
from capnet.analysis.aggregate.payload import excerpts
from capnet.jit.kernel import Machine
from capnet.wire.capture import open_capture

PCAPS = Path(__file__).parents[3] / "pcaps"
CAPTURES = ("overlay", "overlay-two", "bridge", "overlay-encrypted")  # with tunnels and without, one block each
ALL = 1 << 20


def checksums(monkeypatch: pytest.MonkeyPatch, min_rows: int, max_rows: int) -> tuple[object, list[list[int]]]:
    """What is said of the checksums of several captures, by excerpts of blocks below `min_rows` rows."""
    monkeypatch.setattr(excerpts, "MIN_ROWS", min_rows)
    monkeypatch.setattr(excerpts, "MIN_SHARE", ALL)
    monkeypatch.setattr(excerpts, "MAX_ROWS", max_rows)
    aggregator = Aggregator(Machine(compiled=False))
    points = 0
    for name in CAPTURES:
        with open_capture(PCAPS / f"{name}.pcapng", compiled=False) as capture:
            for block in capture.blocks():
                aggregator.add(block, points)
            points += len(capture.interfaces)
    aggregator.finish(limit_stations)
    by_point = {point: (c.seen, c.unfilled, c.frames) for point, c in aggregator.checksums.by_point.items()}
    return by_point, aggregator.tunnel_checksums.table.tolist()


@pytest.mark.parametrize("max_rows", [1, 2000, ALL])
def test_joined_excerpts_say_what_blocks_say(monkeypatch: pytest.MonkeyPatch, max_rows: int) -> None:
    by_point, tunnels = checksums(monkeypatch, 0, 0)
    assert len(by_point) > 10 and len(tunnels) > 10
    assert checksums(monkeypatch, ALL, max_rows) == (by_point, tunnels)


def test_excerpt_of_a_block_keeps_its_frames() -> None:
    """Rows and bytes of some frames in the middle of a block, at their new places."""
    with open_capture(PCAPS / "overlay.pcapng", compiled=False) as capture:
        block = next(capture.blocks())
        begins = [row for row in range(200, len(block)) if block["depth"][row] == 0]
        first, end = begins[0], begins[100]
        excerpt = excerpts.joined([excerpts.excerpt_of(block, 5, first, end)])
        assert excerpt["frame"].tolist() == block["frame"][first:end].tolist()
        assert excerpt["point"].tolist() == (block["point"][first:end] + 5).tolist()
        for number, row in enumerate(range(first, end)):
            own_at, at = int(excerpt.record_at[number]), int(block.record_at[row])
            start, size = int(block["start"][row]), int(block["caplen"][row])
            assert excerpt.raw[own_at + start :][:size] == block.raw[at + start :][:size]
            outer, own_outer = int(block["outer"][row]), int(excerpt["outer"][number])
            assert own_outer == (outer - first if outer >= 0 else -1)
