"""A comparison as a page: what broke, the network in both captures, and what came, went and changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.order import LEVELS
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.comparison.text import SAME_POINTS, first_sentence, same_point_lines, sections
from capnet.report.escape import visible, visible_all
from capnet.report.headline import problems
from capnet.report.page import header
from capnet.report.page.evidence import EvidenceLinks, finding_anchors
from capnet.report.page.frame_article import evidence_section
from capnet.report.page.markup import escape, labelled
from capnet.report.page.network_figure import network_figure
from capnet.report.page.shell import page
from capnet.report.page.supplement import FrameKey, Supplement
from capnet.report.page.tables import evidence_list
from capnet.report.sections import overview
from capnet.report.sections.section import Section, View
from capnet.report.text import count
from capnet.report.wanted import Wanted
from capnet.report.words import Words

MORE_LINES = Text(en="… and {lines} more (--format json has all)", zh="…… 另有 {lines}（--format json 给出全部）")
MAX_LINES = 500  # of each kind
MAX_FRAMES, MAX_FRAMES_OF_FINDING = 40, 8  # of a page and of each new finding: 160 kB
_NEW_FINDINGS = "New findings"


class ComparedSide(NamedTuple):
    """One of the captures: its report, and what a page shows beside it."""

    document: Document
    beside: Supplement


def render(comparison: Document, good: ComparedSide, bad: ComparedSide) -> str:
    """The whole page."""
    title = " → ".join(", ".join(comparison[side]) for side in ("good", "bad"))
    shown = overview(bad.document, View.DETAILED, Wanted(only=("findings",)))
    links = EvidenceLinks(shown.document, bad.beside.frames)
    came = [_new_findings(comparison, section) for section in shown.sections]
    findings = "".join(_findings(section, shown.words, links) for section in came)
    body = [
        f'<header><h1>{escape(language.term("What broke"))}</h1><p class="meta">{escape(title)}</p>',
        f'<p class="story">{escape(first_sentence(comparison))}</p>',
        header.names([(name, ", ".join(addresses)) for name, addresses in comparison["names"].items()]) + "</header>",
        _titled(_NEW_FINDINGS, findings) if findings else "",
        _side("First", good, "network-good", {}),
        _side("Second", bad, "network-bad", _anchors_by_id(came)),
        *(_section(heading, rows) for heading, rows in sections(comparison) if heading != _NEW_FINDINGS),
        _section(SAME_POINTS, same) if (same := same_point_lines(comparison)) else "",
        evidence_section(shown.document, came, bad.beside, links) if findings else "",
    ]
    return page(language.term("What broke"), body)


def _anchors_by_id(sections: Sequence[Section]) -> dict[str, str]:
    """Id of a finding that the page shows → the id of its element."""
    return {row["id"]: finding_anchors(section)[id(row)] for section in sections for row in section.rows}


def _side(heading: str, side: ComparedSide, anchor: str, anchors: Mapping[str, str]) -> str:
    """The drawing of a capture, whose problems link to the findings of `anchors`, and which file it is."""
    document = visible_all(side.document)
    figure = network_figure(
        document,
        Words.of(document),
        side.beside.topology,
        problems(document),
        lambda row: anchors.get(row.get("id", ""), ""),
    )
    return _titled(heading, figure.replace('id="network"', f'id="{anchor}"') + header.origin(document, side.beside))


def _titled(heading: str, body: str) -> str:
    return f"<section><h2>{escape(language.term(heading))}</h2>{body}</section>"


def wanted_frames(comparison: Document, document: Document) -> list[FrameKey]:
    """The frames of the second capture that the page shows: the first ones of each new finding."""
    shown = overview(document, View.DETAILED, Wanted(only=("findings",))).sections
    rows = [row for section in shown for row in _new_findings(comparison, section).rows]
    keys = [(frame["file"], frame["frame"]) for row in rows for frame in row["evidence"][:MAX_FRAMES_OF_FINDING]]
    return list(dict.fromkeys(keys))[:MAX_FRAMES]


def _new_findings(comparison: Document, section: Section) -> Section:
    """The section of findings with those alone that the first capture does not have."""
    came = {visible(row["id"]) for row in comparison["findings"]["came"]}
    return section._replace(rows=[row for row in section.rows if row["id"] in came])


def _findings(section: Section, words: Words, links: EvidenceLinks) -> str:
    anchors = finding_anchors(section)
    links.anchors |= anchors
    return "".join(_finding(row, anchors[id(row)], words, links) for row in section.rows)


def _finding(row: Document, anchor: str, words: Words, links: EvidenceLinks) -> str:
    level = row["level"] if row["level"] in LEVELS else "info"
    return (
        f'<div class="finding" id="{anchor}"><span class="tag {level}">{escape(language.term(row["level"]))}</span>'
        f"<h3>{escape(row['name'])}</h3><p>{escape(row['says'])}</p>{labelled(_fix(row))}"
        f"{evidence_list(row['evidence'], words, links)}</div>"
    )


def _fix(row: Document) -> str:
    return language.labelled("Fix", row["fix"]) if row["fix"] else ""


def _section(heading: str, rows: Sequence[str]) -> str:
    lines = "".join(f"<li{_sign(row)}>{escape(row)}</li>" for row in rows[:MAX_LINES])
    left_out = len(rows) - MAX_LINES
    rest = f"<li>{escape(MORE_LINES.fill(lines=count(left_out, 'line')))}</li>" if left_out > 0 else ""
    return _titled(heading, f'<ul class="changes">{lines}{rest}</ul>')


def _sign(row: str) -> str:
    """The class of what came, and of what went."""
    return {"+ ": ' class="came"', "− ": ' class="went"'}.get(row[:2], "")
