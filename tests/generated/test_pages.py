"""Generated pages are what the code says now."""

from __future__ import annotations

import re

import pytest

from tests.generated import DOCS, pages
from tests.generated._man import MAN_FOLDER, man_pages

AGAIN = "run: python -m tests.generated, and look at the difference"


@pytest.mark.parametrize("name", pages())
def test_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == pages()[name](), AGAIN


def test_pages_of_commands_and_report_exist() -> None:
    assert {"cli", "report"} <= set(pages())


def test_man_pages_are_what_the_code_says() -> None:
    stored = {file.name: file.read_text(encoding="utf-8") for file in MAN_FOLDER.glob("*")}
    assert stored == man_pages(), AGAIN


def test_man_pages_fit_80_columns() -> None:
    """But for a line that is a command to copy, or a drawing."""
    for name, text in man_pages().items():
        kept = re.findall(r"^\.nf\n(.*?)^\.fi$", text, re.MULTILINE | re.DOTALL)
        lines = [line.replace("\\-", "-").replace("\\e", "\\") for part in kept for line in part.splitlines()]
        assert [line for line in lines if len(line) > 73 and not line.startswith("capnet ")] == [], name


def test_man_pages_are_roff_that_man_can_show() -> None:
    """No line of text is taken for a request, and each page has the sections that man(7) asks for."""
    for name, text in man_pages().items():
        requests = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
        assert requests <= {".TH", ".SH", ".TP", ".PP", ".nf", ".fi"}, name
        for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"):
            assert f".SH {heading}\n" in text, (name, heading)
