"""Generated pages are what the code says now."""

from __future__ import annotations

import pytest

from tests.generated import DOCS, pages


@pytest.mark.parametrize("name", pages())
def test_page_is_what_the_code_says(name: str) -> None:
    """Where this fails: python -m tests.generated, and look at the difference."""
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == pages()[name]()


def test_pages_of_commands_and_report_exist() -> None:
    assert {"cli", "report"} <= set(pages())
