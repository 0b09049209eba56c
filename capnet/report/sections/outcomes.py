"""What became of packets: flows that fail, and ICMP errors."""

from __future__ import annotations

from collections.abc import Sequence

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import MAX_LISTED
from capnet.analysis.core.wording import Text
from capnet.report.fate_words import fate, flows_of, together
from capnet.report.grouping import same_fate, same_icmp_error
from capnet.report.sections.section import Column, Section, View, first_seen, section_of
from capnet.report.text import count, number
from capnet.report.words import Words


def fates(document: Document, words: Words, view: View) -> Section:
    """Flows that do not simply pass; those of one kind to one port are one row."""

    columns = [
        Column("flow", lambda group: flows_of(group, words), wrap="words", style="mono"),
        Column("flows", lambda group: number(len(group)), "right"),
        Column("packets", lambda group: number(sum(row["packets"] for row in group)), "right"),
        Column("what becomes of it", lambda group: fate(together(group), words), wrap="words"),
        Column("seen at", lambda group: words.frames([row["evidence"][0] for row in group], 3), wrap="words"),
    ]
    groups = same_fate(document)
    section = section_of("fates", "Flows that fail", view, groups, columns, (6, 40))
    return section._replace(is_open=len(document.get("fates", [])) >= MAX_LISTED)


def icmp_errors(document: Document, words: Words, view: View) -> Section:
    """ICMP errors; one at several points, or about several flows to one port, is one row."""

    def name(group: Sequence[Document]) -> list[str]:
        row = group[0]
        mtu = (
            [Text(en="next-hop MTU {mtu}", zh="下一跳 MTU {mtu}").fill(mtu=row["mtu"])]
            if row["mtu"] is not None
            else []
        )
        return [row["name"], *mtu]

    def about(group: Sequence[Document]) -> list[str]:
        quoted = group[0]["quoted"]
        if not quoted:
            return []
        flows = len({tuple(row["quoted"].values()) for row in group})
        return [
            Text(en="{proto} to {destination}", zh="{proto} 到 {destination}").fill(
                proto=quoted["proto"], destination=words.endpoint(quoted["dst"], quoted["dport"])
            ),
            *([count(flows, "flow")] if flows > 1 else []),
        ]

    def messages(group: Sequence[Document]) -> str:
        at_points: dict[str, int] = {}
        for row in group:
            at_points[row["point"]] = at_points.get(row["point"], 0) + row["count"]
        return number(max(at_points.values()))

    def seen(group: Sequence[Document]) -> list[str]:
        first = {row["point"]: row for row in reversed(group)}
        return first_seen([row for row in group if first[row["point"]] is row], words)

    columns = [
        Column("ICMP error", name, wrap="words"),
        Column("from", lambda group: words.address(group[0]["from"], group[0]["point"])),
        Column("to", lambda group: words.address(group[0]["to"], group[0]["point"])),
        Column("about", about, wrap="words", style="mono"),
        Column("messages", messages, "right"),
        Column("seen at", seen, wrap="words"),
    ]
    groups = same_icmp_error(document)
    section = section_of("icmp_errors", "ICMP errors", view, groups, columns, (6, 40))
    return section._replace(is_open=len(document.get("icmp_errors", [])) >= MAX_LISTED)


def neighbours(document: Document, words: Words, view: View) -> Section:
    """Who asked for whose MAC; those without an answer first."""
    rows = document.get("neighbours", [])
    columns = [
        Column("kind", lambda row: row["kind"]),
        Column("asker", lambda row: words.address(row["asker"], row["point"]), wrap="words"),
        Column("target", lambda row: words.address(row["target"], row["point"]), wrap="words"),
        Column("asked", lambda row: number(row["asked"]), "right"),
        Column("answered", lambda row: number(row["answered"]), "right"),
        Column("seen at", lambda row: words.seen_at(row["evidence"], [row["point"]]), wrap="words"),
    ]
    section = section_of("neighbours", "Neighbours", view, rows, columns, (16, 60))
    return section._replace(is_open=len(rows) >= MAX_LISTED)
