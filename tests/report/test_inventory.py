"""Inventories as tables, trees, drawings and rows, on recorded hosts and on hostile names."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import pytest

from capnet import language
from capnet.record.saved.saved_outputs import topology_of_files
from capnet.report.inventory import table
from capnet.report.inventory.answers import answer, unknown
from capnet.report.inventory.document import inventory_csv, inventory_json
from capnet.report.inventory.dot import dot_text
from capnet.report.inventory.rows import InventoryRow, inventory_rows
from capnet.report.inventory.svg import svg_text
from capnet.report.inventory.tree import tree_text
from capnet.report.text import columns
from capnet.topology import Topology
from capnet.topology.lookup import Match, look_up, names
from tests.conftest import PROJECT
from tests.record.saved_hosts import ARCHIVE

PCAPS = PROJECT / "pcaps"
STORED = sorted((PROJECT / "pcaps").glob("*.topology.json"))
EVIL = "\x1b[2J\u202e\n\t<script>&\"'|`\\"
DRAWINGS = {"tree": tree_text, "dot": dot_text, "svg": svg_text}


@cache
def hosts() -> Topology:
    return topology_of_files([ARCHIVE])[0]


def hostile() -> Topology:
    """The recorded hosts with every string of names made hostile."""
    topology = topology_of_files([ARCHIVE])[0]
    spoil(topology)
    return topology


def spoil(value: Any) -> None:
    spared = {"addresses", "mac", "subnets", "address", "gateway", "gateways", "peers", "surveyed", "driver", "outputs"}
    if isinstance(value, list):
        for item in value:
            spoil(item)
    elif is_dataclass(value):
        for field in fields(value):
            item = getattr(value, field.name)
            if isinstance(item, str) and field.name not in spared:
                setattr(value, field.name, item + EVIL)
            elif field.name not in spared:
                spoil(item)


def rows(topology: Topology | None = None) -> list[InventoryRow]:
    return list(inventory_rows(topology or hosts()))


def all_lines(topology: Topology, width: int) -> list[str]:
    listed = rows(topology)
    return [
        *table.container_lines(listed, width, several_hosts=len(topology.hosts) > 1),
        *table.network_lines(topology, listed, width),
        *table.service_lines(topology.services, width),
    ]


def test_rows_have_where_each_interface_is() -> None:
    by_interface = {(row.host, row.container, row.interface): row for row in rows()}
    web = by_interface["A", "web", "eth0"]
    assert (web.network, web.model, web.bridge, web.ports) == (
        "bridge", "bridge", "docker0", ("127.0.0.1:5353->53/udp", "0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp"),
    )  # fmt: skip
    overlay = by_interface["A", "ov1", "eth0"]
    assert (overlay.model, overlay.vni, overlay.host_end, overlay.bridge) == (
        "overlay",
        4097,
        "overlay:vx/veth1",
        "br0",
    )
    macvlan = by_interface["A", "mac1", "eth0"]
    assert (macvlan.model, macvlan.parent, macvlan.host_end) == ("macvlan", "ens33", None)
    assert by_interface["A", "side", None].network == "container:web"
    assert by_interface["A", "hostmode", None].model == "host"
    assert by_interface["A", "multi", "eth0"].service == "db" and by_interface["A", "multi", "eth0"].project == "shop"


def test_rows_of_all_stored_topologies_have_a_model() -> None:
    models = {row.model for file in STORED for row in rows(Topology.load(file)) if row.interface}
    assert {"bridge", "overlay", "overlay encrypted", "macvlan", "ipvlan l2", "ipvlan l3"} <= models
    ipvlan = rows(Topology.load(PROJECT / "pcaps" / "ipvlan-l2.topology.json"))
    assert {(row.model, row.parent) for row in ipvlan} == {("ipvlan l2", "ens33")}


@pytest.mark.parametrize(("scenario", "model", "bridge"), [("cni-bridge", "bridge", "cni0"), ("cni-ptp", "ptp", None)])
def test_model_of_pods_is_told_by_their_veths(scenario: str, model: str, bridge: str | None) -> None:
    """No network of Docker has them: the plugin's answer is what their veths are ports of."""
    pods = rows(Topology.load(PROJECT / "pcaps" / f"{scenario}.topology.json"))
    assert {(row.model, row.bridge, row.network) for row in pods} == {(model, bridge, "")}


def test_ports_stand_once_for_a_container_on_two_networks() -> None:
    topology = topology_of_files([ARCHIVE])[0]
    web, multi = (next(each for each in topology.containers if each.name == name) for name in ("web", "multi"))
    multi.ports = web.ports
    assert [len(row.ports) for row in rows(topology) if row.container == "multi"] == [3, 0]


