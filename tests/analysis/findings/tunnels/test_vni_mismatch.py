"""vni-mismatch: two hosts send the packets of one network in tunnels with different ids."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.overlays import A_CARD, B_CARD, X_MAC, Y_MAC, X, Y, asks, travel
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, Packet, ping, udp

OF_A, OF_B = 4097, 4098


def question(src: str, dst: str, seq: int) -> Packet:
    from_x = src == X
    echo = 7 if from_x else 8
    macs = (X_MAC, Y_MAC) if from_x else (Y_MAC, X_MAC)
    return ping(f"{src} > {dst}", echo, seq, ident=100 * echo + seq, smac=macs[0], dmac=macs[1])


def mismatch(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "vni-mismatch")


def test_ids_that_differ_by_direction_is_told(tmp_path: Path) -> None:
    net = Network([A_CARD, B_CARD])
    for seq in range(3):
        travel(net, question(X, Y, seq), True, A_CARD, B_CARD, vni=OF_A)
        travel(net, question(Y, X, seq), False, A_CARD, B_CARD, vni=OF_B)
    (finding,) = mismatch(net, tmp_path)
    assert finding["level"] == "error"
    assert (finding["facts"]["vni"], finding["facts"]["other_vni"]) == (OF_A, OF_B)
    assert finding["facts"]["stations"] == [X, Y] and finding["facts"]["packets"] == 6
    assert of_story(net, tmp_path, "tunnel-one-way") == []


def test_arp_in_both_ids_is_told(tmp_path: Path) -> None:
    """Neither station learns the other one's MAC."""
    net = Network([B_CARD])
    for _ in range(3):
        travel(net, asks(X_MAC, X, Y), True, B_CARD, vni=OF_A)
        travel(net, asks(Y_MAC, Y, X), False, B_CARD, vni=OF_B)
    (finding,) = mismatch(net, tmp_path)
    assert finding["facts"]["stations"] == [X, Y]


def test_stations_of_ipv6_is_told(tmp_path: Path) -> None:
    net = Network([B_CARD])
    for number in range(3):
        there = udp("[fd00::2]:5000 > [fd00::3]:53", b"question %d" % number, smac=X_MAC, dmac=Y_MAC)
        back = udp("[fd00::3]:6000 > [fd00::2]:53", b"other %d" % number, smac=Y_MAC, dmac=X_MAC)
        travel(net, there, True, B_CARD, vni=OF_A)
        travel(net, back, False, B_CARD, vni=OF_B)
    (finding,) = mismatch(net, tmp_path)
    assert finding["facts"]["stations"] == ["fd00::2", "fd00::3"]


def test_answers_in_another_id_is_silent(tmp_path: Path) -> None:
    """Each direction has the id of its destination's network, by design, and the station answers."""
    net = Network([A_CARD, B_CARD])
    for seq in range(3):
        travel(net, question(X, Y, seq), True, A_CARD, B_CARD, vni=OF_A)
        travel(net, question(X, Y, seq).but(ends=f"{Y} > {X}", icmp=(0, 0)), False, A_CARD, B_CARD, vni=OF_B)
    assert mismatch(net, tmp_path) == []


def test_two_networks_one_way_each_is_silent(tmp_path: Path) -> None:
    """Different stations: each network has a listener of its own."""
    net = Network([A_CARD, B_CARD])
    for seq in range(3):
        travel(net, question(X, Y, seq), True, A_CARD, B_CARD, vni=OF_A)
        other = question(Y, X, seq).but(src="10.0.2.3", dst="10.0.2.2")
        travel(net, other, False, A_CARD, B_CARD, vni=OF_B)
    assert mismatch(net, tmp_path) == []


def test_one_id_in_both_directions_is_silent(tmp_path: Path) -> None:
    net = Network([A_CARD, B_CARD])
    for seq in range(3):
        travel(net, question(X, Y, seq), True, A_CARD, B_CARD, vni=OF_A)
        travel(net, question(Y, X, seq), False, A_CARD, B_CARD, vni=OF_A)
        travel(net, question(Y, X, seq), False, A_CARD, B_CARD, vni=OF_B)
    assert mismatch(net, tmp_path) == []
