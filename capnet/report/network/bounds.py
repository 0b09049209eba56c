"""Keeps a drawing small: of many containers and hosts those with marks, on the main path, or with most packets."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.report.network.scene import Box, Edge, Scene, Vertex
from capnet.report.text import count, number

MORE = Text(en="… {what}", zh="…… 另有 {what}")
OF_ALL = Text(en="{what} of {total}", zh="{total} 中的 {what}")
MAX_LEAVES = 40  # containers of a drawing: about three screens
MAX_BOXES = 16  # hosts


def bound(scene: Scene, max_leaves: int = MAX_LEAVES, max_boxes: int = MAX_BOXES) -> None:
    """Leave out containers and hosts beyond these numbers, and say in the drawing how many."""
    edge_of = {id(edge.inner): edge for edge in scene.edges}
    leaves = [leaf for box in scene.boxes for group in box.groups for leaf in group.leaves]
    if len(leaves) > max_leaves:
        ranked = sorted(leaves, key=lambda leaf: _importance(leaf, edge_of.get(id(leaf))), reverse=True)
        kept = set(map(id, ranked[:max_leaves]))
        for box in scene.boxes:
            for group in box.groups:
                shown = [leaf for leaf in group.leaves if id(leaf) in kept]
                if left_out := len(group.leaves) - len(shown):
                    more = Vertex("more", MORE.fill(what=count(left_out, "more container")))
                    if group.vertex or group.nic:
                        scene.connect(group.vertex or group.nic or more, more)
                    shown.append(more)
                group.leaves = shown
        scene.left_out.append(OF_ALL.fill(what=count(len(leaves) - max_leaves, "container"), total=number(len(leaves))))
    if len(scene.boxes) > max_boxes:
        boxes = sorted(scene.boxes, key=_box_importance, reverse=True)
        kept_boxes = set(map(id, boxes[:max_boxes]))
        scene.left_out.append(
            OF_ALL.fill(what=count(len(scene.boxes) - max_boxes, "host"), total=number(len(scene.boxes)))
        )
        scene.boxes = [box for box in scene.boxes if id(box) in kept_boxes]


def _box_importance(box: Box) -> tuple[bool, int, int]:
    return max((_importance(vertex, None) for vertex in box.vertices()), default=(False, 0, 0))


def _importance(vertex: Vertex, edge: Edge | None) -> tuple[bool, int, int]:
    marks = len(vertex.marks) + (len(edge.marks) if edge else 0)
    is_lit = vertex.is_lit or bool(edge and edge.route)
    return is_lit, marks, max(vertex.packets or 0, (edge.packets or 0) if edge else 0)
