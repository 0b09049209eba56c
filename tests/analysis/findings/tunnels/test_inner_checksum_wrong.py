"""inner-checksum-wrong: a receiver drops packets that came out of a tunnel, because of their own checksum."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.overlays import A_CARD, B_CARD, POINTS, X_MAC, Y_MAC, X, Y, travel
from tests.analysis.findings.reported import Findings, named, of_story
from tests.conftest import PROJECT
from tests.stories import ACK, SYN, Network, Packet, ping, tcp

WRONG = 0x1234


def tcp_sum(packet: Packet, *, of_pseudo_header: bool = False) -> int:
    """The right TCP checksum (RFC 9293 section 3.1), or the sum of the pseudo-header alone."""
    body = packet.but(checksum=0).body()
    octets = bytes(map(int, f"{packet.src}.{packet.dst}".split("."))) + (6).to_bytes(2, "big")
    octets += len(body).to_bytes(2, "big")
    if not of_pseudo_header:
        octets += body + b"\0" * (len(body) % 2)
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total if of_pseudo_header else 0xFFFF - total


def summed(packet: Packet, kind: str) -> Packet:
    """The packet with a checksum of this kind."""
    sums = {"right": tcp_sum(packet), "unfilled": tcp_sum(packet, of_pseudo_header=True), "wrong": WRONG}
    return packet.but(checksum=sums[kind])


def knock(net: Network, kind: str, *points: str, port: int = 80, count: int = 4) -> None:
    """SYNs of X to Y with such a checksum, in vain."""
    for number in range(count):
        syn = tcp(f"{X}:41000 > {Y}:{port}", flags=SYN, seq=7000, ident=port + number, smac=X_MAC, dmac=Y_MAC)
        travel(net, summed(syn, kind), True, *points)


def serve(net: Network, kind: str, *points: str, port: int = 80) -> None:
    """A connection of X to Y that is answered."""
    for seq, flags in ((100, SYN), (101, ACK)):
        ident = 300 + seq + port
        request = tcp(f"{X}:42000 > {Y}:{port}", flags=flags, seq=seq, ident=ident, smac=X_MAC, dmac=Y_MAC)
        travel(net, summed(request, kind), True, *points)
        answer = tcp(f"{Y}:{port} > {X}:42000", flags=flags | ACK, seq=900 + seq, ack=seq + 1, ident=ident + 400,
                     smac=Y_MAC, dmac=X_MAC)  # fmt: skip
        travel(net, summed(answer, kind), False, *points)


def reach(net: Network, *points: str) -> None:
    """Pings that are answered."""
    for seq in range(3):
        travel(net, ping(f"{X} > {Y}", 7, seq, ident=100 + seq, smac=X_MAC, dmac=Y_MAC), True, *points)
        reply = ping(f"{Y} > {X}", 7, seq, ident=200 + seq, icmp=(0, 0), smac=Y_MAC, dmac=X_MAC)
        travel(net, reply, False, *points)


def wrong(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "inner-checksum-wrong")


def test_wrong_sums_that_come_out_is_told(tmp_path: Path) -> None:
    net = Network(POINTS)
    reach(net, *POINTS)
    knock(net, "wrong", *POINTS)
    (finding,) = wrong(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["point"] == B_CARD
    assert finding["facts"]["packets"] == 4 and finding["facts"]["checksum"] == "wrong"


def test_wrong_sums_at_one_point_is_told(tmp_path: Path) -> None:
    net = Network([B_CARD])
    reach(net, B_CARD)
    knock(net, "wrong", B_CARD)
    (finding,) = wrong(net, tmp_path)
    assert finding["level"] == "warning"


def test_wrong_sums_of_answers_is_told(tmp_path: Path) -> None:
    """Y answers each SYN, and X sends the SYN again: it never takes the answer."""
    net = Network(POINTS)
    reach(net, *POINTS)
    for number in range(4):
        syn = tcp(f"{X}:41000 > {Y}:80", flags=SYN, seq=7000, ident=number, smac=X_MAC, dmac=Y_MAC)
        travel(net, summed(syn, "right"), True, *POINTS)
        answer = tcp(f"{Y}:80 > {X}:41000", flags=SYN | ACK, seq=900, ack=7001, ident=50 + number, smac=Y_MAC,
                     dmac=X_MAC)  # fmt: skip
        travel(net, summed(answer, "wrong"), False, *POINTS)
    (finding,) = wrong(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["point"] == A_CARD


@pytest.mark.parametrize(("ports", "level"), [((80, 443), "error"), ((80,), "warning")])
def test_unfilled_sums_while_ping_passes_is_told(tmp_path: Path, ports: tuple[int, ...], level: str) -> None:
    """The sender's card did not fill in what is inside of a tunnel. One service alone might be down."""
    net = Network(POINTS)
    reach(net, *POINTS)
    for port in ports:
        knock(net, "unfilled", *POINTS, port=port)
    (finding,) = wrong(net, tmp_path)
    assert finding["level"] == level and finding["facts"]["checksum"] == "unfilled"


def test_unfilled_sums_of_answered_flows_is_silent(tmp_path: Path) -> None:
    """A virtual link, and one port that a firewall closes."""
    net = Network(POINTS)
    reach(net, *POINTS)
    serve(net, "unfilled", *POINTS)
    knock(net, "unfilled", *POINTS, port=443)
    assert wrong(net, tmp_path) == []


def test_unfilled_sums_at_one_point_is_silent(tmp_path: Path) -> None:
    """Whether they came out of the tunnel is not seen; no packet is seen twice, either."""
    net = Network([B_CARD])
    reach(net, B_CARD)
    knock(net, "unfilled", B_CARD)
    assert wrong(net, tmp_path) == []


def test_right_sums_without_an_answer_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    reach(net, *POINTS)
    knock(net, "right", *POINTS)
    knock(net, "right", *POINTS, port=443)
    assert wrong(net, tmp_path) == []


def test_wrong_sums_of_answered_flows_is_silent(tmp_path: Path) -> None:
    """The capture was rewritten without its checksums, and one port does not answer."""
    net = Network(POINTS)
    serve(net, "wrong", *POINTS)
    knock(net, "wrong", *POINTS, port=443)
    assert wrong(net, tmp_path) == []


def test_unfilled_ones_that_end_on_the_way_is_silent() -> None:
    """A rule of FORWARD on the other node drops them before the pod, whose pings come further (at_any/README.md)."""
    folder = PROJECT / "tests/analysis/findings/unanswered/at_any"
    report = analyze([folder / f"vxlan-forward-drop.node{number}.pcap" for number in (1, 2)]).to_dict()
    assert named(report, "inner-checksum-wrong") == []
    (finding,) = named(report, "connection-unanswered")
    assert "last seen at vxlan-forward-drop.node2/if19, whose host received them" in finding["says"]
