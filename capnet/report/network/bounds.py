"""Keeps a drawing small: of many containers and hosts those with marks, on the main path, or with most packets."""

from __future__ import annotations

from capnet.report.network.scene import Box, Edge, Scene, Vertex
from capnet.report.text import count

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
                    more = Vertex("more", f"… {count(left_out, 'more container')}")
                    if group.vertex or group.nic:
                        scene.connect(group.vertex or group.nic or more, more)
                    shown.append(more)
                group.leaves = shown
        scene.left_out.append(f"{count(len(leaves) - max_leaves, 'container')} of {len(leaves)}")
    if len(scene.boxes) > max_boxes:
        boxes = sorted(
            scene.boxes, key=lambda box: max(_importance(each, None) for each in box.vertices()), reverse=True
        )
        kept_boxes = set(map(id, boxes[:max_boxes]))
        scene.left_out.append(f"{count(len(scene.boxes) - max_boxes, 'host')} of {len(scene.boxes)}")
        scene.boxes = [box for box in scene.boxes if id(box) in kept_boxes]


def _box_importance(box: Box) -> tuple[bool, int, int]:
    return max((_importance(vertex, None) for vertex in box.vertices()), default=(False, 0, 0))


def _importance(vertex: Vertex, edge: Edge | None) -> tuple[bool, int, int]:
    marks = len(vertex.marks) + (len(edge.marks) if edge else 0)
    is_lit = vertex.is_lit or bool(edge and edge.route)
    return is_lit, marks, max(vertex.packets or 0, (edge.packets or 0) if edge else 0)
