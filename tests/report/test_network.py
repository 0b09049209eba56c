"""The drawing of a network: from a topology or a capture, marked where packets died, bounded, and safe."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from capnet.report.drawing.main_path import main_row
from capnet.report.network.bounds import bound
from capnet.report.network.capture_scene import capture_scene
from capnet.report.network.scene import DEAD, LIT, LOST, Edge, Scene, Vertex
from capnet.report.network.svg import draw, draw_narrow
from capnet.report.network.topology_scene import topology_scene
from capnet.report.network.traffic import add_traffic
from capnet.topology import Topology, topology_path
from tests.report import golden_documents

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = sorted((ROOT / "pcaps").glob("*.pcapng"))
FAULTS = sorted(path for path in (ROOT / "pcaps" / "faults").glob("*.pcapng") if ".healthy" not in path.name)


def scene_of(path: Path, with_topology: bool = True) -> Scene:
    """The marked scene of a stored capture."""
    document = golden_documents.document(path)
    if with_topology:
        scene = topology_scene(Topology.load(topology_path(path)), {point["name"] for point in document["points"]})
    else:
        scene = capture_scene(document)
    problems = [row for row in document["findings"] if row["level"] != "info" and not row["explained_by"]]
    add_traffic(
        scene,
        document,
        main_row(document, problems),
        problems,
        lambda row: f"finding-{document['findings'].index(row)}",
    )
    bound(scene)
    return scene


def edges(scene: Scene, route: str) -> list[tuple[str, str]]:
    """The ends of the edges of the main path, by their titles."""
    return [(edge.outer.title, edge.inner.title) for edge in scene.edges if edge.route == route]


def lost_at(scene: Scene) -> list[tuple[Edge | Vertex, str]]:
    """Every mark that says that packets were lost, and where it stands."""
    places: list[Any] = [*scene.edges, *scene.vertices()]
    return [(place, mark.text) for place in places for mark in place.marks if mark.kind == LOST]


@pytest.mark.parametrize("with_topology", [True, False])
@pytest.mark.parametrize("path", [*GOLDEN, *FAULTS], ids=lambda path: path.stem)
def test_drawing_is_xml_and_has_every_point(path: Path, with_topology: bool) -> None:
    document = golden_documents.document(path)
    scene = scene_of(path, with_topology)
    root = ElementTree.fromstring(draw(scene))
    names = {element.tag.partition("}")[2] for element in root.iter()}
    assert names <= {"svg", "title", "rect", "path", "text", "circle", "a"}
    points = {point for vertex in scene.vertices() for point in vertex.points}
    points |= {point for edge in scene.edges for point in edge.points}
    assert {point["name"] for point in document["points"]} <= points


@pytest.mark.parametrize("draw_scene", [draw, draw_narrow])
@pytest.mark.parametrize("path", [*GOLDEN, *FAULTS], ids=lambda path: path.stem)
def test_drawing_boxes_do_not_overlap(path: Path, draw_scene: Callable[[Scene], str]) -> None:
    rects = [
        [float(element.attrib[key]) for key in ("x", "y", "width", "height")]
        for element in ElementTree.fromstring(draw_scene(scene_of(path))).iter()
        if element.tag.endswith("rect") and element.attrib["class"].split()[0] not in ("host", "outside")
    ]
    for number, (x, y, width, height) in enumerate(rects):
        for left, top, other_width, other_height in rects[number + 1 :]:
            assert x + width <= left or left + other_width <= x or y + height <= top or top + other_height <= y


@pytest.mark.parametrize("path", [*GOLDEN, *FAULTS], ids=lambda path: path.stem)
def test_narrow_drawing_has_the_texts_of_the_wide(path: Path) -> None:
    """A phone sees the same, on lines of its own."""
    scene = scene_of(path)
    words = [sorted(re.findall(r"<text[^>]*>([^<]*)", text)) for text in (draw(scene), draw_narrow(scene))]
    assert words[0] == words[1]


@pytest.mark.parametrize("path", [*GOLDEN, *FAULTS], ids=lambda path: path.stem)
def test_drawing_names_every_problem(path: Path) -> None:
    """Each finding above info stands in the drawing as a link, where its point is drawn."""
    document = golden_documents.document(path)
    text = draw(scene_of(path))
    for index, row in enumerate(document["findings"]):
        if row["level"] != "info" and not row["explained_by"] and row["evidence"]:
            assert f'href="#finding-{index}"' in text


def test_main_path_of_a_published_port_is_lit() -> None:
    """B → A/ens33 → docker0 → web, as the terminal draws it."""
    scene = scene_of(ROOT / "pcaps" / "bridge.pcapng")
    assert edges(scene, LIT) == [
        ("docker0", "web (8080->80/tcp)"), ("ens33", "routing"), ("routing", "docker0"),
        ("192.168.111.0/24", "ens33"), ("192.168.111.0/24", "ens33"),
    ]  # fmt: skip
    assert edges(scene, DEAD) == []
    assert lost_at(scene) == []


def test_point_that_did_not_see_the_main_path_is_not_lit() -> None:
    """ipvlan: packets between two containers are not at their parent interface, where a capture runs."""
    scene = scene_of(ROOT / "pcaps" / "ipvlan-l2.pcapng")
    assert {vertex.title for vertex in scene.vertices() if vertex.is_lit} == {"one", "two"}
    assert {vertex.title for vertex in scene.vertices() if vertex.packets} >= {"one", "two", "ens33"}


def test_blocked_port_is_marked_behind_the_nic() -> None:
    """SYNs reach A/ens33 and go no further; the way to web, to which the port leads, is dashed."""
    scene = scene_of(ROOT / "pcaps" / "faults" / "docker-user-drop.pcapng")
    assert edges(scene, DEAD) == [
        ("docker0", "web (8080->80/tcp)"), ("ens33", "routing"), ("routing", "docker0"),
    ]  # fmt: skip
    marks = [(place.outer.title, place.inner.title, text) for place, text in lost_at(scene) if isinstance(place, Edge)]
    assert marks == [("ens33", "routing", "8 packets not answered"), ("ens33", "routing", "published-port-blocked")]


def test_way_that_nothing_captured_is_not_dashed() -> None:
    """The same SYNs, captured at the NIC only: whether they reached web, nothing shows."""
    path = ROOT / "pcaps" / "faults" / "docker-user-drop.pcapng"
    document = copy.deepcopy(golden_documents.document(path))
    document["points"] = [point for point in document["points"] if point["name"] == "A/ens33"]
    problems = [row for row in document["findings"] if row["level"] != "info"]
    scene = topology_scene(Topology.load(topology_path(path)), {"A/ens33"})
    add_traffic(scene, document, main_row(document, problems), problems, lambda row: "finding-0")
    assert edges(scene, DEAD) == []
    marks = [(place.title, text) for place, text in lost_at(scene) if isinstance(place, Vertex)]
    assert marks == [("ens33", "8 packets not answered"), ("ens33", "published-port-blocked")]


def test_answer_from_another_address_is_one() -> None:
    scene = scene_of(ROOT / "pcaps" / "faults" / "answer-from-other-address.pcapng")
    assert "3 packets answered from another address" in [text for _, text in lost_at(scene)]


def test_tunnel_leads_from_overlay_to_overlay() -> None:
    scene = scene_of(ROOT / "pcaps" / "overlay.pcapng")
    inside = {(edge.outer.title, edge.inner.title) for edge in scene.edges if edge.has_tunnel}
    assert inside == {("192.168.111.0/24", "ens33"), ("ens33", "routing"), ("routing", "overlay vxlanA")}


def test_routed_containers_are_behind_the_routing_of_their_host() -> None:
    """Their veths are edges, not cards of the host."""
    scene = scene_of(ROOT / "pcaps" / "cni-ptp.pcapng")
    box = next(each for each in scene.boxes if each.title.startswith("A "))
    assert [nic.title for nic in box.nics] == ["ens33"]
    ends = {edge.inner.title: (edge.outer, edge.points[0]) for edge in scene.edges if edge.inner.kind == "container"}
    assert {name.partition(" ")[0] for name in ends} == {"app", "web"}
    assert all(outer is box.stack and point.startswith("A/veth") for outer, point in ends.values())


def test_tunnel_interface_of_a_host_is_behind_its_routing() -> None:
    """flannel: packets are routed from cni0 into flannel.1, and from there as VXLAN to ens33; no container is on it."""
    scene = scene_of(ROOT / "pcaps" / "faults" / "flannel-port-blocked.pcapng")
    ends = {
        (edge.outer.title, edge.inner.title)
        for edge in scene.edges
        if "flannel.1" in (edge.outer.title, edge.inner.title)
    }
    assert ends == {("routing", "flannel.1")}
    assert ("routing", "flannel.1") in edges(scene, LIT) and ("routing", "flannel.1") in edges(scene, DEAD)
    assert ("cni0", "right") not in edges(scene, DEAD), "nothing shows that packets are missing there"


def test_rewriting_is_counted_at_the_routing() -> None:
    scene = scene_of(ROOT / "pcaps" / "bridge.pcapng")
    marks = {(edge.outer.title, mark.text.split()[0]) for edge in scene.edges for mark in edge.marks}
    assert {("routing", "SNAT"), ("routing", "DNAT")} <= marks


def test_capture_alone_draws_nothing_unseen() -> None:
    """Without a topology, docker0 and web are not connected to A/ens33: no packet was seen at two of them."""
    scene = scene_of(ROOT / "pcaps" / "faults" / "docker-user-drop.pcapng", with_topology=False)
    assert scene.edges == []
    assert {vertex.title for vertex in scene.vertices()} == {"ens33", "docker0", "web"}


def test_plain_capture_has_its_stations_on_the_wire() -> None:
    document = golden_documents.document(ROOT / "tests" / "made" / "gtpu.pcap")
    scene = capture_scene(document)
    macs = {row["mac"] for row in document["stations"] if row["kind"] != "multicast"}
    drawn = {text for box in scene.boxes for nic in box.nics for text in (nic.title, *nic.lines)}
    assert macs and all(any(mac in text for text in drawn) for mac in macs)


def test_files_without_hosts_are_boxes_with_their_stations() -> None:
    """Two files of one capture: the packets of both ends in a box each, and what lies between is not drawn."""
    document = golden_documents.document(ROOT / "pcaps" / "overlay.pcapng")
    renamed = json.loads(json.dumps(document).replace('"A/ens33"', '"left"').replace('"B/ens33"', '"right"'))
    renamed["points"] = [
        {**point, "host": None, "container": None} for point in renamed["points"] if point["name"] in ("left", "right")
    ]
    renamed["paths"] = [
        {**path, "hops": hops}
        for path in renamed["paths"]
        if len(hops := [hop for hop in path["hops"] if hop["point"] in ("left", "right")]) == 2
    ]
    scene = capture_scene(renamed)
    add_traffic(scene, renamed, main_row(renamed, []), [], str)
    assert [(box.title, [nic.title for nic in box.nics]) for box in scene.boxes] == [
        ("left", ["left"]),
        ("right", ["right"]),
    ]
    assert [bus.title for bus in scene.buses] == ["wire"]
    assert all({leaf.kind for group in box.groups for leaf in group.leaves} == {"station"} for box in scene.boxes)


@pytest.mark.parametrize("path", [*GOLDEN, *FAULTS], ids=lambda path: path.stem)
def test_drawing_texts_are_apart(path: Path) -> None:
    """No two lines of text stand on each other, and none beside a connection runs into a box."""
    root = ElementTree.fromstring(draw(scene_of(path)))
    texts = [
        (float(each.attrib["x"]), float(each.attrib["y"]), len(each.text or ""))
        for each in root.iter()
        if each.tag.endswith("text") and "transform" not in each.attrib
    ]
    assert len(texts) == len(set(texts))
    for number, (x, y, length) in enumerate(texts):
        for left, top, other in texts[number + 1 :]:
            is_apart = x + length * 7.2 <= left or left + other * 7.2 <= x
            assert is_apart or abs(y - top) >= 11, (x, y, left, top)


def crowd(number: int) -> Topology:
    """A host with so many containers on one bridge."""
    topology = Topology.load(ROOT / "pcaps" / "bridge.topology.json")
    web = next(container for container in topology.containers if container.name == "web")
    more = [
        replace(web, name=f"web{index}", id=f"{index:064x}", endpoints=[replace(web.endpoints[0], veth=f"veth{index}")])
        for index in range(number)
    ]
    topology.containers += more
    return topology


def test_drawing_of_many_containers_is_bounded() -> None:
    """Those with packets stay; how many are left out is said in the drawing and beside it."""
    document = golden_documents.document(ROOT / "pcaps" / "bridge.pcapng")
    scene = topology_scene(crowd(500), {point["name"] for point in document["points"]})
    add_traffic(scene, document, main_row(document, []), [], str)
    bound(scene)
    text = draw(scene)
    assert len(re.findall('<rect class="container', text)) == 40
    assert "… 462 more containers" in text
    assert scene.left_out == ["462 containers of 502"]
    assert "eth0  172.17.0.3" in text  # bbox, whose packets were captured
