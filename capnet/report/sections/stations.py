"""Stations, and verdicts on their MACs."""

from __future__ import annotations

from collections.abc import Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.grouping import same_verdict
from capnet.report.sections.section import (
    MAX_DETAILED_LINES,
    Cell,
    Column,
    Section,
    Span,
    View,
    first_seen,
    section_of,
    stack,
)
from capnet.report.text import listing, number
from capnet.report.words import Words, vlan_text

_MORE = Text(en="{number} more", zh="另有 {number} 个")


def macs(document: Document, words: Words, view: View) -> Section:
    """Verdicts on MACs; one that holds at several points is one row."""

    def verdict(group: Sequence[Document]) -> Cell:
        word = group[0]["verdict"]
        return Cell([[Span(language.term(word), "tag error" if word == "duplicate-ip" else "tag info")]])

    def macs(group: Sequence[Document]) -> Sequence[str]:
        return stack(group[0]["macs"], 4) if view is View.COMPACT else group[0]["macs"][:MAX_DETAILED_LINES]

    def ips(group: Sequence[Document]) -> Sequence[str]:
        shown = [words.address(ip, group[0]["point"]) for ip in group[0]["ips"]]
        return stack(shown, 4) if view is View.COMPACT else [listing(shown, MAX_DETAILED_LINES)]

    def seen_at(group: Sequence[Document]) -> Sequence[str]:
        if view is View.COMPACT:
            return stack([words.seen_at(row["evidence"], [row["point"]])[0] for row in group], 3)
        more = [_MORE.fill(number=len(group) - MAX_DETAILED_LINES)] if len(group) > MAX_DETAILED_LINES else []
        return [*first_seen(group[:MAX_DETAILED_LINES], words), *more]

    columns = [
        Column("role", verdict),
        Column("MAC", macs, style="mono"),
        Column("speaks for", ips, wrap="words"),
        Column("evidence", lambda group: group[0]["because"], wrap="words"),
        Column("seen at", seen_at, wrap="words"),
    ]
    return section_of("macs", "MACs", view, same_verdict(document), columns, (12, 40))


def stations(document: Document, words: Words, view: View) -> Section:
    """MACs and the addresses they speak for, without multicast, the busiest first."""

    def addresses(row: Document) -> Sequence[str]:
        ips = row["ips"]
        if view is View.COMPACT:
            return stack(ips, 3)
        return [*ips[:6], *([_MORE.fill(number=len(ips) - 6)] if len(ips) > 6 else [])]

    stations = [row for row in document.get("stations", []) if row["kind"] != "multicast"]
    columns = [
        Column("MAC", lambda row: row["mac"], style="mono"),
        Column("kind", lambda row: language.term(row["kind"]) if row["kind"] != "unknown" else ""),
        Column("name", lambda row: listing(row["names"], 3 if view is View.COMPACT else 4), wrap="words"),
        Column("addresses", addresses, wrap="words"),
        Column("VLAN", vlan_text),
        Column("packets", lambda row: number(row["packets"]), "right"),
        Column("seen at", lambda row: words.places(row["points"]), wrap="words"),
    ]
    rows = sorted(stations, key=lambda row: -row["packets"])
    return section_of("stations", "Stations", view, rows, columns, (16, 60))
