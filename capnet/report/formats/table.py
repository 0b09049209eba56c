"""The report as a person reads it in a terminal: sentences first, then a table per question, then what to try next.

It prints nothing for what the document does not have.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing import routes
from capnet.report.escape import visible
from capnet.report.sections import Overview, overview
from capnet.report.sections.first_screen import first_screen
from capnet.report.sections.section import Section, View
from capnet.report.text import columns, fill, padded
from capnet.report.wanted import ALL, Wanted

LITERAL = "<|`"
WIDTH = 100

escape = visible  # `overview` applies it to the whole document; lines are all the syntax there is


def render(document: Document, width: int = WIDTH, where: Mapping[str, str] | None = None, wanted: Wanted = ALL) -> str:
    """The whole text, no line wider than `width` terminal columns; what is too long for one goes on below it.

    `where` says how to open an input from here, when that is not the name the report has for it.
    """
    shown = overview(document, View.COMPACT, wanted, has_tables=wanted.full or bool(wanted.only))
    if not wanted.only:
        lines = first_screen(shown, width, where or {}, has_tables=wanted.full)
        if not wanted.full:
            return "\n".join(lines) + "\n"
    else:
        lines = fill(shown.title, width)
    if shown.names and (wanted.only or any("(--full)" in line or "（--full）" in line for line in lines)):
        names = [f"{name} {addresses}" for name, addresses in shown.names]
        more = [shown.more_names] if shown.names_left_out else []
        label = padded(language.term("Names"), 7)
        lines += ["", *fill(label + " · ".join(names + more), width, hanging=" " * 7)]
    if wanted.only and not shown.sections:
        nothing = Text(en="The capture shows nothing of this kind: {sections}.", zh="抓包中没有这类内容：{sections}。")
        lines += ["", nothing.fill(sections=", ".join(wanted.only))]
    for section in shown.sections:
        lines += ["", *fill(section.heading, width), *_body(section, shown, width)]
    if not wanted.only:
        lines += ["", *_next(document, shown.document, where or {}, width)]
    return "\n".join(lines) + "\n"


def _body(section: Section, shown: Overview, width: int) -> list[str]:
    from capnet.report.drawing.text_table import INDENT, table_lines  # the first screen has no tables

    rest = [INDENT + section.rest] if section.rest else []
    if section.key == "paths":
        return [*_paths(section, shown, width), *rest]
    text = fill(section.text, width, INDENT) if section.text else []
    return [
        *table_lines(section.columns, [[cell.text for cell in row] for row in section.cells()], width),
        *rest,
        *text,
    ]


def _paths(section: Section, shown: Overview, width: int) -> Iterator[str]:
    for place, group in enumerate(section.rows):
        if place:
            yield ""
        yield from routes.lines(group, shown.words, width)


_DECODE_AS = Text(
    en="with `tshark {option}`, or Decode As in Wireshark, for what is inside the tunnel",
    zh="隧道内的包：`tshark {option}`，或 Wireshark 的 Decode As",
)


# -- what to try next -------------------------------------------------------------------------------
def _next(document: Document, safe: Document, where: Mapping[str, str], width: int) -> list[str]:
    """What to try next; file names are quoted for a shell, then made visible. `safe`: the document made visible."""
    from capnet.report import wireshark  # the first screen does not name filters
    from capnet.report.drawing.text_table import INDENT

    lines = []
    best = wireshark.best(safe)
    if best:
        lines += fill(Text(en="Wireshark, {what}:", zh="Wireshark，{what}：").fill(what=best[0]), width)
        lines += fill(best[1], width, INDENT)
    if decode_as := wireshark.decode_as(safe):
        lines += fill(_DECODE_AS.fill(option=decode_as), width, INDENT)
    files = [shlex.quote(where.get(file["file"], file["file"])) for file in document["inputs"]]
    openable = [file["file"] for file in document["inputs"] if file["file"] != "-"]
    evidence = _first_evidence(document)
    if evidence and evidence["file"] in openable:
        file = shlex.quote(where.get(evidence["file"], evidence["file"]))
        label = padded(language.term("one frame"), 12)
        command = visible(f"{label}capnet packet {file} {evidence['frame']}")
        lines.append(command if columns(command) <= width else f"{label}capnet packet FILE {evidence['frame']}")
    label = padded(language.term("as JSON"), 12)
    command = visible(f"{label}capnet analyze {' '.join(files)} --format json")
    is_usable = len(openable) == len(files) and columns(command) <= width
    same = Text(en="the same with --format json", zh="同样的命令加 --format json").fill()
    return [*lines, command if is_usable else label + same]


def _first_evidence(document: Document) -> Document | None:
    for section in ("findings", "nat", "tunnels", "paths", "macs", "models", "proxies"):
        for row in document.get(section, []):
            if row["evidence"] and row.get("level") != "info":
                first: Document = row["evidence"][0]
                return first
    return None
