"""The document as JSON text: pure ASCII, so that no string in it can reach a terminal as anything but itself."""

from __future__ import annotations

from collections.abc import Mapping

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.json_text import json_text

NAME = "json"
SUFFIXES = (".json",)
LITERAL = "<|`"


def render(document: Document, width: int = 0, where: Mapping[str, str] | None = None) -> str:
    """One JSON object (docs/report.md). Lines are as long as a fact; `width` and `where` change nothing."""
    return json_text(document)


def escape(text: str) -> str:
    """A string of JSON without its quotes."""
    return json_text(text)[1:-2]