def test_ports_that_follow_each_other_are_a_range() -> None:
    """`docker run -p 9000-9003:80-83 -p 127.0.0.1:53:53/udp`; Docker lists both address families."""
    ports = [f"{host}:{9000 + n}->{80 + n}/tcp" for n in range(4) for host in ("0.0.0.0", "[::]")]
    row = rows()[0]._replace(ports=(*ports, "0.0.0.0:9004->8000/tcp", "127.0.0.1:53->53/udp"))
    lines = table.port_lines([row], 100, several_hosts=False)
    assert [line.split()[-1] for line in lines[1:]] == [
        "9000-9003->80-83/tcp",
        "9004->8000/tcp",
        "127.0.0.1:53->53/udp",
    ]


@pytest.mark.parametrize("width", [60, 80, 100, 140, 300])
def test_table_fits_its_width_and_cuts_nothing(width: int) -> None:
    lines = all_lines(hosts(), width)
    assert max(map(columns, lines)) <= width
    text = " ".join(lines)
    for row in rows():
        for address in row.addresses:
            if not address.startswith("fe80"):
                assert address.split("/")[0] in text.split()
        assert row.container in text


def test_narrow_table_says_what_it_leaves_out() -> None:
    assert any("not shown: " in line and "--format json" in line for line in all_lines(hosts(), 100))
    assert not any("not shown: " in line for line in all_lines(hosts(), 300))


def test_table_at_100_columns_has_the_host_end() -> None:
    """Whose veth is it is asked most."""
    heading = table.container_lines([row for row in rows() if row.host == "A"], 100, several_hosts=False)[0].split()
    assert heading == ["container", "network", "inside", "address", "MAC", "host", "end"]


def test_csv_has_a_line_for_each_row() -> None:
    parsed = list(csv.DictReader(io.StringIO(inventory_csv(rows()))))
    assert [line["container"] for line in parsed] == [row.container for row in rows()]
    multi = next(line for line in parsed if line["container"] == "multi")
    assert multi["addresses"].split() == ["10.50.0.2/24", "fd00:50::2/64", "fe80::42:aff:fe32:2/64"]


def test_json_has_rows_networks_and_services() -> None:
    document = json.loads(json.dumps(inventory_json(hosts(), rows(), [])))
    assert len(document["containers"]) == len(rows())
    assert {network["name"] for network in document["networks"]} >= {"bridge", "vx", "mv", "ingress"}
    assert [service["name"] for service in document["services"]] == ["rr", "svc"]
    assert "answers" not in document


def test_tree_has_a_branch_for_each_network() -> None:
    text = tree_text(hosts())
    assert "├─ docker0  network bridge  172.17.0.0/16\n" in text
    assert " ── web + side (127.0.0.1:5353->53/udp, 8080->80/tcp)  eth0  172.17.0.2  02:42:ac:11:00:02\n" in text
    assert "├─ overlay vx  VNI 4097  10.0.1.0/24\n" in text
    assert "├─ ens33  macvlan mv  192.168.111.0/24\n" in text
    assert "└─ svc 10.0.1.4 on vx\n" in text


def test_tree_lists_networks_that_no_container_is_on() -> None:
    """B's docker0 is there, with its subnet, though no container is on it."""
    text = tree_text(hosts())
    assert text.count("networks without a container") == 1
    assert "└─ networks without a container\n   └─ bridge  bridge  172.17.0.0/16\n" in text.partition("\nB  ")[2]


def test_tree_names_the_network_of_a_process() -> None:
    """As rootless podman 4.3 has it: slirp4netns, which is no network of `podman network ls`."""
    topology = topology_of_files([ARCHIVE])[0]
    topology.networks = [network for network in topology.networks if network.name != "blue"]
    for container in topology.containers:
        for end in container.endpoints:
            if end.network == "blue":
                end.network, end.network_id, end.bridge, end.veth = "slirp4netns", None, None, None
    lines = tree_text(topology).splitlines()
    assert [line for line in lines if line.endswith("─ slirp4netns")]


def test_tree_aligns_containers_of_a_network() -> None:
    lines = tree_text(Topology.load(PCAPS / "overlay-service.topology.json")).splitlines()
    assert "│  ├─ veth2 ── client     eth0  10.0.1.7  02:42:0a:00:01:07" in lines
    assert "│  └─ veth1 ── web.2      eth1  10.0.1.4  02:42:0a:00:01:04" in lines


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_has_every_container_and_address(name: str) -> None:
    for topology in (hosts(), *map(Topology.load, STORED)):
        text = DRAWINGS[name](topology)
        for row in rows(topology):
            assert row.container in text
            for address in row.addresses:
                assert address.startswith("fe80") or address.split("/")[0] in text


