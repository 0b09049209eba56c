"""Findings, worst first."""

from __future__ import annotations

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.order import LEVELS
from capnet.report.sections.section import Column, Section, View, section_of
from capnet.report.text import count
from capnet.report.words import Words


def findings(document: Document, words: Words, view: View) -> Section:
    """The rows are the findings; the columns are for formats that do not set them in their own way."""

    def says(row: Document) -> list[str]:
        fix = f"Fix: {row['fix']}" if row["fix"] else ""
        return [text for text in (row["says"], fix, ", ".join(words.frames(row["evidence"], 4))) if text]

    columns = [
        Column("", lambda row: row["level"]),
        Column("", lambda row: row["name"]),
        Column("", says, wrap="words"),
    ]
    rows = [row for row in document.get("findings", []) if not row["explained_by"]]
    section = section_of("findings", "Findings", view, rows, columns, (20, None))
    if view is View.COMPACT:
        return section
    levels = [row["level"] for row in rows]
    tally = [(levels.count(level), level) for level in LEVELS]
    return section._replace(
        note=", ".join(count(n, level, level if level == "info" else None) for n, level in tally if n)
    )
