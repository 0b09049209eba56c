"""What was once said of ordinary traffic and was not true: each story has nothing of the kind in it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import analyze
from capnet.report.document import document
from tests.stories import ACK, RST, SYN, Network, Packet, tcp, udp
from tests.story_reports import C1, A, B, changes, points, read

L, R = "10.0.1.2", "10.0.1.4"


def named(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [each for each in report["findings"] if each["name"] == name]


def segments(net: Network, first: int, order: list[int], gap: float = 100.0) -> None:
    for number in order:
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=first + 1000 * number, ident=round(net.now / 100) % 60_000)
        net.pass_by(("A/ens33", segment), ("B/ens33", segment), gap=gap)


# -- TCP ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("again", [500_000_000, 1_200_000])
def test_ports_that_are_used_again_are_neither_a_gap_nor_sent_again(tmp_path: Path, again: int) -> None:
    """The second connection's numbers are below those of the first, or a little above."""
    net = Network(["A/ens33", "B/ens33"])
    for first in (1_000_000_000, 1_000_000_000 + again if again < 2_000_000 else again):
        syn = tcp(f"{A}:5555 > {B}:80", seq=first - 1, flags=SYN, ident=7)
        net.pass_by(("A/ens33", syn), ("B/ens33", syn))
        segments(net, first, list(range(5)))
        net.now += 1e6
    report = read(net, tmp_path)
    assert not named(report, "retransmissions") and not named(report, "sequence-gap")
    assert {row["retransmissions"] for row in report["flows"]["top"]} == {0}


