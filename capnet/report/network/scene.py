"""What a drawing of a network consists of: boxes of hosts, in them vertices, between these edges, and marks on both.

`topology_scene` and `capture_scene` make one, `traffic` marks it, `layout` places it, and `svg` writes it down.
Strings are as they were read: `svg` makes them printable and escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from itertools import combinations

from capnet.quick_dataclass import mutable
from capnet.quick_tuple import NamedTuple

LOST, REWRITTEN, WRAPPED, NOTE = "lost", "rewritten", "wrapped", "note"  # kinds of marks, the gravest first
MAX_INTERFACES = 6  # of a container, each of which is connected with each
LIT, DEAD = "lit", "dead"  # edges of the main path: packets passed; they were due and did not pass


class Mark(NamedTuple):
    """What happened to packets at a vertex or edge."""

    kind: str
    text: str
    link: str = ""  # id of the element of the page that says more


@mutable
class Vertex:
    """An interface, a bridge, the routing of a host, a container, a station."""

    kind: str  # bus, nic, vlan, stack, bridge, overlay, parent, container, station or more
    title: str
    lines: list[str] = field(default_factory=list)  # addresses and other details
    points: list[str] = field(default_factory=list)  # capture points on it
    addresses: set[str] = field(default_factory=set)  # that it owns, without prefix length
    host: str = ""
    published: set[int] = field(default_factory=set)  # ports of its host that lead to it
    packets: int | None = None  # captured at its points; None if it has none
    marks: list[Mark] = field(default_factory=list)
    is_lit: bool = False  # the main path leads here


@mutable
class Edge:
    """A connection; `outer` is nearer to the wire."""

    outer: Vertex
    inner: Vertex
    label: str = ""  # host end of the veth, macvlan …
    points: list[str] = field(default_factory=list)  # capture points on it: the host end of a veth
    packets: int | None = None  # captured at its points
    marks: list[Mark] = field(default_factory=list)
    is_inside: bool = False  # both ends are interfaces of one container; drawn only if the capture shows packets there
    has_tunnel: bool = False  # a tunnel leads through it
    route: str = ""  # LIT, DEAD or empty
    is_inward: bool = True  # direction of the main path


@mutable
class Group:
    """What connects containers: a bridge, a parent interface, the namespace of an overlay network."""

    vertex: Vertex | None  # None: the leaves lie directly on the NIC, or on nothing
    leaves: list[Vertex] = field(default_factory=list)
    nic: Vertex | None = None  # of macvlan and ipvlan: the parent; None: by way of the host's routing, if at all


@mutable
class Box:
    """A host, or what lies outside of all hosts."""

    title: str
    details: str = ""
    nics: list[Vertex] = field(default_factory=list)
    stack: Vertex | None = None  # the host's routing, with NAT and filters
    groups: list[Group] = field(default_factory=list)
    is_host: bool = True

    def vertices(self) -> Iterator[Vertex]:
        """All of the box."""
        yield from self.nics
        if self.stack:
            yield self.stack
        for group in self.groups:
            if group.vertex:
                yield group.vertex
            yield from group.leaves


@mutable
class Scene:
    """All of a drawing."""

    title: str
    buses: list[Vertex] = field(default_factory=list)  # wires that NICs of several boxes are on
    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    has_traffic: bool = False  # counts and marks of a capture are in it
    left_out: list[str] = field(default_factory=list)  # what is not drawn, in words

    def vertices(self) -> Iterator[Vertex]:
        """All of the drawing."""
        yield from self.buses
        for box in self.boxes:
            yield from box.vertices()

    def drawn_edges(self) -> list[Edge]:
        """The edges that a drawing shows."""
        return [edge for edge in self.edges if not edge.is_inside or edge.route or edge.marks]

    def connect_inside(self, leaves: Iterable[tuple[str, Vertex]]) -> None:
        """Edges between the interfaces of each container. `leaves`: (id of the container, its vertex)."""
        of_container: dict[str, list[Vertex]] = {}
        for owner, leaf in leaves:
            of_container.setdefault(owner, []).append(leaf)
        for own in of_container.values():
            for first, second in combinations(own[:MAX_INTERFACES], 2):
                self.connect(first, second).is_inside = True

    def connect(self, outer: Vertex, inner: Vertex, label: str = "") -> Edge:
        """A new edge."""
        edge = Edge(outer, inner, label)
        self.edges.append(edge)
        return edge
