"""A finding leaves out the symptoms that it explains, at the points of its own evidence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from capnet.analysis import findings as collection
from capnet.analysis.core.results import Evidence, Finding


def module(name: str, *points: str, explains: tuple[str, ...] = ()) -> SimpleNamespace:
    """A finding that is always stated, with a frame at each of these points as evidence."""
    evidence = [Evidence(point, "made.pcapng", 1) for point in points]
    finding = Finding(name, "error", "it is so", None, {}, evidence)
    return SimpleNamespace(EXPLAINS=explains, diagnose=lambda _: [finding])


def stated(monkeypatch: pytest.MonkeyPatch, *modules: SimpleNamespace) -> list[str]:
    monkeypatch.setattr(collection, "needed_modules", lambda _: modules)
    context: Any = SimpleNamespace(witnesses=None)
    return [finding.name for finding in collection.findings(context)]


def test_symptom_at_points_of_its_cause_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    cause = module("cause", "A/ens33", "B/ens33", explains=("symptom",))
    assert stated(monkeypatch, cause, module("symptom", "A/ens33")) == ["cause"]


@pytest.mark.parametrize("points", [("A/ens33", "A/docker0"), ("A/docker0",), ()])
def test_symptom_at_another_point_stays(monkeypatch: pytest.MonkeyPatch, points: tuple[str, ...]) -> None:
    cause = module("cause", "A/ens33", explains=("symptom",))
    assert stated(monkeypatch, cause, module("symptom", *points)) == ["cause", "symptom"]


def test_symptom_that_no_finding_explains_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stated(monkeypatch, module("cause", "A/ens33"), module("symptom", "A/ens33")) == ["cause", "symptom"]


def test_symptom_of_flows_that_a_cause_shows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SYNs are seen at more points than the cause needs."""
    cause = module("cause", "A/ens33", explains=("connection-unanswered",))
    assert stated(monkeypatch, cause, module("connection-unanswered", "A/ens33", "B/ens33")) == ["cause"]
    assert len(stated(monkeypatch, cause, module("connection-unanswered", "B/ens33"))) == 2
