"""Draws paths as SVG: a vertical line with a circle for each point, and beside it the flow at that point.

The SVG has classes only, which page.css colours for light and dark, so the page can forbid inline styles. A band lies
behind the points of each host, and a tube around the line where the packets are inside a tunnel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise

from capnet.analysis.core.contract.document import Document
from capnet.report.drawing.routes import note, tunnel
from capnet.report.fate_words import ending, is_lost
from capnet.report.text import count, fit, number
from capnet.report.words import ARROW, Words

WIDTH = 1000
LINE_X, NAME_X, FLOW_X, TTL_X, RIGHT_X = 40, 66, 300, 790, 984
POINT_HEIGHT, STEP_HEIGHT, TOP_HEIGHT = 28, 34, 12  # of a point, between two points, above the first

TUNNEL_CHANGES = ("encapsulated", "decapsulated")

Text = Callable[[object], str]


def draw(group: Sequence[Document], words: Words, text: Text) -> str:
    """One group of `routes.same_route` as SVG. `text` escapes a string for it."""
    hops = group[0]["hops"]
    ys = [TOP_HEIGHT + POINT_HEIGHT / 2 + index * (POINT_HEIGHT + STEP_HEIGHT) for index in range(len(hops))]
    height = ys[-1] + POINT_HEIGHT / 2 + 40
    parts = [*_bands(hops, ys, text), *_tubes(hops, ys)]
    for index, (before, hop) in enumerate(pairwise(hops)):
        parts += _step(
            [path["hops"][index : index + 2] for path in group], before, hop, ys[index], ys[index + 1], words, text
        )
    for hop, y, same in zip(hops, ys, zip(*(path["hops"] for path in group), strict=True), strict=True):
        parts += _point(hop, y, same, words, text)
    parts += _end(group[0], ys[-1], text)
    flow = words.flow(group[0]["flow"], hops[0]["point"])
    label = text(f"{flow}: {' to '.join(hop['point'] for hop in hops)}, {ending(group[0])}")
    return (
        f'<svg class="rail" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height:g}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _bands(hops: Sequence[Document], ys: Sequence[float], text: Text) -> Iterator[str]:
    """A band behind the points of each host, where the names of points have one."""
    for host, indices in groupby(range(len(hops)), key=lambda index: _host(hops[index]["point"])):
        if host:
            span = list(indices)
            top, bottom = ys[span[0]] - POINT_HEIGHT / 2 - 5, ys[span[-1]] + POINT_HEIGHT / 2 + 5
            yield f'<rect class="band" x="4" y="{top:g}" width="{WIDTH - 8}" height="{bottom - top:g}" rx="9"/>'
            middle = (top + bottom) / 2
            yield f'<text class="host" x="14" y="{middle + 4:g}">{text(fit(host, 2) if len(host) > 2 else host)}</text>'


def _tubes(hops: Sequence[Document], ys: Sequence[float]) -> Iterator[str]:
    """A tube around the line where packets are inside a tunnel."""
    for inside, indices in groupby(range(len(hops)), key=lambda index: tunnel(hops[index])):
        if inside:
            span = list(indices)
            top, bottom = ys[span[0]] - 15, ys[span[-1]] + 15
            yield f'<rect class="tube" x="{LINE_X - 13}" y="{top:g}" width="26" height="{bottom - top:g}" rx="13"/>'


def _point(hop: Document, y: float, same: Sequence[Document], words: Words, text: Text) -> Iterator[str]:
    yield f'<circle class="stop" cx="{LINE_X}" cy="{y:g}" r="6.5"/>'
    yield f'<text class="name" x="{NAME_X}" y="{y + 4.5:g}">{text(fit(hop["point"], 30))}</text>'
    others = f"  and {number(len(same) - 1)} more" if len(same) > 1 else ""
    inside = f"  in {tunnel(hop)}" if hop["tunnel"] else ""
    shown = fit(words.flow(hop) + inside + others, 60)
    yield f'<text class="mono" x="{FLOW_X}" y="{y + 4.5:g}">{text(shown)}</text>'
    if hop["ttl"] is not None:
        yield f'<text class="soft" x="{TTL_X}" y="{y + 4.5:g}">TTL {int(hop["ttl"])}</text>'
    total = count(sum(other["packets"] for other in same), "packet")
    yield f'<text class="soft" x="{RIGHT_X}" y="{y + 4.5:g}" text-anchor="end">{text(total)}</text>'


def _step(
    pairs: Sequence[Sequence[Document]],
    before: Document,
    hop: Document,
    y: float,
    below: float,
    words: Words,
    text: Text,
) -> Iterator[str]:
    """The line from one point to the next: what changed, the delay, what was lost and rewritten."""
    kind = _kind(hop["change"])
    lost = sum(pair[1]["lost"] or 0 for pair in pairs)
    yield _track("lost" if lost else kind, y, below - 7)
    middle = (y + below) / 2 + 4.5
    inside = tunnel(hop) or tunnel(before)
    changes = [f"{change} {inside}" if change in TUNNEL_CHANGES else change for change in hop["change"]]
    yield f'<text class="change {kind}" x="{NAME_X}" y="{middle:g}">{text(fit(" · ".join(changes), 34))}</text>'
    css = "bad" if lost else "soft"
    yield f'<text class="{css}" x="{FLOW_X}" y="{middle:g}">{text(note([pair[1] for pair in pairs]))}</text>'
    rewritten = _rewritten(before, hop, words)
    if rewritten:
        yield f'<text class="mono change nat" x="{FLOW_X + 150}" y="{middle:g}">{text(fit(rewritten, 62))}</text>'


def _end(path: Document, y: float, text: Text) -> Iterator[str]:
    kind = "lost" if is_lost(path["ends"]) else "" if path["ends"] == "delivered" else "open"
    below = y + POINT_HEIGHT / 2 + 20
    yield _track("lost" if kind == "lost" else "plain", y, below - 5)
    yield f'<rect class="end {kind}" x="{LINE_X - 5}" y="{below - 5:g}" width="10" height="10" rx="2"/>'
    css = "bad" if kind == "lost" else "soft"
    yield f'<text class="{css}" x="{NAME_X}" y="{below + 4.5:g}">{text(ending(path))}</text>'


def _track(kind: str, y: float, below: float) -> str:
    return f'<line class="track {kind}" x1="{LINE_X}" y1="{y + 7:g}" x2="{LINE_X}" y2="{below:g}"/>'


def _kind(changes: Sequence[str]) -> str:
    if any("nat" in change for change in changes):
        return "nat"
    if any(change in TUNNEL_CHANGES for change in changes):
        return "tunnel"
    return "routed" if "routed" in changes else "plain"


def _rewritten(before: Document, hop: Document, words: Words) -> str:
    changes = []
    for address, port in (("src", "sport"), ("dst", "dport")):
        if (before[address], before[port]) != (hop[address], hop[port]):
            ends = (words.endpoint(side[address], side[port], point=side["point"]) for side in (before, hop))
            changes.append(ARROW.join(ends))
    if before.get("id") != hop.get("id"):
        changes.append(f"id {before.get('id')}{ARROW}{hop.get('id')}")
    return ", ".join(changes)


def _host(point: str) -> str:
    host, slash, _ = point.partition("/")
    return host if slash else ""
