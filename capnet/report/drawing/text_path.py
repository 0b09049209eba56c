"""Ladders: every point a flow or a packet passed, one below the other, and between them what happened on the way.

      ● A/ens33        B:37218 → A:8080      TTL 64   7 packets
      │ dnat · routed  +3.2 µs · destination A:8080 → web:80
      ● A/docker0      B:37218 → web:80      TTL 63   7 packets

Above each ladder stands the same as a picture of one line (`routes`). The text reads the document, as every
format does; strings from captures pass `escape.visible_all` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from capnet.report.document import Document
from capnet.report.drawing.routes import compared, ending, packets, route, sampled, signed, tunnel
from capnet.report.escape import visible, visible_all
from capnet.report.text import columns, count, duration, fill, fit, number, size, span
from capnet.report.words import ARROW, Words

WIDTH = 100
_POINT, _LINK, _END, _STOP = "●", "│", "◆", "✗"
_WIDEST_POINT = 30
_MARGIN = "  "


def render_flows(
    document: Document,
    conversations: Sequence[Sequence[Sequence[Document]]],
    total: int,
    asked: str,
    width: int = WIDTH,
) -> str:
    """Ladders of conversations. Each is (paths there, paths back), in the document's form; `total`: how many match.

    `asked`: what was looked for, in the words of who asked; empty when everything was.
    """
    safe = visible_all(document)
    words = Words(safe.get("names", {}), names_at=safe.get("names_at"))
    shown = visible_all(conversations)
    files = ", ".join(each["file"] for each in safe["inputs"])
    title = [files, visible(asked), count(total, "flow"), compared(safe) if sampled(safe) else ""]
    lines = fill(" · ".join(each for each in title if each), width)
    legend = words.legend(_addresses(path for there, back in shown for path in (*there, *back)))
    if legend:
        lines += fill("Names  " + " · ".join(map(" ".join, legend)), width, hanging=" " * 7)
    for index, (there, back) in enumerate(shown, start=1):
        place = f"{index} of {total} · " if total > 1 else ""
        first = there[0] if there else back[0]
        head = f"{place}{first['proto']} {words.flow(first['flow'], first['hops'][0]['point'])}"
        lines += ["", *fill(head, width)]
        for way, paths in (("there", there), ("back", back)):
            for piece, path in enumerate(paths, start=1):
                name = way if len(paths) == 1 else f"{way}, piece {piece} of {len(paths)}"
                lines += ["", *_direction(name, path, words, width)]
        if not back:
            lines += ["", "back: nothing was seen"]
    if total > len(shown):
        lines += ["", f"… and {count(total - len(shown), 'more flow')}; --most {total} shows all"]
    return "\n".join(lines) + "\n"


def _direction(way: str, path: Document, words: Words, width: int) -> list[str]:
    hops = path["hops"]
    parts = [count(packets(path), "packet"), size(max(hop["bytes"] for hop in hops))]
    delays = [hop["delta_us"]["median"] for hop in hops if hop["delta_us"]]
    if len(hops) > 1:
        parts.append(ending(path["ends"]))
        if len(delays) == len(hops) - 1:
            parts.append(f"about {duration(sum(delays))} from {hops[0]['point']} to {hops[-1]['point']}")
    else:
        parts.append("seen at one point only")
    lines = fill(f"{way}: {words.flow(path['flow'], hops[0]['point'])}, {', '.join(parts)}", width)
    if len(hops) > 1:
        lines += ["", *route([path], width)]
    return [*lines, "", *_ladder(path, words, width)]


def _ladder(path: Document, words: Words, width: int) -> list[str]:
    hops = path["hops"]
    flows = [_flow(hop, words) for hop in hops]
    left = min(max(_left(hops)), _WIDEST_POINT)
    middle = min(max(map(columns, flows)), max(width - left - 33, 20))
    lines = []
    for index, hop in enumerate(hops):
        before = hops[index - 1] if index else None
        if before is not None:
            lines += _link(before, hop, left, words, width)
        ttl = f"TTL {hop['ttl']}" if hop["ttl"] is not None else ""
        cells = (_pad(hop["point"], left), _pad(flows[index], middle), _pad(ttl, 7))
        lines.append(fit(f"{_MARGIN}{_POINT} {'  '.join(cells)}  {count(hop['packets'], 'packet')}", width))
        if hop["smac"] and (before is None or (before["smac"], before["dmac"]) != (hop["smac"], hop["dmac"])):
            macs = f"{hop['smac']}{ARROW}{hop['dmac'] or '?'}"
            lines.append(fit(f"{_MARGIN}{_LINK} {' ' * left}  {macs}", width))
    stopped = path["ends"].startswith("lost-after ")
    if len(hops) > 1:
        lines.append(fit(f"{_MARGIN}{_STOP if stopped else _END} {ending(path['ends'])}", width))
    return lines


def _link(before: Document, hop: Document, left: int, words: Words, width: int) -> list[str]:
    says = []
    if hop["delta_us"]:
        low, middle, high = (hop["delta_us"][each] for each in ("min", "median", "max"))
        spread = f" ({duration(low)} to {duration(high)})" if duration(low) != duration(high) else ""
        says.append(signed(middle) + spread)
    says += _rewritten(before, hop, words)
    if hop["lost"]:
        says.append(f"{number(hop['lost'])} lost")
    elif hop["lost"] is None:
        says.append("loss cannot be told")
    change = " · ".join(hop["change"])
    return _rail(change, " · ".join(says), left, width)


def _rail(change: str, says: str, left: int, width: int) -> list[str]:
    """Lines beside the rail: what happened, and behind it the details, broken at spaces."""
    room = width - columns(_MARGIN) - 2 - left - 2
    details = fill(says, room) if says else [""]
    if columns(change) > left:
        return [
            fit(f"{_MARGIN}{_LINK} {change}", width),
            *(f"{_MARGIN}{_LINK} {' ' * left}  {each}".rstrip() for each in details if each),
        ]
    first, *more = details
    return [
        f"{_MARGIN}{_LINK} {_pad(change, left)}  {first}".rstrip(),
        *(f"{_MARGIN}{_LINK} {' ' * left}  {each}" for each in more),
    ]


def _rewritten(before: Document, hop: Document, words: Words) -> list[str]:
    said = []
    for name, address, port in (("source", "src", "sport"), ("destination", "dst", "dport")):
        one, two = (words.endpoint(each[address], each[port], point=each["point"]) for each in (before, hop))
        if (before[address], before[port]) != (hop[address], hop[port]):
            said.append(f"{name} {one}{ARROW}{two}")
    if before.get("id") != hop.get("id"):
        said.append(f"ICMP id {before.get('id')}{ARROW}{hop.get('id')}")
    return said


def _flow(hop: Document, words: Words) -> str:
    inside = tunnel(hop)
    return words.flow(hop) + (f" in {inside}" if inside else "")


def _left(hops: Sequence[Document]) -> Iterable[int]:
    """Widths that the left column should have: of points, and of changes unless they are long."""
    yield from (columns(hop["point"]) for hop in hops)
    yield from (width for hop in hops if (width := columns(" · ".join(hop["change"]))) <= 20)


def _pad(text: str, width: int) -> str:
    text = fit(text, width)
    return text + " " * (width - columns(text))


def _addresses(paths: Iterable[Document]) -> Iterable[str]:
    for path in paths:
        for hop in path["hops"]:
            yield from (hop["src"], hop["dst"])


# -- one packet -----------------------------------------------------------------------------------------
def render_packet(document: Document, journey: Document, width: int = WIDTH) -> str:
    """One packet at every point; `journey` is the document's `packet`."""
    safe = visible_all(document)
    journey = visible_all(journey)
    words = Words(safe.get("names", {}), names_at=safe.get("names_at"))
    sightings = journey["frames"]
    first, last = sightings[0], sightings[-1]
    asked = next(each for each in sightings if _is(each, journey["asked"]))
    lines = fill(
        f"Frame {asked['frame']} of {asked['file']} · {asked['point']} · "
        f"{journey['proto']} {_flow(asked, words)} · {count(asked['length'], 'byte')}",
        width,
    )
    legend = words.legend(_addresses([{"hops": sightings}]))
    if legend:
        lines += fill("Names  " + " · ".join(map(" ".join, legend)), width, hanging=" " * 7)
    places = len({each["point"] for each in sightings})
    frames = count(len(sightings), "frame")
    if places == 1 and len(sightings) == 1:
        says = "No other frame is this packet: it was seen here only."
    else:
        says = f"The same packet is {frames} at {count(places, 'point')}: {duration(_since(first, last))} "
        says += f"from {first['point']}, {first['time'][:10]} {first['time'][11:29]} UTC, to {last['point']}."
    if journey["missing"]:
        says += f" Not seen at {', '.join(journey['missing'])}, though listening."
    lines += ["", *fill(says, width)]
    if len(sightings) > 1:
        lines += ["", *_packet_picture(sightings, width)]
    lines += ["", *_packet_ladder(sightings, asked, words, width)]
    roles = {each["name"]: each["role"] for each in safe["points"]}
    if any(
        (each["delta_us"] or 0) < 0 and (roles.get(before["point"]) == "bridge" or before["point"].endswith("/br0"))
        for before, each in pairwise(sightings)
    ):
        lines += [
            "",
            *fill("What is heard at a bridge is a late copy: its time may be after that of the next port.", width),
        ]
    if journey["alike"]:
        alike = ", ".join(f"{each['point']} #{each['frame']}" for each in journey["alike"])
        lines += ["", *fill(f"Equal contents, held to be other packets: {alike}", width)]
    return "\n".join(lines) + "\n"


