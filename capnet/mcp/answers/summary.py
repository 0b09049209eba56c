"""What a capture shows: its points, what fails, the network, what was rewritten and wrapped."""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core.contract.document import Document
from capnet.mcp.answers.statement import statement
from capnet.mcp.captures import OpenedCapture
from capnet.mcp.fence import data
from capnet.report.fate_words import FAILED, fate
from capnet.report.grouping import same_fate
from capnet.report.headline import NO_FRAMES, first_step, limits
from capnet.report.models.containers import MIN_MODEL_CONFIDENCE
from capnet.report.text import count, size
from capnet.report.words import translation
from capnet.wire.protocols import KIND_OF_NAME

MAX_REASONS = 3  # sentences of a network model


def opened(capture: OpenedCapture) -> list[str]:
    """What was read: a line for each file, and for each point."""
    document = capture.document
    lines = [f"capture {capture.number}: {count(len(document['points']), 'point')}"]
    for row in document["inputs"]:
        time = f", {row['first']} to {row['last']}" if row["first"] else ""
        lines.append(f"file {data(row['file'])}: {row['format']}, {count(row['packets'], 'frame')}{time}")
        lines += [f"damage in {data(row['file'])}: {data(problem['says'])}" for problem in row["problems"]]
    for row in document["points"]:
        dropped = f", the capture dropped {row['dropped']} there" if row["dropped"] else ""
        lines.append(
            f"point {data(row['name'])}: {row['role']}, {size(row['bytes'])}{dropped} [all {row['packets']} frames]"
        )
    return [*lines, "next: `summary` says what fails and who talks to whom"]


def summary(capture: OpenedCapture) -> list[str]:
    """Findings, failed flows, the network model, translations and tunnels; the worst first."""
    document = capture.document
    lines = [
        *(line for row in document["findings"] if row["level"] != "info" for line in _finding(capture, row)),
        *_failed(capture),
    ]
    if not document["coverage"]["frames"]:
        lines.append(statement(capture, NO_FRAMES.fill(), []))
    elif not lines:
        points = count(len(document["points"]), "point")
        lines.append(statement(capture, f"No error and no warning, as far as {points} can show.", []))
    lines += [statement(capture, f"limit: {text}", []) for text in limits(document)]
    for row in document["models"]:
        if row["confidence"] >= MIN_MODEL_CONFIDENCE:
            reasons = "; ".join(row["because"][:MAX_REASONS])
            lines.append(
                statement(capture, f"network model {row['model']} ({row['confidence']}): {reasons}", row["evidence"])
            )
    lines += [*_translations(capture), *_tunnels(capture)]
    lines += [line for row in document["findings"] if row["level"] == "info" for line in _finding(capture, row)]
    return lines


def _finding(capture: OpenedCapture, row: Document) -> Iterator[str]:
    symptom = " (a symptom of another finding)" if row["explained_by"] else ""
    yield f"{row['level']} {row['name']}{symptom}: {statement(capture, row['says'], row['evidence'])}"
    if row["fix"] and row["level"] != "info":
        yield f"  next for {row['name']}: {capture.fence.sentence(first_step(row['fix']))}"


def _failed(capture: OpenedCapture) -> Iterator[str]:
    for group in same_fate(capture.document):
        row = group[0]
        if row["fate"] in FAILED:
            more = f" and {len(group) - 1} more like it" if len(group) > 1 else ""
            flow = f"{row['proto']} {capture.words.flow(row['flow'], row['point'])}{more}"
            yield "flow fails: " + statement(capture, f"{flow}: {fate(row, capture.words)}", row["evidence"])


def _translations(capture: OpenedCapture) -> Iterator[str]:
    for row in capture.document["nat"]:
        forms = " becomes ".join(capture.words.flow(row[side]) for side in ("before", "after"))
        known_by = f"{count(row['packets'], 'packet')}, known by {row['method']}"
        text = f"{translation(row['kind'])} {row['proto']} {forms}, {known_by}"
        yield statement(capture, text, row["evidence"])


def _tunnels(capture: OpenedCapture) -> Iterator[str]:
    for row in capture.document["tunnels"]:
        kind = KIND_OF_NAME[row["kind"]].titled(row["vni"])
        ends = " and ".join(capture.words.address(vtep) for vtep in row["vteps"])
        yield statement(capture, f"{kind} between {ends}: {count(row['frames'], 'frame')}", row["evidence"])
