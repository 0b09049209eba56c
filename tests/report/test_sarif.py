"""SARIF: every golden report is valid by the schema of OASIS, and levels and baseline are as it names them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from capnet.report.formats import sarif
from tests.conftest import PROJECT
from tests.report import sample
from tests.report.golden_documents import document

TEXTS = ("shortDescription", "fullDescription", "help")
CAPTURES = [*sorted((PROJECT / "pcaps").glob("*.pcapng")), *sorted((PROJECT / "pcaps" / "faults").glob("*.pcapng"))]


@cache
def validator() -> Draft7Validator:
    schema = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text())
    return Draft7Validator(schema)


def run_of(text: str) -> dict[str, Any]:
    log = json.loads(text)
    validator().validate(log)
    (run,) = log["runs"]
    return run  # type: ignore[no-any-return]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_golden_report_is_valid(capture: Path) -> None:
    report = document(capture)
    run = run_of(sarif.render(report))
    findings = [row for row in report["findings"] if not row["explained_by"]]
    assert [result["partialFingerprints"]["capnet/1"] for result in run["results"]] == [row["id"] for row in findings]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert missing_for_github(run) == []


def missing_for_github(run: dict[str, Any]) -> list[str]:
    """What GitHub needs besides the schema (docs.github.com, SARIF support for code scanning), and is not there."""
    rules = [f"{each['id']}.{key}" for each in run["tool"]["driver"]["rules"] for key in TEXTS if not each[key]["text"]]
    for result in run["results"]:
        places = [place["physicalLocation"] for place in result["locations"]]
        is_placed = places and all(
            place["artifactLocation"]["uri"] and place["region"]["startLine"] for place in places
        )
        if not is_placed or not result["partialFingerprints"]["primaryLocationLineHash"]:
            rules.append(result["ruleId"])
    return rules


def test_fingerprint_is_that_of_the_finding() -> None:
    """Frames and levels change from run to run, and the alert stays the same."""
    report = sample.bridge()
    finding = report.findings[0]
    moved = replace(finding, level="info", evidence=[], says="otherwise")
    runs = [run_of(sarif.render(replace(report, findings=[each]).to_dict())) for each in (finding, moved)]
    assert runs[0]["results"][0]["partialFingerprints"] == runs[1]["results"][0]["partialFingerprints"]
    assert missing_for_github(runs[1]) == []


def test_hostile_report_is_valid() -> None:
    run_of(sarif.render(sample.hostile().to_dict()))


def test_levels_and_baseline_are_those_of_sarif() -> None:
    report = sample.bridge()
    finding = report.findings[0]
    rows = [
        replace(finding, level=level, in_baseline=known)
        for level, known in (("error", None), ("warning", True), ("info", False))
    ]
    results = run_of(sarif.render(replace(report, findings=rows).to_dict()))["results"]
    assert [result["level"] for result in results] == ["error", "warning", "note"]
    assert [result.get("baselineState") for result in results] == [None, "unchanged", "new"]


def test_capture_without_frames_is_a_notification() -> None:
    report = sample.bridge()
    empty = replace(report, findings=[], coverage=replace(report.coverage, frames=0, decoded=0))
    (run,) = json.loads(sarif.render(empty.to_dict()))["runs"]
    texts = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert texts[-1] == "The capture has no frames."


def test_file_is_a_uri_as_the_user_named_it() -> None:
    report = sample.bridge().to_dict()
    file = report["findings"][0]["evidence"][0]["file"]
    result = run_of(sarif.render(report, where={file: "my captures/a#b.pcapng"}))["results"][0]
    uris = {place["physicalLocation"]["artifactLocation"]["uri"] for place in result["locations"]}
    assert uris == {"my%20captures/a%23b.pcapng"}