def _packet_picture(sightings: Sequence[Document], width: int) -> list[str]:
    hops = []
    for each in sightings:
        delay = each["delta_us"]
        delta = None if delay is None else {"min": delay, "median": delay, "p99": delay, "max": delay}
        point = f"{each['point']} #{each['frame']}"
        hops.append({**each, "point": point, "delta_us": delta, "lost": 0, "packets": 1})
        if each["copy"]:
            hops[-1]["change"] = [_copy(each)]
    return route([{"hops": hops}], width)


def _packet_ladder(sightings: Sequence[Document], asked: Document, words: Words, width: int) -> list[str]:
    flows = [_flow(each, words) for each in sightings]
    points = [f"{each['point']} #{each['frame']}" for each in sightings]
    left = min(max(map(columns, points)), _WIDEST_POINT + 8)
    middle = min(max(map(columns, flows)), max(width - left - 33, 20))
    lines = []
    for index, each in enumerate(sightings):
        if index:
            change = _copy(each) if each["copy"] else " · ".join(each["change"])
            differs = " · ".join(
                f"{d['field']} {_value(d['before'])}{ARROW}{_value(d['after'])}" for d in each["differs"]
            )
            says = f"{signed(each['delta_us'])} · {differs or 'nothing differs'}"
            lines += _rail(change, says, left, width)
        ttl = f"TTL {each['ttl']}" if each["ttl"] is not None else ""
        mark = "◉" if each is asked else _POINT
        cells = (
            _pad(points[index], left),
            _pad(_offset(sightings[0], each), 8),
            _pad(flows[index], middle),
            _pad(ttl, 7),
        )
        lines.append(fit(f"{_MARGIN}{mark} {'  '.join(cells)}  {each['length']} B", width))
        if index == 0 and each["smac"]:
            lines.append(fit(f"{_MARGIN}{_LINK} {' ' * left}  {each['smac']}{ARROW}{each['dmac'] or '?'}", width))
    return lines


def _since(first: Document, last: Document) -> float:
    return span(first["time"], last["time"])


def _offset(first: Document, sighting: Document) -> str:
    """Time since the first sighting: `+31 µs`."""
    return signed(_since(first, sighting)) if sighting is not first else "0"


def _copy(sighting: Document) -> str:
    """A promiscuous bridge may have routed its copy: the TTL tells."""
    return "routed copy" if any(each["field"] == "TTL" for each in sighting["differs"]) else "copy"


def _value(value: object) -> str:
    return "none" if value is None else str(value)


def _is(sighting: Document, evidence: Document) -> bool:
    return all(sighting[key] == evidence[key] for key in ("point", "file", "frame"))
