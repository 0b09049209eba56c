"""Finds the way through a scene: from one capture point or address to another one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise

from capnet.analysis.core.contract.document import Document
from capnet.quick_tuple import NamedTuple
from capnet.report.network.scene import Edge, Scene, Vertex


class EdgeStep(NamedTuple):
    """An edge, passed from its outer end to its inner one or back."""

    edge: Edge
    is_inward: bool

    @property
    def end(self) -> Vertex:
        """The vertex that it leads to."""
        return self.edge.inner if self.is_inward else self.edge.outer


class Map:
    """Knows where points and addresses are in a scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.vertex_of_point = {point: vertex for vertex in scene.vertices() for point in vertex.points}
        self.edge_of_point = {point: edge for edge in scene.edges for point in edge.points}
        self.vertices_of_address: dict[str, list[Vertex]] = {}
        for vertex in scene.vertices():
            for address in sorted(vertex.addresses):
                self.vertices_of_address.setdefault(address, []).append(vertex)
        self.marked: dict[str, Vertex | Edge] = {}  # point → where it is marked that packets end behind it
        self._steps: dict[int, list[EdgeStep]] | None = None

    def has(self, point: str) -> bool:
        """Is the point in the drawing?"""
        return point in self.vertex_of_point or point in self.edge_of_point

    def between(self, point: str, following: str) -> list[EdgeStep]:
        """The steps from one point to another one; [] if there is no way."""
        edge, following_edge = self.edge_of_point.get(point), self.edge_of_point.get(following)
        if edge and following in self.vertex_of_point:
            near = self.vertex_of_point[following]
            if near is edge.inner:
                return [EdgeStep(edge, True)]
            return self.way(edge.outer, near)
        if following_edge and point in self.vertex_of_point:
            near = self.vertex_of_point[point]
            if near is following_edge.inner:
                return [EdgeStep(following_edge, False)]
            return [*self.way(near, following_edge.outer), EdgeStep(following_edge, True)]
        if edge and following_edge:
            return [*self.way(edge.outer, following_edge.outer), EdgeStep(following_edge, True)]
        if point in self.vertex_of_point and following in self.vertex_of_point:
            return self.way(self.vertex_of_point[point], self.vertex_of_point[following])
        return []

    def towards(self, point: str, vertex: Vertex) -> list[EdgeStep]:
        """The steps from a point to a vertex; [] if there is no way."""
        edge = self.edge_of_point.get(point)
        if edge:
            return [EdgeStep(edge, True)] if vertex is edge.inner else self.way(edge.outer, vertex)
        return self.way(self.vertex_of_point[point], vertex) if point in self.vertex_of_point else []

    def way(self, start: Vertex, end: Vertex) -> list[EdgeStep]:
        """The shortest way, by breadth-first search."""
        if start is end:
            return []
        came: dict[int, tuple[Vertex, EdgeStep] | None] = {id(start): None}
        queue = deque([start])
        while queue:
            vertex = queue.popleft()
            for step in self._leaving(vertex):
                if id(step.end) not in came:
                    came[id(step.end)] = (vertex, step)
                    queue.append(step.end)
        steps: list[EdgeStep] = []
        last = came.get(id(end))
        while last:
            steps.append(last[1])
            last = came[id(last[0])]
        return steps[::-1]

    def _leaving(self, vertex: Vertex) -> list[EdgeStep]:
        if self._steps is None:
            self._steps = {}
            for edge in self.scene.edges:
                self._steps.setdefault(id(edge.outer), []).append(EdgeStep(edge, True))
                self._steps.setdefault(id(edge.inner), []).append(EdgeStep(edge, False))
        return self._steps.get(id(vertex), [])

    def forget(self) -> None:
        """Edges were added."""
        self._steps = None


def destination(places: Map, document: Document, address: str, port: int | None, host: str) -> Vertex | None:
    """The vertex that packets to an address go to; of a published port, the container behind it."""
    for row in document.get("nat", []):
        before, after = row["before"], row["after"]
        if (before["dst"], before["dport"]) == (address, port) and after["dst"] != address:
            return _owner(places, after["dst"], host)
    owner = _owner(places, address, host)
    if owner and owner.kind == "nic":
        behind = (
            vertex for vertex in places.scene.vertices() if vertex.host == owner.host and port in vertex.published
        )
        return next(behind, owner)
    return owner


def _owner(places: Map, address: str, host: str) -> Vertex | None:
    owners = places.vertices_of_address.get(address, [])
    return next((vertex for vertex in owners if vertex.host == host), owners[0] if owners else None)


def consecutive(paths: list[Document]) -> Iterator[tuple[Document, Document, Document]]:
    """(path, hop, following hop) of all paths."""
    for path in paths:
        for before, hop in pairwise(path["hops"]):
            yield path, before, hop
