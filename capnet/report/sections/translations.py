"""NAT, and the two connections of a proxy."""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.contract.document import Document, row_values
from capnet.report import wireshark
from capnet.report.sections.section import Cell, Column, Section, Span, View, concluded, section_of
from capnet.report.text import count, delay, number, percent
from capnet.report.words import Words, translation

MAX_FILTERS = 12  # display filters below the table of translations


def nat(document: Document, words: Words, view: View) -> Section:
    """Translated flows. The columns on replies and methods are shown where a row differs from the usual."""
    rows, limits = document.get("nat", []), (16, 60)
    has_silent = any(not reply_seen for (reply_seen,) in row_values(rows, "reply_seen"))
    has_methods = any(method != "same-packet" for (method,) in row_values(rows, "method"))

    def kind(row: Document) -> str:
        return translation(row["kind"])

    def confidence(row: Document) -> Cell:
        silent = [] if row["reply_seen"] else [[Span(language.term("no reply"), "bad")]]
        return Cell([[Span(percent(100 * row["confidence"]))], *silent])

    columns = [
        Column("", lambda row: Cell([[Span(kind(row), "tag nat"), Span(f" {row['proto']}")]]), only=View.DETAILED),
        Column("kind", kind, only=View.COMPACT),
        Column("proto", lambda row: row["proto"], only=View.COMPACT),
        Column(
            "original, below it translated",
            lambda row: (words.flow(row["before"]), words.flow(row["after"])),
            wrap="words",
            style="mono",
        ),
        Column("packets", lambda row: number(row["packets"]), "right"),
        Column("TTL", lambda row: f"{row['ttl_delta']:+d}".replace("-", "−") if row["ttl_delta"] else "0", "right"),
        Column("delay", lambda row: delay(row["latency_us"]["median"]) if row["latency_us"] else "", "right"),
        Column(
            "reply",
            lambda row: language.term("yes" if row["reply_seen"] else "no") if has_silent else "",
            only=View.COMPACT,
        ),
        Column("known by", lambda row: row["method"] if has_methods else "", only=View.COMPACT),
        Column(
            "seen at",
            lambda row: words.seen_at(row["evidence"], [row["before"]["point"], row["after"]["point"]]),
            wrap="words",
        ),
        Column("confidence", confidence, "right", only=View.DETAILED),
    ]
    section = section_of("nat", "NAT", view, rows, columns, limits)
    if view is View.COMPACT:
        return section
    filters = [wireshark.nat(row) for row in rows[:MAX_FILTERS]]
    return section._replace(note=count(len(rows), "translation"), filters=filters)


def proxies(document: Document, words: Words, view: View) -> Section:
    """Pairs of connections with one payload."""
    section = section_of(
        "proxies",
        "Proxied: two connections, not a rewrite" if view is View.COMPACT else "Proxied",
        view,
        document.get("proxies", []),
        [
            Column("proto" if view is View.COMPACT else "", lambda row: row["proto"]),
            Column(
                "client's connection, below it the server's",
                lambda row: (words.flow(row["client_side"]), words.flow(row["server_side"])),
                wrap="words",
                style="mono",
            ),
            Column("evidence", lambda row: concluded([row["because"]], row), wrap="words"),
            Column("seen at", lambda row: words.frames(row["evidence"], 2), wrap="words", only=View.COMPACT),
        ],
        (8, 20),
    )
    return section if view is View.COMPACT else section._replace(note=language.term("two connections, not a rewrite"))
