"""What a report shows, before a format writes it: sections of columns and rows, and cells of styled text.

A format walks `Section.columns` and `Section.cells()`. It may draw `Section.rows` in its own way instead, as the
terminal and the page do with paths. Strings of cells are printable already (`escape.visible`); each format still has
to escape what its own syntax gives a meaning to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Literal

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.text import number
from capnet.report.words import Words


class View(Enum):
    """How much a format can show."""

    COMPACT = "compact"  # few rows, frames of the evidence in a column: a terminal, a message
    DETAILED = "detailed"  # many rows, evidence and Wireshark filters to unfold: a page


class Span(NamedTuple):
    """Text of one style: strong, mono, code, soft, bad, or `tag` with the kind of thing; empty for plain text."""

    text: str
    style: str = ""


class Cell(NamedTuple):
    """Lines of spans, and the frames that they are concluded from."""

    lines: Sequence[Sequence[Span]]
    evidence: Sequence[Document] = ()

    @property
    def text(self) -> str:
        """The lines without their styles, separated by newlines."""
        return "\n".join("".join(span.text for span in line) for line in self.lines)


MAX_DETAILED_LINES = 8  # of a cell in the detailed view

Wrap = Literal["never", "last", "words", "anywhere"]  # last: only where all else is not enough
Content = str | Sequence[str] | Cell  # one line, lines, or lines of spans


class Column(NamedTuple):
    """A column: its heading, and what stands in it for a row of its section."""

    title: str
    content: Callable[[Any], Content]
    align: Literal["left", "right"] = "left"
    wrap: Wrap = "never"
    style: str = ""  # of all its lines
    only: View | None = None  # the view that has this column; None for both

    def cell(self, row: Any) -> Cell:
        """The content as lines of spans."""
        content = self.content(row)
        if isinstance(content, Cell):
            return content
        lines = (content,) if isinstance(content, str) else content
        return Cell([(Span(line, self.style),) for line in lines])


class Section(NamedTuple):
    """One table of the report. `shown` makes one that has no more rows than a view shows."""

    key: str
    heading: str
    columns: Sequence[Column] = ()
    rows: Sequence[Any] = ()  # rows of the document, or groups of them that a reader takes as one
    note: str = ""  # beside the heading
    most: int | None = None  # rows that are shown; None = all
    left_out: int = 0  # rows
    is_open: bool = False  # the document itself may have left out rows
    total: int | None = None  # of all that the rows, which are groups, are of; None = the rows themselves
    unit: str = ""  # of the total: a noun
    text: str = ""  # below the table
    filters: Sequence[str] = ()  # Wireshark display filters of the first rows

    def cells(self) -> list[list[Cell]]:
        """A list for each row, with a cell for each column."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]

    @property
    def rest(self) -> str:
        """`… and 4 more (--top all)`, empty if nothing was left out."""
        if self.left_out <= 0:
            return ""
        if self.unit:
            each = Text(
                en="… and {at_least}{number} more {units}, counted at each point (--top all)",
                zh="…… {at_least}另有 {number} 条，按每个抓包点计（--top all）",
            )
        else:
            each = Text(en="… and {at_least}{number} more (--top all)", zh="…… {at_least}另有 {number} 条（--top all）")
        at_least = Text(en="at least ", zh="至少").fill() if self.is_open else ""
        units = self.unit + "s" * (self.left_out > 1)
        return each.fill(at_least=at_least, number=number(self.left_out), units=units)

    def shown(self, top: int | None = None) -> Section:
        """The section with its first rows: `top` of them, or as many as its view shows."""
        rows = self.rows[: self.most if top is None else top]
        left_out = len(self.rows) - len(rows) if self.total is None else self.total - sum(map(len, rows))
        return self._replace(rows=rows, left_out=left_out)

    def __bool__(self) -> bool:
        return bool(self.rows or self.text)


def section_of(
    key: str,
    heading: str,
    view: View,
    rows: Sequence[Any],
    columns: Sequence[Column],
    limits: tuple[int | None, int | None] = (None, None),
) -> Section:
    """A section with the columns of `view`; `limits` of its rows: compact, detailed."""
    own = [column._replace(title=language.term(column.title)) for column in columns if column.only in (None, view)]
    return Section(key, language.term(heading), own, rows, most=limits[view is View.DETAILED])


def concluded(lines: Sequence[str], row: Document) -> Cell:
    """Plain lines, with the evidence of a row."""
    return Cell([[Span(line)] for line in lines], row["evidence"])


def stack(texts: Sequence[str], most: int) -> list[str]:
    """Texts one below the other, of more than `most` the first and how many more."""
    if len(texts) <= most:
        return list(texts)
    more = Text(en="… {number} more", zh="…… 另有 {number} 个").fill(number=number(len(texts) - most + 1))
    return [*texts[: most - 1], more]


def first_seen(group: Sequence[Document], words: Words) -> list[str]:
    """`A/docker0 #41`: where each row of a group was seen, and its first frame there."""
    return [text for row in group for text in words.seen_at(row["evidence"], [row["point"]])]
