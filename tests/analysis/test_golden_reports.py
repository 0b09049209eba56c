"""Reports of the golden captures. Truth: conntrack, docker inspect and tshark."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import Source, analyze
from capnet.report.formats.table import render
from capnet.topology import topology_path
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer as writer
from tests.conftest import PROJECT
from tests.conntrack import reported, translations
from tests.report.golden_documents import document as report
from tests.wire.expected import stored

BRIDGE = PROJECT / "pcaps" / "bridge.pcapng"
OVERLAY = PROJECT / "pcaps" / "overlay.pcapng"


@cache
def alone(path: Path, folder: Path) -> dict[str, Any]:
    """The report of the same bytes under another name, without the topology beside it."""
    copy = folder / "saved.pcapng"
    copy.write_bytes(path.read_bytes())
    return analyze([Source(copy)]).to_dict()


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
    """conntrack's translations whose original tuple was captured: entries of earlier connections are left out."""
    frames = seen_by_tshark(path)
    return {entry for entry in translations(topology_path(path)) if _as_tshark(entry.proto, entry.before) in frames}


def _as_tshark(proto: str, form: tuple[Any, ...]) -> tuple[str, ...]:
    src, sport, dst, dport, ident = form
    return (proto, src, _text(sport, ident), dst, _text(dport))


def _text(port: object, ident: object = None) -> str:
    return "" if port is None and ident is None else str(port if port is not None else ident)


@pytest.mark.parametrize("path", [BRIDGE, OVERLAY], ids=lambda path: path.stem)
def test_nat_of_golden_is_that_of_conntrack(path: Path) -> None:
    expected = captured(path)
    assert len(expected) == 4
    assert reported(report(path)) == expected


GOLDEN = sorted((PROJECT / "pcaps").glob("*.pcapng"))


def both_forms_captured(path: Path) -> set[Any]:
    """conntrack's translations whose packets tshark saw before and after, in either direction."""
    frames = seen_by_tshark(path)

    def passed(proto: str, form: tuple[Any, ...]) -> bool:
        src, sport, dst, dport, ident = form
        reply = (dst, dport if ident is None else ident, src, sport, None)
        return _as_tshark(proto, form) in frames or _as_tshark(proto, reply) in frames

    return {
        entry
        for entry in translations(topology_path(path))
        if passed(entry.proto, entry.before) and passed(entry.proto, entry.after)
    }


def by_the_host(report: dict[str, Any]) -> set[Any]:
    """The translations of a report without Docker's embedded DNS, which the container's own conntrack has."""
    return {entry for entry in reported(report) if entry.before[2:4] != ("127.0.0.11", 53)}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_translation_seen_on_both_sides_is_told(path: Path) -> None:
    """And no other: nothing is told that conntrack does not have."""
    assert both_forms_captured(path) <= by_the_host(report(path)) <= translations(topology_path(path))


