"""A topology as one SVG: a box for each host, in it bridges and parents at the left, containers at the right.

It has no script, loads nothing, and has its colours in a style sheet for light and dark screens.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from capnet.report.escape import visible
from capnet.report.inventory.groups import Group, Leaf, host_groups, host_title, label, underlay
from capnet.report.text import columns
from capnet.topology import Host, Topology

GROUP_X, LINK_X, GAP = 24, 24, 14  # pixels: left edge of groups, between box and line, between boxes
LINE_HEIGHT, PADDING, TITLE_HEIGHT = 17, 9, 30
CHARACTER = 7.3  # pixels of a character of the font, at most
MIN_LINK = 150  # pixels between a group and its containers

STYLE = """
svg{background:#fff;font:12px ui-monospace,Menlo,Consolas,monospace;color:#1c2430}
text{fill:#1c2430}.soft{fill:#5b6675}.name{font-weight:600}
.host{fill:#f4f6f9;stroke:#c3cbd6}.bridge{fill:#dcebfb;stroke:#3b7dc4}.parent{fill:#fdeed3;stroke:#b97b12}
.overlay{fill:#e7e0fb;stroke:#6d4fc2}.none{fill:#eceff3;stroke:#8791a0}.container{fill:#e2f4e6;stroke:#2f8a4c}
path{fill:none;stroke:#8791a0}
@media (prefers-color-scheme:dark){svg{background:#14181e}text{fill:#e4e9f0}.soft{fill:#a3aebd}
.host{fill:#1b2129;stroke:#3a4552}.bridge{fill:#16314d}.parent{fill:#45330f}.overlay{fill:#2c2450}
.none{fill:#262c34}.container{fill:#173a24}}
"""


def svg_text(topology: Topology) -> str:
    """The drawing, as wide as its longest names need."""
    group_width = _width(
        line
        for host in topology.hosts
        for group in host_groups(topology, host)
        for line in (group.title, *group.details)
    )
    leaves = [leaf for host in topology.hosts for group in host_groups(topology, host) for leaf in group.leaves]
    link_width = max(MIN_LINK, _width(leaf.link for leaf in leaves) + 2 * GAP)
    leaf_width = _width(line for leaf in leaves for line in _leaf_lines(topology, leaf))
    titles = _width("  ".join([host_title(host), *underlay(host)]) for host in topology.hosts)
    width = max(GROUP_X + group_width + link_width + leaf_width, titles) + 2 * GROUP_X
    parts: list[str] = []
    top = float(GAP)
    for host in topology.hosts:
        drawn, bottom = _host(topology, host, top, width, (group_width, link_width, leaf_width))
        parts += drawn
        top = bottom + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {top:g}" width="{width:g}" '
        f'height="{top:g}"><title>Topology of {_text(", ".join(host.name for host in topology.hosts))}</title>'
        f"<style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _host(
    topology: Topology, host: Host, top: float, width: float, widths: tuple[float, float, float]
) -> tuple[list[str], float]:
    """(its parts, its lower edge)."""
    title = "  ".join([host_title(host), *underlay(host)])
    parts = [_line("name", GROUP_X, top + 20, title)]
    y = top + TITLE_HEIGHT
    for group in host_groups(topology, host):
        drawn, y = _group(topology, group, y, widths)
        parts += drawn
        y += GAP
    box = f'<rect class="host" x="8" y="{top:g}" width="{width - 16:g}" height="{y - top:g}" rx="9"/>'
    return [box, *parts], y


def _group(topology: Topology, group: Group, top: float, widths: tuple[float, float, float]) -> tuple[list[str], float]:
    group_width, link_width, leaf_width = widths
    lines = [group.title, *group.details]
    heights = [_height(len(_leaf_lines(topology, leaf))) for leaf in group.leaves]
    bottom = top + max(_height(len(lines)), sum(heights) + GAP * (len(heights) - 1))
    kind = group.kind if group.kind in ("bridge", "parent", "overlay") else "none"
    parts = list(_box(kind, GROUP_X, top, group_width, lines))
    middle, y = top + _height(len(lines)) / 2, top
    left, right = GROUP_X + group_width, GROUP_X + group_width + link_width
    for leaf, height in zip(group.leaves, heights, strict=True):
        centre = y + height / 2
        turn = left + GAP
        parts.append(f'<path d="M{left:g} {middle:g}H{turn:g}V{centre:g}H{right:g}"/>')
        if leaf.link:
            parts.append(_line("soft", turn + 6, centre - 5, leaf.link))
        parts += _box("container", right, y, leaf_width, _leaf_lines(topology, leaf))
        y += height + GAP
    return parts, bottom


def _leaf_lines(topology: Topology, leaf: Leaf) -> list[str]:
    interface, *details = leaf.details or ("",)
    return [
        label(topology, leaf),
        *filter(None, [f"{interface}  {details[0] if details else ''}".strip(), *details[1:]]),
    ]


def _box(css: str, x: float, y: float, width: float, lines: list[str]) -> Iterator[str]:
    yield f'<rect class="{css}" x="{x:g}" y="{y:g}" width="{width:g}" height="{_height(len(lines)):g}" rx="5"/>'
    for number, line in enumerate(lines):
        yield _line("name" if number == 0 else "soft", x + PADDING, y + PADDING + 11 + number * LINE_HEIGHT, line)


def _line(css: str, x: float, y: float, text: str) -> str:
    return f'<text class="{css}" x="{x:g}" y="{y:g}" xml:space="preserve">{_text(text)}</text>'


def _text(text: str) -> str:
    return escape(visible(text))


def _height(lines: int) -> float:
    return lines * LINE_HEIGHT + 2 * PADDING - 3


def _width(lines: Iterator[str]) -> float:
    return max((columns(visible(line)) for line in lines), default=0) * CHARACTER + 2 * PADDING
