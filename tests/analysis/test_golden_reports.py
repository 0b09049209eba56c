"""The reports of the golden captures against what conntrack, docker inspect and tshark say of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import Source, analyze
from capnet.report.document import document
from capnet.report.formats.table import render
from capnet.topology import topology_path
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer as writer
from tests.conftest import PROJECT
from tests.conntrack import reported, translations
from tests.wire.expected import stored

BRIDGE = PROJECT / "pcaps" / "bridge.pcapng"
OVERLAY = PROJECT / "pcaps" / "overlay.pcapng"


@cache
def report(path: Path) -> dict[str, Any]:
    return document(analyze([Source(path)]))


@cache
def alone(path: Path, folder: Path) -> dict[str, Any]:
    """The report of the same bytes under another name, without the topology beside it."""
    copy = folder / "saved.pcapng"
    copy.write_bytes(path.read_bytes())
    return document(analyze([Source(copy)]))


def seen_by_tshark(path: Path) -> set[tuple[str, ...]]:
    """(proto, src, sport, dst, dport) of every packet outside tunnels, by tshark."""
    numbers = {"tcp": "6", "udp": "17", "icmp": "1"}
    names = {number: name for name, number in numbers.items()}
    return {
        (names[row["proto"]], row["src"], row.get("sport", row.get("icmp_id", "")), row["dst"], row.get("dport", ""))
        for row in stored(path)[1]
        if row.get("proto") in names and row["depth"] == "0"
    }


def captured(path: Path) -> set[Any]:
    """conntrack's translations whose first form passed a tap: entries of earlier connections may still linger."""
    frames = seen_by_tshark(path)
    return {
        each
        for each in translations(topology_path(path))
        if (each.proto, each.before[0], _text(each.before[1], each.before[4]), each.before[2], _text(each.before[3]))
        in frames
    }


def _text(port: object, ident: object = None) -> str:
    return "" if port is None and ident is None else str(port if port is not None else ident)


@pytest.mark.parametrize("path", [BRIDGE, OVERLAY], ids=lambda path: path.stem)
def test_nat_is_what_conntrack_says_no_more_and_no_less(path: Path) -> None:
    expected = captured(path)
    assert len(expected) == 4
    assert reported(report(path)) == expected


GOLDEN = sorted((PROJECT / "pcaps").glob("*.pcapng"))


def both_forms_captured(path: Path) -> set[Any]:
    """conntrack's replied translations whose packets tshark saw in both forms, in either direction."""
    frames = seen_by_tshark(path)

    def passed(proto: str, form: tuple[Any, ...]) -> bool:
        src, sport, dst, dport, ident = form
        there = (proto, src, _text(sport, ident), dst, _text(dport))
        back = (proto, dst, _text(dport, ident), src, _text(sport))
        return there in frames or back in frames

    return {
        each
        for each in translations(topology_path(path))
        if passed(each.proto, each.before) and passed(each.proto, each.after)
    }


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_translation_seen_in_both_forms_is_found_and_none_that_conntrack_does_not_have(path: Path) -> None:
    # The embedded DNS of a container is translated inside it: its own connection table, not the host's, would say so.
    found = {each for each in reported(report(path)) if each.before[2:4] != ("127.0.0.11", 53)}
    assert both_forms_captured(path) <= found <= translations(topology_path(path))


