"""The document as JSON text: pure ASCII, so that no string in it can reach a terminal as anything but itself."""

from __future__ import annotations

import json

from capnet.report.document import Document


def render(document: Document) -> str:
    r"""One object, indented, keys in the contract's order, ending in a newline.

    Control characters and everything beyond ASCII are `\uXXXX`; the JSON encoder leaves only DEL as it is.
    """
    text = json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False)
    return text.replace("\x7f", "\\u007f") + "\n"
