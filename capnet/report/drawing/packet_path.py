"""Draws one packet as text: every frame that is this packet, one below the other, and which fields differ.

The rows are those of a path (`text_path`). Strings from captures pass `escape.visible_all` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing.routes import signed
from capnet.report.drawing.text_path import (
    LINE_MARK,
    MIN_FLOW_WIDTH,
    POINT_MARK,
    RIGHT_WIDTH,
    WIDTH,
    flow_inside,
    legend_lines,
    row_lines,
    step_lines,
)
from capnet.report.escape import visible_all
from capnet.report.text import columns, count, duration, fill, padded, span
from capnet.report.words import ARROW, Words

ASKED_MARK = "◉"
UNSEEN = Text(en="Not seen at {points}, which captured then.", zh="{points} 当时在抓包，但没有看到。")
SAME = Text(en="nothing differs", zh="没有差别")
MAX_SIGHTING_WIDTH = 38  # columns that a point with a frame number gets; longer ones move what follows them


def render_packet(document: Document, journey: Document, width: int = WIDTH) -> str:
    """One packet at every point. `journey`: the document's `packet`."""
    safe = visible_all(document)
    journey = visible_all(journey)
    words = Words.of(safe)
    sightings = journey["frames"]
    asked = next(sighting for sighting in sightings if _is_at(sighting, journey["asked"]))
    lines = fill(
        Text(
            en="Frame {frame} of {file} · {point} · {proto} {flow} · {bytes}",
            zh="{file} 的第 {frame} 帧 · {point} · {proto} {flow} · {bytes}",
        ).fill(
            frame=asked["frame"],
            file=asked["file"],
            point=asked["point"],
            proto=journey["proto"],
            flow=flow_inside(asked, words),
            bytes=count(asked["length"], "byte"),
        ),
        width,
    )
    lines += legend_lines(words, [{"hops": sightings}], width)
    lines += ["", *fill(where_seen(sightings, journey["missing"]), width)]
    changes = sighting_changes(sightings, journey["reply"], words)
    lines += ["", *_sightings(sightings, asked, changes, words, width)]
    if _has_late_bridge(sightings, safe["points"]):
        note = Text(
            en="What is captured at a bridge is a late copy: its time may be after that of the next port.",
            zh="在网桥上抓到的是较晚的副本：它的时间可能晚于下一个端口。",
        )
        lines += ["", *fill(note.fill(), width)]
    if journey["alike"]:
        alike = ", ".join(_point_and_frame(frame) for frame in journey["alike"])
        others = Text(
            en="Equal contents, held to be other packets: {alike}", zh="内容相同，但被认为是其他的包：{alike}"
        )
        lines += ["", *fill(others.fill(alike=alike), width)]
    return "\n".join(lines) + "\n"


def where_seen(sightings: Sequence[Document], missing: Sequence[str]) -> str:
    """At how many points the packet was seen and for how long, and where it was not seen, in sentences."""
    first, last = sightings[0], sightings[-1]
    points = len({sighting["point"] for sighting in sightings})
    if len(sightings) == 1:
        text = Text(
            en="No other frame is this packet: it was seen here only.", zh="没有其他帧是这个包：只在这里看到。"
        ).fill()
    else:
        text = Text(
            en="The same packet is {frames} at {points}: {lasted} from {first}, {time} UTC, to {last}.",
            zh="同一个包在 {points}上是 {frames}：从 {first}（{time} UTC）到 {last} 用了 {lasted}。",
        ).fill(
            frames=count(len(sightings), "frame"), points=count(points, "point"), lasted=duration(_since(first, last)),
            first=first["point"], time=f"{first['time'][:10]} {first['time'][11:29]}", last=last["point"],
        )  # fmt: skip
    if not missing:
        return text
    return language.joined([text, UNSEEN.fill(points=language.pick(", ", "、").join(missing))])


def _has_late_bridge(sightings: Sequence[Document], points: Sequence[Document]) -> bool:
    """Was the packet seen at a bridge later than at the port that it left by?"""
    roles = {point["name"]: point["role"] for point in points}
    return any(
        (sighting["delta_us"] or 0) < 0 and (roles.get(before["point"]) == "bridge" or before["point"].endswith("/br0"))
        for before, sighting in pairwise(sightings)
    )


def sighting_changes(sightings: Sequence[Document], reply: bool, words: Words) -> list[list[str]]:
    """For each sighting, what happened since the one before, in words."""
    pairs = pairwise(sightings)
    return [[], *([_copy(each)] if each["copy"] else words.changes(before, each, reply) for before, each in pairs)]


def _sightings(
    sightings: Sequence[Document], asked: Document, changes: Sequence[list[str]], words: Words, width: int
) -> list[str]:
    flows = [flow_inside(sighting, words) for sighting in sightings]
    points = [_point_and_frame(sighting) for sighting in sightings]
    left = min(max(map(columns, points)), MAX_SIGHTING_WIDTH)
    middle = min(max(map(columns, flows)), max(width - left - RIGHT_WIDTH, MIN_FLOW_WIDTH))
    lines = []
    for index, sighting in enumerate(sightings):
        if index:
            detail = f"{signed(sighting['delta_us'])} · {difference_text(sighting) or SAME.fill()}"
            lines += step_lines(" · ".join(changes[index]), detail, left, width)
        ttl = f"TTL {sighting['ttl']}" if sighting["ttl"] is not None else ""
        mark = ASKED_MARK if sighting is asked else POINT_MARK
        cells = (
            padded(points[index], left),
            padded(_offset(sightings[0], sighting), 8),
            padded(flows[index], middle),
            padded(ttl, 7),
        )
        lines += row_lines(mark, (*cells, f"{sighting['length']} B"), width)
        if index == 0 and sighting["smac"]:
            macs = f"{sighting['smac']}{ARROW}{sighting['dmac'] or '?'}"
            lines += row_lines(LINE_MARK, (" " * left, macs), width)
    return lines


def difference_text(sighting: Document) -> str:
    """`TTL 64 → 63 · source 172.17.0.3:41552 → …`: the fields that differ from the sighting before."""
    fields = sighting["differs"]
    return " · ".join(
        f"{language.term(field['field'])} {_value(field['before'])}{ARROW}{_value(field['after'])}" for field in fields
    )


def _point_and_frame(sighting: Document) -> str:
    return f"{sighting['point']} #{sighting['frame']}"


def _since(first: Document, last: Document) -> float:
    return span(first["time"], last["time"])


def _offset(first: Document, sighting: Document) -> str:
    """Time since the first sighting: `+31 µs`."""
    return signed(_since(first, sighting)) if sighting is not first else "0"


def _copy(sighting: Document) -> str:
    """`copy`, or `routed copy` if the TTL differs: a promiscuous bridge may see a packet before and after routing."""
    is_routed = any(field["field"] == "TTL" for field in sighting["differs"])
    return language.term("routed copy" if is_routed else "copy")


def _value(value: object) -> str:
    return language.term("none") if value is None else str(value)


def _is_at(sighting: Document, evidence: Document) -> bool:
    return all(sighting[key] == evidence[key] for key in ("point", "file", "frame"))
