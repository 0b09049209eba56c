"""The findings as JUnit XML, which test runners and CI services show: a failed test case for each that needs action.

Input: a document. Output: one test suite. A finding that needs no action, or that the baseline has, is a test case that
was skipped. Where no test case fails, one passed: CI services take a suite of skipped ones for one that did not run.
It is skipped if the capture has no frames: a capture that failed is no network without faults. Only findings are
written.
Source: both schemas in use, by which the text is valid: of Jenkins' xUnit plugin (junit-10.xsd), and of Apache Ant
(JUnit.xsd by Windy Road). Ant's asks for times and a host, which a capture has not: `timestamp` is the time of the
first packet, a test takes 0 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import quoteattr

from capnet.analysis.core.contract.document import Document
from capnet.report.escape import visible_all
from capnet.report.headline import NO_FRAMES
from capnet.report.sections.findings import next_step
from capnet.report.wanted import ALL, Wanted
from capnet.report.words import Words

LITERAL = "|`"

MAX_FRAMES = 10


def render(document: Document, width: int = 0, where: Mapping[str, str] | None = None, wanted: Wanted = ALL) -> str:
    """The whole text; only the document changes it."""
    safe = visible_all(document)
    words = Words.of(safe)
    rows = [row for row in safe.get("findings", []) if not row["explained_by"]]
    cases = [line for row in rows for line in _case(row, words)]
    failures = sum(not _is_skipped(row) for row in rows)
    skipped = len(rows) - failures
    if not failures:
        is_empty = not safe["coverage"]["frames"]
        cases += _case_without_failure("no failure" if rows else "no finding", is_empty)
        skipped += is_empty
    counts = f'tests="{len(rows) + (not failures)}" failures="{failures}" errors="0" skipped="{skipped}"'
    name = quoteattr(", ".join(source["file"] for source in safe["inputs"]))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<testsuites>",
        f'  <testsuite id="0" package="capnet" name={name} timestamp="{_began(safe)}" hostname="localhost" time="0"',
        f"    {counts}>",
        "    <properties>",
        *(f'      <property name="point" value={quoteattr(point["name"])}/>' for point in safe["points"]),
        "    </properties>",
        *cases,
        "    <system-out/>",
        f"    <system-err>{escape(_problems(safe))}</system-err>",
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _case_without_failure(name: str, is_empty: bool) -> Iterator[str]:
    case = f'    <testcase classname="capnet" name="{name}" time="0"'
    if not is_empty:
        yield f"{case}/>"
        return
    yield f"{case}>"
    yield f"      <skipped message={quoteattr(NO_FRAMES.fill())}/>"
    yield "    </testcase>"


def _case(row: Document, words: Words) -> Iterator[str]:
    yield f'    <testcase classname={quoteattr("capnet." + row["name"])} name={quoteattr(row["id"])} time="0">'
    frames = words.frames(row["evidence"], MAX_FRAMES)
    more = [next_step(row), f"Seen: {', '.join(frames)}" if frames else "", f"capnet explain {row['name']}"]
    text = escape("\n".join(filter(None, more)))
    tag, attributes = "skipped", f"message={quoteattr(row['says'])}"
    if not _is_skipped(row):
        tag, attributes = "failure", f"type={quoteattr(row['level'])} {attributes}"
    yield f"      <{tag} {attributes}>{text}</{tag}>"
    yield "    </testcase>"


def _problems(document: Document) -> str:
    """What is wrong with the files."""
    texts = [f"{source['file']}: {problem['says']}" for source in document["inputs"] for problem in source["problems"]]
    return "\n".join(texts)


def _began(document: Document) -> str:
    """Time of the first packet, to the second."""
    times = [source["first"] for source in document["inputs"] if source["first"]]
    return min(times, default="1970-01-01T00:00:00")[: len("1970-01-01T00:00:00")]


def _is_skipped(row: Document) -> bool:
    return row["level"] == "info" or bool(row["in_baseline"])


def escape(text: str) -> str:
    """`text` as XML writes it, in an attribute too."""
    return quoteattr(text + "'")[1:-2]