def test_segments_that_overtake_each_other_were_not_sent_again(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    segments(net, 0, [0, 2, 1, 3, 5, 6, 4, 7])
    assert not named(read(net, tmp_path), "retransmissions")
    net.now += 2e5
    segments(net, 0, [3, 8])  # this one was
    (finding,) = named(read(net, tmp_path), "retransmissions")
    assert finding["facts"]["segments"] == {"A/ens33": 1, "B/ens33": 1}


def test_a_scan_is_one_refusal_not_hundreds(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for port in range(1, 200):
        syn = tcp(f"{A}:40000 > {B}:{port}", seq=12_345, flags=SYN)
        net.pass_by(("A/ens33", syn), gap=10)
        net.pass_by(("A/ens33", tcp(f"{B}:{port} > {A}:40000", ack=12_346, flags=RST | ACK)), gap=10)
    (finding,) = named(read(net, tmp_path), "connection-refused")
    assert finding["facts"]["ports_in_all"] == 199 and finding["facts"]["ports"][:3] == [1, 2, 3]
    assert "199 ports, 1 to 199" in finding["says"] and len(finding["evidence"]) == 10


def test_pieces_that_were_sent_just_before_the_first_arrived_are_not_outside(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        whole = tcp(f"{A}:5555 > {B}:80", bytes(12_000), seq=12_000 * number, ident=number + 1)
        net.pass_by(("A/ens33", whole.cut(4000, 4000)), ("B/ens33", whole.cut(*[1000] * 11)))
    hop = read(net, tmp_path)["paths"][0]["hops"][1]
    assert (hop["lost"], hop["lost_bytes"], hop["outside"]) == (0, 0, 0)


# -- addresses --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("first, second", [(128, 64), (64, 61)])
def test_equal_datagrams_of_strangers_at_one_point_are_no_translation(tmp_path: Path, first: int, second: int) -> None:
    """One payload, no identification, two senders after each other: no host takes a TTL down by more than two."""
    net = Network(["any"])
    for number, (source, ttl) in enumerate((("208.208.77.43", first), ("199.106.167.61", second))):
        net.at(number * 5e4, "any", udp(f"{source}:9 > 192.168.1.1:9", b"the same", ttl=ttl))
    report = read(net, tmp_path)
    assert report["nat"] == [] and report["paths"] == []


@pytest.mark.parametrize("ttl, router", [(1, False), (2, False), (57, True)])
def test_a_small_ttl_was_sent_so_and_makes_no_router(tmp_path: Path, ttl: int, router: bool) -> None:
    """Routing protocols, group membership and traceroute send small ones."""
    net = Network(["A/ens33"])
    for number in range(3):
        net.pass_by(("A/ens33", udp("10.0.0.2:646 > 224.0.0.2:646", b"hello %d" % number, ttl=ttl)))
    report = read(net, tmp_path)
    assert [row["verdict"] for row in report["macs"]] == ["router"] * router
    assert report["stations"][0]["ips"] == ["10.0.0.2"]


def test_a_second_tag_is_put_around_the_first_which_stays(tmp_path: Path) -> None:
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


# -- tunnels ------------------------------------------------------------------------------------------------------
def test_a_mirror_carries_both_directions_one_way(tmp_path: Path) -> None:
    """A cloud copies a conversation into VXLAN for an analyzer, which never answers."""
    net = Network(["B/ens33"])
    for number in range(4):
        for ends in (f"{L}:4000 > {R}:80", f"{R}:80 > {L}:4000"):
            net.pass_by(("B/ens33", tcp(ends, b"x", seq=number, ident=number, tunnel=(7, A, B, 50_000))))
    report = read(net, tmp_path)
    assert report["tunnels"][0]["one_way"] and not named(report, "tunnel-one-way")
    # Where nobody answers inside either, it is one.
    net = Network(["B/ens33"])
    for number in range(4):
        asked = tcp(f"{L}:4000 > {R}:80", b"x", seq=number, ident=number, tunnel=(7, A, B, 50_000))
        net.pass_by(("B/ens33", asked))
    assert len(named(read(net, tmp_path), "tunnel-one-way")) == 1


def test_keys_of_gre_are_one_for_each_direction(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for number in range(3):
        for src, dst, inside, key in ((A, B, f"{L}:5 > {R}:6", 17), (B, A, f"{R}:6 > {L}:5", 6016)):
            inner = udp(inside, b"%d" % number, ident=number + 1)
            net.pass_by(("A/ens33", Packet("gre", src, dst, payload=inner.ip(), echo=key, ident=number + 9)))
    report = read(net, tmp_path)
    assert {(row["kind"], row["vni"]) for row in report["tunnels"]} == {("gre", 17), ("gre", 6016)}
    assert not named(report, "tunnel-one-way")


@pytest.mark.parametrize("kind", ["ipip", "gre"])
def test_a_tunnel_without_a_number_has_none_in_the_list_of_flows(kind: str) -> None:
    report = document(analyze(Path(__file__).parents[1] / "made" / f"{kind}.pcap"))
    assert min(row["vni"] or 0 for row in report["flows"]["top"]) == 0


def test_what_gre_carries_has_a_path_and_the_carrier_none(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        inner = udp(f"{C1}:5 > {R}:6", b"%d" % number, ident=number + 1)
        carrier = Packet("gre", A, B, payload=inner.ip(), ident=number + 9)
        net.pass_by(("A/ens33", carrier), ("B/ens33", carrier))
    report = read(net, tmp_path)
    assert [(path["proto"], points(path)) for path in report["paths"]] == [("udp", ["A/ens33", "B/ens33"])]


# -- whose address it is --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["bridge-hairpin-noproxy", "bridge", "bridge-clash"])
def test_an_address_that_a_hairpin_puts_into_a_containers_frames_is_not_the_containers(name: str) -> None:
    """On a bridge NAT rewrites addresses and leaves MACs; who owns which is in the topology, from docker inspect."""
    golden = Path(__file__).parents[2] / "pcaps" / f"{name}.pcapng"
    topology = json.loads(golden.with_suffix(".topology.json").read_text())
    report = document(analyze(golden))
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


# -- fragments ------------------------------------------------------------------------------------------------------
def test_fragments_that_came_before_their_first_one_are_not_lost(tmp_path: Path) -> None:
    """Out of order nobody knows their ports, nor without the first one, which alone is lost here."""
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
