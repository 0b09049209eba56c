"""Marks a scene with what a capture shows: packets at each point, losses, rewriting, tunnels, and the main path.

Input: a scene and a document. A loss is marked on the first connection behind the last point that shows the packets.
The main path is that of the worst problem, or the one that the terminal draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.fate_words import failing_fate, is_lost
from capnet.report.grouping import same_fate
from capnet.report.network.route import EdgeStep, Map, consecutive, destination
from capnet.report.network.scene import DEAD, LIT, LOST, NOTE, REWRITTEN, WRAPPED, Box, Edge, Group, Mark, Scene, Vertex
from capnet.report.text import count, listing, number
from capnet.report.words import translation, vlan_text
from capnet.wire.protocols import KIND_OF_NAME

REWRITES = ("snat", "dnat")  # changes of a hop
MAX_VLANS = 6  # in the box of an interface
MAX_TUNNELS = 3  # beside one NIC
MAX_FATES = 12  # groups of flows that fail, of which each has a mark

REFUSED = Text(en="{packets} refused", zh="{packets}被拒绝")
UNANSWERED = Text(en="{packets} not answered", zh="{packets}无应答")
OTHERWISE_ANSWERED = Text(en="{packets} answered from another address", zh="{packets}的应答来自另一个地址")
IN_A_CIRCLE = Text(en="{packets} in a circle", zh="{packets}在循环")
NOT_SEEN_ON = Text(en="{packets} not seen further on", zh="{packets}此后未见到")
ANSWER_STOPS = Text(en="{packets} answered, but the answer stops here", zh="{packets}有应答，但应答止于此处")
PACKETS_LOST = Text(en="{packets} lost", zh="丢失 {packets} 个")

Link = Callable[[Document], str]  # a problem → the id of its element


def add_traffic(
    scene: Scene, document: Document, main: Document | None, problems: Sequence[Document], link: Link
) -> None:
    """Mark the scene. `main`: the path or fate to show; `problems`: findings; `link`: their ids on the page."""
    scene.has_traffic = True
    _add_points(scene, document)
    places = Map(scene)
    paths = document.get("paths", [])
    _connect_seen(scene, places, paths)
    _add_counts(places, document)
    _add_vlans(places, paths)
    _add_rewrites(places, paths)
    _add_tunnels(places, document)
    _add_losses(places, paths)
    _add_fates(places, document)
    _add_kernel(places, document)
    for problem in problems:
        _add_problem(places, problem, link(problem))
    if main:
        _light(places, document, main)


def _add_points(scene: Scene, document: Document) -> None:
    """Capture points that the scene does not have yet, each by itself: what it is connected to is not known."""
    places = Map(scene)
    for point in document["points"]:
        if not places.has(point["name"]):
            host, device = point["host"] or "", point["device"] or point["name"]
            box = next((each for each in scene.boxes if any(vertex.host == host for vertex in each.vertices())), None)
            if box is None or not host:
                box = Box(host or point["name"], is_host=bool(host))
                scene.boxes.append(box)
            title = point["container"] or device
            lines = [device] if point["container"] else []
            box.groups.append(Group(None, [Vertex("nic", title, lines, [point["name"]], set(), host)]))


def _connect_seen(scene: Scene, places: Map, paths: list[Document]) -> None:
    """Edges between points that the same packets passed and that nothing connects yet."""
    for _, before, hop in consecutive(paths):
        points = before["point"], hop["point"]
        if before["point"] == hop["point"] or places.between(*points) or not all(map(places.has, points)):
            continue
        ends = [_vertex(places, point) for point in points]
        if ends[0] is ends[1]:
            continue
        outer, inner = sorted(ends, key=_depth)
        if outer.kind == inner.kind == "nic" and (outer.host != inner.host or not outer.host):
            bus = Vertex("bus", language.term("wire" if hop["change"] == ["wire"] else "not captured between"))
            scene.buses.append(bus)
            for end in (outer, inner):
                scene.connect(bus, end)
        else:
            scene.connect(outer, inner)
        places.forget()


def _depth(vertex: Vertex) -> int:
    """How far from the wire."""
    return ("bus", "nic", "station", "vlan", "stack", "parent", "overlay", "bridge", "container").index(vertex.kind)


def _vertex(places: Map, point: str) -> Vertex:
    edge = places.edge_of_point.get(point)
    return edge.inner if edge else places.vertex_of_point[point]


def _add_counts(places: Map, document: Document) -> None:
    for point in document["points"]:
        edge = places.edge_of_point.get(point["name"])
        place: Edge | Vertex | None = edge or places.vertex_of_point.get(point["name"])
        if place is not None:
            place.packets = max(place.packets or 0, point["packets"])


def _add_vlans(places: Map, paths: list[Document]) -> None:
    """The VLAN tags of packets at each interface."""
    tags: dict[str, dict[str, None]] = {}
    for path in paths:
        for hop in path["hops"]:
            if hop.get("vlan"):
                tags.setdefault(hop["point"], {})[vlan_text(hop)] = None
    for point, texts in tags.items():
        if point in places.vertex_of_point:
            places.vertex_of_point[point].lines.append("VLAN " + listing(sorted(texts), MAX_VLANS))


def _add_rewrites(places: Map, paths: list[Document]) -> None:
    """`SNAT 20 packets` at the routing of the host that rewrote them."""
    packets: dict[tuple[int, str], int] = {}
    edges: dict[int, Edge] = {}
    for path, before, hop in consecutive(paths):
        names = [translation(change, path["reply"]) for change in hop["change"] if change in REWRITES]
        steps = places.between(before["point"], hop["point"]) if names else []
        if steps:
            edge = next((step.edge for step in steps if step.edge.outer.kind == "stack"), steps[0].edge)
            edges[id(edge)] = edge
            for name in names:
                packets[id(edge), name] = packets.get((id(edge), name), 0) + hop["packets"]
    for (edge_id, name), total in packets.items():
        edges[edge_id].marks.append(Mark(REWRITTEN, f"{name} {count(total, 'packet')}"))


def _add_tunnels(places: Map, document: Document) -> None:
    """The way of each tunnel through the drawing, and what it carries beside the NICs of its ends."""
    marked: dict[tuple[int, str], int] = {}
    edges: dict[int, Edge] = {}
    for row in document.get("tunnels", []):
        ends = [vertex for vtep in row["vteps"] for vertex in places.vertices_of_address.get(vtep, [])[:1]]
        if len(ends) != 2:
            continue
        steps = places.way(*ends)
        inner = [_overlay_steps(places, end, row["network"]) for end in ends]
        for step in (step for way in (steps, *inner) for step in way):
            step.edge.has_tunnel = True
        title = KIND_OF_NAME[row["kind"]].titled(row["vni"])
        for step in steps[:1] + steps[-1:]:
            edges[id(step.edge)] = step.edge
            key = id(step.edge), title
            marked[key] = max(marked.get(key, 0), row["frames"])
    for edge_id, edge in edges.items():
        titles = [title for of_edge, title in marked if of_edge == edge_id]
        for title in titles[:MAX_TUNNELS]:
            edge.marks.append(
                Mark(WRAPPED, language.pick(", ", "，").join((title, count(marked[edge_id, title], "frame"))))
            )
        if len(titles) > MAX_TUNNELS:
            edge.marks.append(Mark(WRAPPED, count(len(titles) - MAX_TUNNELS, "more tunnel")))


def _overlay_steps(places: Map, nic: Vertex, network: str | None) -> list[EdgeStep]:
    """From the NIC of a tunnel's end to the overlay network's namespace on that host."""
    overlays = [
        vertex
        for vertex in places.scene.vertices()
        if vertex.kind == "overlay" and vertex.host == nic.host and (not network or vertex.title.endswith(network))
    ]
    return places.way(nic, overlays[0]) if len(overlays) == 1 else []


def _add_losses(places: Map, paths: list[Document]) -> None:
    """`4 lost` behind the last point that shows the packets."""
    lost: dict[tuple[str, str], int] = {}
    for _, before, hop in consecutive(paths):
        if hop["lost"]:
            pair = before["point"], hop["point"]
            lost[pair] = lost.get(pair, 0) + hop["lost"]
    for pair, packets in lost.items():
        _mark_behind(places, pair[0], places.between(*pair), Mark(LOST, PACKETS_LOST.fill(packets=number(packets))))


def _mark_behind(places: Map, point: str, steps: list[EdgeStep], mark: Mark) -> None:
    """A mark on the first of these steps, or on the point itself; later marks of the point are put there too."""
    place: Vertex | Edge | None = steps[0].edge if steps else _place(places, point)
    if place is not None and mark not in place.marks:
        place.marks.append(mark)
        places.marked.setdefault(point, place)


def _place(places: Map, point: str) -> Vertex | Edge | None:
    return places.edge_of_point.get(point) or places.vertex_of_point.get(point)


def _add_fates(places: Map, document: Document) -> None:
    """Where flows end that fail: behind the last point that shows them."""
    packets: dict[tuple[str, Text | None, int], int] = {}  # of one ending at one point, on one way
    ways: dict[tuple[str, Text | None, int], list[EdgeStep]] = {}
    for group in same_fate(document)[:MAX_FATES]:
        row = group[0]
        steps = _due(places, document, row)
        key = row["point"], _ending(row), id(steps[0].edge) if steps else 0
        ways[key] = steps
        packets[key] = packets.get(key, 0) + sum(each["packets"] for each in group)
    for key, steps in ways.items():
        point, ending, _ = key
        if ending:
            _mark_behind(places, point, steps, Mark(LOST, ending.fill(packets=count(packets[key], "packet"))))


def _ending(row: Document) -> Text | None:
    """What becomes of packets, in few words; None where losses are marked by themselves."""
    if row["fate"] == "answered-by":
        kinds = {answer["kind"] for answer in row["answers"]}
        if kinds & {"reset", "icmp-error"}:
            return REFUSED
        return OTHERWISE_ANSWERED if "other-address" in kinds else UNANSWERED
    return {
        "looped": IN_A_CIRCLE, "stops-at": NOT_SEEN_ON, "answer-stops-at": ANSWER_STOPS, "repeated": UNANSWERED,
    }.get(row["fate"])  # fmt: skip


def _add_kernel(places: Map, document: Document) -> None:
    """Rules and counters of kernels that stopped packets."""
    for row in document.get("kernel", []):
        place = places.marked.get(row["point"]) or _place(places, row["point"])
        if place is not None and row["action"] != "rewrote":
            place.marks.append(Mark(LOST, row["name"]))


def _due(places: Map, document: Document, row: Document) -> list[EdgeStep]:
    """From the last point that shows a failing flow to where it was due: the next point, or towards its destination."""
    if row.get("next") and places.has(row["next"]):
        return places.between(row["point"], row["next"])
    place = _place(places, row["point"])
    is_on_wire = isinstance(place, Vertex) and place.kind == "bus"
    if row["fate"] == "looped" or (row["fate"] == "answered-by" and not is_on_wire):
        return []
    host = place.inner.host if isinstance(place, Edge) else place.host if place else ""
    flow = row["flow"]
    end = destination(places, document, flow["dst"], flow["dport"], host)
    steps = places.towards(row["point"], end) if end else []
    return steps if is_on_wire else _up_to_captured(document, steps)


def _up_to_captured(document: Document, steps: list[EdgeStep]) -> list[EdgeStep]:
    """The steps up to the last capture point among them: beyond it, nothing shows that packets are missing."""
    points = {point["name"] for point in document["points"]}
    captured = [number for number, step in enumerate(steps, 1) if points & {*step.end.points, *step.edge.points}]
    return steps[: max(captured, default=0)]


def _add_problem(places: Map, problem: Document, link: str) -> None:
    """The name of a finding where its packets end, or else where its evidence begins, as a link to it."""
    points = [frame["point"] for frame in problem["evidence"]]
    for point in [*(point for point in points if point in places.marked), *points]:
        place = places.marked.get(point) or _place(places, point)
        if place is not None:
            place.marks.append(Mark(LOST if problem["level"] == "error" else NOTE, problem["name"], link))
            return


# -- the main path ------------------------------------------------------------------------------------
def _light(places: Map, document: Document, main: Document) -> None:
    """Edges of a path, or of a flow that was seen at one point only; dashed where packets were due and did not pass."""
    points = [hop["point"] for hop in main["hops"]] if "hops" in main else [main["point"]]
    for point, following in pairwise(points):
        for step in places.between(point, following):
            _pass(step, LIT)
    for vertex in places.scene.vertices():  # ipvlan: packets between children are not at their parent
        if vertex.packets is not None and not set(points) & set(vertex.points):
            vertex.is_lit = False
    place = _place(places, points[-1])
    if isinstance(place, Vertex):
        place.is_lit = True
    if "hops" in main and is_lost(main["ends"]) and main["due"]:
        dead = places.between(main["ends"].partition(" ")[2] or points[-1], main["due"])
    else:
        row = failing_fate(document, main)
        dead = _due(places, document, row) if row else []
    for step in _up_to_captured(document, dead):
        if not step.edge.route:
            _pass(step, DEAD)


def _pass(step: EdgeStep, route: str) -> None:
    step.edge.route = route
    step.edge.is_inward = step.is_inward
    if route == LIT:
        step.edge.inner.is_lit = step.edge.outer.is_lit = True
