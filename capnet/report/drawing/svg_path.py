"""Paths as pictures for the page: a rail from top to bottom, a stop per point, beside it what a packet is there.

SVG without styles of its own: classes only, which the page colours. So they follow light and dark, and the policy of
the page can forbid all else. Hosts are bands behind their stops; a tunnel is a tube around the rail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise

from capnet.report.document import Document
from capnet.report.drawing.routes import ending, note, tunnel
from capnet.report.text import count, fit, number
from capnet.report.words import ARROW, Words

WIDTH = 1000
_RAIL, _NAME, _FLOW, _TTL, _RIGHT = 40, 66, 300, 790, 984
_STOP, _BETWEEN, _TOP = 28, 34, 12  # heights: of a stop, of what lies between two, above the first

Text = Callable[[object], str]


def draw(group: Sequence[Document], words: Words, text: Text) -> str:
    """One group of `routes.same_route` as SVG. `text` makes a string safe."""
    hops = group[0]["hops"]
    ys = [_TOP + _STOP / 2 + index * (_STOP + _BETWEEN) for index in range(len(hops))]
    ends = group[0]["ends"]
    height = ys[-1] + _STOP / 2 + 40
    parts = [*_bands(hops, ys, text), *_tubes(hops, ys)]
    for index, (before, hop) in enumerate(pairwise(hops)):
        parts += _between(
            [path["hops"][index : index + 2] for path in group], before, hop, ys[index], ys[index + 1], words, text
        )
    for hop, y, same in zip(hops, ys, zip(*(path["hops"] for path in group), strict=True), strict=True):
        parts += _stop(hop, y, same, words, text)
    parts += _end(ends, ys[-1], text)
    flow = words.flow(group[0]["flow"], hops[0]["point"])
    label = text(f"{flow}: {' to '.join(hop['point'] for hop in hops)}, {ending(ends)}")
    return (
        f'<svg class="rail" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height:g}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _bands(hops: Sequence[Document], ys: Sequence[float], text: Text) -> Iterator[str]:
    """A band behind the stops of each host, as far as points tell their host."""
    for host, stops in groupby(range(len(hops)), key=lambda index: _host(hops[index]["point"])):
        if host:
            on = list(stops)
            top, bottom = ys[on[0]] - _STOP / 2 - 5, ys[on[-1]] + _STOP / 2 + 5
            yield f'<rect class="band" x="4" y="{top:g}" width="{WIDTH - 8}" height="{bottom - top:g}" rx="9"/>'
            middle = (top + bottom) / 2
            yield f'<text class="host" x="14" y="{middle + 4:g}">{text(fit(host, 2) if len(host) > 2 else host)}</text>'


def _tubes(hops: Sequence[Document], ys: Sequence[float]) -> Iterator[str]:
    for inside, stops in groupby(range(len(hops)), key=lambda index: tunnel(hops[index])):
        if inside:
            on = list(stops)
            top, bottom = ys[on[0]] - 15, ys[on[-1]] + 15
            yield f'<rect class="tube" x="{_RAIL - 13}" y="{top:g}" width="26" height="{bottom - top:g}" rx="13"/>'


def _stop(hop: Document, y: float, same: Sequence[Document], words: Words, text: Text) -> Iterator[str]:
    yield f'<circle class="stop" cx="{_RAIL}" cy="{y:g}" r="6.5"/>'
    yield f'<text class="name" x="{_NAME}" y="{y + 4.5:g}">{text(fit(hop["point"], 30))}</text>'
    others = f"  and {number(len(same) - 1)} more" if len(same) > 1 else ""
    inside = f"  in {tunnel(hop)}" if hop["tunnel"] else ""
    shown = fit(words.flow(hop) + inside + others, 60)
    yield f'<text class="mono" x="{_FLOW}" y="{y + 4.5:g}">{text(shown)}</text>'
    if hop["ttl"] is not None:
        yield f'<text class="soft" x="{_TTL}" y="{y + 4.5:g}">TTL {int(hop["ttl"])}</text>'
    total = count(sum(each["packets"] for each in same), "packet")
    yield f'<text class="soft" x="{_RIGHT}" y="{y + 4.5:g}" text-anchor="end">{text(total)}</text>'


def _between(
    pairs: Sequence[Sequence[Document]],
    before: Document,
    hop: Document,
    y: float,
    below: float,
    words: Words,
    text: Text,
) -> Iterator[str]:
    """The track from one stop to the next: what happened, how long it took, what was lost and rewritten."""
    kind = _kind(hop["change"])
    lost = sum(pair[1]["lost"] or 0 for pair in pairs)
    yield _track("lost" if lost else kind, y, below - 7)
    middle = (y + below) / 2 + 4.5
    inside = tunnel(hop) or tunnel(before)
    changes = [f"{each} {inside}" if each in ("encapsulated", "decapsulated") else each for each in hop["change"]]
    yield f'<text class="change {kind}" x="{_NAME}" y="{middle:g}">{text(fit(" · ".join(changes), 34))}</text>'
    says = note([pair[1] for pair in pairs])
    css = "bad" if lost else "soft"
    yield f'<text class="{css}" x="{_FLOW}" y="{middle:g}">{text(says)}</text>'
    rewritten = _rewritten(before, hop, words)
    if rewritten:
        yield f'<text class="mono change nat" x="{_FLOW + 150}" y="{middle:g}">{text(fit(rewritten, 62))}</text>'


def _end(ends: str, y: float, text: Text) -> Iterator[str]:
    kind = "lost" if ends.startswith("lost-after ") else "" if ends == "delivered" else "open"
    below = y + _STOP / 2 + 20
    yield _track("lost" if kind == "lost" else "plain", y, below - 5)
    yield f'<rect class="end {kind}" x="{_RAIL - 5}" y="{below - 5:g}" width="10" height="10" rx="2"/>'
    css = "bad" if kind == "lost" else "soft"
    yield f'<text class="{css}" x="{_NAME}" y="{below + 4.5:g}">{text(ending(ends))}</text>'


def _track(kind: str, y: float, below: float) -> str:
    return f'<line class="track {kind}" x1="{_RAIL}" y1="{y + 7:g}" x2="{_RAIL}" y2="{below:g}"/>'


def _kind(changes: Sequence[str]) -> str:
    if any("nat" in each for each in changes):
        return "nat"
    if any(each in ("encapsulated", "decapsulated") for each in changes):
        return "tunnel"
    return "routed" if "routed" in changes else "plain"


def _rewritten(before: Document, hop: Document, words: Words) -> str:
    said = []
    for address, port in (("src", "sport"), ("dst", "dport")):
        if (before[address], before[port]) != (hop[address], hop[port]):
            ends = (words.endpoint(each[address], each[port], point=each["point"]) for each in (before, hop))
            said.append(ARROW.join(ends))
    if before.get("id") != hop.get("id"):
        said.append(f"id {before.get('id')}{ARROW}{hop.get('id')}")
    return ", ".join(said)


def _host(point: str) -> str:
    host, slash, _ = point.partition("/")
    return host if slash else ""
