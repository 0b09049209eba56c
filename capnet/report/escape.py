"""Strings from captures and files are hostile; this is the one door they pass before a terminal.

An interface name, a host name or a comment may hold an ANSI escape that repaints the screen, a right-to-left override
that turns a name around, a newline that forges a row. `str.isprintable` is false for exactly these: categories Cc, Cf
(bidi controls, zero-width characters), Cs, Co, Cn, Zl, Zp and every Zs but the space.
"""

from __future__ import annotations

import json
from typing import Any


def visible(text: str, keep: str = "") -> str:
    r"""`text` with everything unprintable spelled out: `\x1b`, `\u202e`, `\U000e0001`.

    Characters in `keep` pass as they are (a newline in a text of our own making).
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _spelled(ord(char)) for char in text)


def visible_all(value: Any) -> Any:
    """A JSON-like value with every string in it, keys too, made visible. Parts that need no change are not copied."""
    if isinstance(value, dict):
        return {visible(str(key)): _visible_part(each) for key, each in value.items()}
    return _visible_part(value)


def _visible_part(value: Any) -> Any:
    """Looked at as one text first: mostly nothing is to be done, and asking each string takes six times as long."""
    text = json.dumps(value, ensure_ascii=False)
    # JSON writes control characters with a backslash; what else is unprintable it writes as it is.
    return value if "\\" not in text and text.isprintable() else _spell_out(value)


def _spell_out(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): _spell_out(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_spell_out(each) for each in value]
    return value


def _spelled(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"
