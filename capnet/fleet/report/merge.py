"""The merged report of a fleet, from the records of its captures: which of them has what, and since when.

Output: a document, the JSON contract `capnet.fleet/1`. Records are read one after the other, so memory grows with what
differs, not with what is the same in all captures.
Limits: findings are the same where they have the same name and are about the same thing, in the words of
`report.comparison.baseline`. `since` is the time of the first packet of the earliest capture that shows a finding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from os.path import commonpath, relpath
from pathlib import Path
from typing import Any

from capnet import __version__
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import LEVELS
from capnet.fleet.job import DONE, REPORTS, Job, Record
from capnet.fleet.joined.joining import Sharing

SCHEMA = "capnet.fleet/1"
MAX_LISTED = 10_000  # findings, containers, stations, sets of captures: those of most captures
MAX_MERGED = 100_000  # different ones that are held in memory: hostile captures may have a new MAC in each packet
MAX_ADDRESSES = 1_000  # of one container or station


class MergedReport:
    """`add` each capture, then ask for the `document`."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        folders = {str(Path(job.label).parent) for job in jobs}
        self.root = commonpath(folders) if folders else "/"
        self.captures: list[Document] = []
        self._findings: dict[str, Document] = {}
        self._models: dict[str, Document] = {}
        self._containers: dict[tuple[str, str], Document] = {}
        self._stations: dict[tuple[str, str], Document] = {}
        self._left_out = 0

    def name(self, job: Job) -> str:
        """The capture as this report names it: its file, as seen from the folder that all captures lie in."""
        return relpath(job.label, self.root)

    def add(self, job: Job, record: Record) -> None:
        """Add a capture that is done, or failed."""
        name, findings = self.name(job), record.get("findings", [])
        levels = {level: sum(row["level"] == level for row in findings) for level in LEVELS}
        self.captures.append(
            {
                "capture": name,
                "outcome": record["outcome"] if not record.get("damage") else "damaged",
                "error": record["error"],
                "damage": record.get("damage", []),
                "files": [file["file"] for file in record["files"]],
                "bytes": sum(file["bytes"] for file in record["files"]),
                **{key: record.get(key, 0) for key in ("packets", "flows", "nat")},
                **{key: record.get(key) for key in ("first", "last")},
                "hosts": record.get("hosts", []),
                "models": [row["model"] for row in record.get("models", [])],
                "findings": levels,
                "report": f"{REPORTS}/{job.id}.json" if record["outcome"] == DONE else None,
            }
        )
        for row in findings:
            self._add_finding(name, row, record)
        for row in record.get("models", []):
            self._models.setdefault(row["model"], {"model": row["model"], "captures": []})["captures"].append(name)
        for row in record.get("containers", []):
            self._add_to(self._containers, (row["name"], row["host"] or ""), row, name)
        for row in record.get("stations", []):
            self._add_to(self._stations, (row["mac"], " ".join(row["names"])), row, name)
        self._left_out += record.get("stations_left_out", 0)

    def _add_finding(self, name: str, row: Document, record: Record) -> None:
        if row["key"] not in self._findings and len(self._findings) >= MAX_MERGED:
            self._left_out += 1
            return
        first, last = record["first"], record["last"]
        merged = self._findings.setdefault(
            row["key"],
            {"name": row["name"], "level": row["level"], "about": row["key"], "says": row["says"], "fix": row["fix"],
             "since": first, "until": last, "first_capture": name, "earlier_without": 0, "captures": [],
             "in_baseline": None},
        )  # fmt: skip
        if merged["captures"][-1:] != [name]:
            merged["captures"].append(name)
        if LEVELS.index(row["level"]) < LEVELS.index(merged["level"]):
            merged["level"] = row["level"]
        if first and (merged["since"] is None or first < merged["since"]):
            merged |= {"since": first, "says": row["says"], "fix": row["fix"], "first_capture": name}
        if last and (merged["until"] is None or last > merged["until"]):
            merged["until"] = last

    def _add_to(self, rows: dict[tuple[str, str], Document], key: tuple[str, str], row: Document, capture: str) -> None:
        """Add what a capture shows to the row with this key."""
        if key not in rows and len(rows) >= MAX_MERGED:
            self._left_out += 1
            return
        merged = rows.setdefault(key, {**row, "ips": [], "captures": []})
        room = MAX_ADDRESSES - len(merged["ips"])
        merged["ips"] += [value for value in row["ips"] if value not in merged["ips"]][:room]
        if merged["captures"][-1:] != [capture]:
            merged["captures"].append(capture)

    def document(self, format_: str, sharing: Sequence[Sharing], files: Sequence[str], connections: int) -> Document:
        """The document. `sharing`: captures with connections in common, by their index in `files`."""
        self.captures.sort(key=lambda row: row["capture"])
        listed = {
            "findings": self._listed_findings(),
            "models": sorted(self._models.values(), key=_by_captures("model")),
            "containers": sorted(self._containers.values(), key=_by_captures("name")),
            "stations": sorted(self._stations.values(), key=_by_captures("mac")),
        }
        return {
            "schema": SCHEMA,
            "made_by": f"capnet {__version__}",
            "root": self.root,
            "dataset": format_,
            "baseline": None,
            "totals": self._totals() | {key: len(rows) for key, rows in listed.items()},
            "captures": self.captures,
            **{key: rows[:MAX_LISTED] for key, rows in listed.items()},
            "joined": {
                "connections": connections,
                "captures": [
                    {"captures": [relpath(files[index], self.root) for index in each.captures],
                     "connections": each.connections}
                    for each in sharing[:MAX_LISTED]
                ],
            },
        }  # fmt: skip

    def _listed_findings(self) -> list[Document]:
        """The worst first, then those of most captures."""
        ends = sorted(row["last"] for row in self.captures if row["last"])
        for row in self._findings.values():
            row["earlier_without"] = bisect_right(ends, row["since"]) if row["since"] else 0
        return sorted(
            self._findings.values(),
            key=lambda row: (LEVELS.index(row["level"]), -len(row["captures"]), row["since"] or "", row["about"]),
        )

    def _totals(self) -> Document:
        rows = self.captures
        outcomes = [row["outcome"] for row in rows]
        return {
            "captures": len(rows),
            **{outcome: outcomes.count(outcome) for outcome in ("done", "damaged", "failed")},
            **{key: sum(row[key] for row in rows) for key in ("bytes", "packets", "flows", "nat")},
            "first": min((row["first"] for row in rows if row["first"]), default=None),
            "last": max((row["last"] for row in rows if row["last"]), default=None),
            "hosts": sorted({host for row in rows for host in row["hosts"]}),
            "left_out": self._left_out,
        }


def _by_captures(name: str) -> Any:
    return lambda row: (-len(row["captures"]), row[name])
