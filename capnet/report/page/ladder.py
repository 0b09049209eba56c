"""Conversations as a ladder of HTML: the points from top to bottom, packets there go down, answers come up.

A rail for each direction is at the left; it has the colour of what happened between two points. The text wraps, so a
narrow screen shows whole addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing.routes import carried, note
from capnet.report.fate_words import answers, fails, outcome
from capnet.report.page.conversations import PathPair, Rung, rungs
from capnet.report.page.markup import escape
from capnet.report.text import count, number
from capnet.report.words import ARROW, TUNNEL_CHANGES, Words, tunnel

AND_MORE = Text(en="and {flows} more", zh="另有 {flows} 条")
DOWN, UP = "↓", "↑"


def ladder(group: Sequence[PathPair], words: Words) -> str:
    """The ladder of conversations of one route."""
    first = group[0]
    lanes = [_Lane(group, index, words) for index, path in enumerate(first) if path]
    shown = rungs(first)
    parts = ['<div class="ladder" role="group">']
    for host, indices in groupby(range(len(shown)), key=lambda index: _host(shown[index].point)):
        parts.append(f'<div class="band{" host" * bool(host)}">')
        for index in indices:
            parts += _rung(shown, index, lanes)
        parts.append("</div>")
    parts.append("".join(f"<p>{lane.end()}</p>" for lane in lanes))
    return "".join([*parts, "</div>"])


class _Lane:
    """One direction of a group of conversations."""

    def __init__(self, group: Sequence[PathPair], index: int, words: Words) -> None:
        self.paths: list[Document] = [path for each in group if (path := each[index])]
        self.path = self.paths[0]
        self.is_down = index == 0
        self.mark = DOWN if self.is_down else UP
        self.words = words

    def hop_of(self, rung: Rung) -> int | None:
        """The number of its hop at a point."""
        return rung.forward if self.is_down else rung.backward

    def at(self, hop_index: int) -> str:
        """What passes a point."""
        same = [path["hops"][hop_index] for path in self.paths]
        hop = same[0]
        more = f" {AND_MORE.fill(flows=number(len(same) - 1))}" if len(same) > 1 else ""
        ttl = f'<span class="soft">TTL {int(hop["ttl"])}</span>' if hop["ttl"] is not None else ""
        total = count(sum(each["packets"] for each in same), "packet")
        flow = self.words.flow(hop, hop["point"]) + carried(hop)
        return (
            f'<p class="lane"><span class="way">{self.mark}</span><code>{escape(flow)}</code>{escape(more)} {ttl} '
            f'<span class="soft">{escape(total)}</span></p>'
        )

    def step(self, hop_index: int) -> str:
        """What happened on the way to this hop; empty at the first one."""
        if hop_index == 0:
            return ""
        before, hop = self.path["hops"][hop_index - 1], self.path["hops"][hop_index]
        changes = " · ".join(self.words.changes(before, hop, self.path["reply"]))
        hops = [path["hops"][hop_index] for path in self.paths]
        lost = sum(each["lost"] or 0 for each in hops)
        rewritten = _rewritten(before, hop, self.words)
        return (
            f'<p class="lane"><span class="way {self.kind(hop_index)}">{self.mark}</span>'
            f'<b class="{self.kind(hop_index)}">{escape(changes)}</b> '
            f'<span class="{"bad" if lost else "soft"}">{escape(note(hops))}</span> '
            + (f'<code class="nat">{escape(rewritten)}</code>' if rewritten else "")
            + "</p>"
        )

    def kind(self, hop_index: int) -> str:
        """The kind of what happened on the way to this hop: a class of page.css."""
        changes = self.path["hops"][hop_index]["change"]
        if any(path["hops"][hop_index]["lost"] for path in self.paths):
            return "lost"
        if any("nat" in change for change in changes):
            return "nat"
        if any(change in TUNNEL_CHANGES for change in changes):
            return "tunnel"
        return "routed" if "routed" in changes else "plain"

    def rail_kind(self, hop_index: int) -> str:
        """As `kind`; within a tunnel that of a tunnel."""
        kind = self.kind(hop_index)
        is_inside = all(tunnel(hop) for hop in self.path["hops"][max(hop_index - 1, 0) : hop_index + 1])
        return "tunnel" if kind == "plain" and is_inside else kind

    def end(self) -> str:
        """How the direction ends."""
        lost = fails(self.path)
        mark = "✗" if lost else "◆" if self.path["ends"] == "delivered" else "?"
        texts = [
            f"{mark} {outcome(self.path, self.words)}",
            *(answers(self.path["answers"], self.words) if self.is_down else []),
        ]
        css = "bad" if lost else "soft"
        return f'<span class="way">{self.mark}</span><span class="{css}">{escape(language.clauses(texts))}</span>'


def _rung(shown: Sequence[Rung], index: int, lanes: Sequence[_Lane]) -> Iterator[str]:
    """A point with what passes it, and below it what happens on the way to the next one."""
    rung = shown[index]
    yield f'<div class="rung">{_rails(shown, index, lanes, False)}<div class="at"><b class="point">'
    yield f"{escape(rung.point)}</b>"
    yield from (lane.at(hop) for lane in lanes if (hop := lane.hop_of(rung)) is not None)
    yield "</div></div>"
    if index + 1 < len(shown):
        steps = "".join(_steps(rung, shown[index + 1], lanes))
        yield f'<div class="step">{_rails(shown, index, lanes, True)}<div class="at">{steps}</div></div>'


def _steps(rung: Rung, following: Rung, lanes: Sequence[_Lane]) -> Iterator[str]:
    """Down to the following point, and up from it to this one."""
    for lane in lanes:
        hop = lane.hop_of(following if lane.is_down else rung)
        if hop is not None:
            yield lane.step(hop)


def _rails(shown: Sequence[Rung], index: int, lanes: Sequence[_Lane], is_step: bool) -> str:
    """A line for each direction that passes here, with a dot at a point."""
    parts = []
    for lane in lanes:
        own = [place for place, rung in enumerate(shown) if lane.hop_of(rung) is not None]
        is_last = index == own[-1] if own else True
        if not own or index < own[0] or index > own[-1] or (is_step and is_last):
            parts.append('<i class="none"></i>')
            continue
        after = next((place for place in own if place > index), own[-1])
        at_or_before = next((place for place in reversed(own) if place <= index), own[0])
        hop = lane.hop_of(shown[after if lane.is_down else at_or_before]) or 0
        hop_here = lane.hop_of(shown[index])
        css = [lane.rail_kind(hop) if is_step else "plain"]
        css += ["first"] * (not is_step and index == own[0]) + ["last"] * (not is_step and is_last)
        css += ["stop"] * (not is_step and hop_here is not None)
        path_hop = lane.path["hops"][hop_here if hop_here is not None else hop]
        css += ["tube"] * bool(tunnel(path_hop))
        parts.append(f'<i class="{" ".join(css)}"></i>')
    return f'<span class="rails" aria-hidden="true">{"".join(parts)}</span>'


def _host(point: str) -> str:
    host, slash, _ = point.partition("/")
    return host if slash else ""


def _rewritten(before: Document, hop: Document, words: Words) -> str:
    changes = []
    for address, port in (("src", "sport"), ("dst", "dport")):
        if (before[address], before[port]) != (hop[address], hop[port]):
            ends = (words.endpoint(side[address], side[port], point=side["point"]) for side in (before, hop))
            changes.append(ARROW.join(ends))
    if before.get("id") != hop.get("id"):
        changes.append(f"id {before.get('id')}{ARROW}{hop.get('id')}")
    return ", ".join(changes)
