"""A scene from a capture alone: its points, and what its paths and stations show. Nothing is drawn that was not seen.

Points with a host in their name are in its box, as the interface that their role says. Of any other capture, the point
is the wire, and the stations that speak there are on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.network.scene import Box, Group, Scene, Vertex
from capnet.report.sections.section import stack as stacked
from capnet.report.text import count, number
from capnet.report.words import vlan_text
from capnet.wire.protocols import KIND_OF_NAME

STATIONS_AT = Text(en="Stations seen at {point}", zh="{point} 上的站点")
LEFT_OUT_AT = Text(en="{what} of {total} at {point}", zh="{point} 上 {total} 中的 {what}")
MAX_STATIONS = 16  # that a drawing shows of one point, the busiest ones
MAX_STATION_ADDRESSES = 4
_NIC_ROLES = ("parent", "underlay", "unknown")


def capture_scene(document: Document) -> Scene:
    """The scene of the capture points of a document."""
    scene = Scene(language.term("Network as captured"))
    points = document["points"]
    on_hosts = [point for point in points if point["host"]]
    for host in dict.fromkeys(point["host"] for point in on_hosts):
        _add_host(scene, host, [point for point in on_hosts if point["host"] == host], document)
    others = [point for point in points if not point["host"]]
    for point in others:
        if len(points) == 1:
            _add_wire(scene, point, document)
        else:
            _add_point(scene, point, document)
    return scene


# -- points of a host ---------------------------------------------------------------------------------
def _add_host(scene: Scene, host: str, points: Sequence[Document], document: Document) -> None:
    box = Box(host)
    scene.boxes.append(box)
    owned = _own_addresses(document)
    groups: dict[str, Group] = {}
    leaves: list[Vertex] = []
    for point in points:
        name, device = point["name"], point["device"] or point["name"]
        addresses = owned.get(name, [])
        if point["role"] in _NIC_ROLES:
            named = document.get("names", {})
            is_only = sum(other["role"] in _NIC_ROLES for other in points) == 1
            addresses = [ip for ip in named if named[ip] == host and not ip.startswith("fe80:")] if is_only else []
            box.nics.append(Vertex("nic", device, addresses, [name], set(addresses), host))
        elif point["role"] == "bridge":
            groups[name] = Group(Vertex("bridge", device, [], [name], set(), host))
        elif "balancer:" in name:  # of a swarm's network: a namespace like a container's
            title = language.term("load balancer") + " " + name.partition("balancer:")[2].partition("/")[0]
            leaves.append(Vertex("container", title, [device], [name], set(), host))
        elif point["role"] == "overlay":
            network = name.partition("overlay:")[2].partition("/")[0] or device
            group = groups.setdefault(network, Group(Vertex("overlay", f"overlay {network}", [], [], set(), host)))
            assert group.vertex
            group.vertex.points.append(name)
        else:
            title = point["container"] or device
            lines = [f"{device}  {', '.join(addresses)}".strip()] if point["container"] else addresses
            kind = "veth" if point["role"] == "veth" else "container"
            leaves.append(Vertex(kind, title, lines, [name], set(addresses), host))
    box.groups = list(groups.values())
    scene.connect_inside((leaf.title, leaf) for leaf in leaves if leaf.kind == "container")
    _attach(scene, box, leaves, _Neighbours(document))


def _own_addresses(document: Document) -> dict[str, list[str]]:
    """Point inside a container → addresses that send first, or receive last, there."""
    roles = {point["name"]: point["role"] for point in document["points"]}
    owned: dict[str, dict[str, None]] = {}
    for path in document.get("paths", []):
        for hop, end in ((path["hops"][0], "src"), (path["hops"][-1], "dst")):
            is_end = end == "src" or path["ends"] == "delivered"
            if is_end and roles.get(hop["point"]) == "container" and not hop[end].startswith(("fe80:", "ff")):
                owned.setdefault(hop["point"], {})[hop[end]] = None
    return {point: stacked(list(addresses), MAX_STATION_ADDRESSES) for point, addresses in owned.items()}


class _Neighbours:
    """Points that packets were seen at directly one after the other."""

    def __init__(self, document: Document) -> None:
        self.linked: dict[str, set[str]] = {}  # without routing between
        self.routed: set[tuple[str, str]] = set()
        for path in document.get("paths", []):
            for before, hop in pairwise(path["hops"]):
                pair = before["point"], hop["point"]
                if "routed" in hop["change"]:
                    self.routed |= {pair, pair[::-1]}
                else:
                    self.linked.setdefault(pair[0], set()).add(pair[1])
                    self.linked.setdefault(pair[1], set()).add(pair[0])

    def of(self, point: str) -> set[str]:
        """The points next to it, and those behind them."""
        near = self.linked.get(point, set())
        return near.union(*(self.linked.get(other, set()) for other in near)) - {point}


def _attach(scene: Scene, box: Box, leaves: Sequence[Vertex], near: _Neighbours) -> None:
    """Leaves to the bridge or NIC that their packets were seen at next, by a veth of the host if one was captured."""
    alone = Group(None)
    veths = {leaf.points[0]: leaf for leaf in leaves if leaf.kind == "veth"}
    ends = {point: veth for veth in veths for point in near.linked.get(veth, set()) if point.count("/") > 1}
    for leaf in leaves:
        point = leaf.points[0]
        if point in ends.values():
            continue
        neighbours = near.of(point)
        group = next((each for each in box.groups if each.vertex and neighbours & set(each.vertex.points)), alone)
        nic = next((each for each in box.nics if neighbours & set(each.points)), None) if group is alone else None
        outer = group.vertex or nic
        group.leaves.append(leaf)
        leaf.kind = "container"
        if outer:
            edge = scene.connect(outer, leaf, veths[ends[point]].title if point in ends else "")
            edge.points = [ends[point]] if point in ends else []
    if alone.leaves:
        box.groups.append(alone)
    groups = [group.vertex for group in box.groups if group.vertex]
    pairs = [(nic, vertex) for nic in box.nics for vertex in groups if _is_routed(near, nic, vertex)]
    if pairs:
        box.stack = Vertex("stack", language.term("routing"), host=box.title)
        for nic in box.nics:
            if any(pair[0] is nic for pair in pairs):
                scene.connect(nic, box.stack)
        for vertex in groups:
            if any(pair[1] is vertex for pair in pairs):
                scene.connect(box.stack, vertex)


def _is_routed(near: _Neighbours, nic: Vertex, vertex: Vertex) -> bool:
    """Were packets seen at both, and routed or wrapped between?"""
    pairs = {(point, other) for point in nic.points for other in vertex.points}
    return bool(pairs & near.routed) or any(other in near.linked.get(point, set()) for point, other in pairs)


# -- points of no host --------------------------------------------------------------------------------
def _add_wire(scene: Scene, point: Document, document: Document) -> None:
    """The point as a wire, and the stations that speak on it."""
    bus = Vertex("bus", point["name"], [point["linktype"]], [point["name"]])
    scene.buses.append(bus)
    box = Box(STATIONS_AT.fill(point=point["name"]), is_host=False)
    for station, label in _stations(scene, point, document):
        box.nics.append(station)
        scene.connect(bus, station, label)
    if box.nics:
        scene.boxes.append(box)


def _add_point(scene: Scene, point: Document, document: Document) -> None:
    """One of several points, in a box with the stations that speak there: packets go from box to box."""
    nic = Vertex("nic", point["name"], [point["linktype"]], [point["name"]])
    group = Group(None, nic=nic)
    for station, label in _stations(scene, point, document):
        group.leaves.append(station)
        scene.connect(nic, station, label)
    scene.boxes.append(Box(point["name"], nics=[nic], groups=[group]))


def _stations(scene: Scene, point: Document, document: Document) -> Iterator[tuple[Vertex, str]]:
    """The busiest stations at a point, and whether they speak inside a tunnel."""
    rows = [
        row for row in document.get("stations", []) if row["kind"] != "multicast" and point["name"] in row["points"]
    ]
    rows.sort(key=lambda row: (-row["packets"], row["mac"]))
    inside = {
        mac: f"{language.term('inside')} {KIND_OF_NAME[row['kind']].titled(row['vni'])}"
        for row in document.get("tunnels", [])
        if row["point"] == point["name"]
        for mac in row["inner_macs"]
    }
    if len(rows) > MAX_STATIONS:
        left_out = count(len(rows) - MAX_STATIONS, "station")
        scene.left_out.append(LEFT_OUT_AT.fill(what=left_out, total=number(len(rows)), point=point["name"]))
    for row in rows[:MAX_STATIONS] or _talkers(document, point["name"]):
        yield _station(row), inside.get(row["mac"], "")


def _talkers(document: Document, point: str) -> list[Document]:
    """Of a capture without MACs: the addresses of the biggest flows, as stations."""
    packets: dict[str, int] = {}
    for row in document.get("flows", {}).get("top", []):
        if row["point"] == point and not row["depth"]:
            for end in ("src", "dst"):
                packets[row[end]] = packets.get(row[end], 0) + row["packets"]
    names = document.get("names", {})
    busiest = sorted(packets, key=lambda ip: (-packets[ip], ip))[:MAX_STATIONS]
    return [
        {"mac": ip, "ips": [ip] if ip in names else [], "names": [names[ip]] if ip in names else [], "kind": "unknown",
         "packets": packets[ip]}
        for ip in busiest
    ]  # fmt: skip


def _station(row: Document) -> Vertex:
    """A MAC and the addresses that it speaks for."""
    names = [name for name in row["names"] if name]
    kind = "" if row["kind"] == "unknown" else language.term(row["kind"])
    title = f"{', '.join(stacked(names, 3))}" or kind or row["mac"]
    details = [row["mac"]] if title != row["mac"] else []
    details += [kind] if kind and kind != title else []
    details += [f"VLAN {vlan_text(row)}"] if row.get("vlan") else []
    lines = [" · ".join(details)] if details else []
    lines += stacked([ip for ip in row["ips"] if not ip.startswith("fe80:")] or row["ips"], MAX_STATION_ADDRESSES)
    return Vertex("station", title, lines, [], set(row["ips"]), packets=row["packets"])
