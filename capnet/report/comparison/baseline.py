"""Findings that an older report has too: the same name about the same thing, in the words of `identity`.

Input: a report, and the document of an older one. Method: an id says what a finding is about; its addresses are written
by their names, points by what they are, and MACs and ports of clients are left out, since they are drawn anew. Each
finding of the older report accounts for one at most, which is not worse than itself.
Limits: without names (no topology), an address that changed is another one. Of many findings that are listed as one,
only their number is compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.finding_list import findings_in
from capnet.analysis.core.contract.keys import LEVELS
from capnet.analysis.core.contract.report import Report
from capnet.analysis.core.results import Finding
from capnet.analysis.fact_tables.fact_list import FactList
from capnet.json_file import read_object
from capnet.report.comparison.identity import Identity, identities

MAX_BYTES = 256 << 20  # of a report with all its flows
CLIENTS = ("client", "sender", "other_sender")  # facts that are `address:port` with a port that was drawn

_MAC = re.compile(r"\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b")
_PORT = re.compile(r"(?<=[\d\]]):\d+$")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])")


def read_baseline(path: str | PathLike[str]) -> Document:
    """The document of a report that `capnet analyze --format json` wrote; raises ValueError for another file."""
    document = read_object(path, "capnet.report/1", "report", MAX_BYTES)
    if not all(isinstance(document.get(key), list) for key in ("points", "findings")):
        raise ValueError(f"{path}: a report without findings; write it with `capnet analyze --format json`, whole")
    return document


def with_baseline(report: Report, baseline: Document) -> Report:
    """The report with `in_baseline` of each finding."""
    old_names, names, _ = identities(baseline, report.to_dict())
    old_rows = baseline["findings"]
    old_ids = {row["id"] for row in old_rows}
    old_by_key: dict[str, list[Document]] = {}
    for old in old_rows:
        old_by_key.setdefault(finding_key(old["id"], old["facts"], old_names), []).append(old)
    findings = list(report.findings)
    # The worst first, and of equal ones those that have the very id: an old one is taken by what is most like it.
    for index in sorted(range(len(findings)), key=lambda i: (_rank(findings[i].level), findings[i].id not in old_ids)):
        row = findings[index]
        olds = old_by_key.get(finding_key(row.id, row.facts, names), [])
        old = next((old for old in olds if _accounts_for(old, row)), None)
        if old is not None:
            olds.remove(old)
        findings[index] = replace(row, in_baseline=old is not None)
    return replace(report, findings=FactList("findings", findings))


def _accounts_for(old: Document, row: Finding) -> bool:
    """Is a finding no worse than an old one of its key?"""
    return _rank(old["level"]) <= _rank(row.level) and findings_in(old["facts"]) >= findings_in(row.facts)


def _rank(level: str) -> int:
    return LEVELS.index(level)


def finding_key(identifier: str, facts: Mapping[str, Any], identity: Identity) -> str:
    """`stops-between:A/ens33,A/veth of web,tcp,web,80`: an id in words that hold in both captures."""
    name, _, about = identifier.partition(":")
    clients = {facts[key] for key in CLIENTS if isinstance(facts.get(key), str)}
    words = [
        _stable(_PORT.sub("", word) if word in clients else word, identity)
        for word in about.partition("#")[0].split(",")
    ]
    return ":".join([name, *filter(None, [",".join(filter(None, words))])])


def _stable(word: str, identity: Identity) -> str:
    point = identity.point(word)
    if point != word:
        return point
    return _ADDRESS.sub(lambda address: identity.words.address(address[0]), _MAC.sub("", word))
