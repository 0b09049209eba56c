"""The document as JSON text: pure ASCII, so that no string in it can reach a terminal as anything but itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from capnet.report.document import Document


def render(document: Document) -> str:
    r"""One object, indented, keys in the contract's order, ending in a newline.

    Control characters and everything beyond ASCII are `\uXXXX`; the JSON encoder leaves only DEL as it is.
    """
    return "".join(_parts(document))


def _parts(document: Document) -> Iterator[str]:
    """Row by row: the encoder holds each number and brace as a string of its own, for all that it is given at once."""
    begin = "{\n "
    for key, value in document.items():
        yield f"{begin}{_text(key)}: "
        begin = ",\n "
        if isinstance(value, list) and value:
            for number, row in enumerate(value):
                yield ",\n  " if number else "[\n  "
                yield _text(row).replace("\n", "\n  ")
            yield "\n ]"
        else:
            yield _text(value).replace("\n", "\n ")
    yield "\n}\n" if document else "{}\n"


def _text(value: Any) -> str:
    # No string of JSON holds a newline: all of them are the encoder's.
    text = json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False)
    return text.replace("\x7f", "\\u007f")
