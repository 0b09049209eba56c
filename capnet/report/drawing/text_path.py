"""Draws paths as text: every point that a flow or a packet passed, one below the other, and what changed between them.

      ● A/ens33        B:37218 → A:8080      TTL 64   7 packets
      │ dnat · routed  +3.2 µs · destination A:8080 → web:80
      ● A/docker0      B:37218 → web:80      TTL 63   7 packets

Above each drawing stands the same path on one line (`routes`). Strings from captures pass `escape.visible_all` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from capnet.analysis.core.contract.document import Document
from capnet.report.drawing.routes import compared, packets, route, sampled, signed, tunnel
from capnet.report.escape import visible, visible_all
from capnet.report.fate_words import answers, ending, is_lost
from capnet.report.text import columns, count, duration, fill, fit, number, size, span
from capnet.report.words import ARROW, Words

WIDTH = 100
POINT_MARK, ASKED_MARK, LINE_MARK, DELIVERED_MARK, LOST_MARK, UNKNOWN_MARK, ANSWER_MARK = "●◉│◆✗?←"
MAX_POINT_WIDTH = 30  # columns; longer names are cut, so that flow and TTL still fit a line of 100
MAX_CHANGE_WIDTH = 20  # columns; longer changes have a line of their own
MAX_SIGHTING_WIDTH = 38  # columns of a point with a frame number
MIN_FLOW_WIDTH = 20  # columns
RIGHT_WIDTH = 33  # columns of mark, gaps, TTL and packets
MARGIN = "  "


def render_flows(
    document: Document,
    conversations: Sequence[tuple[Sequence[Document], Sequence[Document]]],
    total: int,
    asked: str,
    width: int = WIDTH,
) -> str:
    """Conversations hop by hop. Each is (paths there, paths back), in the document's form; `total`: how many match.

    `asked`: the expression that selected them; empty if none was given.
    """
    safe = visible_all(document)
    words = Words(safe.get("names", {}), names_at=safe.get("names_at"))
    shown = visible_all(conversations)
    files = ", ".join(file["file"] for file in safe["inputs"])
    title = [files, visible(asked), count(total, "flow"), compared(safe) if sampled(safe) else ""]
    lines = fill(" · ".join(part for part in title if part), width)
    lines += _legend(words, (path for directions in shown for paths in directions for path in paths), width)
    for index, (forward, reverse) in enumerate(shown, start=1):
        place = f"{index} of {total} · " if total > 1 else ""
        path = forward[0] if forward else reverse[0]
        head = f"{place}{path['proto']} {words.flow(path['flow'], path['hops'][0]['point'])}"
        lines += ["", *fill(head, width)]
        for name, paths in (("there", forward), ("back", reverse)):
            for piece, path in enumerate(paths, start=1):
                direction = name if len(paths) == 1 else f"{name}, piece {piece} of {len(paths)}"
                lines += ["", *_path(direction, path, words, width)]
        if not reverse:
            lines += ["", "back: nothing was seen"]
    if total > len(shown):
        lines += ["", f"… and {count(total - len(shown), 'more flow')}; --most {total} shows all"]
    return "\n".join(lines) + "\n"


def _path(direction: str, path: Document, words: Words, width: int) -> list[str]:
    """One path: what it carried, its points on one line, and hop by hop."""
    hops = path["hops"]
    parts = [count(packets(path), "packet"), size(max(hop["bytes"] for hop in hops))]
    delays = [hop["delta_us"]["median"] for hop in hops if hop["delta_us"]]
    if len(hops) > 1:
        parts.append(ending(path))
        if len(delays) == len(hops) - 1:
            parts.append(f"about {duration(sum(delays))} from {hops[0]['point']} to {hops[-1]['point']}")
    else:
        parts.append("seen at one point only")
    lines = fill(f"{direction}: {words.flow(path['flow'], hops[0]['point'])}, {', '.join(parts)}", width)
    if len(hops) > 1:
        lines += ["", *route([path], width)]
    return [*lines, "", *_hops(path, words, width)]


def _hops(path: Document, words: Words, width: int) -> list[str]:
    hops = path["hops"]
    flows = [_flow(hop, words) for hop in hops]
    left = min(max(_left_widths(hops)), MAX_POINT_WIDTH)
    middle = min(max(map(columns, flows)), max(width - left - RIGHT_WIDTH, MIN_FLOW_WIDTH))
    lines = []
    for index, hop in enumerate(hops):
        before = hops[index - 1] if index else None
        if before is not None:
            lines += _step(before, hop, left, words, width)
        ttl = f"TTL {hop['ttl']}" if hop["ttl"] is not None else ""
        cells = (_pad(hop["point"], left), _pad(flows[index], middle), _pad(ttl, 7))
        lines.append(fit(f"{MARGIN}{POINT_MARK} {'  '.join(cells)}  {count(hop['packets'], 'packet')}", width))
        if hop["smac"] and (before is None or (before["smac"], before["dmac"]) != (hop["smac"], hop["dmac"])):
            macs = f"{hop['smac']}{ARROW}{hop['dmac'] or '?'}"
            lines.append(fit(f"{MARGIN}{LINE_MARK} {' ' * left}  {macs}", width))
    return [*lines, *_end(path, words, width)]


def _end(path: Document, words: Words, width: int) -> list[str]:
    """Where the path ends, and what answers; of a path at one point, only that it stops."""
    lost = is_lost(path["ends"])
    lines = []
    if len(path["hops"]) > 1 or lost:
        mark = LOST_MARK if lost else DELIVERED_MARK if path["ends"] == "delivered" else UNKNOWN_MARK
        is_here = path["ends"].startswith("stops-at ")
        text = f"stops here: due at {path['due']}, not seen there" if is_here else ending(path)
        lines += fill(f"{mark} {text}", width, MARGIN, MARGIN + "  ")
    for text in answers(path["answers"], words):
        lines += fill(f"{ANSWER_MARK} {text}", width, MARGIN, MARGIN + "  ")
    return lines


def _step(before: Document, hop: Document, left: int, words: Words, width: int) -> list[str]:
    """What happened between two points: the delay, what was rewritten, what was lost."""
    details = []
    if hop["delta_us"]:
        low, middle, high = (hop["delta_us"][key] for key in ("min", "median", "max"))
        spread = f" ({duration(low)} to {duration(high)})" if duration(low) != duration(high) else ""
        details.append(signed(middle) + spread)
    details += _rewritten(before, hop, words)
    if hop["lost"]:
        details.append(f"{number(hop['lost'])} lost")
    elif hop["lost"] is None:
        details.append("loss cannot be told")
    return _step_lines(" · ".join(hop["change"]), " · ".join(details), left, width)


def _step_lines(change: str, detail: str, left: int, width: int) -> list[str]:
    """Lines between two points: the change, and behind it the detail, broken at spaces."""
    room = width - columns(MARGIN) - 2 - left - 2
    details = fill(detail, room) if detail else [""]
    if columns(change) > left:
        return [
            fit(f"{MARGIN}{LINE_MARK} {change}", width),
            *(f"{MARGIN}{LINE_MARK} {' ' * left}  {line}".rstrip() for line in details if line),
        ]
    first, *more = details
    return [
        f"{MARGIN}{LINE_MARK} {_pad(change, left)}  {first}".rstrip(),
        *(f"{MARGIN}{LINE_MARK} {' ' * left}  {line}" for line in more),
    ]


def _rewritten(before: Document, hop: Document, words: Words) -> list[str]:
    changes = []
    for name, address, port in (("source", "src", "sport"), ("destination", "dst", "dport")):
        if (before[address], before[port]) != (hop[address], hop[port]):
            ends = (words.endpoint(side[address], side[port], point=side["point"]) for side in (before, hop))
            changes.append(f"{name} {ARROW.join(ends)}")
    if before.get("id") != hop.get("id"):
        changes.append(f"ICMP id {before.get('id')}{ARROW}{hop.get('id')}")
    return changes


def _flow(hop: Document, words: Words) -> str:
    inside = tunnel(hop)
    return words.flow(hop) + (f" in {inside}" if inside else "")


def _left_widths(hops: Sequence[Document]) -> Iterable[int]:
    """Widths that the left column should have: of points, and of changes unless they are long."""
    yield from (columns(hop["point"]) for hop in hops)
    yield from (width for hop in hops if (width := columns(" · ".join(hop["change"]))) <= MAX_CHANGE_WIDTH)


def _pad(text: str, width: int) -> str:
    text = fit(text, width)
    return text + " " * (width - columns(text))


def _legend(words: Words, paths: Iterable[Document], width: int) -> list[str]:
    """`Names  web 172.17.0.2 · …` of the addresses on these paths; [] if none has a name."""
    legend = words.legend(hop[end] for path in paths for hop in path["hops"] for end in ("src", "dst"))
    return fill("Names  " + " · ".join(map(" ".join, legend)), width, hanging=" " * 7) if legend else []


# -- one packet -----------------------------------------------------------------------------------------
def render_packet(document: Document, journey: Document, width: int = WIDTH) -> str:
    """One packet at every point. `journey`: the document's `packet`."""
    safe = visible_all(document)
    journey = visible_all(journey)
    words = Words(safe.get("names", {}), names_at=safe.get("names_at"))
    sightings = journey["frames"]
    asked = next(sighting for sighting in sightings if _is_at(sighting, journey["asked"]))
    lines = fill(
        f"Frame {asked['frame']} of {asked['file']} · {asked['point']} · "
        f"{journey['proto']} {_flow(asked, words)} · {count(asked['length'], 'byte')}",
        width,
    )
    lines += _legend(words, [{"hops": sightings}], width)
    lines += ["", *fill(_where_seen(sightings, journey["missing"]), width)]
    if len(sightings) > 1:
        lines += ["", *_packet_route(sightings, width)]
    lines += ["", *_sightings(sightings, asked, words, width)]
    if _has_late_bridge(sightings, safe["points"]):
        note = "What is heard at a bridge is a late copy: its time may be after that of the next port."
        lines += ["", *fill(note, width)]
    if journey["alike"]:
        alike = ", ".join(_point_and_frame(frame) for frame in journey["alike"])
        lines += ["", *fill(f"Equal contents, held to be other packets: {alike}", width)]
    return "\n".join(lines) + "\n"


