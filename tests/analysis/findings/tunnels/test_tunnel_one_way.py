"""tunnel-one-way: tunnels without another direction, and mirrors of other traffic."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.analysis.findings.reported import named, of_story
from tests.stories import ACK, SYN, Network, Packet, ping, tcp, udp
from tests.story_reports import A, B, read

LEFT, RIGHT = "10.0.1.2", "10.0.1.4"


def both_directions(net: Network, point: str) -> None:
    """Something that goes to the tunnel's sender: the point would record its answers, too."""
    asked = ping(f"{A} > {B}", echo=99, seq=1, ident=900)
    net.pass_by((point, asked))
    net.pass_by((point, asked.but(ends=f"{B} > {A}", icmp=(0, 0), ident=901)))


def test_vxlan_without_answers_is_told(tmp_path: Path) -> None:
    net = Network(["B/ens33"])
    for number in range(4):
        request = tcp(f"{LEFT}:4000 > {RIGHT}:80", b"x", seq=number, ident=number, tunnel=(7, A, B, 50_000))
        net.pass_by(("B/ens33", request), gap=1e6)
    both_directions(net, "B/ens33")
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
    if not is_handshake:  # which is repeated without an answer only
        both_directions(net, "B/ens33")
    (finding,) = of_story(net, tmp_path, "tunnel-one-way")
    assert (finding["facts"].get("handshakes") == 4) is is_handshake
    assert ("wg show" in finding["fix"]) is is_handshake and (
        "one direction only" in finding["says"]
    ) is not is_handshake


@pytest.mark.parametrize("kind", ["esp", "gtp-u", "vxlan"])
def test_sender_to_whom_nothing_goes_is_silent(tmp_path: Path, kind: str) -> None:
    """The point may record one direction: nothing says that the answers pass it."""
    net = Network(["B/ens33"])
    for number in range(4):
        inner = ping(f"{LEFT} > {RIGHT}", echo=9, seq=number, ident=number + 1)
        packet = {
            "esp": Packet("esp", A, B, payload=bytes(90), echo=7, seq=number, ident=number),
            "gtp-u": gtp_u(f"{A}:2152 > {B}:2152", 7, inner, ident=number + 1),
            "vxlan": inner.but(tunnel=(7, A, B, 50_000)),
        }[kind]
        net.pass_by(("B/ens33", packet), gap=1e6)
    report = read(net, tmp_path)
    assert report["tunnels"][0]["one_way"] and named(report, "tunnel-one-way") == []


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


def gtp_u(ends: str, teid: int, inner: Packet, *, length: int = 0, **more: object) -> Packet:
    """A G-PDU (TS 29.281) with an inner packet; `length`: what its header says beside the truth."""
    body = inner.ip()
    return udp(ends, struct.pack(">BBHI", 0x30, 255, len(body) + length, teid) + body, **more)


@pytest.mark.parametrize("wrong", [0, 8], ids=["right length", "a length that no decoder accepts"])
def test_gtp_u_with_a_teid_for_each_end_is_silent(tmp_path: Path, wrong: int) -> None:
    """The TEID names the receiver's end: the answers have another one. Some UPFs count their own header, too."""
    net = Network(["B/ens33"])
    for number in range(5):
        asked = ping(f"{LEFT} > {RIGHT}", echo=9, seq=number, ident=number + 1)
        back = asked.but(ends=f"{RIGHT} > {LEFT}", icmp=(0, 0), ident=number + 90)
        net.pass_by(("B/ens33", gtp_u(f"{A}:2152 > {B}:2152", 0x04783D7C, asked, ident=number + 1)))
        net.pass_by(("B/ens33", gtp_u(f"{B}:27816 > {A}:2152", 0x9ACB0442, back, length=wrong, ident=number)), gap=1e6)
    report = read(net, tmp_path)
    assert named(report, "tunnel-one-way") == [] and any(row["one_way"] for row in report["tunnels"]) is (wrong > 0)


