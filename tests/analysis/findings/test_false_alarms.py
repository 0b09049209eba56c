"""False alarms: ordinary traffic about which a report must say nothing of the kind."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import named
from tests.conftest import PROJECT
from tests.stories import Network, Packet, tcp, udp
from tests.story_reports import C1, A, B, changes, points, read

RIGHT = "10.0.1.4"


def test_segments_in_flight_at_first_arrival_are_not_outside(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        whole = tcp(f"{A}:5555 > {B}:80", bytes(12_000), seq=12_000 * number, ident=number + 1)
        net.pass_by(("A/ens33", whole.cut(4000, 4000)), ("B/ens33", whole.cut(*[1000] * 11)))
    hop = read(net, tmp_path)["paths"][0]["hops"][1]
    assert (hop["lost"], hop["lost_bytes"], hop["outside"]) == (0, 0, 0)


@pytest.mark.parametrize("first, second", [(128, 64), (64, 61)])
def test_equal_datagrams_of_two_senders_are_no_translation(tmp_path: Path, first: int, second: int) -> None:
    """One payload, no identification, two senders after each other: no host takes a TTL down by more than two."""
    net = Network(["any"])
    for number, (source, ttl) in enumerate((("208.208.77.43", first), ("199.106.167.61", second))):
        net.at(number * 5e4, "any", udp(f"{source}:9 > 192.168.1.1:9", b"the same", ttl=ttl))
    report = read(net, tmp_path)
    assert report["nat"] == [] and report["paths"] == []


@pytest.mark.parametrize("ttl, router", [(1, False), (2, False), (57, True)])
def test_small_initial_ttl_makes_no_router(tmp_path: Path, ttl: int, router: bool) -> None:
    """Routing protocols, group membership and traceroute send small ones."""
    net = Network(["A/ens33"])
    for number in range(3):
        net.pass_by(("A/ens33", udp("10.0.0.2:646 > 224.0.0.2:646", b"hello %d" % number, ttl=ttl)))
    report = read(net, tmp_path)
    assert [row["verdict"] for row in report["macs"]] == ["router"] * router
    assert report["stations"][0]["ips"] == ["10.0.0.2"]


def test_second_vlan_tag_keeps_the_first(tmp_path: Path) -> None:
    """QinQ (802.1ad): tagged by a customer, tagged again by a provider, translated, and all of it undone."""
    net = Network(["H/eth0", "P/in", "P/out", "Q/out", "K/eth0"])
    for number in range(3):
        packet = udp(f"{A}:5 > {B}:6", b"%d" % number, ident=number + 1)
        plain = packet.frame()

        def tagged(*ids: int, frame: bytes = plain) -> bytes:
            kinds = [0x88A8, 0x8100][-len(ids) :]
            tags = b"".join(struct.pack(">HH", kind, tag) for kind, tag in zip(kinds, ids, strict=True))
            return frame[:12] + tags + frame[12:]

        forms = (plain, tagged(100), tagged(200, 100), tagged(300, 100), plain)
        for hop, (point, form) in enumerate(zip(net.points, forms, strict=True)):
            net.at(net.now + 10 * hop, point, form)
        net.now += 1000
    (path,) = read(net, tmp_path)["paths"]
    swapped = ["vlan-untagged", "vlan-tagged"]
    assert changes(path) == [[], ["vlan-tagged"], ["vlan-tagged"], swapped, ["vlan-untagged"]]


@pytest.mark.parametrize("kind", ["ipip", "gre"])
def test_tunnel_without_number_has_none_in_flows(kind: str) -> None:
    report = analyze(PROJECT / "tests" / "made" / f"{kind}.pcap").to_dict()
    assert min(row["vni"] or 0 for row in report["flows"]["top"]) == 0


def test_gre_carrier_has_no_path_of_its_own(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        inner = udp(f"{C1}:5 > {RIGHT}:6", b"%d" % number, ident=number + 1)
        carrier = Packet("gre", A, B, payload=inner.ip(), ident=number + 9)
        net.pass_by(("A/ens33", carrier), ("B/ens33", carrier))
    report = read(net, tmp_path)
    assert [(path["proto"], points(path)) for path in report["paths"]] == [("udp", ["A/ens33", "B/ens33"])]


@pytest.mark.parametrize("name", ["bridge-hairpin-noproxy", "bridge", "bridge-clash"])
def test_hairpin_address_is_not_the_containers(name: str) -> None:
    """On a bridge NAT rewrites addresses and leaves MACs; who owns which is in the topology, from docker inspect."""
    golden = PROJECT / "pcaps" / f"{name}.pcapng"
    topology = json.loads(golden.with_suffix(".topology.json").read_text())
    report = analyze(golden).to_dict()
    owned = {
        endpoint["mac"]: {address.split("/")[0] for address in endpoint["addresses"] if ":" not in address}
        for container in topology["containers"]
        for endpoint in container["endpoints"]
        if endpoint["mac"]
    }
    assert owned
    stations = {row["mac"]: row for row in report["stations"]}
    for mac, ips in owned.items():
        assert {ip for ip in stations[mac]["ips"] if ":" not in ip} == ips
        assert len(stations[mac]["names"]) == 1
    assert not {mac for row in report["macs"] if row["verdict"] == "router" for mac in row["macs"]} & owned.keys()


def test_fragments_before_their_first_one_are_not_lost(tmp_path: Path) -> None:
    """Without the first fragment the ports of the others are not known; the first of one datagram is lost here."""
    net = Network(["A/docker0", "A/ens33"])
    for number in range(5):
        datagram = udp(f"{C1}:5000 > {B}:7000", bytes([number]) * 3000, ident=number + 1)
        inside, outside = datagram.fragments(1480), datagram.routed(src=A).fragments(1480)
        if number == 1:
            outside.reverse()
        if number == 2:
            del outside[0]
        net.pass_by(("A/docker0", inside), ("A/ens33", outside))
    report = read(net, tmp_path)
    (path,) = report["paths"]
    assert (path["hops"][1]["lost"], path["hops"][1]["lost_bytes"]) == (1, 1480)
    (finding,) = named(report, "packet-loss")
    assert finding["facts"]["lost"] == 1
    assert [(row["kind"], row["before"]["sport"], row["after"]["sport"]) for row in report["nat"]] == [
        ("snat", 5000, 5000)
    ]