def _where_seen(sightings: Sequence[Document], missing: Sequence[str]) -> str:
    first, last = sightings[0], sightings[-1]
    points = len({sighting["point"] for sighting in sightings})
    if len(sightings) == 1:
        text = "No other frame is this packet: it was seen here only."
    else:
        frames, lasted = count(len(sightings), "frame"), duration(_since(first, last))
        text = f"The same packet is {frames} at {count(points, 'point')}: {lasted} "
        text += f"from {first['point']}, {first['time'][:10]} {first['time'][11:29]} UTC, to {last['point']}."
    return text + (f" Not seen at {', '.join(missing)}, though listening." if missing else "")


def _has_late_bridge(sightings: Sequence[Document], points: Sequence[Document]) -> bool:
    """Was the packet seen at a bridge later than at the port that it left by?"""
    roles = {point["name"]: point["role"] for point in points}
    return any(
        (sighting["delta_us"] or 0) < 0 and (roles.get(before["point"]) == "bridge" or before["point"].endswith("/br0"))
        for before, sighting in pairwise(sightings)
    )


def _packet_route(sightings: Sequence[Document], width: int) -> list[str]:
    """The packet's points on one line."""
    hops = []
    for sighting in sightings:
        delay = sighting["delta_us"]
        delta = None if delay is None else {"min": delay, "median": delay, "p99": delay, "max": delay}
        hops.append({**sighting, "point": _point_and_frame(sighting), "delta_us": delta, "lost": 0, "packets": 1})
        if sighting["copy"]:
            hops[-1]["change"] = [_copy(sighting)]
    return route([{"hops": hops}], width)