def test_svg_is_xml_without_script_or_link() -> None:
    for topology in (hosts(), hostile(), Topology()):
        root = ET.fromstring(svg_text(topology))
        names = {element.tag.partition("}")[2] for element in root.iter()}
        assert names <= {"svg", "title", "style", "rect", "path", "text", "circle"}
        assert {
            key for element in root.iter() for key in element.attrib if "href" in key or key.startswith("on")
        } == set()


def test_svg_boxes_do_not_overlap() -> None:
    boxes = [
        tuple(float(element.attrib[key]) for key in ("x", "y", "width", "height"))
        for element in ET.fromstring(svg_text(hosts())).iter()
        if element.tag.endswith("rect") and element.attrib["class"] != "host"
    ]
    assert len(boxes) > 20
    for number, (x, y, width, height) in enumerate(boxes):
        for left, top, others_width, others_height in boxes[number + 1 :]:
            assert x + width <= left or left + others_width <= x or y + height <= top or top + others_height <= y


def test_dot_strings_are_quoted() -> None:
    """Outside of strings, DOT has names of nodes, brackets and keywords only."""
    text = dot_text(hostile())
    outside, inside, escaped = "", False, False
    for char in text:
        if inside:
            inside, escaped = char != '"' or escaped, char == "\\" and not escaped
        elif char == '"':
            inside = True
        else:
            outside += char
    assert not inside
    assert set(outside) <= set("abcdefghijklmnopqrstuvwxyzLR_0123456789 \n{}[]=,;-")
    assert "script" not in outside


@pytest.mark.parametrize("name", [*DRAWINGS, "table", "json", "csv", "answers"])
def test_hostile_names_are_spelled_out(name: str) -> None:
    topology = hostile()
    listed = rows(topology)
    if name == "table":
        text = "".join(all_lines(topology, 100))
    elif name == "json":
        text = json.dumps(inventory_json(topology, listed, []), ensure_ascii=False)
    elif name == "csv":
        text = inventory_csv(listed).replace("\r\n", "")
    elif name == "answers":
        from capnet.report.escape import visible

        asked = ("web" + EVIL, "docker0" + EVIL, "172.17.0.2", "shop" + EVIL)
        found = [answer(topology, each, match) for each in asked for match in look_up(topology, each)]
        assert len(found) >= 2
        text = visible("".join([*found, unknown(topology, EVIL)]))  # as the command prints them
    else:
        text = DRAWINGS[name](topology).replace("\n", "")
    assert text.isprintable()
    if name in ("svg",):
        assert "<script" not in text


def meanings(topology: Topology) -> Iterator[tuple[str, Match]]:
    """(name, meaning) of all that a topology names."""
    for name in sorted({*names(topology), *(subnet for network in topology.networks for subnet in network.subnets)}):
        for match in look_up(topology, name):
            yield name, match


@pytest.mark.parametrize("name", ["bridge", "container", "macvlan", "none", "overlay-service"])
def test_answers_in_chinese_have_no_english(name: str) -> None:
    """Each meaning of each name, and the tree; the names themselves are as they were."""
    topology = Topology.load(PCAPS / f"{name}.topology.json")
    asked = list(meanings(topology))
    with language.used("zh"):
        sentences = [*(answer(topology, text, match) for text, match in asked), tree_text(topology)]
    assert len(sentences) > 3
    assert [text for text in sentences if re.search(r"\b(?!ipvlan|overlay)[a-z]{3,} [a-z]{2,} [a-z]{2,}\b", text)] == []
    assert all(text in sentence for (text, _), sentence in zip(asked, sentences, strict=False))


def test_answer_in_chinese_says_host_and_network() -> None:
    topology = Topology.load(PCAPS / "bridge.topology.json")
    with language.used("zh"):
        said = {text: answer(topology, text, match) for text, match in meanings(topology)}
    assert said["web"] == "web 是主机 A 上的容器（镜像 busybox）：eth0 在网络 bridge 上。"
    assert said["vethb97d211"].startswith("vethb97d211 是主机 A 上的容器 web 的 eth0（172.17.0.2、")
    assert said["172.17.0.0/16"].startswith("172.17.0.0/16 是主机 A 上的 bridge 网络 bridge 的子网")
