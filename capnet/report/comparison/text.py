"""A comparison as a person reads it: first what broke, then what came, went and changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from capnet.analysis.core.contract.document import Document
from capnet.report.text import count, duration, fill

MAX_LINES = 8  # of each kind: then how many more there are
_ROUTE = " ─▶ "
_TABLES = (
    ("translations", "Translations"),
    ("tunnels", "Tunnels"),
    ("models", "Network models"),
    ("icmp_errors", "ICMP errors"),
    ("rules", "Kernel"),
    ("points", "Capture points"),
)


def render(comparison: Document, width: int = 100) -> str:
    """The whole text; no line is wider than `width` terminal columns."""
    good, bad = (", ".join(comparison[side]) for side in ("good", "bad"))
    lines = [*fill(f"{good} → {bad}", width), "", *fill(first_sentence(comparison), width)]
    for heading, rows in sections(comparison):
        lines += ["", heading, *(line for row in rows[:MAX_LINES] for line in fill(row, width, "  ", "      "))]
        if len(rows) > MAX_LINES:
            lines.append(f"  … and {count(len(rows) - MAX_LINES, 'line')} more (--format json has all)")
    return "\n".join(lines) + "\n"


def first_sentence(comparison: Document) -> str:
    """What broke; or what else differs; or that nothing does, in what both captures show."""
    came, flows = comparison["findings"]["came"], comparison["flows"]
    finding = [f"New in the second: {row['says'].rstrip('.')}." for row in came[:1]]
    broke = [f"{row['flow']} was {row['good']}, now: {row['bad']}." for row in flows["broke"][:1]]
    if came and came[0]["level"] == "error":
        return " ".join([*finding, *broke])
    if broke or came:
        return " ".join([*broke, *finding])
    if flows["mended"]:
        row = flows["mended"][0]
        return f"{row['flow']} failed in the first ({row['good']}), and is {row['bad']} in the second."
    if any(rows for _, rows in sections(comparison)):
        return "Nothing fails in the second that did not in the first; what differs is below."
    return "No difference in what both captures show."


def sections(comparison: Document) -> Iterator[tuple[str, Sequence[str]]]:
    """(heading, rows) of all that differs."""
    findings, flows = comparison["findings"], comparison["flows"]
    yield from _with_rows("New findings", [_finding(row) for row in findings["came"]])
    yield from _with_rows("Findings of the first only", [_finding(row) for row in findings["went"]])
    for key, heading in (("broke", "Flows that fail now"), ("mended", "Flows that do not fail any more")):
        yield from _with_rows(heading, [f"{row['flow']}: {row['good']} → {row['bad']}" for row in flows[key]])
    routes = [
        f"{row['flow']}: {_ROUTE.join(row['good'])}, now {_ROUTE.join(row['bad'])}" for row in comparison["routes"]
    ]
    yield from _with_rows("Routes", routes)
    delays = [
        f"{row['flow']}, {row['from']} to {row['to']}: {duration(row['good_us'])} → {duration(row['bad_us'])}"
        for row in comparison["delays"]
    ]
    yield from _with_rows("Delays", delays)
    for key, heading in _TABLES:
        rows = comparison[key]
        yield from _with_rows(heading, [f"+ {row}" for row in rows["came"]] + [f"− {row}" for row in rows["went"]])
    only = [f"+ {flow}" for flow in flows["came"]] + [f"− {flow}" for flow in flows["went"]]
    yield from _with_rows("Flows of one capture only, which the other may not have had", only)


def _with_rows(heading: str, rows: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    if rows:
        yield heading, rows


def _finding(row: Document) -> str:
    return f"{row['level']} {row['name']}: {row['says']}"
