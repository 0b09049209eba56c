"""Writes a placed scene as SVG: no script, no reference to anything outside, all colours in `network.css`.

Every string is made printable and escaped here. A dot in the corner of a vertex says that packets were captured there.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from capnet.report.escape import visible
from capnet.report.network.layout import (
    LINE,
    PADDING,
    Layout,
    Line,
    Rect,
    above_texts,
    below_texts,
    bus_text,
    inner_marks,
    place,
    texts_of,
)
from capnet.report.network.narrow import place_narrow
from capnet.report.network.scene import DEAD, LIT, LOST, Box, Scene, Vertex

STYLE = Path(__file__).with_name("network.css")
_VERTEX_KINDS = ("nic", "vlan", "bridge", "parent", "overlay", "container", "station", "more")


def draw(scene: Scene, style: str = "") -> str:
    """The drawing. `style`: rules to put into it, for a file of its own; a page has them in its style sheet."""
    return _svg(scene, place(scene), "network", style)


def draw_narrow(scene: Scene) -> str:
    """The drawing for a narrow screen."""
    return _svg(scene, place_narrow(scene), "network narrow", "")


def _svg(scene: Scene, layout: Layout, css: str, style: str) -> str:
    parts = [part for box, rect in layout.boxes for part in _box(box, rect)]
    parts += _tubes(layout)
    parts += [part for line in sorted(layout.lines, key=_rank) for part in _edge(line)]
    for vertex, rect in layout.vertices:
        parts += _bus(vertex, rect) if vertex.kind == "bus" else _vertex(scene, vertex, rect)
    parts += [part for line in layout.lines for part in _edge_texts(line)]
    title = _text(scene.title)
    inside = f"<style>{style}</style>" if style else ""
    size = (
        f'viewBox="0 0 {layout.width:.0f} {layout.height:.0f}" width="{layout.width:.0f}" height="{layout.height:.0f}"'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{css}" role="img" {size}>'
        f"<title>{title}</title>{inside}{''.join(parts)}</svg>"
    )


def _rank(line: Line) -> int:
    return ("", DEAD, LIT).index(line.edge.route)


def _box(box: Box, rect: Rect) -> Iterator[str]:
    css = "host" if box.is_host else "outside"
    yield _rect(css, rect, 9)
    yield _line("title", rect.x + 12, rect.y + 20, f"{box.title}  {box.details}".strip())


def _vertex(scene: Scene, vertex: Vertex, rect: Rect) -> Iterator[str]:
    lit = " lit" * vertex.is_lit
    if vertex.kind == "stack":
        yield _rect(f"stack{lit}", rect, 6)
        yield from _stack_texts(vertex, rect)
        return
    kind = vertex.kind if vertex.kind in _VERTEX_KINDS else "none"
    unseen = " unseen" * (scene.has_traffic and vertex.packets is None and kind != "station")
    yield _rect(f"{kind}{lit}{unseen}", rect, 6)
    y = rect.y + PADDING + 10
    for index, text in enumerate(texts_of(vertex)):
        yield _line("name" if index == 0 else "soft", rect.x + PADDING, y, text)
        y += LINE
    for kind, text, link in inner_marks(vertex):
        yield _linked(_line(kind if kind == "soft" else f"mark {kind}", rect.x + PADDING, y, text), link)
        y += LINE
    if any(mark.kind == LOST for mark in vertex.marks):
        yield _cross(rect.x, rect.y)
    if vertex.packets is not None and vertex.points:
        yield f'<circle class="point" cx="{rect.right - 9:.1f}" cy="{rect.y + 9:.1f}" r="4"/>'


def _stack_texts(vertex: Vertex, rect: Rect) -> Iterator[str]:
    """The word along the bar."""
    if rect.width > rect.height:
        yield _line("soft", rect.x + PADDING, rect.middle + 4, vertex.title)
        return
    x, y = rect.x + rect.width / 2 + 4, rect.middle
    yield (
        f'<text class="soft" x="{x:.1f}" y="{y:.1f}" text-anchor="middle" '
        f'transform="rotate(-90 {x:.1f} {y:.1f})">{_text(vertex.title)}</text>'
    )


def _bus(bus: Vertex, rect: Rect) -> Iterator[str]:
    yield _rect(f"bus{' lit' * bus.is_lit}", rect, 3)
    css = "mark lost" if any(mark.kind == LOST for mark in bus.marks) else "name"
    link = next((mark.link for mark in bus.marks if mark.link), "")
    yield _linked(_line(css, rect.x, rect.y - 6, bus_text(bus)), link)


def _tubes(layout: Layout) -> Iterator[str]:
    """A band behind the edges that a tunnel leads through, and along the wire between them."""
    lines = [line for line in layout.lines if line.edge.has_tunnel]
    yield from (f'<path class="tube" d="{_path(line)}"/>' for line in lines)
    for bus in {id(line.edge.outer): line.x for line in lines if line.edge.outer.kind == "bus"}.items():
        ys = [line.y for line in lines if id(line.edge.outer) == bus[0]]
        yield f'<path class="tube" d="M{bus[1]:.1f} {min(ys):.1f}V{max(ys):.1f}"/>'


def _edge(line: Line) -> Iterator[str]:
    edge = line.edge
    lost = any(mark.kind == LOST for mark in edge.marks)
    css = " ".join(filter(None, ["edge", edge.route, "dashed" if edge.outer.kind == "none" else ""]))
    yield f'<path class="{css}" d="{_path(line)}"/>'
    if edge.outer.kind == "bus":
        yield f'<circle class="joint {edge.route}" cx="{line.x:.1f}" cy="{line.y:.1f}" r="4"/>'
    if edge.route:
        yield _arrow(line)
    if lost:
        yield _cross(*_place_of_cross(line))
    if edge.packets is not None and edge.points:
        x = line.turn + (line.end_x - line.turn) * 0.82
        yield f'<circle class="point" cx="{x:.1f}" cy="{line.end_y:.1f}" r="4"/>'


def _cross(x: float, y: float) -> str:
    """Where packets ended."""
    return (
        f'<circle class="cross" cx="{x:.1f}" cy="{y:.1f}" r="8"/>'
        f'<path class="cross" d="M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0 -7l-7 7"/>'
    )


def _place_of_cross(line: Line) -> tuple[float, float]:
    """On the last stretch; where that is short, beside the texts."""
    if line.text_y is not None:
        return (line.turn if line.y != line.end_y else (line.x + line.end_x) / 2), line.end_y - 14 * (
            line.y != line.end_y
        )
    return (max(line.turn, line.text_x - 8) + line.end_x) / 2, line.end_y


def _arrow(line: Line) -> str:
    """A head in the direction of the main path: on the last stretch, or where that is short on the one before it."""
    if line.end_x - line.turn > 24 or line.y == line.end_y:
        x = line.turn + (line.end_x - line.turn) * (0.72 if line.edge.is_inward else 0.28)
        tip = 7 if line.edge.is_inward else -7
        path = f"M{x + tip:.1f} {line.end_y:.1f}l{-2 * tip} -6v12Z"
    else:
        is_down = line.edge.is_inward == (line.end_y > line.y)
        y, tip = (line.y + line.end_y) / 2, 7 if is_down else -7
        path = f"M{line.turn:.1f} {y + tip:.1f}l-6 {-2 * tip}h12Z"
    return f'<path class="head {line.edge.route}" d="{path}"/>'


def _edge_texts(line: Line) -> Iterator[str]:
    x = line.text_x
    above, below = above_texts(line.edge), below_texts(line.edge)
    shift = 6 if any(mark.kind == LOST for mark in line.edge.marks) else 0
    first = line.end_y - 8 - LINE * (len(above) - 1) if line.text_y is None else line.text_y
    first_below = line.end_y + 16 + shift if line.text_y is None else line.text_y + LINE * len(above)
    for index, text in enumerate(above):
        yield _line("soft", x, first + LINE * index, text)
    for index, (css, text, link) in enumerate(below):
        css = css if css == "soft" else f"mark {css}"
        yield _linked(_line(css, x, first_below + LINE * index, text), link)


def _path(line: Line) -> str:
    if line.y == line.end_y:
        return f"M{line.x:.1f} {line.y:.1f}H{line.end_x:.1f}"
    return f"M{line.x:.1f} {line.y:.1f}H{line.turn:.1f}V{line.end_y:.1f}H{line.end_x:.1f}"


def _rect(css: str, rect: Rect, radius: int) -> str:
    return (
        f'<rect class="{css}" x="{rect.x:.1f}" y="{rect.y:.1f}" width="{rect.width:.1f}" height="{rect.height:.1f}" '
        f'rx="{radius}"/>'
    )


def _line(css: str, x: float, y: float, text: str) -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" xml:space="preserve">{_text(text)}</text>'


def _linked(text: str, link: str) -> str:
    return f'<a href="#{escape(link)}">{text}</a>' if link else text


def _text(text: str) -> str:
    return escape(visible(text))
