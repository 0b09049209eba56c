"""Draws paths as SVG: a vertical line with a circle for each point, and beside it the flow at that point.

The SVG has classes only, which page.css colours for light and dark, so the page can forbid inline styles. A band lies
behind the points of each host, and a tube around the line where the packets are inside a tunnel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise

from capnet.analysis.core.contract.document import Document
from capnet.report.drawing.routes import carried, note
from capnet.report.fate_words import ending, is_lost
from capnet.report.text import count, fill, number
from capnet.report.words import ARROW, TUNNEL_CHANGES, Words, tunnel

WIDTH = 1000
LINE_X, NAME_X, FLOW_X, TTL_X, RIGHT_X = 40, 66, 300, 790, 984
POINT_HEIGHT, STEP_HEIGHT, TOP_HEIGHT = 28, 34, 12  # of a point, between two points, above the first
MAX_HOST_LENGTH = 2  # of a label beside the line; longer ones are in the names of the points
LINE_HEIGHT = 16  # of further lines of a text
NAME_COLUMNS, FLOW_COLUMNS = 30, 60  # characters of a line of text

Text = Callable[[object], str]


def draw(group: Sequence[Document], words: Words, text: Text) -> str:
    """One group of `routes.same_route` as SVG. `text` escapes a string for it."""
    hops = group[0]["hops"]
    reply = group[0]["reply"]
    ys = list(_heights(hops, reply, words))
    bottom = ys.pop()
    height = bottom + 40
    parts = [*_bands(hops, ys, text), *_tubes(hops, ys)]
    for index, (before, hop) in enumerate(pairwise(hops)):
        pairs = [path["hops"][index : index + 2] for path in group]
        parts += _step(pairs, before, hop, reply, ys[index], ys[index + 1], words, text)
    for hop, y, same in zip(hops, ys, zip(*(path["hops"] for path in group), strict=True), strict=True):
        parts += _point(hop, y, same, words, text)
    parts += _end(group[0], ys[-1], bottom, text)
    flow = words.flow(group[0]["flow"], hops[0]["point"])
    label = text(f"{flow}: {' to '.join(hop['point'] for hop in hops)}, {ending(group[0])}")
    return (
        f'<svg class="rail" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height:g}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _heights(hops: Sequence[Document], reply: bool, words: Words) -> Iterator[float]:
    """The y of each point, and that of the end of the last one: further lines of a text need room."""
    top = float(TOP_HEIGHT)
    for index, hop in enumerate(hops):
        if index:
            texts = (
                fill(" · ".join(words.changes(hops[index - 1], hop, reply)), NAME_COLUMNS),
                fill(_rewritten(hops[index - 1], hop, words), FLOW_COLUMNS),
            )
            top += STEP_HEIGHT + LINE_HEIGHT * (max(map(len, texts)) - 1)
        yield top + POINT_HEIGHT / 2
        texts = (fill(hop["point"], NAME_COLUMNS), fill(f"{words.flow(hop)}{carried(hop)}  and more", FLOW_COLUMNS))
        top += POINT_HEIGHT + LINE_HEIGHT * (max(map(len, texts)) - 1)
    yield top


def _text(css: str, x: float, y: float, value: str, most: int, text: Text) -> str:
    """A text of lines of `most` characters, the first of them at `y`."""
    return "".join(
        f'<text class="{css}" x="{x}" y="{y + 4.5 + index * LINE_HEIGHT:g}">{text(line)}</text>'
        for index, line in enumerate(fill(value, most))
    )


def _bands(hops: Sequence[Document], ys: Sequence[float], text: Text) -> Iterator[str]:
    """A band behind the points of each host, where the names of points have one."""
    for host, indices in groupby(range(len(hops)), key=lambda index: _host(hops[index]["point"])):
        if host:
            span = list(indices)
            top, bottom = ys[span[0]] - POINT_HEIGHT / 2 - 5, ys[span[-1]] + POINT_HEIGHT / 2 + 5
            yield f'<rect class="band" x="4" y="{top:g}" width="{WIDTH - 8}" height="{bottom - top:g}" rx="9"/>'
            middle = (top + bottom) / 2
            if len(host) <= MAX_HOST_LENGTH:
                yield f'<text class="host" x="14" y="{middle + 4:g}">{text(host)}</text>'


def _tubes(hops: Sequence[Document], ys: Sequence[float]) -> Iterator[str]:
    """A tube around the line where packets are inside a tunnel."""
    for inside, indices in groupby(range(len(hops)), key=lambda index: tunnel(hops[index])):
        if inside:
            span = list(indices)
            top, bottom = ys[span[0]] - 15, ys[span[-1]] + 15
            yield f'<rect class="tube" x="{LINE_X - 13}" y="{top:g}" width="26" height="{bottom - top:g}" rx="13"/>'


def _point(hop: Document, y: float, same: Sequence[Document], words: Words, text: Text) -> Iterator[str]:
    yield f'<circle class="stop" cx="{LINE_X}" cy="{y:g}" r="6.5"/>'
    yield _text("name", NAME_X, y, hop["point"], NAME_COLUMNS, text)
    others = f"  and {number(len(same) - 1)} more" if len(same) > 1 else ""
    yield _text("mono", FLOW_X, y, words.flow(hop) + carried(hop) + others, FLOW_COLUMNS, text)
    if hop["ttl"] is not None:
        yield f'<text class="soft" x="{TTL_X}" y="{y + 4.5:g}">TTL {int(hop["ttl"])}</text>'
    total = count(sum(other["packets"] for other in same), "packet")
    yield f'<text class="soft" x="{RIGHT_X}" y="{y + 4.5:g}" text-anchor="end">{text(total)}</text>'


def _step(
    pairs: Sequence[Sequence[Document]],
    before: Document,
    hop: Document,
    reply: bool,
    y: float,
    below: float,
    words: Words,
    text: Text,
) -> Iterator[str]:
    """The line from one point to the next: what changed, the delay, what was lost and rewritten."""
    kind = _kind(hop["change"])
    lost = sum(pair[1]["lost"] or 0 for pair in pairs)
    yield _track("lost" if lost else kind, y, below - 7)
    changes, rewritten = " · ".join(words.changes(before, hop, reply)), _rewritten(before, hop, words)
    lines = max(len(fill(changes, NAME_COLUMNS)), len(fill(rewritten, FLOW_COLUMNS)))
    first = below - (POINT_HEIGHT + STEP_HEIGHT) / 2 - LINE_HEIGHT * (lines - 1)
    yield _text(f"change {kind}", NAME_X, first, changes, NAME_COLUMNS, text)
    css = "bad" if lost else "soft"
    yield _text(css, FLOW_X, first, note([pair[1] for pair in pairs]), FLOW_COLUMNS, text)
    if rewritten:
        yield _text("mono change nat", FLOW_X + 150, first, rewritten, FLOW_COLUMNS, text)


def _end(path: Document, y: float, bottom: float, text: Text) -> Iterator[str]:
    kind = "lost" if is_lost(path["ends"]) else "" if path["ends"] == "delivered" else "open"
    below = bottom + 20
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
