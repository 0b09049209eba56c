"""The README says what is so: its transcript, its scenarios, its links; and it stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from capnet.scenario import library
from tests.conftest import PROJECT
from tests.readme import CHINESE, LANGUAGES, README, commands, stored, transcript

MAX_LINES = 120


every_page = pytest.mark.parametrize("page", LANGUAGES, ids=lambda page: page.name)


@every_page
def test_readme_transcript_is_what_capnet_prints(page: Path) -> None:
    """Where this fails: python -m tests.readme, and look at the difference."""
    assert stored(page) == transcript(page)


@every_page
def test_readme_is_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_both_readmes_have_the_same_commands() -> None:
    assert commands(CHINESE) == commands(README)


@every_page
def test_readme_table_has_every_scenario(page: Path) -> None:
    rows = re.findall(r"^\|[^|]*\|([^|]*)\|[^|]*\|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for cell in rows for name in re.findall(r"`([a-z0-9-]+)`", cell)}
    assert set(library.files()) <= named


def anchor(heading: str) -> str:
    """The name that GitHub gives a heading: lower case, without marks, with hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_between_pages_lead_somewhere() -> None:
    """Files and folders that README.md, CONTRIBUTING.md and docs/ link to are there, and headings too."""
    pages = [README, *PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            path, _, heading = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{page.name}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in map(anchor, headings), f"{page.name}: {target}"
