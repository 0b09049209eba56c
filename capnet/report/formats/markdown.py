"""The report as GitHub-flavoured Markdown: sentences first, then a heading and a table for each section.

Input: a document. Output: text for a comment, an issue or a page. Limits: paths are rows of a table, not pictures.
Source: the GFM specification 0.29, sections 4.10 (tables), 6.1 (escapes), 6.3 (code spans) and 6.9 (autolinks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report import wireshark
from capnet.report.sections import overview
from capnet.report.sections.section import Cell, Section, View
from capnet.report.wanted import ALL, Wanted

LITERAL = ""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{char: f"\\{char}" for char in "\\`*_[]|~$"}})
_CODE_ESCAPES = str.maketrans({"`": "\\x60", "|": "\\x7c"})
# GitHub turns these into links, mentions, issues and pictures even where they are escaped, but not in a code span.
_is_link = re.compile(r"@|#\d|://|www\.|:.*:").search
# Addresses stand in Chinese text without a space: a word is of other characters, or of these and spaces.
_HAN = " \u2e80-\u9fff\uff00-\uffef"
_words = re.compile(f"[{_HAN}]+|[^{_HAN}]+").findall
_begins_block = re.compile(r"#+|[-+]+|\d+[.)]").fullmatch  # a heading or a list, at the start of a line


def render(document: Document, width: int = 0, where: Mapping[str, str] | None = None, wanted: Wanted = ALL) -> str:
    """The whole text. Markdown has no width: `width` and `where` change nothing."""
    shown = overview(document, View.COMPACT, wanted)
    blocks = [f"# {escape(shown.title)}", escape(language.joined(shown.sentences))]
    if shown.names:
        names = [f"{name} {addresses}" for name, addresses in shown.names]
        more = [shown.more_names] if shown.names_left_out else []
        blocks.append(escape(language.labelled("Names", " · ".join(names + more))))
    for section in shown.sections:
        blocks += [f"## {escape(section.heading)}", "\n".join(_table(section)), escape(section.rest + section.text)]
    best = wireshark.best(shown.document)
    label = Text(en="Wireshark, {what}: ", zh="Wireshark，{what}：")
    blocks.append(f"{label.fill(what=escape(best[0]))}`{best[1]}`" if best else "")
    return "\n\n".join(block for block in blocks if block) + "\n"


def escape(text: str) -> str:
    """`text` without a meaning in Markdown or HTML; words that GitHub would make a link of become code."""
    return "".join(map(_escape_word, _words(text)))


def _escape_word(word: str) -> str:
    if _is_link(word):
        code = word.rstrip(",.;")
        return f"`{code.translate(_CODE_ESCAPES)}`{word[len(code) :]}"
    return f"{word[:-1]}\\{word[-1]}" if _begins_block(word) else word.translate(_ESCAPES)


def _table(section: Section) -> Iterator[str]:
    """Lines of a table, without the columns that are empty."""
    rows = [[_cell(cell) for cell in row] for row in section.cells()]
    used = [i for i in range(len(section.columns)) if any(row[i] for row in rows)]
    if used:
        columns = [section.columns[i] for i in used]
        yield _row(escape(column.title) for column in columns)
        yield _row("--:" if column.align == "right" else "---" for column in columns)
        yield from (_row(row[i] for i in used) for row in rows)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return "<br>".join(map(escape, cell.text.split("\n")))
