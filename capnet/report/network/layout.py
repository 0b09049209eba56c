"""Places a scene: wires at the left, then NICs, the routing of each host, bridges, and containers at the right.

Input: a scene. Output: rectangles of boxes and vertices, and lines of edges, in pixels. Rows never overlap: a row is as
high as its box or as the texts of its edge need, and columns are as wide as their longest line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field

from capnet.quick_dataclass import mutable
from capnet.quick_tuple import NamedTuple
from capnet.report.escape import visible
from capnet.report.network.scene import Box, Edge, Group, Scene, Vertex
from capnet.report.text import columns, count, fill

CHARACTER = 7.3  # pixels of a character of the font, at most
LINE, PADDING, GAP = 16, 9, 12  # pixels: height of a line, inside boxes, between rows
MARGIN, TITLE = 10, 30  # pixels: around boxes, title of a box
STACK_WIDTH = 26  # of the bar that is a host's routing
BUS_STEP = 20  # pixels between wires
MAX_LINE_COLUMNS = 40  # characters of a line in a box: an IPv6 address has 39
MAX_TEXT_COLUMNS = 30  # characters of a line beside an edge
MIN_EDGE = 70  # pixels between two columns
TURN = 14  # pixels from a box to where its edges turn


class Rect(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The y of its middle."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """The x of its right side."""
        return self.x + self.width


class Line(NamedTuple):
    """An edge: from its outer end, along `turn`, to its inner end."""

    edge: Edge
    x: float
    y: float
    turn: float
    end_x: float
    end_y: float
    text_x: float  # where its texts begin
    text_y: float | None = None  # of the first of them, where they stand one below the other


@mutable
class Layout:
    """All places of a drawing."""

    width: float
    height: float = 0
    boxes: list[tuple[Box, Rect]] = field(default_factory=list)
    vertices: list[tuple[Vertex, Rect]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


class Columns(NamedTuple):
    """Left edges and widths of the columns."""

    bus: float
    nic: float
    nic_width: float
    stack: float
    group: float
    group_width: float
    leaf: float
    leaf_width: float
    right: float


def texts_of(vertex: Vertex) -> list[str]:
    """The lines in the box of a vertex, its title first."""
    lines = dict.fromkeys([vertex.title, *vertex.lines])
    return [piece for line in lines for piece in fill(visible(line), MAX_LINE_COLUMNS)]


def below_texts(edge: Edge) -> list[tuple[str, str, str]]:
    """(style, text, link) of the lines below an edge: packets, then marks."""
    lines = [("soft", count(edge.packets, "packet"), "")] if edge.packets is not None else []
    for mark in edge.marks:
        lines += [(mark.kind, piece, mark.link) for piece in fill(visible(mark.text), MAX_TEXT_COLUMNS)]
    return lines


def above_texts(edge: Edge) -> list[str]:
    """The lines above an edge: what connects."""
    return fill(visible(edge.label), MAX_TEXT_COLUMNS) if edge.label else []


def inner_marks(vertex: Vertex) -> list[tuple[str, str, str]]:
    """(style, text, link) of the lines in the box of a vertex below its texts: packets, then marks."""
    lines = [("soft", count(vertex.packets, "packet"), "")] if vertex.packets is not None else []
    for mark in vertex.marks:
        lines += [(mark.kind, piece, mark.link) for piece in fill(visible(mark.text), MAX_LINE_COLUMNS)]
    return lines


def place(scene: Scene) -> Layout:
    """Places everything of a scene."""
    edges = scene.drawn_edges()
    edges_of: dict[int, list[Edge]] = {}  # vertex → the edges whose texts stand beside it
    for edge in edges:
        if not edge.is_inside:
            edges_of.setdefault(id(edge.outer if edge.inner.kind == "stack" else edge.inner), []).append(edge)
    at = _columns(scene)
    layout = Layout(at.right + 2 * MARGIN)
    top: float = MARGIN + LINE * len(scene.buses) + GAP * bool(scene.buses)
    for box in scene.boxes:
        top = _place_box(layout, box, at, top, edges_of) + GAP
    rects = {id(vertex): rect for vertex, rect in layout.vertices}
    for index, bus in enumerate(scene.buses):
        own = [rects[id(edge.inner)].middle for edge in edges if edge.outer is bus and id(edge.inner) in rects]
        start = MARGIN + LINE * (index + 1) + 4
        rect = Rect(at.bus + BUS_STEP * index, start, 6, max([*own, start + 20]) - start + 6)
        layout.vertices.append((bus, rect))
        rects[id(bus)] = rect
    drawn = [edge for edge in edges if {id(edge.inner), id(edge.outer)} <= set(rects)]
    bus_right = at.bus + BUS_STEP * (len(scene.buses) - 1) + 6
    layout.lines = [_line(edge, rects, bus_right) for edge in drawn]
    layout.height = max(top, MARGIN * 2)
    return layout


def _columns(scene: Scene) -> Columns:
    nics = [nic for box in scene.boxes for nic in box.nics]
    groups = [group.vertex for box in scene.boxes for group in box.groups if group.vertex]
    leaves = [leaf for box in scene.boxes for group in box.groups for leaf in group.leaves]
    stacks = [box.stack for box in scene.boxes if box.stack]
    bus_x = MARGIN + 4
    nic_x: float = bus_x + BUS_STEP * len(scene.buses)
    if scene.buses:
        nic_x += _edge_room(scene, nics)
    nic_x += MARGIN + 6
    nic_width = _width(nics)
    x = nic_x + nic_width
    stack_x = x + max(30, _edge_room(scene, stacks, 0))
    if stacks:
        x = stack_x + STACK_WIDTH
    group_x = x + (_edge_room(scene, groups) if groups else 0)
    group_width = _width(groups)
    x = group_x + group_width
    leaf_x = x + (_edge_room(scene, leaves) if leaves else 0)
    titles = [columns(visible(f"{box.title}  {box.details}")) * CHARACTER + 2 * PADDING for box in scene.boxes]
    buses = [columns(visible(bus_text(bus))) * CHARACTER + bus_x for bus in scene.buses]
    inside = [edge for edge in scene.drawn_edges() if edge.is_inside]
    beside = TURN + _text_width(inside) if inside else 0
    right = max([leaf_x + _width(leaves) + beside, *(nic_x + title for title in titles), *buses]) + MARGIN
    return Columns(bus_x, nic_x, nic_width, stack_x, group_x, group_width, leaf_x, _width(leaves), right)


def bus_text(bus: Vertex) -> str:
    """The line above a wire."""
    packets = count(bus.packets, "packet") if bus.packets is not None else ""
    marks = [mark.text for mark in bus.marks]
    return " · ".join(filter(None, [bus.title, *bus.lines, packets, *marks]))


def _edge_room(scene: Scene, inner: Sequence[Vertex], least: float = MIN_EDGE) -> float:
    """Pixels between the columns of these vertices and of what they are connected to."""
    ids = set(map(id, inner))
    longest = _text_width([edge for edge in scene.drawn_edges() if id(edge.inner) in ids and not edge.is_inside])
    return max(least, longest + 2 * TURN + 16) if longest else least


def _text_width(edges: Sequence[Edge]) -> float:
    """Pixels of the longest text beside these edges."""
    texts = (text for edge in edges for text in (*above_texts(edge), *(text for _, text, _ in below_texts(edge))))
    return max(map(columns, texts), default=0) * CHARACTER


def _width(vertices: Iterable[Vertex]) -> float:
    texts = [columns(text) for vertex in vertices for text in all_texts(vertex)]
    return max(texts) * CHARACTER + 2 * PADDING + 8 if texts else 0


def all_texts(vertex: Vertex) -> list[str]:
    """All lines in the box of a vertex."""
    return [*texts_of(vertex), *(text for _, text, _ in inner_marks(vertex))]


def _height(vertex: Vertex, edges: Sequence[Edge] = ()) -> float:
    """Pixels that a vertex and the texts of edges beside it need."""
    lines = [max(len(above_texts(edge)), len(below_texts(edge))) for edge in edges]
    return max(
        [len(all_texts(vertex)) * LINE + 2 * PADDING - 4, *(2 * LINE * number + 16 for number in lines if number)]
    )


def _place_box(layout: Layout, box: Box, at: Columns, top: float, edges_of: dict[int, list[Edge]]) -> float:
    """Places a box and all that is in it; returns its lower edge."""
    y = top + TITLE
    banded = [nic for nic in box.nics if any(group.nic is nic for group in box.groups)]
    for nic in banded:
        start = y
        for group in box.groups:
            if group.nic is nic:
                y = _place_group(layout, group, at, y, edges_of) + GAP
        y = max(y, start + _height(nic, edges_of.get(id(nic), [])) + GAP)
        _add(layout, nic, at.nic, at.nic_width, start, y - GAP)
    start = y
    for group in box.groups:
        if group.nic is None:
            y = _place_group(layout, group, at, y, edges_of) + GAP
    others = [nic for nic in box.nics if nic not in banded]
    heights = [_height(nic, edges_of.get(id(nic), [])) for nic in others]
    needed = sum(heights) + GAP * len(heights)
    y = max(y, start + needed)
    if box.stack:
        y = max(y, start + 90)
    nic_y = start + (y - start - needed) / 2
    for nic, height in zip(others, heights, strict=True):
        _add(layout, nic, at.nic, at.nic_width, nic_y, nic_y + height)
        nic_y += height + GAP
    if box.stack:
        bar_top = start if not banded else start - GAP
        layout.vertices.append((box.stack, Rect(at.stack, bar_top, STACK_WIDTH, y - GAP - bar_top)))
    left = at.nic - MARGIN - 2
    layout.boxes.append((box, Rect(left, top, at.right - left + MARGIN - 2, y - top)))
    return y


def _place_group(layout: Layout, group: Group, at: Columns, top: float, edges_of: dict[int, list[Edge]]) -> float:
    """Places what connects and its leaves; returns the lower edge."""
    heights = [_height(leaf, edges_of.get(id(leaf), [])) for leaf in group.leaves]
    needed = sum(heights) + GAP * max(len(heights) - 1, 0)
    beside = edges_of.get(id(group.vertex), [])
    height = max(needed, _height(group.vertex, beside)) if group.vertex else needed
    y = top + (height - needed) / 2
    for leaf, leaf_height in zip(group.leaves, heights, strict=True):
        _add(layout, leaf, at.leaf, at.leaf_width, y, y + leaf_height)
        y += leaf_height + GAP
    if group.vertex:
        _add(layout, group.vertex, at.group, at.group_width, top, top + height)
    return top + height


def _add(layout: Layout, vertex: Vertex, x: float, width: float, top: float, bottom: float) -> None:
    """A vertex in the middle of the room for it."""
    height = _height(vertex)
    layout.vertices.append((vertex, Rect(x, (top + bottom - height) / 2, width, height)))


def _line(edge: Edge, rects: dict[int, Rect], bus_right: float) -> Line:
    outer, inner = rects[id(edge.outer)], rects[id(edge.inner)]
    if edge.outer.kind == "bus":
        return Line(edge, outer.x + outer.width / 2, inner.middle, outer.right, inner.x, inner.middle, bus_right + 8)
    x, y, turn, end_x, end_y = outer.right, outer.middle, outer.right + TURN, inner.x, inner.middle
    if edge.outer.kind == "stack":
        y, turn = end_y, x
    elif edge.inner.kind == "stack":
        end_y = min(max(y, inner.y + 8), inner.y + inner.height - 8)
        turn = x if end_y == y else (x + end_x) / 2
    elif inner.x < x:  # in one column
        end_x = inner.right
    return Line(edge, x, y, turn, end_x, end_y, turn + 8)