@pytest.mark.parametrize("answers", [True, False])
def test_a_vni_for_each_direction_is_silent_if_answered(tmp_path: Path, answers: bool) -> None:
    net = Network(["B/ens33"])
    for number in range(4):
        asked = ping(f"{LEFT} > {RIGHT}", echo=9, seq=number, ident=number + 1)
        back = asked.but(ends=f"{RIGHT} > {LEFT}", icmp=(0, 0), ident=number + 90)
        if not answers:  # another conversation
            back = ping("10.0.9.8 > 10.0.9.9", echo=7, seq=number, ident=number + 90)
        net.pass_by(("B/ens33", asked.but(tunnel=(10, A, B, 50_000))))
        net.pass_by(("B/ens33", back.but(tunnel=(11, B, A, 50_001))), gap=1e6)
    assert (of_story(net, tmp_path, "tunnel-one-way") == []) is answers


@pytest.mark.parametrize(
    ("what", "gap"), [("load", 1e6), ("ping", 10_000)], ids=["UDP that reports", "a capture of 30 ms"]
)
def test_tunnel_that_owes_no_answer_is_silent(tmp_path: Path, what: str, gap: float) -> None:
    net = Network(["B/ens33"])
    for number in range(4):
        load = udp(f"{LEFT}:4000 > {RIGHT}:2055", b"flows", ident=number + 1)
        asked = load if what == "load" else ping(f"{LEFT} > {RIGHT}", echo=9, seq=number, ident=number + 1)
        net.pass_by(("B/ens33", asked.but(tunnel=(7, A, B, 50_000))), gap=gap)
    assert of_story(net, tmp_path, "tunnel-one-way") == []


def test_data_of_wireguard_for_three_seconds_is_silent(tmp_path: Path) -> None:
    """Who has no data to send says so after ten: the session began before the capture."""
    net = Network(["B/ens33"])
    for number in range(4):
        message = bytes([4, 0, 0, 0, 9, 1, 2, 3, number]) + bytes(119)
        net.pass_by(("B/ens33", udp(f"{A}:51820 > {B}:51820", message, ident=number)), gap=1e6)
    report = read(net, tmp_path)
    assert report["tunnels"][0]["one_way"] and named(report, "tunnel-one-way") == []


def test_esp_of_one_sender_to_many_is_told_once(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    others = [f"192.168.111.{last}" for last in range(140, 145)]
    for number in range(15):
        to = others[number % 5]
        net.pass_by(("A/ens33", Packet("esp", A, to, payload=bytes(90), echo=7, seq=number, ident=number)), gap=1e6)
    both_directions(net, "A/ens33")
    (finding,) = of_story(net, tmp_path, "tunnel-one-way")
    assert finding["says"].startswith(f"ESP of {A} goes to 5 others, ") and finding["facts"]["vteps"][0] == A


@pytest.mark.parametrize("second", [B, C], ids=["one receiver", "two receivers"])
def test_vnis_of_two_ends_is_told_once(tmp_path: Path, second: str) -> None:
    """Measured: Cilium has a VNI for each identity of a sender, and a firewall drops the port of all."""
    net = Network(["A/ens33"])
    for number in range(4):
        for vni, to in ((12345, B), (54321, second)):
            asked = tcp(f"{LEFT}:{vni % 1000} > {RIGHT}:80", flags=SYN, seq=7, ident=number)
            net.pass_by(("A/ens33", asked.but(tunnel=(vni, A, to, 50_000))), gap=1e6)
    findings = of_story(net, tmp_path, "tunnel-one-way")
    assert [finding["facts"].get("vnis") for finding in findings] == ([[12345, 54321]] if second == B else [None, None])
    if second == B:
        assert findings[0]["says"].startswith(f"2 VNIs of VXLAN between {A} and {B}, 12345 and 54321, carry frames")
