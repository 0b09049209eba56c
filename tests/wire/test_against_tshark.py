"""Every field of every row equals tshark's: stored values everywhere, live ones where tshark is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import GOLDENS, MADE
from tests.differential import compare, our_rows
from tests.tshark import tshark_rows, tshark_version
from tests.wire.expected import VXLAN_PORTS, stored

CAPTURES = [*GOLDENS, *MADE]


def ours(capture: Path) -> list[dict[str, str]]:
    return our_rows(capture, compiled=False)


@pytest.mark.parametrize("capture", GOLDENS, ids=lambda path: path.name)
def test_golden_rows_equal_those_of_tshark(capture: Path) -> None:
    _, expected = stored(capture)
    result = compare(expected, ours(capture))
    assert result.differences == []
    assert not result.explained
    assert result.rows == len(expected) > 10
    for name in ("src", "dst", "ttl", "ip_id", "seq", "smac", "time"):
        assert result.equal[name] == sum(name in row for row in expected) >= 10, name


@pytest.mark.parametrize("capture", MADE, ids=lambda path: path.name)
def test_made_rows_differ_only_where_explained(capture: Path) -> None:
    _, expected = stored(capture)
    assert compare(expected, ours(capture)).differences == []


def test_changed_value_is_a_difference() -> None:
    """The comparison itself can fail: one field of one row is altered."""
    _, expected = stored(GOLDENS[0])
    rows = ours(GOLDENS[0])
    rows[5]["ttl"] = str(int(rows[5]["ttl"]) + 1) if "ttl" in rows[5] else "7"
    assert [difference.column for difference in compare(expected, rows).differences] == ["ttl"]


def test_lost_inner_frame_is_a_difference() -> None:
    capture = next(path for path in GOLDENS if path.stem == "overlay")
    _, expected = stored(capture)
    rows = ours(capture)
    lost = next(index for index, row in enumerate(rows) if row["depth"] == "1")
    del rows[lost]
    result = compare(expected, rows)
    assert len(result.differences) > 10 and not result.explained


@pytest.mark.by_turns
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed: stored values only")
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_tshark_still_says_what_is_stored(capture: Path) -> None:
    version, rows = stored(capture)
    if tshark_version() != version:
        pytest.skip(f"stored by {version}, installed is {tshark_version()}")
    assert tshark_rows(capture, VXLAN_PORTS) == rows
