"""What differs between two captures, with the frames that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from capnet.analysis.core.contract.document import Document
from capnet.mcp.answers.statement import statement
from capnet.mcp.captures import OpenedCapture
from capnet.report.comparison.differences import compare, icmp_error_lines, rule_lines, translation_lines, tunnel_lines
from capnet.report.comparison.identity import Identity, identities
from capnet.report.comparison.text import first_sentence, same_point_lines
from capnet.report.text import duration

_TABLES = {
    "translations": ("translation", "nat"),
    "tunnels": ("tunnel", "tunnels"),
    "models": ("network model", "models"),
    "icmp_errors": ("ICMP error", "icmp_errors"),
    "rules": ("rule or counter of the kernel", "kernel"),
    "points": ("point", ""),
}


_LINES: dict[str, Callable[[Document, Identity], Iterable[str]]] = {
    "nat": translation_lines,
    "tunnels": tunnel_lines,
    "icmp_errors": icmp_error_lines,
    "kernel": lambda document, _: rule_lines(document),
}


class _Side:
    """A capture of both, and the frames of what it has, by the words of the comparison."""

    def __init__(self, capture: OpenedCapture, label: str, identity: Identity) -> None:
        self.capture = capture
        self.label = label
        self.identity = identity
        document = capture.document
        self.findings = {row["name"]: row["evidence"] for row in reversed(document["findings"])}
        self.flows: dict[str, list[Document]] = {}
        for row in (*document.get("fates", []), *document["paths"]):
            point = row["point"] if "fate" in row else row["hops"][0]["point"]
            self.flows.setdefault(str(self.identity.flow(row["proto"], row["flow"], point)), row["evidence"])

    def says(self, text: str, evidence: Iterable[Document] | None) -> str:
        """A statement about this capture."""
        return f"{self.label}: {statement(self.capture, text, list(evidence or ()))}"


def comparison(good: OpenedCapture, bad: OpenedCapture) -> list[str]:
    """What broke first, then findings, flows, routes, delays and tables that only one capture has."""
    result = compare(good.document, bad.document)
    *own, _ = identities(good.document, bad.document)
    before, after = _Side(good, f"good {good.number}", own[0]), _Side(bad, f"bad {bad.number}", own[1])
    sentence = first_sentence(result)
    names = [row["name"] for row in result["findings"]["came"]]
    flows = [row["flow"] for key in ("broke", "mended") for row in result["flows"][key]]
    shown = next((after.findings[name] for name in names), None) or next(
        (after.flows.get(flow) for flow in flows), None
    )
    return [after.says(sentence, shown), *_findings(result, before, after), *_flows(result, before, after)]


def _findings(result: Document, before: _Side, after: _Side) -> Iterator[str]:
    for key, side, word in (("came", after, "new"), ("went", before, "only in good:")):
        for row in result["findings"][key]:
            text = side.says(row["says"], side.findings.get(row["name"]))
            yield f"{word} {row['level']} {row['name']}, {text}"


def _flows(result: Document, before: _Side, after: _Side) -> Iterator[str]:
    for key, word in (("broke", "fails now"), ("mended", "does not fail any more")):
        for row in result["flows"][key]:
            text = f"{row['flow']} {word}: {row['good']} → {row['bad']}"
            yield after.says(text, after.flows.get(row["flow"]))
    for row in result["routes"]:
        text = f"{row['flow']} took {' → '.join(row['good'])}, now {' → '.join(row['bad'])}"
        yield after.says(text, after.flows.get(row["flow"]))
    for row in result["delays"]:
        slower = f"{duration(row['good_us'])} → {duration(row['bad_us'])}"
        text = f"{row['flow']}, {row['from']} to {row['to']}: {slower}"
        yield after.says(text, after.flows.get(row["flow"]))
    for key, (noun, table) in _TABLES.items():
        for change, side, word in (("came", after, "new"), ("went", before, "only in good:")):
            for text in result[key][change]:
                yield side.says(f"{word} {noun} {text}", _rows(side, table, text))
    for change, side in (("came", after), ("went", before)):
        for flow in result["flows"][change]:
            yield side.says(f"only this capture has {flow}, which the other may not have had", side.flows.get(flow))
    for line in same_point_lines(result):
        yield after.says(f"same point by another name: {line}", [])


def _rows(side: _Side, table: str, text: str) -> list[Document]:
    """Frames of the row of a table that a line is about; a point has all of its frames."""
    document = side.capture.document
    if table == "models":
        return next((row["evidence"] for row in document["models"] if row["model"] == text), [])
    lines = _LINES[table](document, side.identity) if table else ()
    rows = zip(lines, document.get(table, []), strict=True)
    return next((row["evidence"] for line, row in rows if line == text), [])
