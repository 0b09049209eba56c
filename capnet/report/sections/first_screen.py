"""The first screen of a report: what fails and where, the main path, who talks to whom, and how to see the rest.

Input: an overview. Output: lines of at most `width` columns; at 100 columns at most MAX_LINES of them, as long as one
problem alone does not take more.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing.main_path import TIE, main_path
from capnet.report.escape import visible
from capnet.report.headline import by_cause, first_step
from capnet.report.sections import Overview
from capnet.report.text import columns, count, fill, listing, number, padded

MAX_LINES = 29  # of a terminal of 30, whose last line has the prompt
MAX_PROBLEMS = 3
MAX_NAME_LINES = 2
LABEL = 9  # columns before a text
NOTHING_NEW = Text(en="Nothing new.", zh="没有新的问题。")
_KNOWN = Text(
    en="{problems} that the baseline has too: {names} (--only findings)",
    zh="{problems}在基线报告中也有：{names}（--only findings）",
)
_MORE_NAMES = Text(en="{number} more (--full)", zh="另有 {number} 个（--full）")

_ALL_TABLES = Text(en="All tables: --full · a page: -o report.html", zh="全部表格：--full · 网页：-o report.html")
_PAGE = Text(en="A page: -o report.html", zh="网页：-o report.html")
_HOP_BY_HOP = Text(en="hop by hop: capnet trace {files}", zh="逐跳：capnet trace {files}")


def first_screen(shown: Overview, width: int, where: Mapping[str, str], has_tables: bool = False) -> list[str]:
    """The lines. Of many problems, as many as leave room for the rest, and how many there are.

    `has_tables`: all tables follow, so that the last lines do not name the option that prints them.
    """
    for most in range(MAX_PROBLEMS, 0, -1):
        lines = [*_lines(shown, width, most), "", *_rest(shown, where, width, has_tables)]
        if len(lines) <= MAX_LINES:
            return lines
    return lines


def _lines(shown: Overview, width: int, most: int) -> list[str]:
    """All but how to see the rest, with `most` problems."""
    findings = [row for row in shown.document.get("findings", []) if not row["explained_by"]]
    notes = [row for row in findings if row["level"] == "info"]
    all_problems = [row for row in findings if row["level"] != "info"]
    problems = [row for row in all_problems if not row["in_baseline"]]
    problems.sort(key=by_cause)
    lines = [*fill(shown.title, width), ""]
    for row in problems[:most]:
        lines += _problem(row, shown, width)
    lines += _more_problems(problems[most:], width)
    lines += _known_problems([row for row in all_problems if row["in_baseline"]], bool(problems), width)
    if not all_problems and shown.verdict:
        lines += fill(language.joined(shown.verdict), width)
    drawn = main_path(shown.document, shown.words, problems, width)
    lines += ["", *drawn] if drawn else []
    body = [line for label, texts in shown.topics for line in _labelled(label, language.joined(texts), width)]
    body += _names(shown, width)
    lines += ["", *body] if body else []
    return [*lines, *_notes(notes, width)]


def _problem(row: Document, shown: Overview, width: int) -> list[str]:
    """What is wrong, what to do, and where to look."""
    lines = _labelled(row["level"], language.sentence(row["says"]), width)
    if row["fix"]:
        lines += _labelled("", language.labelled("Fix", language.sentence(first_step(row["fix"]))), width, hanging=5)
    seen = ", ".join(shown.words.frames(row["evidence"], 4))
    more = f"capnet explain {row['name']}".replace(" ", TIE)  # a command on two lines cannot be copied
    last = language.labelled("Seen", f"{seen} · {more}") if seen else language.labelled("More", more)
    return [*lines, *(line.replace(TIE, " ") for line in _labelled("", last, width, hanging=6))]


def _more_problems(rows: Sequence[Document], width: int) -> list[str]:
    """`2 more errors, 1 more warning: NAMES (--only findings)`; nothing if none is left out."""
    if not rows:
        return []
    counted = [
        count(len(of_level), f"more {level}")
        for level in ("error", "warning")
        if (of_level := [row for row in rows if row["level"] == level])
    ]
    names = listing(list(dict.fromkeys(row["name"] for row in rows)), 6)
    text = Text(en="{counted}: {names} (--only findings)", zh="{counted}：{names}（--only findings）")
    return fill(text.fill(counted=language.pick(", ", "，").join(counted), names=names), width, " " * LABEL)


def _known_problems(rows: Sequence[Document], has_new: bool, width: int) -> list[str]:
    """`1 problem that the baseline has too: NAME (--only findings)`; nothing if there is none."""
    if not rows:
        return []
    names = listing(list(dict.fromkeys(row["name"] for row in rows)), 6)
    texts = [_KNOWN.fill(problems=count(len(rows), "problem"), names=names)]
    if not has_new:
        texts.insert(0, NOTHING_NEW.fill())
    return fill(language.joined(texts), width, " " * LABEL if has_new else "")


def _labelled(label: str, text: str, width: int, hanging: int = 0) -> list[str]:
    """A text behind its label; further lines begin below the text."""
    return fill(
        padded(language.term(label), LABEL) + text if label else text,
        width,
        "" if label else " " * LABEL,
        " " * (LABEL + hanging),
    )


def _names(shown: Overview, width: int) -> list[str]:
    """The names that no sentence introduced, on two lines at most."""
    names = [f"{name} {addresses}" for name, addresses in shown.names]
    for most in range(len(names), 0, -1):
        left_out = len(names) - most + shown.names_left_out
        more = [_MORE_NAMES.fill(number=number(left_out))] * bool(left_out)
        lines = _labelled("Names", " · ".join(names[:most] + more), width)
        if len(lines) <= MAX_NAME_LINES:
            return lines
    return []


def _notes(rows: Sequence[Document], width: int) -> list[str]:
    """One line for all that needs no action."""
    if not rows:
        return []
    text = Text(
        en="{notes} that {verb} no action: {names} (--only findings)",
        zh="{notes}，无需处理：{names}（--only findings）",
    )
    verb = "needs" if len(rows) == 1 else "need"
    line = text.fill(notes=count(len(rows), "note"), verb=verb, names=listing(_counted_names(rows), 6))
    return [part.replace(TIE, " ") for part in fill(line.replace("--only ", f"--only{TIE}"), width)]


def _counted_names(rows: Sequence[Document]) -> list[str]:
    """`checksum-offload`, of several `source-port-collision (3)`: the names of findings, in their order."""
    counts = Counter(row["name"] for row in rows)
    several = language.pick("{} ({})", "{}（{}）")
    return [several.format(name, times) if times > 1 else name for name, times in counts.items()]


def _rest(shown: Overview, where: Mapping[str, str], width: int, has_tables: bool) -> list[str]:
    """How to see the rest, on one line if it fits, else the command on its own: it is to be copied.

    The names of files are quoted for a shell, then made visible.
    """
    files = [source["file"] for source in shown.document["inputs"]]
    given = visible(" ".join(shlex.quote(where.get(file, file)) for file in files))
    command = _HOP_BY_HOP.fill(files=given)
    if "-" in files or columns(command) > width:
        command = _HOP_BY_HOP.fill(files="FILE")
    hints = (_PAGE if has_tables else _ALL_TABLES).fill()
    if not shown.document.get("flows", {}).get("count", 1):  # nothing to follow
        return fill(hints, width)
    line = f"{hints} · {command}"
    if columns(line) <= width:
        return [line]
    return [*fill(hints, width), *fill(command[:1].upper() + command[1:], width)]
