"""Which findings of a fleet an older fleet had too, and which of its findings no capture has any more.

Findings are the same where they have the same name and are about the same thing (`about`), and are not worse than then.
"""

from __future__ import annotations

from pathlib import Path

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import LEVELS
from capnet.json_file import read_object

SCHEMA = "capnet.fleet/1"
MAX_BYTES = 1 << 30  # of a report on a hundred thousand captures


def read_fleet_baseline(path: Path) -> Document:
    """The document of `fleet.json`, as a run wrote it; raises ValueError for another file, OSError if missing."""
    document = read_object(path, SCHEMA, "report of a fleet", MAX_BYTES)
    findings = document.get("findings")
    if not isinstance(findings, list) or not all(isinstance(row, dict) and "about" in row for row in findings):
        raise ValueError(f"{path}: a report without findings; name the fleet.json that capnet fleet wrote, whole")
    return document


def with_fleet_baseline(document: Document, baseline: Document | None) -> Document:
    """The document with `in_baseline` of each finding, and in `baseline` what is gone; as it is without a baseline."""
    if baseline is None:
        return document
    old_levels = {row["about"]: row["level"] for row in baseline["findings"] if row.get("level") in LEVELS}
    findings = [{**row, "in_baseline": _is_old(row, old_levels)} for row in document["findings"]]
    present = {row["about"] for row in findings}
    gone = [
        {key: row[key] for key in ("name", "level", "about")}
        for row in baseline["findings"]
        if row["about"] not in present and row.get("level") in LEVELS and isinstance(row.get("name"), str)
    ]
    new = sum(not row["in_baseline"] for row in findings)
    return {**document, "findings": findings, "baseline": {"new": new, "gone": gone}}


def _is_old(row: Document, old_levels: dict[str, str]) -> bool:
    old = old_levels.get(row["about"])
    return old is not None and LEVELS.index(old) <= LEVELS.index(row["level"])
