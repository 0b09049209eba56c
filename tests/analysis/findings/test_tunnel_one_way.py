"""tunnel-one-way: tunnels without another direction, and mirrors of other traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import named, of_story
from tests.stories import Network, Packet, tcp, udp
from tests.story_reports import A, B, read

LEFT, RIGHT = "10.0.1.2", "10.0.1.4"


def test_vxlan_without_answers_is_told(tmp_path: Path) -> None:
    net = Network(["B/ens33"])
    for number in range(4):
        request = tcp(f"{LEFT}:4000 > {RIGHT}:80", b"x", seq=number, ident=number, tunnel=(7, A, B, 50_000))
        net.pass_by(("B/ens33", request))
    (finding,) = of_story(net, tmp_path, "tunnel-one-way")
    assert (finding["level"], finding["facts"]) == ("warning", {"vni": 7, "vteps": [A, B]})
    assert finding["says"].endswith(f"from {A}, and none back")


def test_mirror_of_both_directions_is_silent(tmp_path: Path) -> None:
    """A cloud copies a conversation into VXLAN for an analyzer, which never answers."""
    net = Network(["B/ens33"])
    for number in range(4):
        for ends in (f"{LEFT}:4000 > {RIGHT}:80", f"{RIGHT}:80 > {LEFT}:4000"):
            net.pass_by(("B/ens33", tcp(ends, b"x", seq=number, ident=number, tunnel=(7, A, B, 50_000))))
    report = read(net, tmp_path)
    assert report["tunnels"][0]["one_way"] and named(report, "tunnel-one-way") == []


def test_gre_with_a_key_for_each_direction_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for number in range(3):
        for src, dst, inside, key in ((A, B, f"{LEFT}:5 > {RIGHT}:6", 17), (B, A, f"{RIGHT}:6 > {LEFT}:5", 6016)):
            inner = udp(inside, b"%d" % number, ident=number + 1)
            net.pass_by(("A/ens33", Packet("gre", src, dst, payload=inner.ip(), echo=key, ident=number + 9)))
    report = read(net, tmp_path)
    assert {(row["kind"], row["vni"]) for row in report["tunnels"]} == {("gre", 17), ("gre", 6016)}
    assert named(report, "tunnel-one-way") == []


@pytest.mark.parametrize("sees", ["what the balancer got", "what the server answers"])
def test_balancer_that_hands_on_is_silent(tmp_path: Path, sees: str) -> None:
    """Direct server return: requests are handed on in IPIP or VXLAN, answers go straight to the client."""
    net = Network(["lb/eth0"])
    for number in range(4):
        ask = udp(f"10.9.0.5:{4000 + number} > 10.9.0.1:7000", b"ping", ident=number + 1)
        if sees == "what the balancer got":
            net.pass_by(("lb/eth0", ask))
        net.pass_by(("lb/eth0", ask.routed(tunnel=(7, A, B, 50_000))))
        if sees == "what the server answers":
            net.pass_by(("lb/eth0", udp(f"10.9.0.1:7000 > 10.9.0.5:{4000 + number}", b"pong", ident=number + 90)))
    report = read(net, tmp_path)
    assert report["tunnels"][0]["one_way"] and named(report, "tunnel-one-way") == []
