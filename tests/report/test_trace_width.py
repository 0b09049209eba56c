"""Rows of `capnet trace` that a narrow terminal has no room for: counts go below, and columns stay."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import PROJECT

CAPTURE = "tests/analysis/facts/kernel/recorded/caller-alone.pcapng"


def traced(width: int) -> list[str]:
    words = [sys.executable, "-m", "capnet", "trace", CAPTURE, "--flow", "port 5432", "--most", "1"]
    done = subprocess.run(
        words, cwd=PROJECT, capture_output=True, text=True, check=True, env={"COLUMNS": str(width), "PATH": "/usr/bin"}
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_flows_of_all_points_begin_in_one_column(width: int) -> None:
    lines = traced(width)
    rows = [line for line in lines if line.startswith("  ● ")]
    assert len(rows) == 3
    assert {line.rindex("shop-worker-1:") for line in rows} == {26}
    assert max(map(len, lines)) <= width


def test_counts_are_below_where_there_is_no_room() -> None:
    assert "  │                       TTL 64   3 packets" in traced(80)
    assert any(line.startswith("  ● ") and line.endswith("TTL 64   3 packets") for line in traced(120))
