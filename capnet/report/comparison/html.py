"""A comparison as a page: what broke, the network in both captures, and what came, went and changed."""

from __future__ import annotations

from collections.abc import Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.order import LEVELS
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.comparison.text import first_sentence, sections
from capnet.report.escape import visible_all
from capnet.report.headline import problems
from capnet.report.page import header
from capnet.report.page.markup import escape, labelled
from capnet.report.page.network_figure import network_figure
from capnet.report.page.shell import page
from capnet.report.page.supplement import Supplement
from capnet.report.text import count
from capnet.report.words import Words

MORE_LINES = Text(en="… and {lines} more (--format json has all)", zh="…… 另有 {lines}（--format json 给出全部）")
MAX_LINES = 500  # of each kind
_NEW_FINDINGS = "New findings"


class ComparedSide(NamedTuple):
    """One of the captures: its report, and what a page shows beside it."""

    document: Document
    beside: Supplement


def render(comparison: Document, good: ComparedSide, bad: ComparedSide) -> str:
    """The whole page."""
    title = " → ".join(", ".join(comparison[side]) for side in ("good", "bad"))
    came = comparison["findings"]["came"]
    body = [
        f'<header><h1>{escape(language.term("What broke"))}</h1><p class="meta">{escape(title)}</p>',
        f'<p class="story">{escape(first_sentence(comparison))}</p></header>',
        _titled(_NEW_FINDINGS, "".join(map(_finding, came))) if came else "",
        _side("First", good, "network-good"),
        _side("Second", bad, "network-bad"),
        *(_section(heading, rows) for heading, rows in sections(comparison) if heading != _NEW_FINDINGS),
    ]
    return page(language.term("What broke"), body)


def _side(heading: str, side: ComparedSide, anchor: str) -> str:
    """The drawing of a capture, and which file it is."""
    document = visible_all(side.document)
    figure = network_figure(document, Words.of(document), side.beside.topology, problems(document), lambda row: "")
    return _titled(heading, figure.replace('id="network"', f'id="{anchor}"') + header.origin(document, side.beside))


def _titled(heading: str, body: str) -> str:
    return f"<section><h2>{escape(language.term(heading))}</h2>{body}</section>"


def _finding(row: Document) -> str:
    level = row["level"] if row["level"] in LEVELS else "info"
    return (
        f'<div class="finding"><span class="tag {level}">{escape(language.term(row["level"]))}</span>'
        f"<h3>{escape(row['name'])}</h3><p>{escape(row['says'])}</p>{labelled(_fix(row))}</div>"
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
