"""The manual page of a finding, from docstrings made here: paragraphs and lists, in English and Chinese."""

from __future__ import annotations

from types import ModuleType

from capnet import language
from capnet.report.manual import manual

PAGE = """made-up: a finding of this test.

Looks at: packets, on
two lines. Not:
- one kind
  of packets;
- another.

And a paragraph
after the list.
Says: which.
Wrong when: never.
Fix: nothing.
Verify: `true`.
"""
PAGE_ZH = """本测试的诊断。

检查：
两行上的
包。不包括：
- 一种
  包；
- 另一种。
结论：哪个。
误判：没有。
处理：无。
验证：`true`。
"""


def module() -> ModuleType:
    made = ModuleType("made_up", PAGE)
    made.NAME, made.PAGE_ZH = "made-up", PAGE_ZH  # type: ignore[attr-defined]
    return made


def test_section_keeps_paragraphs_and_items_apart() -> None:
    page = manual(module())
    assert (page.name, page.title) == ("made-up", "a finding of this test.")
    assert page.sections["Looks at"] == [
        "packets, on two lines. Not:",
        "- one kind of packets;",
        "- another.",
        "And a paragraph after the list.",
    ]
    assert page.sections["Says"] == ["which."]


def test_chinese_section_has_no_spaces_at_its_line_ends() -> None:
    with language.used("zh"):
        sections = manual(module()).sections
    assert sections["检查"] == ["两行上的包。不包括：", "- 一种包；", "- 另一种。"]
