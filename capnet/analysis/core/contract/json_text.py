"""A document as JSON text: pure ASCII, so that no string in it can reach a terminal as anything but itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from capnet.analysis.core.contract.document import PrintedRows


def json_text(document: dict[str, Any] | str) -> str:
    r"""One object, one line for each fact, keys in the contract's order, ending in a newline.

    Control characters and everything beyond ASCII are `\uXXXX`; the JSON encoder leaves only DEL as it is.
    """
    return "".join(_pieces(document, "")) + "\n"


def json_pieces(document: dict[str, Any]) -> Iterator[str]:
    """The same text in pieces; a list in the document may be an iterator of facts, of which none is kept."""
    yield from _pieces(document, "")
    yield "\n"


def _pieces(value: Any, indent: str) -> Iterator[str]:
    """Objects and lists of facts are opened, facts are not: a line holds one, and json's fast encoder writes it."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        before = "{\n"
        for key, item in value.items():
            yield f"{before}{inner}{_line(key)}: "
            yield from _pieces(item, inner)
            before = ",\n"
        yield f"\n{indent}}}"
    elif isinstance(value, Iterator | PrintedRows) or (
        isinstance(value, list) and value and isinstance(value[0], dict | list)
    ):
        before = "[\n"
        for item in value:
            yield f"{before}{inner}{_line(item)}"
            before = ",\n"
        yield "[]" if before == "[\n" else f"\n{indent}]"
    else:
        yield _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False).replace("\x7f", "\\u007f")
