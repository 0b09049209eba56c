"""IP fragments: reassembled, lost, of a tunnel's outer datagrams."""

from __future__ import annotations

from pathlib import Path

from tests.stories import Network, Packet, about, ping, tcp, udp
from tests.story_reports import C1, A, B, changes, findings_named, lost, path_of, points, read, translations

L, R = "10.0.1.2", "10.0.1.4"
OVERLAY = ["A/overlay:net/vxlan0", "A/ens33", "B/ens33", "B/overlay:net/vxlan0"]


def test_fragments_reassembled_by_bridge_are_one_packet(tmp_path: Path) -> None:
    """br_netfilter: fragments on the veth, whole on docker0, fragments on ens33, all with one identification."""
    net = Network(["A/veth1", "A/docker0", "A/ens33"])
    for number in range(4):
        whole = ping(f"{C1} > {B}", 4242, number, bytes(4000), ident=500 + number, df=False)
        outside = whole.routed(src=A)
        net.pass_by(
            ("A/veth1", whole.fragments(1480)), ("A/docker0", whole), ("A/ens33", outside.fragments(1480)), gap=1e6
        )
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert points(path) == net.points
    assert [hop["packets"] for hop in path["hops"]] == [12, 4, 12]
    assert lost(path) == [None, 0, 0]
    assert changes(path)[1:] == [["reassembled", "bridged"], ["routed", "snat", "fragmented"]]
    assert translations(report) == {("snat", "icmp", (C1, 4242, B), (A, 4242, B))}


def test_lost_fragment_is_a_loss(tmp_path: Path) -> None:
    """The third fragment of one datagram does not arrive."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(6):
        pieces = udp(f"{A}:5000 > {B}:7000", bytes([number]) * 3000, ident=number + 1).fragments(1480)
        net.pass_by(("A/ens33", pieces), ("B/ens33", pieces[:2] if number == 3 else pieces), gap=1e5)
    report = read(net, tmp_path)
    path = path_of(report, A, B)
    assert [hop["packets"] for hop in path["hops"]] == [18, 17]
    assert lost(path) == [None, 1]
    assert report["flows"]["count"] == 2  # later fragments have no ports, but they belong to a flow that has


def test_fragmented_vxlan_carrier_hides_nothing(tmp_path: Path) -> None:
    """Outer DF is 0: the second outer fragment has neither a UDP nor a VXLAN header."""
    net = Network(OVERLAY)
    for number in range(4):
        inner = tcp(f"{L}:40000 > {R}:80", bytes(1448), seq=1448 * number, ident=number + 1, tsval=number)
        wrapped = inner.but(tunnel=(4097, A, B, 50_000))
        fragments = wrapped.carrier().fragments(1480)
        assert len(fragments) == 2
        net.pass_by((OVERLAY[0], inner), (OVERLAY[1], fragments), (OVERLAY[2], fragments), (OVERLAY[3], inner))
    report = read(net, tmp_path)
    path = path_of(report, L, R)
    assert points(path) == OVERLAY
    assert lost(path) == [None, 0, 0, 0]
    (finding,) = findings_named(report, "overlay-mtu-exceeded")
    assert "fragments" in finding["says"]
    assert [hop["packets"] for hop in path["hops"]] == [4, 4, 4, 4]


def test_underlay_that_drops_large_carriers_is_an_error(tmp_path: Path) -> None:
    """Large packets leave and do not arrive, in silence; the other way, the kernel speaks for the remote container."""
    net = Network(OVERLAY)
    for number in range(12):
        size = 1448 if number % 3 == 2 else 100
        inner = tcp(f"{L}:40000 > {R}:80", bytes(size), seq=1448 * number, ident=number + 1)
        wrapped = inner.but(tunnel=(4097, A, B, 50_000))
        hops = [(OVERLAY[0], inner), (OVERLAY[1], wrapped), (OVERLAY[2], wrapped), (OVERLAY[3], inner)]
        net.pass_by(*(hops[:2] if size == 1448 else hops))
    large = tcp(f"{R}:80 > {L}:40000", bytes(1448), seq=5, ident=99)
    net.pass_by((OVERLAY[3], large))
    net.pass_by((OVERLAY[3], about(Packet("icmp", L, R, icmp=(3, 4), ident=7), large)))
    net.pass_by(
        ("A/ens33", udp(f"{A}:9 > {B}:9", b"last", ident=1)), ("B/ens33", udp(f"{A}:9 > {B}:9", b"last", ident=1))
    )
    report = read(net, tmp_path)
    path = path_of(report, L, R, "tcp")
    assert points(path) == OVERLAY
    assert lost(path) == [None, 0, 4, 0]
    assert findings_named(report, "mtu-blackhole") == []  # the tunnel is why
    (finding,) = findings_named(report, "overlay-mtu-exceeded")
    facts = finding["facts"]
    assert finding["level"] == "error" and "mtu-blackhole" in finding["explains"]
    assert (facts["from"], facts["to"], facts["packets"]) == ("A/ens33", "B/ens33", 4)
    assert "4 packets of 1538 bytes or more are lost between A/ens33 and B/ens33" in finding["says"]
