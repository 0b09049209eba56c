"""How a report lists findings: order, ids, many of one name as one, symptoms left out."""

from __future__ import annotations

from typing import Any

import pytest

from capnet.analysis.core.contract.finding_list import MAX_OF_ONE_NAME, Statement, Subjects
from capnet.analysis.core.contract.finding_list import listed as listed_by_subjects
from capnet.analysis.core.results import Evidence, Finding


def state(name: str, *points: str, level: str = "error", explains: tuple[str, ...] = (), **facts: Any) -> Statement:
    evidence = [Evidence(point, "made.pcapng", 1) for point in points]
    return Statement(Finding(name, level, f"{name} is so", "mend it", facts, evidence), explains, "look")


def listed(statements: list[Statement]) -> list[Finding]:
    """As of statements that are about no conversation: the points of their evidence decide."""
    return listed_by_subjects(statements, lambda _: Subjects())


def test_findings_are_sorted_by_level_then_by_count() -> None:
    findings = listed(
        [
            state("a", level="info", packets=900),
            state("b", packets=2),
            state("c", level="warning"),
            state("d", packets=30, flows=1),
        ]
    )
    assert [(finding.name, finding.count) for finding in findings] == [("d", 30), ("b", 2), ("c", 1), ("a", 900)]


def test_id_names_what_the_finding_is_about() -> None:
    (finding,) = listed(
        [state("stops-between", point="A/ens33", next="A/docker0", port=8080, packets=7, sources=["x"])]
    )
    assert finding.id == "stops-between:A/ens33,A/docker0,8080"
    assert finding.verify == "look"


@pytest.mark.parametrize("numbers", [{"packets": 3}, {"packets": 4000, "frames": 8, "seconds": 2.5, "clients": ["x"]}])
def test_id_does_not_depend_on_numbers(numbers: dict[str, Any]) -> None:
    (finding,) = listed([state("packet-loss", before="A", after="B", **numbers)])
    assert finding.id == "packet-loss:A,B"


def test_equal_ids_are_numbered_in_the_order_of_the_report() -> None:
    findings = listed([state("loop", packets=1), state("loop", packets=5)])
    assert [(finding.id, finding.count) for finding in findings] == [("loop", 5), ("loop#2", 1)]


def test_count_of_lists_and_dictionaries_is_what_they_hold() -> None:
    (finding,) = listed([state("resent", segments={"A": 3, "B": 4}, clients=["x", "y"])])
    assert finding.count == 7


def test_cause_names_the_symptoms_that_it_explains() -> None:
    findings = listed([state("cause", "A", "B", explains=("symptom", "other")), state("symptom", "A")])
    assert [(finding.name, finding.explains) for finding in findings] == [("cause", ["symptom"])]


def test_retransmissions_of_a_cause_stay_and_name_it() -> None:
    """Programs read which points sent how many segments again."""
    cause = state("loop", "A", explains=("retransmissions",), point="A")
    findings = listed([cause, state("retransmissions", "A", level="warning", segments={"A": 3})])
    assert [(finding.name, finding.explained_by) for finding in findings] == [
        ("loop", None),
        ("retransmissions", "loop:A"),
    ]
    assert findings[1].facts == {"segments": {"A": 3}}


def test_more_than_twenty_of_one_name_are_one_finding() -> None:
    statements = [state("blocked", "A", port=port, packets=2) for port in range(MAX_OF_ONE_NAME + 1)]
    findings = listed([*statements, state("other", packets=1)])
    assert [(finding.name, finding.count) for finding in findings] == [("blocked", 42), ("other", 1)]
    joined = findings[0]
    assert joined.says == "21 times: blocked is so; blocked is so; blocked is so; and 18 more"
    assert joined.facts == {"findings": 21, "examples": ["blocked:0", "blocked:1", "blocked:2"]}
    assert (joined.id, joined.fix, len(joined.evidence)) == ("blocked", "mend it", 10)


def test_twenty_of_one_name_stay_as_they_are() -> None:
    findings = listed([state("blocked", port=port) for port in range(MAX_OF_ONE_NAME)])
    assert len(findings) == MAX_OF_ONE_NAME


def test_levels_of_one_name_are_joined_apart() -> None:
    errors = [state("blocked", port=port) for port in range(MAX_OF_ONE_NAME + 1)]
    findings = listed([*errors, state("blocked", port=99, level="warning")])
    assert [finding.level for finding in findings] == ["error", "warning"]
