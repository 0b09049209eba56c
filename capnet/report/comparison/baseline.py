"""Findings that an older report has too: the same name about the same thing, in the words of `identity`.

Input: a report, and the document of an older one. Method: an id says what a finding is about; its addresses are written
by their names, points by what they are, and MACs and ports of clients are left out, since they are drawn anew.
Limits: without names (no topology), an address that changed is another one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from os import PathLike

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.report import Report
from capnet.json_file import read_object
from capnet.report.comparison.identity import Identity

MAX_BYTES = 256 << 20  # of a report with all its flows
FIRST_CLIENT_PORT = 32_768  # net.ipv4.ip_local_port_range of Linux begins here

_MAC = re.compile(r"\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b")
_CLIENT_PORT = re.compile(r"(?<=[\d\]]):(\d{5})\b")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])")


def read_baseline(path: str | PathLike[str]) -> Document:
    """The document of a report that `capnet analyze --format json` wrote; raises ValueError for another file."""
    return read_object(path, "capnet.report/1", "report", MAX_BYTES)


def with_baseline(report: Report, baseline: Document) -> Report:
    """The report with `in_baseline` of each finding."""
    old_names, names = Identity(baseline), Identity(report.to_dict())
    keys = {finding_key(row["id"], old_names) for row in baseline.get("findings", [])}
    findings = [replace(row, in_baseline=finding_key(row.id, names) in keys) for row in report.findings]
    return replace(report, findings=findings)


def finding_key(identifier: str, identity: Identity) -> str:
    """`stops-between:A/ens33,A/veth of web,tcp,web,80`: an id in words that hold in both captures."""
    name, _, about = identifier.partition(":")
    words = [_stable(word, identity) for word in about.partition("#")[0].split(",")]
    return ":".join([name, *filter(None, [",".join(filter(None, words))])])


def _stable(word: str, identity: Identity) -> str:
    point = identity.point(word)
    if point != word:
        return point
    word = _MAC.sub("", word)
    word = _CLIENT_PORT.sub(lambda port: "" if int(port[1]) >= FIRST_CLIENT_PORT else port[0], word)
    return _ADDRESS.sub(lambda address: identity.words.address(address[0]), word)
