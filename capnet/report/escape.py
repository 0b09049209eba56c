"""Makes strings from captures and files printable.

An interface name, a host name or a comment may hold an ANSI escape that repaints the screen, a right-to-left override
that reverses a name, or a newline that forges a row. `str.isprintable` is false for exactly these: categories Cc, Cf
(bidi controls, zero-width characters), Cs, Co, Cn, Zl, Zp and every Zs except the space.
"""

from __future__ import annotations

import json
from typing import Any


def visible(text: str, keep: str = "") -> str:
    r"""`text` with everything unprintable spelled out: `\x1b`, `\u202e`, `\U000e0001`.

    Characters in `keep` stay as they are, such as the newlines of a text that capnet itself wrote.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _spelled(ord(char)) for char in text)


def visible_all(value: Any) -> Any:
    """A JSON-like value in which every string, keys too, is made visible. Parts that need no change are not copied."""
    if isinstance(value, dict):
        return {visible(str(key)): _visible_part(part) for key, part in value.items()}
    return _visible_part(value)


def _visible_part(value: Any) -> Any:
    """Tests the value as one text first: mostly all of it is printable, and a test of each string takes six times as
    long.
    """
    texts = getattr(value, "texts", None)  # of `PrintedRows`: nothing else in them can be unprintable
    if texts is not None:
        if all(map(str.isprintable, texts)):
            return value
        value = list(value)
    text = json.dumps(value, ensure_ascii=False)
    # JSON writes control characters with a backslash, and all other unprintable characters as they are.
    return value if "\\" not in text and text.isprintable() else _spell_out(value)


def _spell_out(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): _spell_out(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spell_out(item) for item in value]
    return value


def _spelled(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"
