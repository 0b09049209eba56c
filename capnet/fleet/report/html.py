"""The merged report of a fleet as a page: sentences, then the tables, in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import LEVELS
from capnet.fleet.report.sections import FleetSection, all_sections, sentences
from capnet.fleet.report.text import left_out_lines
from capnet.report.escape import visible_all
from capnet.report.page.markup import escape
from capnet.report.page.shell import page
from capnet.report.sections.section import Cell, Column

MAX_ROWS = 2000  # of a table: a browser scrolls, sorts and filters as many without a delay


def render(document: Document) -> str:
    """The whole page."""
    shown = visible_all(document)
    story = escape(language.joined(sentences(shown)))
    body = [f'<header><h1>{escape(shown["root"])}</h1><p class="story">{story}</p></header>']
    return page(shown["root"], [*body, *map(_section, all_sections(shown, MAX_ROWS))])


def _section(table: FleetSection) -> str:
    rest = "".join(f'<p class="soft small">{escape(line)}</p>' for line in left_out_lines(table))
    return f"<section><h2>{escape(table.heading)}</h2>{_table(table)}{rest}</section>"


def _table(table: FleetSection) -> str:
    head = "".join(f"<th{_class(column)}>{escape(column.title)}</th>" for column in table.columns)
    body = "".join(_row(table.columns, row) for row in table.rows[: table.most])
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(columns: Sequence[Column], row: Document) -> str:
    cells = "".join(
        f'<td{_class(column)} data-label="{escape(column.title)}">{_cell(column.cell(row), row)}</td>'
        for column in columns
    )
    return f"<tr>{cells}</tr>"


def _cell(cell: Cell, row: Document) -> str:
    """The text; a level in its colour."""
    text = escape(cell.text)
    level = row.get("level")
    return f'<span class="tag {level}">{text}</span>' if level in LEVELS and cell.text == language.term(level) else text


def _class(column: Column) -> str:
    """n: numbers, k: never broken, w: broken anywhere (page.css)."""
    kind = "n" if column.align == "right" else {"never": "k", "anywhere": "w"}.get(column.wrap, "")
    return f' class="{kind}"' if kind else ""