@pytest.mark.parametrize("path", [BRIDGE, OVERLAY], ids=lambda path: path.stem)
def test_nat_needs_no_topology(path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = alone(path, tmp_path_factory.mktemp("alone"))
    assert reported(found) == captured(path)
    assert min(row["confidence"] for row in found["nat"]) >= 0.8


def test_all_three_protocols_are_masqueraded_and_one_connection_comes_in() -> None:
    rows = {(row["kind"], row["proto"]): row for row in report(BRIDGE)["nat"]}
    assert set(rows) == {("snat", "tcp"), ("snat", "udp"), ("snat", "icmp"), ("dnat", "tcp")}
    for row in rows.values():
        assert row["ttl_delta"] == -1  # by construction: one router, host A
        assert row["reply_seen"]
    assert (rows["dnat", "tcp"]["before"]["point"], rows["dnat", "tcp"]["after"]["point"]) == ("A/ens33", "A/docker0")
    assert (rows["snat", "udp"]["before"]["point"], rows["snat", "udp"]["after"]["point"]) == ("A/docker0", "A/ens33")


def test_the_tunnel_is_what_docker_and_tshark_say() -> None:
    topology = json.loads(topology_path(OVERLAY).read_text())
    network = next(each for each in topology["networks"] if each["driver"] == "overlay")
    outer = [row for row in stored(OVERLAY)[1] if row.get("tunnel") == "vxlan"]
    inner = [row for row in stored(OVERLAY)[1] if row.get("via") == "vxlan"]
    tunnels = report(OVERLAY)["tunnels"]
    assert {each["vni"] for each in tunnels} == {network["vni"]} == {int(row["vni"]) for row in outer}
    assert {each["network"] for each in tunnels} == {network["name"]}
    assert {tuple(each["vteps"]) for each in tunnels} == {tuple(sorted({row["src"] for row in outer}))}
    assert sum(each["frames"] for each in tunnels) == len(outer)
    assert sum(each["bytes"] for each in tunnels) == sum(int(row["wirelen"]) for row in outer)
    assert all(set(each["inner_ips"]) == {row["src"] for row in inner if "src" in row} for each in tunnels)
    containers = {
        endpoint["addresses"][0].split("/")[0]: container["name"]
        for container in topology["containers"]
        for endpoint in container["endpoints"]
        if endpoint["network"] == network["name"]
    }
    assert {report(OVERLAY)["names"][ip] for ip in tunnels[0]["inner_ips"]} == set(containers.values())


@pytest.mark.parametrize(("path", "model"), [(BRIDGE, "bridge"), (OVERLAY, "overlay")], ids=["bridge", "overlay"])
def test_the_model_is_named_from_packets_alone(
    path: Path, model: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for found in (report(path), alone(path, tmp_path_factory.mktemp("alone"))):
        first, *others = found["models"]
        assert first["model"] == model and first["confidence"] >= 0.8
        assert all(each["confidence"] < 0.5 for each in others)


def test_a_packet_from_outside_is_followed_from_wire_to_container() -> None:
    path = next(
        each
        for each in report(BRIDGE)["paths"]
        if each["flow"]["dport"] == 8080 and each["flow"]["dst"] == "192.168.111.128"
    )
    points = [hop["point"] for hop in path["hops"]]
    web = next(each for each in json.loads(topology_path(BRIDGE).read_text())["containers"] if each["name"] == "web")
    veth = web["endpoints"][0]["veth"]
    assert points == ["B/ens33", "A/ens33", "A/docker0", f"A/{veth}", "A/web/eth0"]
    assert "dnat" in path["hops"][2]["change"]
    assert path["ends"] == "delivered"


def test_nothing_is_dropped_silently() -> None:
    for path in (BRIDGE, OVERLAY):
        coverage = report(path)["coverage"]
        assert coverage["frames"] == len({row["frame"] for row in stored(path)[1]})
        assert coverage["decoded"] + sum(coverage["undecoded"].values()) == coverage["frames"]


@pytest.mark.parametrize("name", ["ipvlan-l2", "ipvlan-l3", "macvlan"])
def test_what_comes_from_the_wire_passes_the_card_before_its_child(name: str) -> None:
    """True by construction: the child hears what its card received, with the same time stamp."""
    arriving = [
        [hop.point for hop in path.hops]
        for path in analyze([PROJECT / "pcaps" / f"{name}.pcapng"]).paths
        if path.hops[0].point == "B/ens33" and len(path.hops) > 2
    ]
    assert len(arriving) >= 2
    assert all(way[1] == "A/ens33" for way in arriving)


def test_an_address_that_both_hosts_have_is_named_by_the_host_of_the_point() -> None:
    """`docker inspect`: 172.20.0.3 is left's on docker_gwbridge of A, right's on that of B."""
    owners = {
        container["host"]: container["name"]
        for container in json.loads(topology_path(OVERLAY).read_text())["containers"]
        if any(address.startswith("172.20.0.3/") for each in container["endpoints"] for address in each["addresses"])
    }
    found = report(OVERLAY)
    assert owners == {"A": "left", "B": "right"}
    assert "172.20.0.3" not in found["names"]
    named = {point: names["172.20.0.3"] for point, names in found["names_at"].items() if "172.20.0.3" in names}
    assert named == {
        "A/docker_gwbridge": "left", "A/left/eth1": "left", "B/docker_gwbridge": "right", "B/right/eth1": "right",
    }  # fmt: skip
    said = render(found)
    assert "left:43036 → B:7000" in said and "right:37410 → A:7000" in said
    assert "172.20.0.3:" not in said


def test_nothing_was_lost_in_any_golden() -> None:
    """No scenario loses a packet between its points, and no capture program dropped one: their counters are stored."""
    for path in GOLDEN:
        found = report(path)
        assert all(point["dropped"] in (0, None) for point in found["points"])
        assert not [hop for each in found["paths"] for hop in each["hops"] if hop["lost"] or hop["outside"]], path.stem
        assert not [each for each in found["findings"] if each["name"] == "packet-loss"], path.stem


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_with_any_one_point_less_nothing_is_lost_and_no_other_translation_appears(path: Path, tmp_path: Path) -> None:
    """Less was heard, but what the kernel did is the same.

    The one allowance is a translation that is half done at the only point left that shows it: one end of it is then
    conntrack's, the other as the half-way form has it.
    """
    known = translations(topology_path(path))
    halves = {(each.proto, each.after) for each in known}
    with open_capture(path) as capture:
        frames = [(each.interface, each.time, each.wirelen, bytes(each.data)) for each in capture.records()]
        names = [each.name for each in capture.interfaces]
    for without in range(len(names)):
        data = writer.section() + b"".join(writer.interface(name or "") for name in names)
        data += b"".join(
            writer.packet(interface, time, octets, wire_length=length)
            for interface, time, length, octets in frames
            if interface != without
        )
        (tmp_path / "less.pcapng").write_bytes(data)
        found = document(analyze([Source(tmp_path / "less.pcapng")]))
        claimed = {each for each in reported(found) if each.before[2:4] != ("127.0.0.11", 53)}
        assert not [hop for each in found["paths"] for hop in each["hops"] if hop["lost"]], names[without]
        assert {(each.proto, each.after) for each in claimed} <= halves, names[without]
        beyond = claimed - known
        assert all(row["method"] == "reply-pairing" for row in found["nat"] if reported({"nat": [row]}) <= beyond)
