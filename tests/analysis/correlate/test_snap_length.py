"""Frames that the snap length cut: lengths and losses are those of the wire."""

from __future__ import annotations

from pathlib import Path

from tests.stories import Network, ping, tcp, udp
from tests.story_reports import C1, A, B, read

L, R = "10.0.1.2", "10.0.1.4"


def mixed(net: Network) -> None:
    """TCP in large segments, UDP and ping through masquerade; TCP in VXLAN; one datagram is lost on the wire."""
    for number in range(5):
        packets = [
            tcp(f"{C1}:5555 > {B}:80", bytes(8000), seq=8000 * number, ack=1, ident=number + 1, tsval=number),
            udp(f"{C1}:5000 > {B}:7000", b"%04d" % number + bytes(900), ident=number + 100),
            ping(f"{C1} > {B}", 4242, number, bytes(1000), ident=number + 200),
        ]
        for packet in packets:
            outside = packet.routed(src=A)
            is_lost = packet.proto == "udp" and number == 2
            net.pass_by(("A/docker0", packet), ("A/ens33", outside), *([] if is_lost else [("B/ens33", outside)]))
        inner = tcp(f"{L}:40000 > {R}:80", bytes(30_000), seq=30_000 * number, ack=1, ident=number + 1)
        net.pass_by(*((p, inner.but(tunnel=(4097, A, B, 50_000))) for p in ("A/ens33", "B/ens33")))
        answer = tcp(f"{R}:80 > {L}:40000", b"ok", seq=2 * number, ack=30_000 * number + 1, ident=number + 50)
        net.pass_by(*((p, answer.but(tunnel=(4097, B, A, 50_001))) for p in ("B/ens33", "A/ens33")))


def test_snap_length_changes_no_lengths_and_losses(tmp_path: Path) -> None:
    """One story, captured whole, at 128 octets, and at several snap lengths: the facts are equal."""
    names = ["A/docker0", "A/ens33", "B/ens33"]
    reports = []
    for snaplens in ({}, dict.fromkeys(names, 128), {"A/docker0": 128, "B/ens33": 300}):
        net = Network(names, snaplens=snaplens)
        mixed(net)
        reports.append(read(net, tmp_path))
    whole, *cut = reports
    assert {path["hops"][-1]["bytes"] for path in whole["paths"]} >= {5 * 8066, 4 * 946, 5 * 1042}
    for report in cut:
        for section in ("nat", "paths", "flows", "tunnels"):
            assert report[section] == whole[section], section
        assert [f["facts"] for f in report["findings"] if f["name"] == "packet-loss"] == [
            f["facts"] for f in whole["findings"] if f["name"] == "packet-loss"
        ]


def test_frames_cut_to_headers_give_no_paths_but_tcp(tmp_path: Path) -> None:
    """At 50 octets a datagram is only its headers; TCP's tell enough."""
    names = ["A/docker0", "A/ens33", "B/ens33"]
    net = Network(names, snaplens=dict.fromkeys(names, 54))
    mixed(net)
    report = read(net, tmp_path)
    assert {row["proto"] for row in report["nat"]} == {"tcp"}
    assert [path["proto"] for path in report["paths"]] == ["tcp"]
    assert not {"packet-loss", "duplicate-observation"} & {finding["name"] for finding in report["findings"]}
