"""The document as JSON text: pure ASCII, so that no string in it can reach a terminal as anything but itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.json_text import json_pieces, json_text
from capnet.report.wanted import ALL, Wanted

LITERAL = "<|`"


def render(document: Document, width: int = 0, where: Mapping[str, str] | None = None, wanted: Wanted = ALL) -> str:
    """One JSON object (docs/report.md). Lines are as long as a fact; only the document changes the text."""
    return json_text(document)


def pieces(document: Document) -> Iterator[str]:
    """The same text in pieces: a list of the document may be an iterator that makes its rows meanwhile."""
    return json_pieces(document)


def escape(text: str) -> str:
    """A string of JSON without its quotes."""
    return json_text(text)[1:-2]