def _sightings(sightings: Sequence[Document], asked: Document, words: Words, width: int) -> list[str]:
    flows = [_flow(sighting, words) for sighting in sightings]
    points = [_point_and_frame(sighting) for sighting in sightings]
    left = min(max(map(columns, points)), MAX_SIGHTING_WIDTH)
    middle = min(max(map(columns, flows)), max(width - left - RIGHT_WIDTH, MIN_FLOW_WIDTH))
    lines = []
    for index, sighting in enumerate(sightings):
        if index:
            change = _copy(sighting) if sighting["copy"] else " · ".join(sighting["change"])
            detail = f"{signed(sighting['delta_us'])} · {_differences(sighting) or 'nothing differs'}"
            lines += _step_lines(change, detail, left, width)
        ttl = f"TTL {sighting['ttl']}" if sighting["ttl"] is not None else ""
        mark = ASKED_MARK if sighting is asked else POINT_MARK
        cells = (
            _pad(points[index], left),
            _pad(_offset(sightings[0], sighting), 8),
            _pad(flows[index], middle),
            _pad(ttl, 7),
        )
        lines.append(fit(f"{MARGIN}{mark} {'  '.join(cells)}  {sighting['length']} B", width))
        if index == 0 and sighting["smac"]:
            macs = f"{sighting['smac']}{ARROW}{sighting['dmac'] or '?'}"
            lines.append(fit(f"{MARGIN}{LINE_MARK} {' ' * left}  {macs}", width))
    return lines


def _differences(sighting: Document) -> str:
    """`TTL 64 → 63 · source 172.17.0.3:41552 → …`: the fields that differ from the sighting before."""
    fields = sighting["differs"]
    return " · ".join(f"{field['field']} {_value(field['before'])}{ARROW}{_value(field['after'])}" for field in fields)


def _point_and_frame(sighting: Document) -> str:
    return f"{sighting['point']} #{sighting['frame']}"


def _since(first: Document, last: Document) -> float:
    return span(first["time"], last["time"])


def _offset(first: Document, sighting: Document) -> str:
    """Time since the first sighting: `+31 µs`."""
    return signed(_since(first, sighting)) if sighting is not first else "0"


def _copy(sighting: Document) -> str:
    """`copy`, or `routed copy` if the TTL differs: a promiscuous bridge may see a packet before and after routing."""
    return "routed copy" if any(field["field"] == "TTL" for field in sighting["differs"]) else "copy"


def _value(value: object) -> str:
    return "none" if value is None else str(value)


def _is_at(sighting: Document, evidence: Document) -> bool:
    return all(sighting[key] == evidence[key] for key in ("point", "file", "frame"))
