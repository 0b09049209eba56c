"""The findings as SARIF 2.1.0, which code scanning of GitHub and GitLab shows.

Input: a document. Output: one run with a rule for each kind of finding and a result for each finding. Only findings are
written. A frame is no line of a text, so a location names the file and, as a logical location, point and frame. Its
line is 1: GitHub and DefectDojo take no location without a line.
Source: OASIS, Static Analysis Results Interchange Format Version 2.1.0, sections 3.13 to 3.27; what GitHub asks for
besides: docs.github.com, "SARIF support for code scanning".
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from capnet import __version__
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.json_text import json_text
from capnet.report.headline import NO_FRAMES
from capnet.report.manual import manual
from capnet.report.sections.findings import next_step
from capnet.report.wanted import ALL, Wanted

LITERAL = "<|`"

LEVELS = {"error": "error", "warning": "warning", "info": "note"}
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(document: Document, width: int = 0, where: Mapping[str, str] | None = None, wanted: Wanted = ALL) -> str:
    """The whole text; `where` says what files are called from here."""
    rows = [row for row in document.get("findings", []) if not row["explained_by"]]
    names = list(dict.fromkeys(row["name"] for row in rows))
    driver = {
        "name": "capnet",
        "semanticVersion": __version__,
        "rules": _rules(names),
    }
    results = [_result(row, names.index(row["name"]), document, where or {}) for row in rows]
    files = [(where or {}).get(source["file"], source["file"]) for source in document["inputs"]]
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _problems(document)}],
        "artifacts": [{"location": {"uri": quote(file)}} for file in files],
        "properties": {"points": [point["name"] for point in document["points"]]},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def escape(text: str) -> str:
    """A string of JSON without its quotes."""
    return json_text(text)[1:-2]


def _rules(names: list[str]) -> list[dict[str, Any]]:
    """A rule for each kind of finding, with what its manual page says: the title stands above an alert of GitHub."""
    from capnet.analysis.findings import finding_modules  # not loaded for other formats

    modules = {module.NAME: module for module in finding_modules()} if names else {}
    rules = []
    for name in names:
        explain = f"capnet explain {name}"
        rule: dict[str, Any] = {"id": name, "help": {"text": explain}}
        if name in modules:  # else a report of another version
            page = manual(modules[name])
            texts = [f"{heading}: " + "\n".join(blocks) for heading, blocks in page.sections.items()]
            rule["shortDescription"] = {"text": page.title}
            rule["fullDescription"] = {"text": page.title}
            rule["help"] = {"text": "\n\n".join([*texts, explain])}
        rules.append(rule)
    return rules


def _problems(document: Document) -> list[dict[str, Any]]:
    """What is wrong with the files, and that there are no frames in which anything could be found."""
    texts = [f"{source['file']}: {problem['says']}" for source in document["inputs"] for problem in source["problems"]]
    if not document["coverage"]["frames"]:
        texts.append(NO_FRAMES.fill())
    return [{"level": "warning", "message": {"text": text}} for text in texts]


def _result(row: Document, rule: int, document: Document, where: Mapping[str, str]) -> dict[str, Any]:
    files = [frame["file"] for frame in row["evidence"]] or [source["file"] for source in document["inputs"]][:1]
    frames = row["evidence"] or [None]
    result: dict[str, Any] = {
        "ruleId": row["name"],
        "ruleIndex": rule,
        "level": LEVELS[row["level"]],
        "message": {"text": "\n".join(filter(None, (row["says"], next_step(row))))},
        "locations": [
            _location(where.get(file, file), frame) for file, frame in zip(files, frames, strict=False)
        ],
        # The second is the one by which GitHub takes alerts of two runs for the same.
        "partialFingerprints": {"capnet/1": row["id"], "primaryLocationLineHash": _hash(row["id"])},
    }  # fmt: skip
    if row["in_baseline"] is not None:
        result["baselineState"] = "unchanged" if row["in_baseline"] else "new"
    return result


def _location(file: str, frame: Document | None) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": quote(file)}, "region": {"startLine": 1}}
    location: dict[str, Any] = {"physicalLocation": place}
    if frame:
        location["logicalLocations"] = [{"fullyQualifiedName": f"{frame['point']} #{frame['frame']}"}]
    return location


def _hash(text: str) -> str:
    return f"{sha256(text.encode()).hexdigest()[:16]}:1"
