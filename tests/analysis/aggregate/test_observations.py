"""More packets than the budget holds: a sample of them, and every flow is still followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.core.options import MAX_OBSERVATIONS
from capnet.analysis.engine import analyze
from capnet.report.formats import html, table
from tests.stories import SYN, Network, tcp, udp

A, B = "192.168.111.128", "192.168.111.129"


def many(folder: Path, flows: int = 60, packets: int = 12) -> list[Path]:
    """Connections of several containers through masquerade; each one's second packet is lost behind the bridge."""
    net = Network(["A/veth1", "A/docker0", "A/ens33"])
    for number in range(packets):
        for flow in range(flows):
            flags = SYN if number == 0 else 16
            segment = tcp(
                f"172.17.0.{2 + flow}:5000 > {B}:80", bytes(10 * bool(number)),
                seq=100_000 * flow + 10 * number, ident=flow * 100 + number + 1, flags=flags,
            )  # fmt: skip
            hops = [
                ("A/veth1", segment),
                ("A/docker0", segment),
                ("A/ens33", segment.routed(src=A, sport=20_000 + flow)),
            ]
            net.pass_by(*(hops[:2] if number == 2 else hops))
    return net.write(folder)


def test_small_budget_keeps_all_translations(tmp_path: Path) -> None:
    files = many(tmp_path)
    exact = analyze(files).to_dict()
    sampled = analyze(files, budget=256).to_dict()
    assert exact["correlation"]["packets_compared"] == "all"
    assert sampled["correlation"]["packets_compared"] == "sampled"
    assert sampled["correlation"]["share"] <= 0.125

    def entries(report: dict) -> set:  # type: ignore[type-arg]
        return {(row["before"]["src"], row["before"]["sport"], row["after"]["sport"]) for row in report["nat"]}

    truth = {(f"172.17.0.{2 + flow}", 5000, 20_000 + flow) for flow in range(60)}
    assert entries(exact) == truth
    found = entries(sampled)
    assert found <= truth
    assert found == truth


def test_report_tells_whether_packets_were_sampled(tmp_path: Path) -> None:
    """In words, on the page, and in JSON; tests of the counts themselves are below."""
    files = many(tmp_path)
    exact, sampled = (analyze(files, budget=budget).to_dict() for budget in (MAX_OBSERVATIONS, 256))
    one_in = sampled["correlation"]["one_in"]
    assert one_in in (8, 16)  # powers of two: 2100 packets, 256 kept
    assert exact["correlation"] == {
        "packets_compared": "all",
        "share": 1.0,
        "one_in": 1,
        "observations": 60 * 36 - 60,
        "unanswered": 0,
        "answered": 0,
        "unrecorded": {},
        "fates": {"loses": 60},
    }
    assert sampled["correlation"]["observations"] <= 256
    for as_text in (table.render, html.render):
        assert "every packet compared" in as_text(exact)
        assert f"1 in {one_in} packets compared, the same ones at every point" in as_text(sampled)


def losses(report: dict[str, Any]) -> list[int | None]:
    return [hop["lost"] for path in report["paths"] for hop in path["hops"][1:]]


def test_tcp_loss_in_a_sample_is_exact(tmp_path: Path) -> None:
    files = many(tmp_path)
    for budget in (MAX_OBSERVATIONS, 1024, 256):
        found = analyze(files, budget=budget).to_dict()
        assert sum(each or 0 for each in losses(found)) == 60
        (finding,) = [each for each in found["findings"] if each["name"] == "packet-loss"]
        assert (finding["facts"]["lost"], finding["facts"]["bytes"]) == (60, 600)
        assert (finding["facts"]["after"], finding["facts"]["before"]) == ("A/docker0", "A/ens33")


def cut(folder: Path, *, late: bool = False, copies: bool = False) -> list[Path]:
    """Whole segments at the veth, pieces on the wire; every fourth segment loses its last piece, of 1448 octets."""
    net = Network(["A/veth1", "A/ens33"])
    for number in range(80):
        for flow in range(10):
            whole = tcp(
                f"172.17.0.{2 + flow}:5000 > {B}:80", bytes(5792), seq=1_000_000 * flow + 5792 * number,
                ident=flow * 6000 + 10 * number + 1,
            )  # fmt: skip
            pieces = whole.routed(src=A, sport=20_000 + flow).cut(1448, 1448, 1448)
            arrived = pieces[:3] if number % 4 == 3 else pieces
            net.pass_by(("A/veth1", whole), *([] if late and number < 40 else [("A/ens33", arrived)]))
            if copies:
                net.at(net.now - 980, "A/veth1", whole)
    return net.write(folder)


@pytest.mark.kernels
def test_loss_of_cut_segments_is_known_in_octets(tmp_path: Path) -> None:
    report = analyze(cut(tmp_path), budget=512).to_dict()
    assert report["correlation"]["share"] < 0.5
    hops = [path["hops"][1] for path in report["paths"]]
    assert len(hops) == 10
    assert [hop["lost_bytes"] for hop in hops] == [20 * 1448] * 10
    # As many whole segments as these octets are: which ones, and whether in part, only all packets would tell.
    assert [hop["lost"] for hop in hops] == [5] * 10


@pytest.mark.kernels
def test_loss_at_late_or_doubled_points_is_unknown(tmp_path: Path) -> None:
    for story in ({"late": True}, {"copies": True}):
        report = analyze(cut(tmp_path, **story), budget=512).to_dict()
        hops = [path["hops"][1] for path in report["paths"]]
        assert hops
        assert {hop["lost_bytes"] for hop in hops} == {None}
        assert {hop["lost"] for hop in hops} <= {0, None}


def test_udp_loss_in_a_sample_is_counted(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for number in range(300):
        for flow in range(4):
            packet = udp(f"172.17.0.{2 + flow}:5000 > {B}:7000", b"%06d" % number, ident=4 * number + flow + 1)
            gone = number % 50 == 7 * flow + 3
            net.pass_by(
                ("A/docker0", packet), *([] if gone else [("A/ens33", packet.routed(src=A, sport=20_000 + flow))])
            )
    report = analyze(net.write(tmp_path), budget=256).to_dict()
    assert report["correlation"]["share"] < 0.5
    assert [path["hops"][1]["lost"] for path in report["paths"]] == [6] * 4
