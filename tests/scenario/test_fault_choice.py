"""Which faults the live tests play after a change."""

from __future__ import annotations

from tests.checkout import TURNS
from tests.live.fault_choice import choose

FINDINGS = {f"fault-{number}": f"finding-{number}" for number in range(10)}


def test_every_fault_has_its_turn_once() -> None:
    turns = [list(choose(FINDINGS, [], turn)) for turn in range(TURNS)]
    assert sorted(name for names in turns for name in names) == sorted(FINDINGS)
    assert max(map(len, turns)) == 3


def test_touched_faults_are_played_beside_those_by_turn() -> None:
    changed = ["scenarios/faults/fault_3.py", "capnet/analysis/findings/finding_5.py", "README.md"]
    reasons = choose(FINDINGS, changed, 0)
    assert reasons["fault-3"] == "scenarios/faults/fault_3.py has changed"
    assert reasons["fault-5"] == "capnet/analysis/findings/finding_5.py has changed"
    assert [name for name, reason in reasons.items() if reason.startswith("turn")] == ["fault-0", "fault-6"]


def test_change_of_what_plays_faults_plays_all() -> None:
    assert list(choose(FINDINGS, ["capnet/scenario/faults/node.py"], 0)) == list(FINDINGS)
