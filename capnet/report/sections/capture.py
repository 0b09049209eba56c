"""The capture itself: its points, damage in its files, and frames that were not decoded."""

from __future__ import annotations

from collections.abc import Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import FILES_BESIDE
from capnet.analysis.core.wording import Text
from capnet.report.sections.section import Column, Section, View, section_of, stack
from capnet.report.text import count, number, size
from capnet.report.words import Words

MAX_READ_NAMES = 3  # of points, as examples
MAX_FILE_PROBLEMS = 20  # of one file in the detailed view


def points(document: Document, words: Words, view: View) -> Section:
    """The capture points; the column of files is left out where there is one file only."""
    has_files = view is View.DETAILED or len(document["inputs"]) > 1
    columns = [
        Column("point", lambda row: row["name"], wrap="anywhere", style="strong"),
        Column("role", lambda row: language.term(row["role"]) if row["role"] != "unknown" else "", wrap="last"),
        Column("link type", lambda row: row["linktype"], wrap="last"),
        Column("VLAN", lambda row: stack([str(vlan) for vlan in row.get("vlans", [])], 4)),
        Column("packets", lambda row: number(row["packets"]), "right"),
        Column("bytes", lambda row: size(row["bytes"]), "right"),
        Column("missed", lambda row: number(row["dropped"]) if row["dropped"] else "", "right", style="bad"),
        Column("file", lambda row: row["file"] if has_files else "", wrap="words", style="soft"),
    ]
    section = section_of("points", "Points", view, document["points"], columns, (16, 60))
    return section._replace(text=_read_from_files(document["points"]))


def _read_from_files(points: Sequence[Document]) -> str:
    """What the names of files were taken to mean; empty if nothing was read from them."""
    read = []
    for point in points:
        if point["named_by"] != "file" or point["name"].isalnum():
            continue  # eth0 needs no word
        container, host, device = point["container"], point["host"], point["device"]
        owners = [Text(en="container {name}", zh="容器 {name}").fill(name=container)] * bool(container)
        owners += [Text(en="host {name}", zh="主机 {name}").fill(name=host)] * bool(host)
        owner = Text(en="{container} on {host}", zh="{host}上的{container}")
        shown_owner = owner.fill(container=owners[0], host=owners[1]) if len(owners) > 1 else "".join(owners)
        interface = Text(en="interface {name}", zh="接口 {name}").fill(name=device) if device else ""
        if shown_owner or interface:
            both = Text(en="{interface} of {owner}", zh="{owner}的{interface}")
            what = interface + shown_owner
            if shown_owner and interface:
                what = both.fill(interface=interface, owner=shown_owner)
            read.append(Text(en="{point} is {what}", zh="{point} 是{what}").fill(point=point["name"], what=what))
    if not read:
        return ""
    more = Text(en="{number} more", zh="另有 {number} 个").fill(number=number(len(read) - MAX_READ_NAMES))
    return Text(
        en="Read from names of files: {names}. NAME=FILE names a point otherwise.",
        zh="由文件名得知：{names}。用 NAME=FILE 可以另外指定抓包点的名称。",
    ).fill(names=language.clauses([*read[:MAX_READ_NAMES], *([more] if len(read) > MAX_READ_NAMES else [])]))


def inputs(document: Document, words: Words, view: View) -> Section:
    """Damage in the files; detailed, also the reasons for which frames were not decoded."""
    most = None if view is View.COMPACT else MAX_FILE_PROBLEMS
    rows = [(file["file"], problem) for file in document["inputs"] for problem in file["problems"][:most]]
    titles = [""] * 4 if view is View.COMPACT else ["file", "damage", "at byte", ""]
    at = Text(en="byte ", zh="字节 ").fill() if view is View.COMPACT else ""
    columns = [
        Column(titles[0], lambda row: row[0], wrap="words"),
        Column(titles[1], lambda row: row[1]["name"], wrap="last"),
        Column(titles[2], lambda row: "" if row[1]["name"] in FILES_BESIDE else at + number(row[1]["offset"]), "right"),
        Column(titles[3], lambda row: language.message(row[1]["says"]), wrap="words"),
    ]
    if view is View.COMPACT:
        rows = [row for row in rows if row[1]["name"] not in FILES_BESIDE]  # those are among the first sentences
        return section_of("inputs", "Damaged input", view, rows, columns, (12, None))
    section = section_of("inputs", "What could not be read", view, rows, columns)
    undecoded = _undecoded(document, 12)
    return section._replace(text=language.labelled("Not decoded further", undecoded) if undecoded else "")


# Reasons in the words of libpcap → the names that Wireshark prints.
_NAMED = {"link type IEEE802_15_4_NOFCS": "IEEE 802.15.4"}


def coverage(document: Document, words: Words, view: View) -> Section:
    """The reasons for which frames were not decoded; a section of its own in the compact view only."""
    return Section("coverage", language.term("Not decoded further"), text=_undecoded(document, 8))


def _undecoded(document: Document, most: int) -> str:
    """`3 of 812 frames: ethertype 0x88cc 3`, the most frequent reasons first; empty if all was decoded."""
    coverage = document["coverage"]
    reasons = sorted(coverage["undecoded"].items(), key=lambda reason: (-reason[1], reason[0]))
    if not reasons:
        return ""
    frames = language.items(
        f"{language.message(_NAMED.get(reason, reason))} {number(frames)}" for reason, frames in reasons[:most]
    )
    return Text(en="{undecoded} of {frames}: {reasons}", zh="{frames}中有 {undecoded} 帧：{reasons}").fill(
        undecoded=number(coverage["frames"] - coverage["decoded"]), frames=count(coverage["frames"], "frame"),
        reasons=frames,
    )  # fmt: skip
