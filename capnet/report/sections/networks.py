"""Network models and tunnels."""

from __future__ import annotations

from collections.abc import Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report import wireshark
from capnet.report.grouping import same_tunnel
from capnet.report.models.containers import MIN_MODEL_CONFIDENCE
from capnet.report.sections.section import (
    MAX_DETAILED_LINES,
    Cell,
    Column,
    Section,
    Span,
    View,
    concluded,
    first_seen,
    section_of,
)
from capnet.report.text import listing, number, percent, size
from capnet.report.words import Words

MAX_COMPACT_REASONS = 4  # of a model


def models(document: Document, words: Words, view: View) -> Section:
    """The network models for which containers were seen, with the reasons for each."""
    rows = [
        row
        for row in document.get("models", [])
        if row["confidence"] >= MIN_MODEL_CONFIDENCE or any(weight["shows_containers"] for weight in row["weights"])
    ]
    return section_of(
        "models",
        "Network model" if view is View.COMPACT else "Network models",
        view,
        rows,
        [
            Column("model", lambda row: row["model"], style="strong"),
            Column("confidence", lambda row: percent(100 * row["confidence"]), "right"),
            Column("evidence", lambda row: concluded(_reasons(row, view), row), wrap="words"),
            Column("seen at", lambda row: words.frames(row["evidence"], 3), wrap="words", only=View.COMPACT),
        ],
    )


def _reasons(row: Document, view: View) -> list[str]:
    """The reasons for a model, the heaviest first, then notes; compact, how many reasons are left out.

    JSON has the weight of each reason.
    """
    count = len(row["weights"])
    reasons, notes = row["because"][:count], row["because"][count:]
    if view is View.DETAILED:
        return [*reasons, *notes]
    if len(reasons) > MAX_COMPACT_REASONS + 1:
        left_out = len(reasons) - MAX_COMPACT_REASONS
        reasons[MAX_COMPACT_REASONS:] = [
            Text(en="{number} more, in the JSON report", zh="另有 {number} 条，见 JSON 报告").fill(number=left_out)
        ]
    lines = [*reasons, *notes]
    return [f"· {line}" for line in lines] if len(lines) > 1 else lines


def tunnels(document: Document, words: Words, view: View) -> Section:
    """Compact, a tunnel that was seen at several points is one row."""
    groups = same_tunnel(document) if view is View.COMPACT else [[row] for row in document.get("tunnels", [])]
    most_inside = 6 if view is View.COMPACT else MAX_DETAILED_LINES

    def notes(row: Document) -> list[str]:
        return [language.term(key.replace("_", " ")) for key in ("one_way", "encrypted") if row[key]]

    def tunnel(group: Sequence[Document]) -> Cell:
        row = group[0]
        name = row["kind"] + ("" if row["vni"] is None else f" {row['vni']}")
        network = [[Span(row["network"])]] if row["network"] else []
        return Cell([[Span(name, "tag tunnel")], *network, *([Span(note, "bad small")] for note in notes(row))])

    def ends(group: Sequence[Document]) -> str:
        port = "" if view is View.COMPACT or group[0]["port"] is None else f":{group[0]['port']}"
        return " ↔ ".join(map(words.address, group[0]["vteps"])) + port

    def overhead(group: Sequence[Document]) -> str:
        return percent(group[0]["overhead_percent"]) if view is View.DETAILED or group[0]["inner_bytes"] else ""

    columns = [
        Column("tunnel", tunnel, only=View.DETAILED),
        Column("kind", lambda group: group[0]["kind"], only=View.COMPACT),
        Column("VNI", lambda group: _optional(group[0]["vni"]), "right", only=View.COMPACT),
        Column("network", lambda group: group[0]["network"] or "", wrap="words", only=View.COMPACT),
        Column("between", ends, wrap="words"),
        Column("port", lambda group: _optional(group[0]["port"]), "right", only=View.COMPACT),
        Column("frames", lambda group: [number(row["frames"]) for row in group], "right"),
        Column("bytes", lambda group: [size(row["bytes"]) for row in group], "right"),
        Column("overhead", overhead, "right"),
        Column(
            "largest",
            lambda group: f"{number(group[0]['largest_inner_ip'])} B" if group[0]["largest_inner_ip"] else "",
            "right",
            only=View.COMPACT,
        ),
        Column(
            "inside",
            lambda group: listing([words.address(ip) for ip in group[0]["inner_ips"]], most_inside),
            wrap="words",
        ),
        Column("note", lambda group: notes(group[0]), only=View.COMPACT),
        Column("seen at", lambda group: first_seen(group, words), wrap="words"),
        Column("Wireshark", lambda group: wireshark.tunnel(group[0]), wrap="words", style="code", only=View.DETAILED),
    ]
    return section_of("tunnels", "Tunnels", view, groups, columns, (12, 40))


def _optional(value: int | None) -> str:
    return "" if value is None else str(value)
