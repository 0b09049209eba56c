"""The report formats: a file each in this folder, and one line in FORMATS.

A format is loaded when it is asked for, so that no command pays for the others. CONTRIBUTING.md shows how to add one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from capnet.report.wanted import ALL, Wanted

if TYPE_CHECKING:
    from capnet.analysis.core.contract.report import Report

# Name, also of the file → suffixes of what is written; in the order of `--format`, the default first.
FORMATS = {
    "table": (".txt",),
    "json": (".json",),
    "html": (".html", ".htm"),
    "markdown": (".md", ".markdown"),
    "junit": (".xml",),
    "sarif": (".sarif",),
}
FINDINGS_ALONE = ("junit", "sarif")  # formats of other programs that hold nothing else
TRACE_FORMATS = ("table", "json", "html", "markdown")  # those of flows and packets hop by hop


class Format(Protocol):
    """What the file of a format has."""

    LITERAL: str  # those of the characters < | ` that have no meaning in this format, wherever they stand

    def escape(self, text: str, /) -> str:
        """`text` as this format writes it: nothing of it is markup, nothing controls a terminal."""

    def render(
        self,
        document: dict[str, Any],
        width: int = 100,
        where: Mapping[str, str] | None = None,
        wanted: Wanted = ALL,
    ) -> str:
        """The report as text, of at most `width` terminal columns where the format has lines of its own.

        `where`: how to open an input from here, if that is not the name that the report has for it. `wanted`: the
        sections and rows that are asked for.
        """


def format_of_suffix(suffix: str) -> str | None:
    """The format of files with this suffix (`.html`); None if it says nothing about a format."""
    return next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)


def load(name: str) -> Format:
    """The format of this name; raises ValueError if there is none."""
    if name not in FORMATS:
        raise ValueError(f"there is no report format {name!r}; choose from {', '.join(sorted(FORMATS))}")
    return cast(Format, import_module(f"{__name__}.{name}"))


def render(report: Report, format: str = "table", width: int = 100) -> str:
    """The report as text. `format`: `table`, `json`, `html` or another of FORMATS; `width`: columns of a table.

    Raises ValueError for a format that there is not.
    """
    return load(format).render(report.to_dict(), width)
