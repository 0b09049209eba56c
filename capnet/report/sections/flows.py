"""Paths hop by hop, and the biggest flows."""

from __future__ import annotations

from collections.abc import Sequence

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import MAX_LISTED
from capnet.analysis.core.wording import Text
from capnet.report.drawing import routes
from capnet.report.fate_words import ending
from capnet.report.grouping import same_flow
from capnet.report.sections.section import Cell, Column, Section, Span, View, section_of
from capnet.report.text import duration, number, size
from capnet.report.words import Words, vlan_text

_STATES = {  # of conversations, as `analysis.facts.volume.pairs` has them
    "unanswered": Text(en="unanswered", zh="无应答"),
    "one-way": Text(en="one-way", zh="单向"),
    "answered": Text(en="answered", zh="有应答"),
    "refused": Text(en="refused", zh="被拒绝"),
    "open": Text(en="open", zh="未关闭"),
    "closing": Text(en="closing", zh="关闭中"),
    "closed": Text(en="closed", zh="已关闭"),
    "reset": Text(en="reset", zh="被重置"),
    "midstream": Text(en="midstream", zh="没有握手"),
}


def paths(document: Document, words: Words, view: View) -> Section:
    """Paths of one route are a row. Formats that can draw do so with the rows; the columns are for the others."""
    compared = routes.compared(document)
    columns = [
        Column("flow", lambda group: routes.flows(group, words), wrap="words", style="mono"),
        Column("packets", lambda group: number(sum(map(routes.packets, group))), "right"),
        Column("end", lambda group: ending(*group)),
        Column("route", lambda group: routes.one_line(group[0], words), wrap="words"),
    ]
    rows = document.get("paths", [])
    groups = routes.same_route([path for path in rows if len(path["hops"]) > 1])
    section = section_of("paths", "Paths", view, groups, columns, (6, 24))
    heading = f"{section.heading} · {compared}" if view is View.COMPACT else section.heading
    note = Text(en="hop by hop, {compared}", zh="逐跳，{compared}").fill(compared=compared)
    return section._replace(heading=heading, is_open=len(rows) >= MAX_LISTED, note=note)


def flows(document: Document, words: Words, view: View) -> Section:
    """The biggest flows; one that was seen at several points is one row."""

    def inside(group: Sequence[Document]) -> str:
        return "" if group[0]["vni"] is None else f"VNI {group[0]['vni']}"

    def flow(group: Sequence[Document]) -> Cell:
        tunnel = inside(group) if view is View.DETAILED else ""
        return Cell([[Span(words.flow(group[0]), "mono"), *([Span(" "), Span(tunnel, "soft")] if tunnel else [])]])

    def resent(group: Sequence[Document]) -> str:
        return number(group[0]["retransmissions"]) if group[0]["retransmissions"] else ""

    columns = [
        Column("proto" if view is View.COMPACT else "", lambda group: group[0]["proto"]),
        Column("flow", flow, wrap="words"),
        Column("inside", inside, only=View.COMPACT),
        Column("VLAN", lambda group: vlan_text(group[0])),
        Column("packets", lambda group: number(max(row["packets"] for row in group)), "right"),
        Column("bytes", lambda group: size(max(row["bytes"] for row in group)), "right"),
        Column("RTT", lambda group: "" if group[0]["rtt_us"] is None else duration(group[0]["rtt_us"]), "right"),
        Column("resent", resent, "right"),
        Column("seen at", lambda group: words.places([row["point"] for row in group]), wrap="words"),
    ]
    groups = same_flow(document, words)
    section = section_of("flows", "Biggest flows", view, groups, columns, (10, 40))
    total = document.get("flows", {}).get("count", 0)
    note = Text(en="of {number}", zh="共 {number} 条").fill(number=number(total))
    return section._replace(note=note, total=total, unit="flow")


def conversations(document: Document, words: Words, view: View) -> Section:
    """The largest conversations; one that was seen at several points is one row."""

    def resent(group: Sequence[Document]) -> str:
        return number(group[0]["retransmissions"]) if group[0]["retransmissions"] else ""

    def both(row: Document, key: str) -> str:
        return f"{number(row[key] - row[key + '_back'])} / {number(row[key + '_back'])}"

    columns = [
        Column("proto", lambda group: group[0]["proto"]),
        Column("conversation", lambda group: words.flow(group[0]), wrap="words", style="mono"),
        Column("application", lambda group: group[0]["application"] or ""),
        Column("state", lambda group: _state(group[0])),
        Column("packets, there / back", lambda group: both(group[0], "packets"), "right"),
        Column("bytes", lambda group: size(group[0]["bytes"]), "right"),
        Column("lasted", lambda group: duration(group[0]["duration_us"]), "right"),
        Column("resent", resent, "right"),
        Column("seen at", lambda group: words.places([row["point"] for row in group]), wrap="words"),
    ]
    groups: dict[tuple[object, ...], list[Document]] = {}
    for row in document.get("conversations", []):
        key = ("proto", "src", "sport", "dst", "dport", "id")
        groups.setdefault(tuple(row.get(name) for name in key), []).append(row)
    return section_of("conversations", "Conversations", view, list(groups.values()), columns, (10, 40))


def protocols(document: Document, words: Words, view: View) -> Section:
    """The share of each protocol; a layer is below the one around it, the largest first."""
    rows = {row["protocol"]: row for row in document.get("protocols", [])}

    def place(row: Document) -> list[tuple[int, str]]:
        layers = row["protocol"].split("/")
        around = ["/".join(layers[:depth]) for depth in range(1, len(layers) + 1)]
        return [(-rows[name]["bytes"], name) for name in around if name in rows]

    columns = [
        Column("protocol", lambda row: "  " * (len(place(row)) - 1) + row["protocol"], style="mono"),
        Column("flows", lambda row: number(row["flows"]), "right"),
        Column("packets", lambda row: number(row["packets"]), "right"),
        Column("bytes", lambda row: size(row["bytes"]), "right"),
    ]
    return section_of("protocols", "Protocols", view, sorted(rows.values(), key=place), columns, (20, 60))


def _state(row: Document) -> str:
    state: str = row["state"]
    return _STATES[state].fill() if state in _STATES else state
