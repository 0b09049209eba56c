"""outer-checksum-wrong: a receiver drops datagrams of a tunnel by their UDP checksum.

The stories have an overlay between hosts A and B: client C1 on A, server C2 on B.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, SYN, Network, Packet, tcp
from tests.story_reports import A, B

CLIENT, OTHER, SERVER = "10.0.1.2", "10.0.1.9", "10.0.1.3"
CLIENT_MAC, SERVER_MAC = "02:42:0a:00:01:02", "02:42:0a:00:01:03"
POINTS = ["A/ens33", "B/ens33", "B/overlay:front/vxlan0"]
WRONG = 0x1234


def unfilled(packet: Packet) -> int:
    """What a sender leaves in the outer checksum: the sum of the pseudo-header."""
    octets = bytes(map(int, f"{A}.{B}".split("."))) + (17).to_bytes(2, "big")
    octets += len(packet.carrier().body()).to_bytes(2, "big")
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def to_server(net: Network, packet: Packet, checksum: int = 0, arrives: bool = True) -> None:
    """A packet in the tunnel from A to B; `arrives`: it comes out there."""
    packet = packet.but(tunnel=(4097, A, B, 50000), smac=CLIENT_MAC, dmac=SERVER_MAC)
    outer = packet.carrier(checksum=checksum, smac=CARD_A, dmac=CARD_B)
    hops = [(point, outer) for point in POINTS[:2]] + [(POINTS[2], packet.but(tunnel=None))]
    net.pass_by(*((point, form) for point, form in hops[: 3 if arrives else 2] if point in net.points))


def serve(net: Network, port: int, ident: int, checksum: int = 0) -> None:
    """A connection in the tunnel that is answered; `checksum`: of the carriers of its requests."""
    for seq, flags in ((100, SYN), (101, ACK)):
        to_server(net, tcp(f"{CLIENT}:{port} > {SERVER}:80", flags=flags, seq=seq, ident=ident + seq), checksum)
        answer = tcp(f"{SERVER}:80 > {CLIENT}:{port}", flags=flags | ACK, seq=900 + seq, ack=seq + 1,
                     ident=ident + 300 + seq, smac=SERVER_MAC, dmac=CLIENT_MAC)  # fmt: skip
        outer = answer.but(tunnel=(4097, B, A, 50001)).carrier(smac=CARD_B, dmac=CARD_A)
        hops = ((POINTS[2], answer), (POINTS[1], outer), (POINTS[0], outer))
        net.pass_by(*((point, form) for point, form in hops if point in net.points))


def knock(net: Network, checksum: int, count: int = 4, arrives: bool = False) -> None:
    """SYNs of another client with such carriers, in vain."""
    for number in range(count):
        to_server(net, tcp(f"{OTHER}:41000 > {SERVER}:80", flags=SYN, seq=7000, ident=7000 + number), checksum, arrives)
        net.now += 1e6


def wrong(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "outer-checksum-wrong")


def test_wrong_sums_that_end_at_the_card_is_told(tmp_path: Path) -> None:
    net = Network(POINTS)
    serve(net, 40000, 10)
    knock(net, WRONG)
    serve(net, 40001, 2000)
    (finding,) = wrong(net, tmp_path)
    assert finding["level"] == "error"
    assert (finding["facts"]["point"], finding["facts"]["next"]) == (POINTS[1], POINTS[2])
    assert finding["facts"]["checksum"] == "wrong" and finding["facts"]["packets"] == 4
    assert of_story(net, tmp_path, "stops-between") == []


def test_wrong_sums_at_the_card_alone_is_told(tmp_path: Path) -> None:
    net = Network(POINTS[1:2])
    serve(net, 40000, 10)
    knock(net, WRONG)
    (finding,) = wrong(net, tmp_path)
    assert finding["level"] == "warning" and finding["facts"]["next"] is None


def test_wrong_sums_of_all_packets_is_told(tmp_path: Path) -> None:
    """Nothing gets through, so nothing shows where it was due; both cards show that it arrived so."""
    net = Network(POINTS)
    knock(net, WRONG)
    (finding,) = wrong(net, tmp_path)
    assert finding["level"] == "error"


def test_unfilled_sums_that_end_at_the_card_is_told(tmp_path: Path) -> None:
    """The sender's card did not compute the checksum that was left to it."""
    net = Network(POINTS)
    serve(net, 40000, 10)
    syn = tcp(f"{OTHER}:41000 > {SERVER}:80", flags=SYN).but(tunnel=(4097, A, B, 50000))
    knock(net, unfilled(syn))
    serve(net, 40001, 2000)
    (finding,) = wrong(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["checksum"] == "unfilled"


def test_unfilled_sums_of_answered_flows_is_silent(tmp_path: Path) -> None:
    """A virtual link: nobody fills in checksums, and nobody asks for them. One flow fails for another reason."""
    net = Network(POINTS)
    syn = tcp(f"{OTHER}:41000 > {SERVER}:80", flags=SYN).but(tunnel=(4097, A, B, 50000))
    serve(net, 40000, 10, unfilled(syn))
    serve(net, 40001, 2000)
    knock(net, unfilled(syn))
    serve(net, 40002, 4000)
    assert wrong(net, tmp_path) == []


@pytest.mark.parametrize("points", [POINTS, POINTS[1:2]], ids=["all points", "one point"])
def test_datagrams_without_checksum_is_silent(tmp_path: Path, points: list[str]) -> None:
    net = Network(points)
    serve(net, 40000, 10)
    knock(net, 0)
    serve(net, 40001, 2000)
    assert wrong(net, tmp_path) == []


def test_wrong_sums_that_are_decapsulated_is_silent(tmp_path: Path) -> None:
    """The capture was rewritten without its checksums: they came out of the tunnel all the same."""
    net = Network(POINTS)
    knock(net, WRONG, arrives=True)
    assert wrong(net, tmp_path) == []


def test_wrong_sums_of_answered_flows_is_silent(tmp_path: Path) -> None:
    """The same, and one server does not answer."""
    net = Network(POINTS[1:2])
    serve(net, 40000, 10, WRONG)
    knock(net, WRONG)
    assert wrong(net, tmp_path) == []
