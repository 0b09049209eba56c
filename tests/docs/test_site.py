"""The documentation is a site without a warning, and its table of contents names every page."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import PROJECT

CONTENTS = PROJECT / "docs" / "index.md"
CHINESE = PROJECT / "docs" / "zh" / "index.md"


def entries(contents: Path) -> set[Path]:
    """Pages that are an entry of a list in docs/index.md, or docs/zh/index.md."""
    links = re.findall(r"^- \[[^]]*\]\(([^)#]+)\)", contents.read_text(encoding="utf-8"), re.MULTILINE)
    return {(contents.parent / link).resolve() for link in links}


def test_contents_name_every_page() -> None:
    pages = {page for page in [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")] if page != CONTENTS}
    assert pages - entries(CONTENTS) - entries(CHINESE) == set()


def test_every_guide_is_in_chinese_with_its_commands() -> None:
    """The same commands in the same order, as far as the Chinese page has them; only --lang zh is added."""
    for page in sorted(PROJECT.glob("docs/howto/*.md")):
        chinese = PROJECT / "docs" / "zh" / "howto" / page.name
        assert chinese in entries(CHINESE)
        calls = re.findall(
            r"^ *(?:\$ )?((?:sudo )?capnet [ -~]*).*$", chinese.read_text(encoding="utf-8"), re.MULTILINE
        )
        plain = [re.sub(r" --lang zh|  # *$", "", call) for call in calls]
        english = page.read_text(encoding="utf-8")
        assert plain and [call for call in plain if call not in english] == []


def test_contents_are_ordered_by_what_a_reader_wants() -> None:
    headings = re.findall(r"^## (.*)$", CONTENTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["Start", "How-to guides", "Reference", "Explanation", "Contribute"]


@pytest.mark.skipif(find_spec("sphinx") is None, reason="Sphinx is not installed: pip install -e '.[docs]'")
def test_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """A link or an anchor that leads nowhere is a warning. The man pages are built of what was parsed for the site."""
    for builder, page in (("html", "docs/index.html"), ("man", "capnet-findings.7")):
        places = ["-c", "docs", "-d", str(tmp_path / "parsed"), ".", str(tmp_path / builder)]
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder, *places],
            cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / builder / page).stat().st_size > 1000
    chinese = "[\u3001\u3002\u4e00-\u9fff\uff0c]"
    text = (tmp_path / "html/docs/zh/tutorial.html").read_text(encoding="utf-8")
    assert re.findall(rf"^(?!<span).*{chinese}\n{chinese}", text, re.MULTILINE) == []
