"""What a finding means, in general and in a capture; and what a capture shows of one container, host or address."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from capnet.errors import UsageError
from capnet.mcp.answers.statement import statement
from capnet.mcp.captures import OpenedCapture
from capnet.mcp.fence import data
from capnet.report.card.card import names
from capnet.report.fate_words import fate
from capnet.report.manual import manual
from capnet.report.words import translation

MAX_SIMILAR = 3


def explain(name: str, capture: OpenedCapture | None) -> list[str]:
    """The manual page of a finding, and where the capture has it; or all of a station. UsageError for neither."""
    from capnet.analysis.findings import finding_modules

    modules = {module.NAME: module for module in finding_modules()}
    if name in modules:
        page = manual(modules[name])
        sections = (f"{head}: {' '.join(blocks)}" for head, blocks in page.sections.items())
        lines = [f"finding {page.name}: {page.title}", *sections]
        return [*(_findings(capture, name) if capture else []), *lines]
    if capture is not None and (addresses := names(capture.document, name)):
        return list(_station(capture, name, addresses))
    similar = get_close_matches(
        name, [*modules, *capture.document["names"].values()] if capture else modules, MAX_SIMILAR
    )
    hint = f"; similar: {', '.join(similar)}" if similar else ""  # a message is marked as a whole, by its strings
    where = ", nor a station of this capture" if capture else "; to explain a container, name its capture"
    raise UsageError(f"there is no finding {data(name)[1:-1]}{where}{hint}")


def _findings(capture: OpenedCapture, name: str) -> Iterator[str]:
    rows = [row for row in capture.document["findings"] if row["name"] == name]
    if not rows:
        yield f"capture {capture.number} does not have it"
    for row in rows:
        yield f"{row['level']} here: {statement(capture, row['says'], row['evidence'])}"
        for key in ("fix", "verify"):
            if row[key]:
                yield f"  {key}: {capture.fence.sentence(row[key])}"


def _station(capture: OpenedCapture, name: str, addresses: list[str]) -> Iterator[str]:
    document, words = capture.document, capture.words
    yield f"{data(name)}: {', '.join(addresses)}"
    own = {name, *addresses}
    for row in document["findings"]:
        if row["level"] != "info" and own & set(_strings(row["facts"])):
            yield f"{row['level']} {row['name']}: {statement(capture, row['says'], row['evidence'])}"
    for row in document.get("fates", []):
        flow = row["flow"]
        if flow["src"] in own or flow["dst"] in own:
            verb = "sends" if flow["src"] in own else "receives"
            text = f"{verb} {row['proto']} {words.flow(flow, row['point'])}: {fate(row, words)}"
            yield statement(capture, text, row["evidence"])
    for row in document["nat"]:
        if {row[side][end] for side in ("before", "after") for end in ("src", "dst")} & own:
            forms = " becomes ".join(words.flow(row[side]) for side in ("before", "after"))
            yield statement(capture, f"{translation(row['kind'])} {row['proto']} {forms}", row["evidence"])


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