@pytest.mark.parametrize("path", [BRIDGE, OVERLAY], ids=lambda path: path.stem)
def test_nat_without_topology_is_the_same(path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    without_topology = alone(path, tmp_path_factory.mktemp("alone"))
    assert reported(without_topology) == captured(path)
    assert min(row["confidence"] for row in without_topology["nat"]) >= 0.8


def test_bridge_golden_has_snat_of_three_protocols() -> None:
    rows = {(row["kind"], row["proto"]): row for row in report(BRIDGE)["nat"]}
    assert set(rows) == {("snat", "tcp"), ("snat", "udp"), ("snat", "icmp"), ("dnat", "tcp")}
    for row in rows.values():
        assert row["ttl_delta"] == -1  # by construction: one router, host A
        assert row["reply_seen"]
    assert (rows["dnat", "tcp"]["before"]["point"], rows["dnat", "tcp"]["after"]["point"]) == ("A/ens33", "A/docker0")
    assert (rows["snat", "udp"]["before"]["point"], rows["snat", "udp"]["after"]["point"]) == ("A/docker0", "A/ens33")


def test_tunnel_is_what_docker_and_tshark_say() -> None:
    topology = json.loads(topology_path(OVERLAY).read_text())
    network = next(network for network in topology["networks"] if network["driver"] == "overlay")
    outer = [row for row in stored(OVERLAY)[1] if row.get("tunnel") == "vxlan"]
    inner = [row for row in stored(OVERLAY)[1] if row.get("via") == "vxlan"]
    tunnels = report(OVERLAY)["tunnels"]
    assert {tunnel["vni"] for tunnel in tunnels} == {network["vni"]} == {int(row["vni"]) for row in outer}
    assert {tunnel["network"] for tunnel in tunnels} == {network["name"]}
    assert {tuple(tunnel["vteps"]) for tunnel in tunnels} == {tuple(sorted({row["src"] for row in outer}))}
    assert sum(tunnel["frames"] for tunnel in tunnels) == len(outer)
    assert sum(tunnel["bytes"] for tunnel in tunnels) == sum(int(row["wirelen"]) for row in outer)
    assert all(set(tunnel["inner_ips"]) == {row["src"] for row in inner if "src" in row} for tunnel in tunnels)
    containers = {
        endpoint["addresses"][0].split("/")[0]: container["name"]
        for container in topology["containers"]
        for endpoint in container["endpoints"]
        if endpoint["network"] == network["name"]
    }
    assert {report(OVERLAY)["names"][ip] for ip in tunnels[0]["inner_ips"]} == set(containers.values())


@pytest.mark.parametrize(("path", "model"), [(BRIDGE, "bridge"), (OVERLAY, "overlay")], ids=["bridge", "overlay"])
def test_model_without_topology_is_likely(path: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    for models in (report(path)["models"], alone(path, tmp_path_factory.mktemp("alone"))["models"]):
        first, *others = models
        assert first["model"] == model and first["confidence"] >= 0.8
        assert all(other["confidence"] < 0.5 for other in others)


def test_published_port_path_ends_at_the_container() -> None:
    path = next(
        path
        for path in report(BRIDGE)["paths"]
        if path["flow"]["dport"] == 8080 and path["flow"]["dst"] == "192.168.111.128"
    )
    points = [hop["point"] for hop in path["hops"]]
    containers = json.loads(topology_path(BRIDGE).read_text())["containers"]
    web = next(container for container in containers if container["name"] == "web")
    veth = web["endpoints"][0]["veth"]
    assert points == ["B/ens33", "A/ens33", "A/docker0", f"A/{veth}", "A/web/eth0"]
    assert "dnat" in path["hops"][2]["change"]
    assert path["ends"] == "delivered"


def test_coverage_counts_every_frame() -> None:
    for path in (BRIDGE, OVERLAY):
        coverage = report(path)["coverage"]
        assert coverage["frames"] == len({row["frame"] for row in stored(path)[1]})
        assert coverage["decoded"] + sum(coverage["undecoded"].values()) == coverage["frames"]


@pytest.mark.parametrize("name", ["ipvlan-l2", "ipvlan-l3", "macvlan"])
def test_path_from_the_wire_passes_the_parent_first(name: str) -> None:
    """True by construction: the child gets what its parent received, with the same time stamp."""
    arriving = [
        [hop.point for hop in path.hops]
        for path in analyze([PROJECT / "pcaps" / f"{name}.pcapng"]).paths
        if path.hops[0].point == "B/ens33" and len(path.hops) > 2
    ]
    assert len(arriving) >= 2
    assert all(points[1] == "A/ens33" for points in arriving)


def test_address_of_both_hosts_is_named_by_its_point() -> None:
    """`docker inspect`: 172.20.0.3 is left's on docker_gwbridge of A, right's on that of B."""
    owners = {
        container["host"]: container["name"]
        for container in json.loads(topology_path(OVERLAY).read_text())["containers"]
        if any(
            address.startswith("172.20.0.3/")
            for endpoint in container["endpoints"]
            for address in endpoint["addresses"]
        )
    }
    overlay = report(OVERLAY)
    assert owners == {"A": "left", "B": "right"}
    assert "172.20.0.3" not in overlay["names"]
    names = {
        point: at_point["172.20.0.3"] for point, at_point in overlay["names_at"].items() if "172.20.0.3" in at_point
    }
    assert names == {
        "A/docker_gwbridge": "left", "A/left/eth1": "left", "B/docker_gwbridge": "right", "B/right/eth1": "right",
    }  # fmt: skip
    text = render(overlay)
    assert "left:43036 → B:7000" in text and "right:37410 → A:7000" in text
    assert "172.20.0.3:" not in text


def test_golden_captures_have_no_loss() -> None:
    """No scenario loses a packet between its points, and no capture program dropped one: their counters are stored."""
    for path in GOLDEN:
        golden = report(path)
        assert all(point["dropped"] in (0, None) for point in golden["points"])
        assert not [hop for hop in hops(golden) if hop["lost"] or hop["outside"]], path.stem
        assert not [finding for finding in golden["findings"] if finding["name"] == "packet-loss"], path.stem


def hops(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The hops of all paths."""
    return [hop for path in report["paths"] for hop in path["hops"]]


@pytest.mark.by_turns
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_without_a_point_has_no_new_facts(path: Path, tmp_path: Path) -> None:
    """Without any one point, no packet is lost and no other translation appears.

    One translation is allowed: if the only point left shows it half done, its one end is conntrack's and the other that
    of the half-rewritten packet.
    """
    entries = translations(topology_path(path))
    after = {(entry.proto, entry.after) for entry in entries}
    halves = {entry._replace(after=(*entry.before[:2], *entry.after[2:])) for entry in entries}  # DNAT done alone
    with open_capture(path) as capture:
        records = [(record.interface, record.time, record.wirelen, bytes(record.data)) for record in capture.records()]
        names = [interface.name for interface in capture.interfaces]
    for left_out, name in enumerate(names):
        data = writer.section() + b"".join(writer.interface(name or "") for name in names)
        data += b"".join(
            writer.packet(interface, time, octets, wire_length=length)
            for interface, time, length, octets in records
            if interface != left_out
        )
        (tmp_path / "less.pcapng").write_bytes(data)
        less = analyze([Source(tmp_path / "less.pcapng")]).to_dict()
        assert not [hop for hop in hops(less) if hop["lost"]], name
        facts = by_the_host(less)
        assert {entry for entry in facts if (entry.proto, entry.after) not in after} <= halves, name
        others = facts - entries
        assert all(row["method"] == "reply-pairing" for row in less["nat"] if reported({"nat": [row]}) <= others)
