"""JUnit XML: well-formed, with counts that hold and text that reads back as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from capnet.report.escape import visible
from capnet.report.formats import junit
from tests.conftest import PROJECT
from tests.report import sample
from tests.report.golden_documents import document

CAPTURES = [*sorted((PROJECT / "pcaps").glob("*.pcapng")), *sorted((PROJECT / "pcaps" / "faults").glob("*.pcapng"))]


def suite_of(text: str) -> ElementTree.Element:
    (suite,) = ElementTree.fromstring(text.encode())
    cases = suite.findall("testcase")
    for attribute, tag in (("failures", "failure"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase/{tag}"))
    assert int(suite.attrib["tests"]) == len(cases) > 0
    return suite


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_golden_report_fails_for_each_problem(capture: Path) -> None:
    report = document(capture)
    suite = suite_of(junit.render(report))
    problems = [row for row in report["findings"] if row["level"] != "info" and not row["explained_by"]]
    failures = [
        (case.attrib["name"], case[0].attrib["message"])
        for case in suite.findall("testcase")
        if case.find("failure") is not None
    ]
    assert failures == [(row["id"], row["says"]) for row in problems]


def test_report_without_finding_passes() -> None:
    suite = suite_of(junit.render(replace(sample.bridge(), findings=[]).to_dict()))
    assert (suite.attrib["tests"], suite.attrib["failures"], len(suite.findall("testcase/*"))) == ("1", "0", 0)


def test_finding_of_the_baseline_is_skipped() -> None:
    report = sample.bridge()
    rows = [replace(report.findings[0], level="error", in_baseline=known) for known in (True, False)]
    suite = suite_of(junit.render(replace(report, findings=rows).to_dict()))
    assert [case[0].tag for case in suite.findall("testcase")] == ["skipped", "failure"]


@pytest.mark.parametrize("text", ["<a href='x'>", "]]>", "&amp;", '"', "a\tb\nc\x00d\x1b", "界"])
def test_text_reads_back_as_it_was(text: str) -> None:
    """What XML cannot hold is spelled out before."""
    report = sample.hostile(text)
    suite = suite_of(junit.render(report.to_dict()))
    assert visible(report.findings[0].says) in [case[0].attrib["message"] for case in suite.findall("testcase")]
    assert ElementTree.fromstring(f'<a b="{junit.escape(visible(text))}"/>').attrib["b"] == visible(text)
