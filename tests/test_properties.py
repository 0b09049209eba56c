"""The table of tests/README.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = (TESTS / "README.md").read_text(encoding="utf-8").partition("## Where real captures")[2]


def named() -> list[tuple[str, str]]:
    """(file, test) in the order of the table; `…` is the file before."""
    found, file = [], ""
    for path, test in re.findall(r"`(\S+?)::(test_\w+)`", TABLE):
        file = file if path == "…" else path
        found.append((file, test))
    return found


def test_every_property_has_its_tests_and_they_exist() -> None:
    _, *rows = [line for line in TABLE.splitlines() if line.startswith("| ")]
    assert [row for row in rows if not re.search(r"`\S+?::test_\w+`", row)] == []
    missing = [
        (file, test)
        for file, test in named()
        if not (TESTS / file).is_file() or f"def {test}(" not in (TESTS / file).read_text(encoding="utf-8")
    ]
    assert missing == []
    assert len(named()) > 40
