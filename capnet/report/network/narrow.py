"""Places a scene for a narrow screen: a tree from top to bottom, in which what is further inside is further right.

Input and output are those of `layout`. The texts of a connection stand above its inner end.
"""

from __future__ import annotations

from capnet.report.escape import visible
from capnet.report.network.layout import (
    BUS_STEP,
    CHARACTER,
    GAP,
    LINE,
    MARGIN,
    PADDING,
    TITLE,
    Layout,
    Line,
    Rect,
    above_texts,
    all_texts,
    below_texts,
    bus_text,
)
from capnet.report.network.scene import Box, Edge, Group, Scene, Vertex
from capnet.report.text import columns

INDENT, STACK_INDENT = 26, 16  # pixels between levels
STEM = 12  # pixels from the left side of a vertex to the line that leads down from it
STACK_HEIGHT = 24
TEXT_INDENT = 4  # pixels from the left side of a vertex to the texts above it


def place_narrow(scene: Scene) -> Layout:
    """Places everything of a scene."""
    tree = _Tree(scene)
    for box in scene.boxes:
        tree.add_box(box)
    return tree.finished(scene)


class _Tree:
    """The layout while it grows downwards."""

    def __init__(self, scene: Scene) -> None:
        self.layout = Layout(0)
        self.edges = scene.drawn_edges()
        self.left = MARGIN + 4.0 + BUS_STEP * len(scene.buses)
        self.y: float = MARGIN + LINE * len(scene.buses)
        self.text_y: dict[int, float] = {}  # id of an edge → the y of its first text
        self.text_rights: list[float] = []  # right ends of all texts beside edges

    def add_box(self, box: Box) -> None:
        """A host and what is in it."""
        top = self.y
        self.y += TITLE
        first, first_text = len(self.layout.vertices), len(self.text_rights)
        left = self.left + MARGIN
        banded = [nic for nic in box.nics if any(group.nic is nic for group in box.groups)]
        for nic in banded:
            self.add(nic, left)
            for group in box.groups:
                if group.nic is nic:
                    self.add_group(group, left + INDENT)
        for nic in box.nics:
            if nic not in banded:
                self.add(nic, left)
        routed = left
        if box.stack:
            self.add(box.stack, left + STACK_INDENT)
            routed = left + STACK_INDENT + INDENT
        for group in box.groups:
            if group.nic is None:
                self.add_group(group, routed if group.vertex else routed + INDENT)
        title = columns(visible(f"{box.title}  {box.details}")) * CHARACTER + 2 * MARGIN
        rights = [rect.right for _, rect in self.layout.vertices[first:]]
        right = max([*rights, *self.text_rights[first_text:], self.left + title])
        self.layout.boxes.append((box, Rect(self.left, top, right - self.left + MARGIN, self.y - top)))
        self.y += GAP

    def add_group(self, group: Group, x: float) -> None:
        """What connects, and below it its leaves."""
        if group.vertex:
            self.add(group.vertex, x)
            x += INDENT
        for leaf in group.leaves:
            self.add(leaf, x)

    def add(self, vertex: Vertex, x: float) -> None:
        """A vertex, below the texts of the edges that lead to it."""
        for edge in self.edges:
            if edge.inner is vertex:
                lines = edge_texts(edge)
                self.text_y[id(edge)] = self.y + 11
                self.text_rights += [x + TEXT_INDENT + columns(text) * CHARACTER for text in lines]
                self.y += len(lines) * LINE + 4 * bool(lines)
        texts = all_texts(vertex)
        width = max(map(columns, texts), default=0) * CHARACTER + 2 * PADDING + 8
        height = STACK_HEIGHT if vertex.kind == "stack" else len(texts) * LINE + 2 * PADDING - 4
        self.layout.vertices.append((vertex, Rect(x, self.y, width, height)))
        self.y += height + GAP

    def finished(self, scene: Scene) -> Layout:
        """The layout with its wires and lines."""
        layout, rects = self.layout, {id(vertex): rect for vertex, rect in self.layout.vertices}
        for index, bus in enumerate(scene.buses):
            ends = [
                rects[id(edge.inner)].middle for edge in self.edges if edge.outer is bus and id(edge.inner) in rects
            ]
            start = MARGIN + LINE * (index + 1) + 4.0
            rect = Rect(MARGIN + 4 + BUS_STEP * index, start, 6, max([*ends, start + 20]) - start + 6)
            layout.vertices.append((bus, rect))
            rects[id(bus)] = rect
        drawn = [edge for edge in self.edges if {id(edge.inner), id(edge.outer)} <= set(rects)]
        layout.lines = [self._line(edge, rects[id(edge.outer)], rects[id(edge.inner)]) for edge in drawn]
        rights = [rect.right for _, rect in layout.boxes] + [line.turn for line in layout.lines]
        rights += [MARGIN + columns(visible(bus_text(bus))) * CHARACTER for bus in scene.buses]
        layout.width = MARGIN + max(rights, default=0)
        layout.height = max(self.y, MARGIN * 2)
        return layout

    def _line(self, edge: Edge, outer: Rect, inner: Rect) -> Line:
        text_y = self.text_y.get(id(edge), inner.y)
        if edge.outer.kind == "bus":
            x, text_x = outer.x + 3, inner.x + TEXT_INDENT
            return Line(edge, x, inner.middle, outer.right, inner.x, inner.middle, text_x, text_y)
        if edge.is_inside or inner.x <= outer.x:
            texts = [inner.x + TEXT_INDENT + columns(text) * CHARACTER for text in edge_texts(edge)]
            turn = max([outer.right, inner.right, *texts]) + MARGIN / 2
            text_x = inner.x + TEXT_INDENT
            return Line(edge, outer.right, outer.middle, turn, inner.right, inner.middle, text_x, text_y)
        x = outer.x + STEM
        return Line(edge, x, outer.y + outer.height, x, inner.x, inner.middle, inner.x + TEXT_INDENT, text_y)


def edge_texts(edge: Edge) -> list[str]:
    """All lines beside an edge."""
    return [*above_texts(edge), *(text for _, text, _ in below_texts(edge))]
