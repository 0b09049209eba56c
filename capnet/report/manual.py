"""The manual page of a finding, from the docstring of its file: what docs/findings.md and `capnet explain` show.

A section is text, and may have a list: an item begins with `- `, and its further lines are indented.
"""

from __future__ import annotations

import inspect
import re
from types import ModuleType

from capnet import language
from capnet.quick_tuple import NamedTuple

HEADINGS = ("Looks at", "Says", "Wrong when", "Fix", "Verify")
ITEM = "- "
CHINESE_HEADINGS = ("检查", "结论", "误判", "处理", "验证")


class ManualPage(NamedTuple):
    """The page of a finding: name, what it is, and under each heading the paragraphs and list items (`- …`)."""

    name: str
    title: str
    sections: dict[str, list[str]]


def manual(module: ModuleType) -> ManualPage:
    """The manual page of a finding. A heading stands at the beginning of a line, with a colon."""
    if language.is_chinese():
        return _chinese(module)
    head, _, body = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
    name, _, title = " ".join(head.split()).partition(": ")
    _, *parts = re.split(rf"^({'|'.join(HEADINGS)}):\s", body, flags=re.MULTILINE)
    texts = ([" ".join(block.split()) for block in _blocks(text)] for text in parts[1::2])
    return ManualPage(name, title, dict(zip(parts[::2], texts, strict=True)))


def _chinese(module: ModuleType) -> ManualPage:
    """The page from PAGE_ZH, which has no name in its title."""
    title, _, body = module.PAGE_ZH.partition("\n\n")
    _, *parts = re.split(rf"^({'|'.join(CHINESE_HEADINGS)})：", body, flags=re.MULTILINE)
    texts = ([language.unbroken(block) for block in _blocks(text)] for text in parts[1::2])
    return ManualPage(module.NAME, language.unbroken(title), dict(zip(parts[::2], texts, strict=True)))


def _blocks(text: str) -> list[str]:
    """The paragraphs and items of a section, as they are broken into lines."""
    blocks: list[str] = []
    for line in text.strip().splitlines():
        is_item = line.startswith(ITEM)
        if not blocks or is_item or (blocks[-1].startswith(ITEM) and not line.startswith(" ")):
            blocks.append(line)
        else:
            blocks[-1] += "\n" + line.strip()
    return blocks
