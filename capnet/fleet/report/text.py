"""The merged report of a fleet on a terminal, and as Markdown. A screen has 30 lines at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.fleet.report.sections import FleetSection, all_sections, screen_lines, screen_sections, sentences
from capnet.report.drawing.text_table import table_lines
from capnet.report.escape import visible, visible_all
from capnet.report.text import count, fill

MAX_LINES = 30
MAX_ROWS = 500  # of a table in Markdown


def screen(document: Document, folder: str, width: int) -> str:
    """The text of a screen: the tables with most rows show fewer where all do not fit."""
    shown = visible_all(document)
    tables = list(screen_sections(shown))
    while True:
        lines = list(_lines(shown, tables, visible(folder), width))
        longest = max(tables, key=lambda table: min(table.most, len(table.rows)), default=None)
        if len(lines) <= MAX_LINES or longest is None or longest.most == 1:
            return "\n".join(lines) + "\n"
        fewer = longest._replace(most=min(longest.most, len(longest.rows)) - 1)
        tables = [fewer if table is longest else table for table in tables]


def markdown(document: Document) -> str:
    """The whole report as GitHub-flavoured Markdown."""
    from capnet.report.formats.markdown import escape

    shown = visible_all(document)
    blocks = [f"# {escape(shown['root'])}", escape(language.joined(sentences(shown)))]
    for table in all_sections(shown, MAX_ROWS):
        titles = [escape(column.title) for column in table.columns]
        dashes = ["--:" if column.align == "right" else "---" for column in table.columns]
        cells = [[escape(cell) for cell in row] for row in _cells(table)]
        rows = "\n".join(f"| {' | '.join(row)} |" for row in (titles, dashes, *cells))
        blocks += [f"## {escape(table.heading)}", rows, *map(escape, left_out_lines(table))]
    return "\n\n".join(blocks) + "\n"


def _lines(document: Document, tables: Sequence[FleetSection], folder: str, width: int) -> Iterator[str]:
    for sentence in sentences(document):
        yield from fill(sentence, width)
    for table in tables:
        yield ""
        yield table.heading
        yield from table_lines(table.columns, _cells(table), width)
        yield from (f"  {line}" for line in left_out_lines(table))
    yield ""
    for line in screen_lines(document):
        yield from fill(line, width, "", "  ")
    says = Text(
        en="More: {folder}/fleet.html, fleet.md, fleet.json, a report of each capture in reports, and tables in flows, "
        "nat, findings, models, joined",
        zh="更多：{folder}/fleet.html、fleet.md、fleet.json、reports 中每份抓包的报告，以及 flows、nat、findings、"
        "models、joined 中的表",
    )
    yield from fill(says.fill(folder=folder), width, "", "  ")


def _cells(table: FleetSection) -> Sequence[Sequence[str]]:
    return [[column.cell(row).text for column in table.columns] for row in table.rows[: table.most]]


def left_out_lines(table: FleetSection) -> Iterator[str]:
    """How many rows are left out."""
    left_out = table.total - min(table.most, len(table.rows))
    if left_out > 0:
        yield Text(en="… and {rows} more", zh="…… 另有{rows}").fill(rows=count(left_out, "row"))
