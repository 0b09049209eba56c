"""Sections of a report as tables of HTML: frames of the evidence are links, and what a table leaves out is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report import wireshark
from capnet.report.page.evidence import EvidenceLinks, facts_of
from capnet.report.page.markup import code, escape
from capnet.report.sections.section import Cell, Column, Section, Span
from capnet.report.text import count
from capnet.report.words import Words

MAX_ROWS = 2000  # of a table: a browser scrolls, sorts and filters as many without a delay

MORE_ROWS = Text(
    en="… and {rows}: --format json --top all has all of them", zh="…… 另有 {rows}：--format json --top all 给出全部"
)


def table_section(section: Section, words: Words, links: EvidenceLinks) -> str:
    """The table of a section, what it leaves out, its filters and its text."""
    folded = "".join(f"<p>{code(text, copy=True)}</p>" for text in section.filters)
    label = escape(language.term("Wireshark filters"))
    return "".join(
        [
            _table(section, words, links),
            *(f'<p class="soft small">{escape(text)}</p>' for text in _rest(section)),
            f"<details><summary>{label}</summary>{folded}</details>" if folded else "",
            f"<p>{escape(section.text)}</p>" if section.text else "",
        ]
    )


def _rest(section: Section) -> Iterator[str]:
    if section.rest:
        yield section.rest
    if len(section.rows) > MAX_ROWS:
        yield MORE_ROWS.fill(rows=count(len(section.rows) - MAX_ROWS, "more row"))


def _table(section: Section, words: Words, links: EvidenceLinks) -> str:
    """The table, without the columns that are empty; empty itself if there are no rows."""
    shown = section.rows[:MAX_ROWS]
    rows = [_cells(section, row, words, links) for row in shown]
    if not rows:
        return ""
    used = [i for i in range(len(section.columns)) if any(row[i] for row in rows)]
    columns = [section.columns[i] for i in used]
    kinds = [_column_class(column) for column in columns]
    labels = [f' data-label="{escape(column.title)}"' if column.title else "" for column in columns]
    head = "".join(f"<th{kind}>{escape(column.title)}</th>" for column, kind in zip(columns, kinds, strict=True))
    ids = [links.target(facts_of(row), f"{section.key}-{number}") for number, row in enumerate(shown, start=1)]
    body = "".join(
        f"<tr{target}>"
        + "".join(f"<td{kind}{label}>{row[i]}</td>" for i, kind, label in zip(used, kinds, labels, strict=True))
        + "</tr>"
        for target, row in zip(ids, rows, strict=True)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(section: Section, row: Any, words: Words, links: EvidenceLinks) -> list[str]:
    """The cells of a row; frames of its evidence that no cell names stand below `seen at`, or the last text."""
    evidence = _evidence_of(row)
    cells = [_cell(column.cell(row), evidence, words, links) for column in section.columns]
    text = "".join(cells)
    further = [frame for frame in evidence if links.is_shown(frame) and f'"#{links.anchor_of(frame)}"' not in text]
    if further:
        columns = section.columns
        texts = [i for i, cell in enumerate(cells) if cell and columns[i].align != "right"] or [len(cells) - 1]
        last = next((i for i in texts if columns[i].title == language.term("seen at")), texts[-1])
        unique = list({links.anchor_of(frame): frame for frame in further}.values())
        cells[last] += (
            f'<div class="small soft">{escape(language.term("also"))} {links.frames(unique, words.one_point)}</div>'
        )
    return cells


def _evidence_of(row: Any) -> list[Document]:
    """The frames that a row, or a group of rows, is concluded from."""
    return [frame for fact in facts_of(row) for frame in fact.get("evidence", [])]


def _column_class(column: Column) -> str:
    """n: numbers, k: never broken, w: broken anywhere (page.css)."""
    kind = "n" if column.align == "right" else {"never": "k", "anywhere": "w"}.get(column.wrap, "")
    return f' class="{kind}"' if kind else ""


def _cell(cell: Cell, evidence: Sequence[Document], words: Words, links: EvidenceLinks) -> str:
    lines = "<br>".join("".join(_span(span, evidence, links) for span in line) for line in cell.lines)
    return lines + evidence_list(cell.evidence, words, links)


def _span(span: Span, evidence: Sequence[Document], links: EvidenceLinks) -> str:
    text = links.linked(span.text, evidence)
    if not span.style or not text:
        return text
    tag = {"strong": "b", "code": "code"}.get(span.style)
    return f"<{tag}>{text}</{tag}>" if tag else f'<span class="{span.style}">{text}</span>'


def evidence_list(evidence: Sequence[Document], words: Words, links: EvidenceLinks) -> str:
    """Links to the frames, and folded the Wireshark filter that shows those of each file; empty without evidence."""
    if not evidence:
        return ""
    files: dict[str, list[Document]] = {}
    for frame in evidence:
        files.setdefault(frame["file"], []).append(frame)
    shown = links.frames(evidence, words.one_point)
    filters = "".join(
        f"<p>{escape(file)} {code(wireshark.frames(frames), copy=True)}</p>" for file, frames in files.items()
    )
    return (
        f'<div class="evidence small"><span class="soft">{escape(language.term("Evidence"))}</span> {shown} '
        f"<details><summary>{escape(language.term('in Wireshark'))}</summary>{filters}</details></div>"
    )
