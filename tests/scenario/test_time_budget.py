"""Live tests that have no time in one run are played by another."""

from __future__ import annotations

import pytest

from tests.live.time_budget import TimeBudget, rotated


@pytest.mark.parametrize("number", [1, 2, 26, 27, 30])
def test_each_file_is_the_first_one_of_some_turn(number: int) -> None:
    files = list(range(number))
    turns = [rotated(files, turn) for turn in range(2 * number)]
    assert all(sorted(turn) == files for turn in turns)
    assert len({turn[0] for turn in turns}) > number / 3
    assert {file for turn in turns[:3] for file in turn[: -(-number * 2 // 3)]} == set(files)


def test_budget_is_without_end_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAPNET_LIVE_SECONDS", raising=False)
    assert not TimeBudget().is_spent()
    monkeypatch.setenv("CAPNET_LIVE_SECONDS", "-1")
    assert TimeBudget().is_spent()


def test_budget_names_what_it_left_out() -> None:
    budget = TimeBudget()
    assert budget.summary() == ""
    for file in ("test_lab.py", "test_ps.py", "test_lab.py"):
        assert "CAPNET_LIVE_SECONDS" in budget.leave_out(file)
    assert budget.summary() == "left out, 3 live tests: test_lab.py 2, test_ps.py 1"
