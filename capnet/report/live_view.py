"""What a capture that goes on looks like now: problems, the fastest flows, translations and tunnels, on one screen.

Input: the document of what was captured so far, rates of flows, the size of the screen. Output: lines, none wider than
the screen and no more than it has. All strings are printable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from capnet import language
from capnet.analysis.core.contract.document import Document, Plain
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.volume.flow_rates import FlowRate
from capnet.report.drawing.text_table import table_lines
from capnet.report.escape import visible_all
from capnet.report.sections import Overview, overview
from capnet.report.sections.section import Column, Section, View, Wrap
from capnet.report.text import count, fill, number, size
from capnet.report.words import Words

TABLES = ("findings", "flows", "nat", "tunnels")  # in this order
MAX_SENTENCE_LINES = 3
_FLOW_COLUMNS: tuple[tuple[str, Literal["left", "right"], Wrap], ...] = (
    ("proto", "left", "never"), ("flow", "left", "words"), ("inside", "left", "never"), ("flows", "right", "never"),
    ("packets/s", "right", "never"), ("rate", "right", "never"), ("packets", "right", "never"),
    ("bytes", "right", "never"),
)  # fmt: skip
MIN_TABLE_LINES = 3  # a heading, a line of titles, a row


def live_lines(document: Document, rates: Sequence[FlowRate], width: int, height: int) -> list[str]:
    """The screen, without its last line, which is the caller's."""
    shown = overview(document, View.COMPACT)
    lines = [fit(f"{shown.title}", width)]
    lines += _sentences(shown.sentences, width)
    tables = _tables(shown, rates, width)
    room = height - len(lines)
    for (_, table), share in zip(tables, _shares([len(table) + 1 for _, table in tables], room), strict=True):
        if share >= MIN_TABLE_LINES:
            lines += ["", *_shortened(table, share - 1)]
    return lines[:height]


def _sentences(sentences: Sequence[str], width: int) -> list[str]:
    """As many whole sentences as MAX_SENTENCE_LINES hold; of a first one that is longer, its beginning and a …"""
    lines: list[str] = []
    for most in range(1, len(sentences) + 1):
        longer = fill(language.joined(list(sentences[:most])), width)
        if len(longer) > MAX_SENTENCE_LINES:
            if lines:
                break
            *full, last = longer[:MAX_SENTENCE_LINES]
            return [*full, fit(last, width - 2) + " …"]
        lines = longer
    return lines


def fit(line: str, width: int) -> str:
    """The line, or its first piece that fits."""
    return fill(line, width)[0] if line else ""


def _tables(shown: Overview, rates: Sequence[FlowRate], width: int) -> list[tuple[str, list[str]]]:
    """(key, lines) of each table that has rows."""
    sections = {section.key: section for section in shown.sections}
    problems = [row for row in shown.document.get("findings", []) if row["level"] != "info"]
    tables = []
    for key in TABLES:
        if key == "flows":
            body = _flow_lines(shown.words, rates, width)
            heading = language.term("Flows now")
        elif key == "findings" and not problems:
            continue
        else:
            section = sections.get(key, Section(key, ""))
            body, heading = _section_lines(section, width), section.heading
        if body:
            tables.append((key, [heading, *body]))
    return tables


def _section_lines(section: Section, width: int) -> list[str]:
    return table_lines(section.columns, [[cell.text for cell in row] for row in section.cells()], width)


def _flow_lines(words: Words, rates: Sequence[FlowRate], width: int) -> list[str]:
    """A row for each group of flows; of one that is seen at several points, where it is fastest."""
    columns = [Column(language.term(title), str, align, wrap) for title, align, wrap in _FLOW_COLUMNS]
    rows: dict[tuple[object, ...], list[str]] = {}
    for rate in rates:
        flow = visible_all(Plain([])(rate.flow))
        if rate.flows > 1:  # the port of a client is another one each time
            flow["dport" if rate.service_is_source else "sport"] = None
        key = (*(flow.get(name) for name in ("proto", "src", "sport", "dst", "dport", "vni")), rate.service_is_source)
        rows.setdefault(
            key,
            [
                flow["proto"],
                words.flow(flow),
                "" if flow["vni"] is None else f"VNI {flow['vni']}",
                number(rate.flows) if rate.flows > 1 else "",
                number(round(rate.packets_per_second)) if rate.packets_per_second >= 0.5 else "–",
                bit_rate(rate.bytes_per_second),
                number(rate.packets),
                size(rate.bytes),
            ],
        )
    return table_lines(columns, list(rows.values()), width)


def bit_rate(bytes_per_second: float) -> str:
    """`1.2 Mbit/s`; a dash for nothing."""
    bits = 8 * bytes_per_second
    for unit, factor in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits >= factor:
            return f"{bits / factor:.3g} {unit}"
    return f"{bits:.0f} bit/s" if bits >= 1 else "–"


def _shares(needs: Sequence[int], room: int) -> list[int]:
    """Lines for each table: what it needs, or an equal part of what those leave that need less."""
    shares = [0] * len(needs)
    left = room
    for rank, index in enumerate(sorted(range(len(needs)), key=lambda index: needs[index])):
        shares[index] = min(needs[index], left // (len(needs) - rank))
        left -= shares[index]
    return shares


def _shortened(table: Sequence[str], most: int) -> list[str]:
    """The table, or its first lines and how many more there are."""
    if len(table) <= most:
        return list(table)
    more = Text(en="… {lines} more", zh="…… 另有 {lines}").fill(lines=count(len(table) - most + 1, "line"))
    return [*table[: most - 1], f"  {more}"]
