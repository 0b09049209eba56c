"""A document as JSON text: pure ASCII, so that no string in it can reach a terminal as anything but itself."""

from __future__ import annotations

import json
from typing import Any


def json_text(document: dict[str, Any] | str) -> str:
    r"""One object, one line for each fact, keys in the contract's order, ending in a newline.

    Control characters and everything beyond ASCII are `\uXXXX`; the JSON encoder leaves only DEL as it is.
    """
    return _text(document, "").replace("\x7f", "\\u007f") + "\n"


def _text(value: Any, indent: str) -> str:
    """Objects and lists of facts are opened, facts are not: a line holds one, and json's fast encoder writes it."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        members = ",\n".join(f"{inner}{_line(key)}: {_text(item, inner)}" for key, item in value.items())
        return f"{{\n{members}\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        items = ",\n".join(inner + _line(item) for item in value)
        return f"[\n{items}\n{indent}]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
