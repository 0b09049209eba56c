"""Captures that do not belong together: one report on all of them would be about no network that there is.

Input: the report on several files. Method: files whose times overlap, or are close, form a group; so do files that
name the same interface of one host only if some MAC address is at both. Output: the groups, and a table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING

from capnet import language
from capnet.analysis.core.wording import Text

if TYPE_CHECKING:
    from capnet.analysis.core.contract.report import Report
    from capnet.analysis.core.results import Input, Point
    from capnet.analysis.engine import Source

MAX_CLOCK_DIFFERENCE_NS = 300_000_000_000  # between hosts that record at the same time: five minutes, without NTP
MAX_PAUSE_NS = 2_000_000_000  # between files of a ring buffer, which record one interface one after the other


def unrelated(report: Report) -> str:
    """Why the inputs of a report do not belong together; empty if they may."""
    groups = groups_by_time(report)
    if len(groups) > 1:
        first, second = groups[0][-1], groups[1][0]
        return Text(
            en="{first} ends on {end}, and {second} begins on {begin}: they have no common time",
            zh="{first} 结束于 {end}，而 {second} 开始于 {begin}：时间没有重叠",
        ).fill(first=first.file, end=_day(first.last), second=second.file, begin=_day(second.first))
    return _other_macs(report)


def groups_by_time(report: Report) -> list[list[Input]]:
    """Inputs whose times overlap or are close, in order of time; those without frames are in the first group."""
    inputs = report.inputs
    interfaces: dict[str, set[str]] = {source.file: set() for source in inputs}
    for point in report.points:
        interfaces[point.file].add(_interface(point))
    timed = sorted((source for source in inputs if source.first is not None), key=lambda source: source.first or 0)
    groups: list[list[Input]] = []
    pauses = _pauses(report)
    end, earlier = 0, list[set[str]]()
    for source in timed:
        if not groups or (source.first or 0) > end + _max_pause(interfaces[source.file], earlier):
            groups.append([])
            end, earlier = 0, []
        groups[-1].append(source)
        end = max(end, source.last or 0, pauses.get(source.file, 0))
        earlier.append(interfaces[source.file])
    empty = [source for source in inputs if source.first is None]
    return [[*empty, *groups[0]], *groups[1:]] if groups else [empty]


def _max_pause(interfaces: set[str], earlier: list[set[str]]) -> int:
    """How long after the earlier files of a group one with these interfaces may begin.

    One that shares some of their interfaces was recorded by the same clock, and only the next file of a ring has the
    same ones.
    """
    if interfaces - {""} and interfaces in earlier:
        return MAX_PAUSE_NS
    return 0 if interfaces & set().union(*earlier) - {""} else MAX_CLOCK_DIFFERENCE_NS


def _pauses(report: Report) -> dict[str, int]:
    """Of files that were read as one point: when the next one begins. Nothing was sent meanwhile."""
    labels = [source.file for source in report.inputs]
    pauses: dict[str, int] = {}
    for point in report.points:
        if point.last_file:
            files = report.inputs[labels.index(point.file) : labels.index(point.last_file) + 1]
            pauses |= {before.file: after.first for before, after in pairwise(files) if after.first is not None}
    return pauses


def _other_macs(report: Report) -> str:
    """That two files have the same interface of a host (`A/ens33`), with other MAC addresses each."""
    macs: dict[str, set[str]] = {point.name: set() for point in report.points}
    for station in report.stations:
        for name in station.points:
            macs.setdefault(name, set()).add(station.mac)
    seen: dict[str, Point] = {}
    for point in report.points:
        name = _interface(point)
        first = seen.setdefault(name, point)
        is_again = name and first.file != point.file
        if is_again and macs[first.name] and macs[point.name] and not macs[first.name] & macs[point.name]:
            return Text(
                en="{first} and {second} both have {name}, with other MAC addresses",
                zh="{first} 和 {second} 都有 {name}，而 MAC 地址不同",
            ).fill(first=first.file, second=point.file, name=name)
    return ""


def _interface(point: Point) -> str:
    """The interface of a host that a point is (`A/ens33`), without the file in its name; empty without a host."""
    name = point.name.partition("#")[0].removeprefix(f"{PurePath(point.file).stem}/")
    return name if "/" in name else ""


def table(sources: Sequence[Source], report: Report, study_one: Callable[[list[Source]], Report], width: int) -> str:
    """A row for each group of captures: files, packets, time, and the first sentence of its own report."""
    from capnet.analysis.core.contract.document import short_names
    from capnet.report.drawing.text_table import table_lines
    from capnet.report.escape import visible, visible_all
    from capnet.report.sections.section import Column
    from capnet.report.summary import sentences
    from capnet.report.text import fill, moment, number
    from capnet.report.words import Words

    names = short_names(source.file for source in report.inputs)
    of_file = {part.label: part for source in sources for part in source.parts}
    groups = groups_by_time(report)
    if len(groups) == 1:
        groups = [[source] for source in report.inputs]
    columns = [
        Column(language.term("captures"), lambda row: row[0], wrap="words"),
        Column(language.term("packets"), lambda row: number(row[1]), "right"),
        Column(language.term("begins"), lambda row: row[2]),
        Column(language.term("report"), lambda row: row[3], wrap="words"),
    ]
    rows = []
    for group in groups:
        own = study_one([of_file[source.file] for source in group])
        document = visible_all(own.to_dict())
        first = next(iter(sentences(document, Words.of(document))), "")
        begins = min((source["first"] for source in document["inputs"] if source["first"]), default="")
        files = [visible(names[source.file]) for source in group]
        rows.append((files, sum(source.packets for source in group), moment(begins) if begins else "", first))
    cells = [[column.cell(row).text for column in columns] for row in rows]
    reason = visible(unrelated(report))
    head = Text(
        en="{number} captures that do not belong together: {reason}.", zh="{number} 份抓包不属于同一次：{reason}。"
    ).fill(number=number(len(groups)), reason=reason)
    hint = Text(
        en="One report: capnet analyze FILES. All of them as one capture nevertheless: --together.",
        zh="单独的报告：capnet analyze FILES。仍要视为一次抓包：--together。",
    ).fill()
    return "\n".join([*fill(head, width), "", *table_lines(columns, cells, width), "", *fill(hint, width)]) + "\n"


def _day(nanoseconds: int | None) -> str:
    return f"{datetime.fromtimestamp((nanoseconds or 0) // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"
