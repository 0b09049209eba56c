"""Connections of several captures, against a comparison of every row with every other one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capnet.analysis.engine import study
from capnet.fleet.joined import joining
from capnet.fleet.joined.connections import CONNECTION, connections_of, in_hash_order
from capnet.fleet.joined.joining import MAX_CLOCK_DIFFERENCE_NS, CaptureConnections, joined_rows, sharing_captures
from tests.fleet.inline import GOLDENS

SECOND = 1_000_000_000


def observed(folder: Path, rows: list[list[tuple[int, int, int, int]]]) -> list[CaptureConnections]:
    """Captures with connections (key, first, last in seconds, opening)."""
    captures = []
    for number, own in enumerate(rows):
        array = np.zeros(len(own), dtype=CONNECTION)
        for index, (key, first, last, opening) in enumerate(own):
            array[index]["ports"], array[index]["opening"] = key, opening
            array[index]["first"], array[index]["last"] = first * SECOND, last * SECOND
        file = folder / f"{number}.npy"
        np.save(file, in_hash_order(array))
        times = [time for row in own for time in row[1:3]] or [0]
        captures.append(CaptureConnections(file, len(own), min(times) * SECOND, max(times) * SECOND))
    return captures


def together(captures: list[CaptureConnections]) -> list[tuple[int, list[int]]]:
    """(key, captures) of each connection."""
    result = []
    for rows in joined_rows(captures):
        for number in np.unique(rows["number"]):
            own = rows[rows["number"] == number]
            result.append((int(own["ports"][0]), sorted(set(own["capture"].tolist()))))
    return sorted(result)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[(1, 0, 9, 0)], [(1, 5, 20, 0)]], [(1, [0, 1])]),
        ([[(1, 0, 9, 0)], [(1, 12, 20, 0)]], []),  # the port was used again
        ([[(1, 0, 9, 0)], [(1, 10, 20, 0)]], [(1, [0, 1])]),  # clocks may differ by a second
        ([[(1, 0, 90, 0)], [(1, 5, 6, 0)], [(1, 50, 60, 0)]], [(1, [0, 1, 2])]),  # the first lasts longest
        ([[(1, 0, 9, 7)], [(1, 5, 20, 8)]], []),  # two openings: two hosts with the same private addresses
        ([[(1, 0, 9, 7)], [(1, 5, 20, 7)], [(1, 5, 20, 8)], [(1, 5, 20, 0)]], [(1, [0, 1])]),
        ([[(1, 0, 9, 0)], [(2, 0, 9, 0)], [(1, 0, 1, 0), (2, 1, 2, 0)]], [(1, [0, 2]), (2, [1, 2])]),
        ([[], [(1, 0, 9, 0)], []], []),
    ],
)
def test_connections_belong_together_while_they_last(tmp_path: Path, rows: list, expected: list) -> None:
    assert together(observed(tmp_path, rows)) == expected


def test_joining_in_parts_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    rows = []
    for _ in range(6):
        keys, begins = random.choice(80, 40, replace=False).tolist(), random.integers(0, 40, 40).tolist()
        rows.append([(key, begin, begin + 5, 0) for key, begin in zip(keys, begins, strict=True)])
    captures = observed(tmp_path, rows)
    every_row = [(capture, row) for capture, own in enumerate(rows) for row in own]
    of_key = {key: [(capture, row) for capture, row in every_row if row[0] == key] for key in range(80)}
    expected = [(key, captures_of_one) for key in of_key for captures_of_one in _chains(of_key[key])]
    assert together(captures) == sorted(expected)
    monkeypatch.setattr(joining, "MAX_ROWS", 30)
    parts = list(joined_rows(captures))
    assert len(parts) > 3
    assert together(captures) == sorted(expected)
    assert len({int(number) for part in parts for number in part["number"]}) == len(expected)
    assert sum(each.connections for part in parts for each in sharing_captures(part)) == len(expected)


def _chains(rows: list[tuple[int, tuple[int, int, int, int]]]) -> list[list[int]]:
    """Captures of each run of rows that meet, one by one."""
    rows.sort(key=lambda row: row[1][1])
    chains: list[tuple[int, list[int]]] = []
    for capture, (_, first, last, _) in rows:
        if chains and first <= chains[-1][0] + MAX_CLOCK_DIFFERENCE_NS // SECOND:
            end, captures = chains[-1]
            chains[-1] = (max(end, last), [*captures, capture])
        else:
            chains.append((last, [capture]))
    return [sorted(set(captures)) for _, captures in chains if len(set(captures)) > 1]


def test_connections_of_a_capture_are_those_of_its_flows() -> None:
    """Loopback and link-local addresses are left out, and the points and directions of a connection are one row."""
    context = study(GOLDENS / "bridge.pcapng").context
    rows = connections_of(context)
    assert len(rows) == len(np.unique(rows[["low_hi", "low_lo", "high_hi", "high_lo", "ports"]]))
    tcp = rows[rows["ports"] >> 32 == 6]
    assert set(tcp["opening"] > 0) == {True}
    assert 0 < len(rows) < len(context.flows)
