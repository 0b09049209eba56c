"""tunnel-not-decapsulated: packets of a tunnel reach a host's interface and do not come out of the tunnel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.overlays import (
    A_CARD,
    A_INSIDE,
    B_CARD,
    B_INSIDE,
    POINTS,
    VNI,
    X_MAC,
    Y_MAC,
    X,
    Y,
    asks,
    travel,
)
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, ping, solicit, udp
from tests.story_reports import A, B

ON_THE_WAY = (A_INSIDE, A_CARD, B_CARD)


def from_x(net: Network, *points: str, count: int = 3) -> None:
    """Echo requests of X to Y that pass these points."""
    for seq in range(count):
        travel(net, ping(f"{X} > {Y}", 7, seq, ident=100 + seq, smac=X_MAC, dmac=Y_MAC), True, *points)


def from_y(net: Network, *points: str, count: int = 3) -> None:
    for seq in range(count):
        travel(net, ping(f"{Y} > {X}", 8, seq, ident=200 + seq, smac=Y_MAC, dmac=X_MAC), False, *points)


def lost(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "tunnel-not-decapsulated")


def test_host_where_nothing_comes_out_is_told(tmp_path: Path) -> None:
    """Both containers send into the tunnel; only at A does anything come out."""
    net = Network(POINTS)
    from_y(net, *POINTS)
    from_x(net, *ON_THE_WAY)
    from_y(net, *POINTS)
    (finding,) = lost(net, tmp_path)
    assert finding["level"] == "error"
    assert (finding["facts"]["point"], finding["facts"]["next"]) == (B_CARD, B_INSIDE)
    assert finding["facts"]["packets"] == 3 and finding["facts"]["vni"] == VNI
    assert of_story(net, tmp_path, "stops-between") == []


def test_host_that_asks_by_arp_alone_is_told(tmp_path: Path) -> None:
    """Y never learns the MAC of X, so all that it sends is ARP."""
    net = Network(POINTS)
    for number in range(3):
        net.at(net.now - 300_000, B_INSIDE, ping(f"{Y} > 224.0.0.22", 1, number, ident=number, smac=Y_MAC))
        travel(net, asks(Y_MAC, Y, X), False, *POINTS)
        from_x(net, *ON_THE_WAY, count=1)
    (finding,) = lost(net, tmp_path)
    assert finding["facts"]["packets"] == 3


def test_hosts_that_decapsulate_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    from_y(net, *POINTS)
    from_x(net, *POINTS)
    from_y(net, *POINTS)
    assert lost(net, tmp_path) == []


def test_packets_for_another_host_is_silent(tmp_path: Path) -> None:
    """A third host's container is asked by X; B's card sees it, because the switch floods."""
    net = Network(POINTS)
    from_y(net, *POINTS)
    for seq in range(3):
        foreign = ping(f"{X} > 10.0.1.4", 9, seq, ident=300 + seq, smac=X_MAC, dmac="02:42:0a:00:01:04")
        travel(net, foreign, True, *ON_THE_WAY)
    from_y(net, *POINTS)
    assert lost(net, tmp_path) == []


def test_inside_that_was_not_captured_is_silent(tmp_path: Path) -> None:
    net = Network([A_CARD, B_CARD])
    from_y(net, *POINTS)
    from_x(net, *ON_THE_WAY)
    assert lost(net, tmp_path) == []


def test_inside_that_was_heard_later_is_told(tmp_path: Path) -> None:
    """Nothing shows whether the inside of B listened when the packets of X came."""
    net = Network(POINTS)
    from_x(net, *ON_THE_WAY)
    from_y(net, B_INSIDE, B_CARD)
    (finding,) = lost(net, tmp_path)
    assert finding["level"] == "warning"


DEVICES = ["A/flannel.1", "A/ens33", "B/ens33", "B/flannel.1"]
DEVICE_A, DEVICE_B = "02:f1:00:00:00:01", "02:f1:00:00:00:02"


@pytest.mark.parametrize(("sender", "is_told"), [(DEVICE_B, True), ("02:f1:00:00:00:03", False)])
def test_device_that_frames_are_for_is_told(tmp_path: Path, sender: str, is_told: bool) -> None:
    """No pod of B sends: all that its tunnel device says is multicast of its own. Another device proves nothing."""
    net = Network(DEVICES)
    for seq in range(6):
        net.at(net.now, "B/flannel.1", ping("10.244.2.0 > 224.0.0.22", 1, seq, ident=seq + 1, smac=sender))
        inside = ping("10.244.1.2 > 10.244.2.2", 7, seq, ident=seq + 100, smac=DEVICE_A, dmac=DEVICE_B, ttl=63)
        wrapped = inside.but(tunnel=(1, "192.168.111.128", "192.168.111.129", 50_000))
        net.pass_by(("A/flannel.1", inside), ("A/ens33", wrapped), ("B/ens33", wrapped), gap=1e6)
    told = lost(net, tmp_path)
    assert [finding["facts"]["next"] for finding in told] == ["B/flannel.1"] * is_told
    assert all("the device whose MAC the frames inside are for" in finding["says"] for finding in told)


V6_ENDS = ("fd00:111::80", "fd00:111::81")
DEVICE_SPEAKS = ping(f"{Y} > 224.0.0.22", 1, 0, smac=DEVICE_B, dmac="01:00:5e:00:00:16")


def questions(*points: str, ends: tuple[str, str] = (A, B), nd: bool = False) -> Network:
    """The device of B speaks to a group; X asks three times for an address that never spoke."""
    net = Network(POINTS)
    for number in range(3):
        travel(net, DEVICE_SPEAKS.but(ident=number + 1), False, *POINTS, ends=ends, gap=3e5)
        asked = solicit(X_MAC, "fd00:1::2", "fd00:1::9") if nd else asks(X_MAC, X, "10.0.1.9")
        travel(net, asked, True, *points, ends=ends, gap=3e5)
        hello = udp(f"{X}:5000 > 224.0.0.9:5000", b"hello", ident=number + 50, smac=X_MAC, dmac="01:00:5e:00:00:09")
        travel(net, hello, True, *points, ends=ends, gap=3e5)
    net.at(net.now, B_INSIDE, udp(f"{Y}:5000 > 224.0.0.9:5000", b"x", smac=DEVICE_B, dmac="01:00:5e:00:00:09"))
    return net


@pytest.mark.parametrize("nd", [False, True])
def test_questions_that_stay_in_the_tunnel_is_told(tmp_path: Path, nd: bool) -> None:
    """Nobody is seen inside B but its tunnel device, where what goes to all must come out."""
    (finding,) = lost(questions(*ON_THE_WAY, nd=nd), tmp_path)
    assert finding["level"] == "error" and finding["facts"]["packets"] == 3
    assert finding["facts"]["destinations"] == ["fd00:1::9" if nd else "10.0.1.9"]
    assert "question" in finding["says"] and "checksum" not in finding["says"]


def test_ipv6_without_udp_checksum_is_told(tmp_path: Path) -> None:
    (finding,) = lost(questions(*ON_THE_WAY, ends=V6_ENDS), tmp_path)
    assert finding["facts"]["has_no_checksum"] and "udp6zerocsumrx" in finding["fix"]


def test_questions_that_come_out_is_silent(tmp_path: Path) -> None:
    assert lost(questions(*POINTS), tmp_path) == []
    assert lost(questions(*POINTS, ends=V6_ENDS), tmp_path) == []


def test_questions_between_other_hosts_is_silent(tmp_path: Path) -> None:
    """The switch shows at the card of B what A sends to a third host."""
    net = questions()
    for _ in range(3):
        travel(net, asks(X_MAC, X, "10.0.1.9"), True, *ON_THE_WAY, ends=(A, "192.168.111.130"))
    assert lost(net, tmp_path) == []


def test_inside_captured_without_arp_is_silent(tmp_path: Path) -> None:
    """The inside of B shows UDP alone, as after `tcpdump udp`, so that absent ARP proves nothing."""
    net = Network(POINTS)
    for number in range(3):
        said = udp(f"{Y}:5000 > 224.0.0.9:5000", b"x", ident=number, smac=DEVICE_B, dmac="01:00:5e:00:00:09")
        travel(net, said, False, *POINTS, gap=5e5)
        travel(net, asks(X_MAC, X, "10.0.1.9"), True, *ON_THE_WAY, gap=5e5)
    assert lost(net, tmp_path) == []
