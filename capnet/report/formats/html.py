"""The report as one page that needs nothing else: no script, no network, no font, no image.

Every string passes `escape`, the one place that makes text safe for HTML and SVG. The page forbids scripts and
everything from outside by its own Content-Security-Policy, which allows its one style sheet by hash. Light or dark as
the reader's system is.
"""

from __future__ import annotations

import hashlib
import html
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.order import LEVELS
from capnet.report import wireshark
from capnet.report.drawing import routes
from capnet.report.drawing.svg_path import draw
from capnet.report.fate_words import ending, is_lost
from capnet.report.sections import Overview, overview
from capnet.report.sections.findings import next_step
from capnet.report.sections.section import Cell, Column, Section, Span, View
from capnet.report.text import count
from capnet.report.wanted import ALL, Wanted
from capnet.report.words import Words

NAME = "html"
SUFFIXES = (".html", ".htm")
LITERAL = "|`"  # between backticks, `fix` of a finding is shown as code
MAX_OPEN_PATHS = 6  # the pictures of further paths are folded

_STYLE = Path(__file__).with_name("page.css")


def render(document: Document, width: int = 0, where: Mapping[str, str] | None = None, wanted: Wanted = ALL) -> str:
    """The whole page. Deterministic: same document, same bytes. `width` and `where` change nothing."""
    shown = overview(document, View.DETAILED, wanted)
    style = _STYLE.read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head, _, rest = shown.title.partition(" · ")
    body = [
        *_header(head, rest, shown),
        *(
            f'<section id="{section.key}"><h2>{section.heading}<small>{escape(section.note)}</small></h2>'
            f"{_body(section, shown.words)}</section>"
            for section in shown.sections
        ),
        _next(shown.document),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(head)} – capnet</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + f"\n<footer>{escape(shown.document['made_by'])}</footer>\n</main>\n</body>\n</html>\n"
    )


def escape(value: object) -> str:
    """Any value as text of HTML, SVG or an attribute in double quotes."""
    return html.escape(str(value), quote=True)


def _header(head: str, rest: str, shown: Overview) -> list[str]:
    names = "".join(f"<li><b>{escape(name)}</b>{escape(address)}</li>" for name, address in shown.names)
    links = "".join(f'<a href="#{section.key}">{section.heading}</a>' for section in shown.sections)
    return [
        "<header>",
        f"<h1>{escape(head)}</h1>",
        f'<p class="meta">{escape(rest)}</p>',
        f'<p class="story">{escape(" ".join(shown.sentences))}</p>' if shown.sentences else "",
        f'<ul class="names">{names}</ul>' if names else "",
        f"<nav>{links}</nav>",
        "</header>",
    ]


def _next(document: Document) -> str:
    best = wireshark.best(document)
    return f'<p class="small soft">Wireshark, {escape(best[0])}: {_code(best[1])}</p>' if best else ""


# -- sections ---------------------------------------------------------------------------------------
def _body(section: Section, words: Words) -> str:
    rest = f'<p class="soft small">{section.rest}</p>' if section.rest else ""
    if section.key == "findings":
        return "".join(_finding(row, words) for row in section.rows) + rest
    if section.key == "paths":
        return "".join(_path(group, words, place < MAX_OPEN_PATHS) for place, group in enumerate(section.rows)) + rest
    filters = "".join(f"<p>{_code(text)}</p>" for text in section.filters)
    folded = f"<details><summary>Wireshark filters</summary>{filters}</details>" if filters else ""
    text = f"<p>{escape(section.text)}</p>" if section.text else ""
    return _table(section, words) + rest + folded + text


def _finding(row: Document, words: Words) -> str:
    level = row["level"] if row["level"] in LEVELS else "info"
    return (
        f'<div class="finding"><span class="tag {level}">{escape(row["level"])}</span>'
        f"<h3>{escape(row['name'])}</h3><p>{escape(row['says'])}</p>"
        + _labelled(next_step(row))
        + _labelled(f"Verify: {row['verify']}" if row["verify"] and row["level"] != "info" else "")
        + _evidence(row["evidence"], words)
        + "</div>"
    )


def _labelled(text: str) -> str:
    """`Fix: …` with the label in bold; empty of nothing."""
    label, _, rest = text.partition(": ")
    return f"<p><b>{label}:</b> {_prose(rest)}</p>" if text else ""


def _path(group: Sequence[Document], words: Words, is_open: bool) -> str:
    """The picture of the paths of one route, below a line that says what they are."""
    path = group[0]
    total = count(sum(map(routes.packets, group)), "packet")
    style = "bad" if is_lost(path["ends"]) else "soft"
    return (
        f'<details class="path"{" open" if is_open else ""}><summary>'
        f"<b>{escape(' · '.join(routes.flows(group, words)))}</b> "
        f'<span class="{style}">{escape(f"{total}, {ending(path)}")}</span></summary>'
        f'<div class="wide">{draw(group, words, escape)}</div>'
        f'<p class="small soft">{_path_filter(group)}</p></details>'
    )


def _path_filter(group: Sequence[Document]) -> str:
    """The Wireshark filter of these paths."""
    selected = wireshark.paths(group)
    wider = " (and other flows between these addresses)" * selected.is_wider
    return f"Wireshark{wider} {_code(selected.text)}"


def _table(section: Section, words: Words) -> str:
    """The table of a section, without the columns that are empty; empty itself if there are no rows."""
    rows = [[_cell(cell, words) for cell in row] for row in section.cells()]
    if not rows:
        return ""
    used = [i for i in range(len(section.columns)) if any(row[i] for row in rows)]
    kinds = [_column_class(column) for column in section.columns]
    head = "".join(f"<th{kinds[i]}>{escape(section.columns[i].title)}</th>" for i in used)
    body = "".join("<tr>" + "".join(f"<td{kinds[i]}>{row[i]}</td>" for i in used) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _column_class(column: Column) -> str:
    """n: numbers, k: never broken, w: broken anywhere (page.css)."""
    kind = "n" if column.align == "right" else {"never": "k", "anywhere": "w"}.get(column.wrap, "")
    return f' class="{kind}"' if kind else ""


def _cell(cell: Cell, words: Words) -> str:
    return "<br>".join("".join(map(_span, line)) for line in cell.lines) + _evidence(cell.evidence, words)


def _span(span: Span) -> str:
    text = escape(span.text)
    if not span.style or not text:
        return text
    tag = {"strong": "b", "code": "code"}.get(span.style)
    return f"<{tag}>{text}</{tag}>" if tag else f'<span class="{span.style}">{text}</span>'


# -- parts --------------------------------------------------------------------------------------------
def _code(value: str) -> str:
    return f"<code>{escape(value)}</code>"


def _prose(value: str) -> str:
    """Text in which `words between backticks` are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(value))


def _evidence(evidence: Sequence[Document], words: Words) -> str:
    """Frames to look at, and the Wireshark filter that shows those of each file."""
    if not evidence:
        return ""
    files: dict[str, list[Document]] = {}
    for frame in evidence:
        files.setdefault(frame["file"], []).append(frame)
    seen = ", ".join(words.frames(evidence, 10))
    filters = "".join(f"<br>{escape(file)} {_code(wireshark.frames(frames))}" for file, frames in files.items())
    return f'<details><summary>evidence</summary><p class="small">{escape(seen)}{filters}</p></details>'
