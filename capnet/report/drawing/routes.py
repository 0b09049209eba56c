"""Draws paths on one line: a point, an arrow with what changed, the next point; below the arrow the delay."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.fate_words import ending
from capnet.report.text import columns, count, delay, fill, number
from capnet.report.words import Words, tunnel, vlan_text

_TO = Text(en=" to ", zh=" 到 ")
_LOST = Text(en="{number} lost", zh="丢失 {number} 个")


def compared(document: Document) -> str:
    """How packets were compared, for a heading: `every packet compared`, `1 in 16 packets compared, …`."""
    if not sampled(document):
        return Text(en="every packet compared", zh="比较了每个包").fill()
    return Text(
        en="1 in {one_in} packets compared, the same ones at every point",
        zh="每 {one_in} 个包比较 1 个，各抓包点上是同样的包",
    ).fill(one_in=number(document["correlation"]["one_in"]))


def sampled(document: Document) -> bool:
    """Were there more packets than could all be compared?"""
    return float(document.get("correlation", {}).get("share", 1.0)) < 1.0


def same_route(paths: Sequence[Document]) -> list[list[Document]]:
    """Groups of paths with the same points, changes, direction and end; the group with most packets first."""
    groups: dict[tuple[object, ...], list[Document]] = {}
    for path in paths:
        route = tuple((hop["point"], tuple(hop["change"]), tunnel(hop)) for hop in path["hops"])
        groups.setdefault((route, path["ends"], path["due"], path["reply"]), []).append(path)
    return sorted(groups.values(), key=lambda group: -sum(map(packets, group)))


def packets(path: Document) -> int:
    """Packets of the hop that has most."""
    return max((hop["packets"] for hop in path["hops"]), default=0)


def lines(group: Sequence[Document], words: Words, width: int) -> list[str]:
    """One group of `same_route`: its flows, then the route."""
    total = count(sum(map(packets, group)), "packet")
    head = Text(en="{flows}: {packets}, {end}", zh="{flows}：{packets}，{end}").fill(
        flows=" · ".join(flows(group, words)), packets=total, end=ending(*group)
    )
    return [*fill(head, width, "  "), *route(group, words, width)]


def flows(group: Sequence[Document], words: Words) -> list[str]:
    """The first three flows of a group, and how many more there are."""
    shown = [f"{path['proto']} {words.flow(path['flow'], path['hops'][0]['point'])}" for path in group[:3]]
    if len(group) == len(shown):
        return shown
    return [*shown, Text(en="{number} more", zh="另有 {number} 条").fill(number=number(len(group) - len(shown)))]


def one_line(path: Document, words: Words) -> str:
    """All points of a path with what happened between them: `A/docker0 ── routed · SNAT ──▶ A/ens33`."""
    hops = path["hops"]
    steps = [f"{_arrow(before, hop, path['reply'], words)} {hop['point']}" for before, hop in pairwise(hops)]
    return " ".join([hops[0]["point"], *steps])


def route(group: Sequence[Document], words: Words, width: int) -> list[str]:
    """Points and arrows of one group, below them the delays; several pairs of lines if `width` asks for it."""
    hops = group[0]["hops"]
    drawn: list[str] = []
    above, below = "    " + hops[0]["point"], ""
    for index, (before, hop) in enumerate(pairwise(hops), start=1):
        arrow, point = _arrow(before, hop, group[0]["reply"], words), hop["point"]
        if columns(above) + 1 + columns(arrow) + 1 + columns(point) > width:
            drawn += [above, below]
            above, below = "     ", ""
        text = note([path["hops"][index] for path in group])
        if text:
            start = max(columns(above) + 1, columns(below) + 2 if below else 0)
            below += " " * (start - columns(below)) + text
        above += f" {arrow} {point}"
    lines = [line.rstrip() for line in (*drawn, above, below) if line.strip()]
    return [part for line in lines for part in _wrapped(line, width)]


def _wrapped(line: str, width: int) -> list[str]:
    """A line that is too long, broken at spaces; one that fits as it is, with the gaps in it."""
    return [line] if columns(line) <= width else fill(line.strip(), width, "      ")


def _arrow(before: Document, hop: Document, reply: bool, words: Words) -> str:
    changes = words.changes(before, hop, reply)
    return f"── {' · '.join(changes)} ──▶" if changes else "──▶"


def carried(hop: Document) -> str:
    """` in vxlan 4097`, ` on VLAN 10`: what carries a flow at a hop; empty for plain frames."""
    inside = Text(en=" in {tunnel}", zh="（{tunnel} 内）").fill(tunnel=tunnel(hop)) if hop["tunnel"] else ""
    vlan = Text(en=" on VLAN {vlan}", zh="（VLAN {vlan}）").fill(vlan=vlan_text(hop)) if hop.get("vlan") else ""
    return inside + vlan


def note(hops: Sequence[Document]) -> str:
    """`+31 µs`, `+31 µs to +52 µs` (medians of the flows), `3 lost`."""
    medians = sorted(hop["delta_us"]["median"] for hop in hops if hop["delta_us"])
    shown = list(dict.fromkeys(map(signed, medians[:1] + medians[-1:])))
    lost = sum(hop["lost"] or 0 for hop in hops)
    parts = [_TO.fill().join(shown)] if shown else []
    parts += [_LOST.fill(number=number(lost))] if lost else []
    return language.pick(", ", "，").join(parts)


def signed(microseconds: float) -> str:
    """A delay with its sign: `+31 µs`; `<1 µs`."""
    shown = delay(microseconds)
    return shown if shown[0] in "−<" else "+" + shown
