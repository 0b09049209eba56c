"""Neighbours: who asks for whose MAC address, by ARP and Neighbor Discovery. Truth: each story says who asks."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from capnet.analysis.engine import analyze
from tests.made.build import interface, packet, section
from tests.stories import Network, Packet, arp
from tests.story_reports import read

ASKER, OTHER = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
X, Y, GROUP = "fe80::a", "fe80::b", "ff02::1:ff00:b"
GROUP_MAC, ALL_NODES_MAC = "33:33:ff:00:00:0b", "33:33:00:00:00:01"
SOLICITATION, ADVERTISEMENT = 135, 136
LINUX_SLL = 113  # link type
OF_SOURCE, OF_TARGET = 1, 2  # link-layer address options


def nd(kind: int, src: str, dst: str, target: str, smac: str, dmac: str, option: bytes = b"", ttl: int = 255) -> Packet:
    payload = ip_address(target).packed + option
    return Packet("icmp", src, dst, icmp=(kind, 0), payload=payload, smac=smac, dmac=dmac, ttl=ttl)


def link_layer(kind: int, mac: str) -> bytes:
    return bytes((kind, 1)) + bytes.fromhex(mac.replace(":", ""))


def neighbours(net: Network, folder: Path) -> list[tuple[Any, ...]]:
    return [
        (row["kind"], row["asker"], row["asker_mac"], row["target"], row["target_macs"], row["asked"], row["answered"])
        for row in read(net, folder)["neighbours"]
    ]


def test_arp_request_and_reply_are_one_row(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", arp(1, ASKER, "10.0.0.1", "10.0.0.2"))
    net.at(9, "A/ens33", arp(2, OTHER, "10.0.0.2", "10.0.0.1", to=ASKER))
    (row,) = read(net, tmp_path)["neighbours"]
    assert (row["kind"], row["point"], row["vni"]) == ("arp", "A/ens33", None)
    assert (row["asker"], row["asker_mac"], row["target"]) == ("10.0.0.1", ASKER, "10.0.0.2")
    assert (row["asked"], row["answered"], row["target_macs"]) == (1, 1, [OTHER])
    assert [frame["frame"] for frame in row["evidence"]] == [1, 2]
    assert row["first"] == row["last"] == "2023-11-14T22:13:20.000000000Z"


def test_unanswered_requests_come_first(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", arp(1, ASKER, "10.0.0.1", "10.0.0.2"))
    net.at(9, "A/ens33", arp(2, OTHER, "10.0.0.2", "10.0.0.1", to=ASKER))
    for second in range(3):
        net.at(second * 1e6, "A/ens33", arp(1, ASKER, "10.0.0.1", "10.0.0.3"))
    rows = neighbours(net, tmp_path)
    assert [(row[3], row[5], row[6]) for row in rows] == [("10.0.0.3", 3, 0), ("10.0.0.2", 1, 1)]


def test_reply_to_another_asker_is_no_answer(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", arp(1, ASKER, "10.0.0.1", "10.0.0.2"))
    net.at(9, "A/ens33", arp(2, OTHER, "10.0.0.2", "10.0.0.9", to="02:00:00:00:00:0c"))
    assert neighbours(net, tmp_path) == [("arp", "10.0.0.1", ASKER, "10.0.0.2", [], 1, 0)]


def test_reply_at_another_point_does_not_count(tmp_path: Path) -> None:
    """Where a reply stops shows only per point."""
    net = Network(["A/ens33", "B/ens33"])
    for point in net.points:
        net.at(0, point, arp(1, ASKER, "10.0.0.1", "10.0.0.2"))
    net.at(9, "B/ens33", arp(2, OTHER, "10.0.0.2", "10.0.0.1", to=ASKER))
    assert [(row["point"], row["answered"]) for row in read(net, tmp_path)["neighbours"]] == [
        ("A/ens33", 0),
        ("B/ens33", 1),
    ]


def test_probe_is_listed_and_announcement_is_not(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", arp(1, ASKER, "0.0.0.0", "10.0.0.1"))
    net.at(9, "A/ens33", arp(1, ASKER, "10.0.0.1", "10.0.0.1"))
    assert neighbours(net, tmp_path) == [("arp", "0.0.0.0", ASKER, "10.0.0.1", [], 1, 0)]


def test_solicitation_and_advertisement_are_one_row(tmp_path: Path) -> None:
    """The option, not the Ethernet source, says whose MAC it is: a proxy's frames come from the proxy."""
    net = Network(["A/ens33"])
    proxy = "02:00:00:00:00:0f"
    net.pass_by(("A/ens33", nd(SOLICITATION, X, GROUP, Y, ASKER, GROUP_MAC, link_layer(OF_SOURCE, ASKER))))
    net.pass_by(("A/ens33", nd(ADVERTISEMENT, Y, X, Y, proxy, ASKER, link_layer(OF_TARGET, OTHER))))
    assert neighbours(net, tmp_path) == [("nd", X, ASKER, Y, [OTHER], 1, 1)]


def test_solicitation_without_option_has_ethernet_source(tmp_path: Path) -> None:
    """Duplicate address detection: no source address, and so no option (RFC 4861 section 4.3)."""
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", nd(SOLICITATION, "::", GROUP, Y, OTHER, GROUP_MAC)))
    assert neighbours(net, tmp_path) == [("nd", "::", OTHER, Y, [], 1, 0)]


def test_unsolicited_advertisement_answers_no_request(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", nd(SOLICITATION, X, GROUP, Y, ASKER, GROUP_MAC, link_layer(OF_SOURCE, ASKER))))
    net.pass_by(("A/ens33", nd(ADVERTISEMENT, Y, "ff02::1", Y, OTHER, ALL_NODES_MAC, link_layer(OF_TARGET, OTHER))))
    assert neighbours(net, tmp_path) == [("nd", X, ASKER, Y, [], 1, 0)]


def test_forwarded_solicitation_is_left_out(tmp_path: Path) -> None:
    """RFC 4861 section 7.1.1: a hop limit other than 255 makes it invalid."""
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", nd(SOLICITATION, X, GROUP, Y, ASKER, GROUP_MAC, ttl=64)))
    assert neighbours(net, tmp_path) == []


def test_solicitation_cut_by_snap_length_is_left_out(tmp_path: Path) -> None:
    net = Network(["A/ens33"], snaplens={"A/ens33": 14 + 40 + 8 + 15})
    net.pass_by(("A/ens33", nd(SOLICITATION, X, GROUP, Y, ASKER, GROUP_MAC)))
    assert neighbours(net, tmp_path) == []


def test_question_at_each_interface_of_any_is_counted_once(tmp_path: Path) -> None:
    """Cooked capture without interface numbers: three questions at the veth, the bridge and the other veth."""
    question = arp(1, ASKER, "10.0.0.1", "10.0.0.2")[14:]
    frame = struct.pack(">HHH8sH", 1, 1, 6, bytes.fromhex(ASKER.replace(":", "")) + bytes(2), 0x0806) + question
    records = [packet(frame, 1_000_000 * second + copy) for second in range(3) for copy in range(3)]
    path = tmp_path / "any.pcapng"
    path.write_bytes(section() + interface("any", LINUX_SLL, resolution=6) + b"".join(records))
    (row,) = analyze(path).to_dict()["neighbours"]
    assert (row["asked"], row["answered"]) == (3, 0)
