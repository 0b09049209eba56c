"""A report as plain dictionaries: what every format reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from capnet.analysis.core.contract.document import Document, iso_time, short_names
from capnet.analysis.core.contract.document import plain as plain_facts
from capnet.analysis.core.contract.keys import ALWAYS, LEVELS, SCHEMA, SECTIONS
from capnet.analysis.core.contract.report import Report

__all__ = ["ALWAYS", "LEVELS", "SCHEMA", "SECTIONS", "Document", "document", "iso_time", "plain", "short_names"]


def document(report: Report, only: Collection[str] = ()) -> Document:
    """The whole report, or with `only` its head and those of SECTIONS."""
    return report.to_dict(only)


def plain(facts: Any, report: Report) -> Any:
    """Facts beside those of the report (paths of one flow, a packet's journey) in the document's form."""
    return plain_facts(facts, report.inputs)
