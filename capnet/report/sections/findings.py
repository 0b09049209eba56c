"""Findings, worst first; those about the capture itself are one line."""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import SECTIONS
from capnet.analysis.core.contract.order import LEVELS
from capnet.analysis.core.wording import Text
from capnet.report.headline import NOTES, by_cause
from capnet.report.sections.section import Column, Section, View, section_of
from capnet.report.text import count
from capnet.report.words import Words


def findings(document: Document, words: Words, view: View) -> Section:
    """The rows are the findings; the columns are for formats that do not set them in their own way."""

    def says(row: Document) -> list[str]:
        return [text for text in (row["says"], next_step(row), ", ".join(words.frames(row["evidence"], 4))) if text]

    def level(row: Document) -> str:
        more = language.pick(" (in the baseline)", "（基线中已有）") if row["in_baseline"] else ""
        return language.term(row["level"]) + more

    columns = [
        Column("", level),
        Column("", lambda row: row["name"]),
        Column("", says, wrap="words"),
    ]
    rows = sorted((row for row in document.get("findings", []) if not row["explained_by"]), key=by_cause)
    if view is View.COMPACT:
        notes = [row for row in rows if row["level"] == "info" and row["name"] in NOTES and not _is_alone(document)]
        shown = [row for row in rows if row not in notes]
        section = section_of("findings", "Findings", view, shown, columns, (20, None))
        return section._replace(text=_notes(notes))
    section = section_of("findings", "Findings", view, rows, columns, (20, None))
    levels = [row["level"] for row in rows]
    tally = [(levels.count(level), level) for level in LEVELS]
    return section._replace(
        note=language.pick(", ", "，").join(
            count(n, level, level if level == "info" else None) for n, level in tally if n
        )
    )


def next_step(row: Document) -> str:
    """`Fix: …`; of what needs no action, `Note: …`; empty if there is neither."""
    if not row["fix"]:
        return ""
    if row["level"] == "info":
        return language.labelled("Note", row["fix"])
    return language.labelled("Fix", row["fix"])


def _is_alone(document: Document) -> bool:
    """Were only findings asked for?"""
    return not set(SECTIONS) & set(document) - {"findings"}


def _notes(rows: list[Document]) -> str:
    """`2 notes about the capture: checksum-offload, clock-skew (--only findings)`; empty without any."""
    if not rows:
        return ""
    names = ", ".join(dict.fromkeys(row["name"] for row in rows))
    return Text(
        en="{notes} about the capture: {names} (--only findings)",
        zh="关于抓包本身的 {notes}：{names}（用 --only findings 查看）",
    ).fill(notes=count(len(rows), "note"), names=names)
