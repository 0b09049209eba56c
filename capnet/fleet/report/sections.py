"""What the merged report of a fleet shows, before a format writes it: sentences, then tables, what is worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import LEVELS
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.sections.section import Column
from capnet.report.text import count, listing, moment, number, size

MAX_NAMES = 3  # captures that a cell names; the JSON report has all
MAX_COUNTED = 6  # models or containers that a line of the screen names


class FleetSection(NamedTuple):
    """A table. `most`: how many rows are shown; `total`: how many there are."""

    heading: str
    columns: Sequence[Column]
    rows: Sequence[Document]
    most: int
    total: int


def sentences(document: Document) -> list[str]:
    """How many captures there are, and how they are."""
    totals = document["totals"]
    captures = count(totals["captures"], "capture")
    if totals["failed"] == totals["captures"]:
        says = Text(en="{captures}, of which none could be read.", zh="{captures}，没有一个可以读取。")
        return [says.fill(captures=captures)]
    if not totals["first"]:
        lines = [Text(en="{captures} without a packet.", zh="{captures}，没有包。").fill(captures=captures)]
    else:
        says = Text(
            en="{captures}, {begins} to {ends}: {size}, {packets}, {flows}.",
            zh="{captures}，{begins} 至 {ends}：{size}，{packets}，{flows}。",
        )
        lines = [
            says.fill(
                captures=captures,
                begins=moment(totals["first"])[:-4],
                ends=moment(totals["last"]),
                size=size(totals["bytes"]),
                packets=count(totals["packets"], "packet"),
                flows=count(totals["flows"], "flow"),
            )
        ]
    if baseline := document.get("baseline"):
        says = Text(en="{new} new, {gone} of the baseline are gone.", zh="新出现 {new}，基线中的 {gone} 已消失。")
        lines.append(
            says.fill(
                new=count(baseline["new"], "finding is", "findings are"), gone=count(len(baseline["gone"]), "finding")
            )
        )
    if not any(row["level"] != "info" for row in document["findings"]):
        lines.append(Text(en="No finding is worse than info.", zh="没有比提示更严重的诊断。").fill())
    return lines


def screen_sections(document: Document) -> Iterator[FleetSection]:
    """The tables of a screen that have rows: a finding has one row, whatever it is about."""
    by_name = _by_name(_bad(document))
    unread, joined = _unread(document), document["joined"]["captures"]
    tables = (
        _table("Findings", _by_name_columns(by_name), by_name, 10, len(by_name)),
        _table(_UNREAD, _reasons(), unread, 4, len(unread)),
        _table(_JOINED, _joined(), joined, 3, len(joined)),
    )
    return (table for table in tables if table.rows)


def screen_lines(document: Document) -> Iterator[str]:
    """`Network models: bridge in 73 captures, overlay 9`: what a screen says in lines instead of tables.

    Containers of one name on several hosts are one name.
    """
    for heading, key, name in (("Network models", "models", "model"), ("Containers", "containers", "name")):
        captures: dict[str, set[str]] = {}
        for row in document[key]:
            captures.setdefault(row[name], set()).update(row["captures"])
        shown = sorted(captures, key=lambda of: (-len(captures[of]), of))[:MAX_COUNTED]
        names = [f"{of} {number(len(captures[of]))}" for of in shown]
        left_out = document["totals"][key] - sum(row[name] in shown for row in document[key])
        if left_out > 0:
            names.append(Text(en="and {number} more", zh="另有 {number} 个").fill(number=number(left_out)))
        if names:
            says = Text(en="{heading} in how many captures", zh="{heading}（出现的抓包数）")
            yield language.labelled(says.fill(heading=language.term(heading)), language.items(names))


def all_sections(document: Document, most: int) -> Iterator[FleetSection]:
    """The tables of a page that have rows, up to `most` of each."""
    totals, findings, unread = document["totals"], _bad(document), _unread(document)
    joined = document["joined"]["captures"]
    tables = (
        _table("Findings", _finding_columns(findings), findings, most, len(findings)),
        _table(_UNREAD, _reasons(), unread, most, len(unread)),
        _table("Network models", _named("model"), document["models"], most, totals["models"]),
        _table("Containers", _containers(), document["containers"], most, totals["containers"]),
        _table("Stations", _stations(), document["stations"], most, totals["stations"]),
        _table(_JOINED, _joined(), joined, most, len(joined)),
    )
    return (table for table in tables if table.rows)


_UNREAD = "Captures that were not read, or not to their end"
_JOINED = "Connections in several captures"


def _table(heading: str, columns: Sequence[Column], rows: Sequence[Document], most: int, total: int) -> FleetSection:
    named = [column._replace(title=language.term(column.title)) for column in columns]
    return FleetSection(language.term(heading), named, rows, most, total)


def _bad(document: Document) -> list[Document]:
    return [row for row in document["findings"] if row["level"] != "info"]


def _unread(document: Document) -> list[Document]:
    """Captures that failed, then those that are damaged."""
    rows = document["captures"]
    return [row for outcome in ("failed", "damaged") for row in rows if row["outcome"] == outcome]


def _by_name(findings: Sequence[Document]) -> list[Document]:
    """A row for each name: all its captures, and the earliest. The worst first, then those of most captures."""
    rows: dict[str, Document] = {}
    for row in findings:
        merged = rows.setdefault(row["name"], {**row, "captures": []})
        merged["captures"] = list(dict.fromkeys([*merged["captures"], *row["captures"]]))
        if row.get("in_baseline") is False:
            merged["in_baseline"] = False
        if row["since"] and row["since"] < (merged["since"] or "9999"):
            merged |= {key: row[key] for key in ("since", "first_capture")}
    return sorted(rows.values(), key=lambda row: (LEVELS.index(row["level"]), -len(row["captures"])))


def _new(rows: Sequence[Document]) -> list[Column]:
    """A column that says what the baseline does not have, where there is one."""
    if all(row.get("in_baseline") is None for row in rows):
        return []
    return [Column("new", lambda row: "" if row["in_baseline"] else language.term("new"))]


def _by_name_columns(rows: Sequence[Document]) -> list[Column]:
    return [
        Column("level", lambda row: language.term(row["level"])),
        Column("finding", lambda row: row["name"]),
        *_new(rows),
        _number_of_captures(),
        Column("since (UTC)", _time("since")),
        Column("first in", lambda row: PurePath(row["first_capture"]).name, wrap="anywhere"),
    ]


def _finding_columns(rows: Sequence[Document]) -> list[Column]:
    return [
        Column("level", lambda row: language.term(row["level"])),
        Column("finding", lambda row: row["name"]),
        *_new(rows),
        Column("what was found first", lambda row: row["says"], wrap="words"),
        *_in_captures(),
        Column("since (UTC)", _time("since"), wrap="words"),
        Column("until (UTC)", _time("until"), wrap="words"),
        Column("earlier without", lambda row: number(row["earlier_without"]), "right"),
    ]


def _reasons() -> list[Column]:
    def reason(row: Document) -> str:
        return language.message(row["error"] or row["damage"][0])

    return [Column("capture", lambda row: row["capture"], wrap="anywhere"), Column("reason", reason, wrap="words")]


def _named(name: str) -> list[Column]:
    return [Column(name, lambda row: row[name], wrap="anywhere"), *_in_captures()]


def _containers() -> list[Column]:
    host = Column("host", lambda row: row["host"] or "")
    return [
        *_named("name")[:1],
        host,
        Column("addresses", lambda row: listing(row["ips"]), wrap="words"),
        *_in_captures(),
    ]


def _stations() -> list[Column]:
    return [
        Column("MAC", lambda row: row["mac"]),
        Column("kind", lambda row: language.term(row["kind"])),
        Column("name", lambda row: listing(row["names"])),
        Column("addresses", lambda row: listing(row["ips"]), wrap="words"),
        *_in_captures(),
    ]


def _joined() -> list[Column]:
    return [Column("connections", lambda row: number(row["connections"]), "right"), *_in_captures()]


def _in_captures() -> list[Column]:
    return [
        _number_of_captures(),
        Column("in", lambda row: listing(row["captures"], MAX_NAMES), wrap="words"),
    ]


def _number_of_captures() -> Column:
    return Column("captures", lambda row: number(len(row["captures"])), "right")


def _time(key: str) -> Callable[[Document], str]:
    return lambda row: moment(row[key])[:-4] if row[key] else ""
