"""tunnel-one-way: tunnels without another direction, and mirrors of other traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import named, of_story
from tests.stories import ACK, SYN, Network, Packet, tcp, udp
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


@pytest.mark.parametrize("comes_out", [True, False])
def test_frames_that_come_out_for_another_mac_is_told(tmp_path: Path, comes_out: bool) -> None:
    """The port is open, then: the device drops what is for another MAC."""
    net = Network(["A/ens33", "B/ens33", "B/flannel.1"])
    for number in range(4):
        asked = tcp(f"{LEFT}:4000 > {RIGHT}:80", flags=SYN, seq=7, ident=number, dmac="02:f1:00:00:00:99")
        wrapped = asked.but(tunnel=(7, A, B, 50_000))
        inside = [("B/flannel.1", asked)] if comes_out else []
        net.pass_by(("A/ens33", wrapped), ("B/ens33", wrapped), *inside, gap=1e6)
    (finding,) = of_story(net, tmp_path, "tunnel-one-way")
    assert ("; they come out at B/flannel.1, for 02:f1:00:00:00:99," in str(finding["says"])) is comes_out
    assert ("ip link show flannel.1" if comes_out else "UDP port 4789") in str(finding["fix"])


@pytest.mark.parametrize(
    ("head", "size", "is_handshake"), [(1, 148, True), (4, 128, False)], ids=["initiation", "data"]
)
def test_handshakes_of_wireguard_without_response_is_told(
    tmp_path: Path, head: int, size: int, is_handshake: bool
) -> None:
    net = Network(["B/ens33"])
    for number in range(4):
        message = bytes([head, 0, 0, 0, number, 1, 2, 3]) + bytes(size - 8)
        net.pass_by(("B/ens33", udp(f"{A}:51820 > {B}:51820", message, ident=number)), gap=5e6)
    (finding,) = of_story(net, tmp_path, "tunnel-one-way")
    assert (finding["facts"].get("handshakes") == 4) is is_handshake
    assert ("wg show" in finding["fix"]) is is_handshake and (
        "one direction only" in finding["says"]
    ) is not is_handshake


C = "192.168.111.130"
GROUP = "01:00:5e:00:00:fb"


def flooded(folder: Path, *, unicast: bool = False) -> list[dict[str, object]]:
    """A station of A calls one of B, and asks a group, which A sends to B and to C; `unicast`: it calls C's, too."""
    net = Network(["A/ens33"])
    for number in range(3):
        asked = tcp(f"{LEFT}:{4000 + number} > {RIGHT}:80", flags=SYN, seq=7, ident=number, tunnel=(7, A, B, 50_000))
        back = asked.but(ends=f"{RIGHT}:80 > {LEFT}:{4000 + number}", flags=SYN | ACK, ack=8, tunnel=(7, B, A, 50_001))
        query = udp(f"{LEFT}:5353 > 224.0.0.251:5353", b"q", ident=90 + number, dmac=GROUP)
        copies = [query.but(tunnel=(7, A, to, 50_002)) for to in (B, C)]
        lost = tcp(f"{LEFT}:6000 > 10.0.1.9:80", flags=SYN, seq=9, ident=50 + number, tunnel=(7, A, C, 50_003))
        for packet in (asked, back, *copies, *([lost] if unicast else [])):
            net.pass_by(("A/ens33", packet))
        net.now += 1e6
    return of_story(net, folder, "tunnel-one-way")


def test_copies_for_all_hosts_is_silent(tmp_path: Path) -> None:
    """Groups and broadcasts go to each host of the network, and need no answer."""
    assert flooded(tmp_path) == []


def test_calls_beside_copies_for_all_hosts_is_told(tmp_path: Path) -> None:
    (finding,) = flooded(tmp_path, unicast=True)
    assert finding["facts"] == {"vni": 7, "vteps": [A, C]}


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
