"""JUnit XML: well-formed, with counts that hold and text that reads back as it was."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby
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


def test_report_with_notes_alone_passes() -> None:
    """A suite of which all is skipped looks as if it did not run."""
    report = sample.bridge()
    rows = [
        replace(report.findings[0], level="info", in_baseline=None),
        replace(report.findings[0], level="error", in_baseline=True),
    ]
    suite = suite_of(junit.render(replace(report, findings=rows).to_dict()))
    passed = [case.attrib["name"] for case in suite.findall("testcase") if not len(case)]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("3", "0", "2")
    assert passed == ["no failure"]


def test_capture_without_frames_does_not_pass() -> None:
    """A capture that failed, in CI: nothing was tested."""
    report = sample.bridge()
    coverage = replace(report.coverage, frames=0, decoded=0)
    suite = suite_of(junit.render(replace(report, findings=[], coverage=coverage).to_dict()))
    assert [case[0].tag for case in suite.findall("testcase")] == ["skipped"]
    assert suite.attrib["failures"] == "0"


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


# Required by JUnit.xsd of Ant (A) or junit-10.xsd of Jenkins (J); no other attributes, as each allows its own alone.
ATTRIBUTES = {
    "testsuites": set(),  # A allows none
    "testsuite": set("id package name timestamp hostname time tests failures errors skipped".split()),
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"classname", "name", "time"},
    "failure": {"type", "message"},
    "skipped": {"message"},
    "system-out": set(),
    "system-err": set(),
}


@pytest.mark.parametrize("name", ["bridge", "faults/published-port-blocked", "faults/dns-failure", "none"])
def test_text_is_valid_by_the_schemas_in_use(name: str) -> None:
    """The rules of both schemas, which are not copied here, for what capnet writes."""
    tree = ElementTree.fromstring(junit.render(document(PROJECT / "pcaps" / f"{name}.pcapng")))
    assert {element.tag: set(element.attrib) for element in tree.iter()}.items() <= ATTRIBUTES.items()
    (suite,) = tree
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    assert all(suite.attrib[count].isdecimal() for count in ("id", "time", "tests", "failures", "errors", "skipped"))
    order = [tag for tag, _ in groupby(child.tag for child in suite)]
    assert order == ["properties", "testcase", "system-out", "system-err"]
    assert all(len(case) <= 1 for case in suite.findall("testcase"))


def test_capture_without_packets_has_a_time() -> None:
    empty = replace(sample.bridge(), inputs=[replace(each, first=None) for each in sample.bridge().inputs])
    assert suite_of(junit.render(empty.to_dict())).attrib["timestamp"] == "1970-01-01T00:00:00"
