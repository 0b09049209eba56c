"""Points with names that were drawn, in two captures of one network that was made again.

Recorded: scenario bridge-user-defined, whose network and containers were removed and made again; Docker drew another
name for its bridge. What must not be paired is made of these by construction.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from capnet import language
from capnet.report.comparison.differences import compare
from capnet.report.comparison.same_points import same_points
from capnet.report.comparison.text import first_sentence, render
from capnet.topology import Topology
from tests.conftest import PROJECT
from tests.report.golden_documents import document

FIRST = PROJECT / "pcaps" / "bridge-user-defined.pcapng"
SECOND = Path(__file__).parent / "made_again" / "bridge-user-defined.pcapng"
OLD, NEW = "A/br-3efbc96ee016", "A/br-227f2b692702"


def topology(path: Path) -> Topology:
    return Topology.load(path.with_suffix(".topology.json"))


def copy(path: Path) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(document(path)))
    return copied


def renamed(path: Path, change: dict[str, str]) -> dict[str, Any]:
    """A document with other names."""
    text = json.dumps(document(path))
    for old, new in change.items():
        text = text.replace(old, new)
    changed: dict[str, Any] = json.loads(text)
    return changed


def test_bridge_made_again_is_the_same_by_its_network() -> None:
    comparison = compare(document(FIRST), document(SECOND), (topology(FIRST), topology(SECOND)))
    assert comparison["same_points"] == [{"good": OLD, "bad": NEW, "name": "A/bridge of appnet", "by": "network"}]
    assert first_sentence(comparison) == "No difference in what both captures show."
    text = " ".join(render(comparison).split())
    assert f"A/bridge of appnet: {OLD} in the first, {NEW} in the second; by its network" in text
    with language.used("zh"):
        assert f"第一份中是 {OLD}，第二份中是 {NEW}；依据：同一网络" in render(comparison, 200)


def test_bridge_made_again_is_the_same_by_addresses_there() -> None:
    (pair,) = same_points(document(FIRST), document(SECOND))
    assert (pair.good, pair.bad, pair.name, pair.by) == (OLD, NEW, "A/bridge of bbox and web", "addresses")


def test_bridge_with_another_subnet_is_the_same_as_the_only_one() -> None:
    """Without names: addresses of the second are all others."""
    first, second = copy(FIRST), renamed(SECOND, {"172.18.0.": "172.25.0.", "2001:db8:111:": "2001:db8:222:"})
    for side in (first, second):
        side["names"] = {}
    (pair,) = same_points(first, second)
    assert (pair.good, pair.bad, pair.name, pair.by) == (OLD, NEW, "A/bridge", "role")


def test_bridge_of_another_network_is_another_point() -> None:
    other = topology(SECOND)
    other.networks = [each for each in other.networks if each.name == "appnet"]
    for network in other.networks:
        network.name = "shop"
    comparison = compare(document(FIRST), document(SECOND), (topology(FIRST), other))
    assert comparison["same_points"] == []
    assert comparison["points"] == {"came": [NEW], "went": [OLD]}


def test_bridge_of_other_containers_is_another_point() -> None:
    second = copy(SECOND)
    second["names"] = {address: {"web": "db", "bbox": "cache"}.get(n, n) for address, n in second["names"].items()}
    assert same_points(document(FIRST), second) == []


def test_two_bridges_without_evidence_are_not_paired() -> None:
    """Each of them could be the one of the other capture."""
    first, second = copy(FIRST), renamed(SECOND, {"172.18.0.": "172.25.0.", "2001:db8:111:": "2001:db8:222:"})
    for side in (first, second):
        side["names"] = {}
    bridge = next(point for point in second["points"] if point["name"] == NEW)
    second["points"].append({**bridge, "name": "A/br-ffffffffffff"})
    assert same_points(first, second) == []


def test_veth_is_the_same_by_the_container_of_the_topology() -> None:
    """No interface of a container is captured: paths cannot show what is behind the veth."""
    sides = []
    for path, veth in ((FIRST, "A/veth63cc73d"), (SECOND, "A/veth" + end_of_web(SECOND))):
        side = renamed(path, {"A/web/eth0": veth})
        side["paths"] = []
        for point in side["points"]:
            if point["name"] == veth:
                point.update(role="veth", container=None)
        sides.append(side)
    pairs = same_points(sides[0], sides[1], (topology(FIRST), topology(SECOND)))
    assert ("A/veth of web", "container") in {(pair.name, pair.by) for pair in pairs}


def end_of_web(path: Path) -> str:
    """What the name of the veth of web ends in."""
    (end,) = next(each for each in topology(path).containers if each.name == "web").endpoints
    return (end.veth or "").removeprefix("veth")


def test_same_name_in_both_is_no_other_name() -> None:
    assert compare(document(FIRST), document(FIRST), (topology(FIRST), topology(FIRST)))["same_points"] == []
