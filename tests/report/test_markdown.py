"""Markdown: tables that keep their columns, and no string of a capture that becomes markup, HTML or a link."""

from __future__ import annotations

import re

import pytest

from capnet.report.formats.markdown import escape, render
from tests.report import sample
from tests.report.test_formats import CONTROLS, MARKUP

SEPARATOR = re.compile(r"(?<!\\)\|")  # a pipe that is not escaped
CODE = re.compile(r"(?<!\\)`[^`]*`")  # a code span


def tables(text: str) -> list[list[str]]:
    """The tables, each a list of its lines."""
    blocks = [block.split("\n") for block in text.split("\n\n")]
    return [block for block in blocks if block[0].startswith("|")]


@pytest.mark.parametrize("text", ["plain", *CONTROLS, *MARKUP, "e|`v@x", "|", "\\|", "a\\", "`#1|"])
def test_markdown_tables_keep_their_columns(text: str) -> None:
    written = tables(render(sample.hostile(text).to_dict()))
    assert len(written) > 6
    for head, dashes, *rows in written:
        assert re.fullmatch(r"\|( (---|--:) \|)+", dashes)
        assert {len(SEPARATOR.findall(line)) for line in (head, *rows)} == {dashes.count("|")}


def test_markdown_begins_with_title_and_sentences() -> None:
    title, sentences, heading, table, *_ = render(sample.bridge().to_dict(only=["models", "stations"])).split("\n\n")
    assert title == "# bridge · 6 points · 812 packets in 4.20 s · 2026-11-23 `22:14:03` UTC"
    assert sentences == "Two containers were seen: web (172.17.0.2) and bbox (172.17.0.3)."
    assert heading == "## Network model"
    assert table.split("\n")[:2] == ["| model | confidence | evidence | seen at |", "| --- | --: | --- | --- |"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("web:80 → 172.17.0.2", "web:80 → 172.17.0.2"),
        ("*a* _b_ ~~c~~ $d$", r"\*a\* \_b\_ \~\~c\~\~ \$d\$"),
        ("[a](b) ![a][b] [^1]", r"\[a\](b) !\[a\]\[b\] \[^1\]"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("a|b `c` \\", r"a\|b \`c\` \\"),
        ("# a - b 1. c", r"\# a \- b 1\. c"),
        ("A/docker0 #41, #42", "A/docker0 `#41`, `#42`"),
        ("see https://x.y or www.x.y.", "see `https://x.y` or `www.x.y`."),
        ("mail a@b.c x@`|y", r"mail `a@b.c` `x@\x60\x7cy`"),
        ("02:42:ac:11:00:02 fd00:100:1::2", "`02:42:ac:11:00:02` `fd00:100:1::2`"),
        ("21 次：fd00::1 到 https://x.y，中@x", "21 次：`fd00::1` 到 `https://x.y`，中`@x`"),
    ],
)
def test_markdown_escape_leaves_no_markup(text: str, escaped: str) -> None:
    """What GitHub would link in spite of an escape (mentions, issues, addresses, emoji) is code."""
    assert escape(text) == escaped


@pytest.mark.parametrize("char", "\\`*_[]|~$<>&")
def test_markdown_passes_no_bare_punctuation(char: str) -> None:
    """Outside of code spans each of them is escaped."""
    text = render(sample.hostile(f"e{char}v").to_dict())
    assert escape(f"e{char}v") in text
    assert f"e{char}v" not in CODE.sub("", text)
