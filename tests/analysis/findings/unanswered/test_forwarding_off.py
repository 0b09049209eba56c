"""forwarding-off: a host forwards nothing, though its own packets leave it and are answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.bridges import APP, APP_MAC, BRIDGE, BRIDGE_MAC, CARD, WEB, WEB_MAC, host, surf
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import SYN, Network, about, ping, tcp
from tests.story_reports import A, B

FAR, FAR_V6 = "198.51.100.7", "2001:db8:9::7"


def own(net: Network, number: int) -> None:
    """A's own connection to B."""
    net.pass_by((CARD, tcp(f"{A}:{42000 + number} > {B}:80", b"q", seq=10, ident=number, smac=CARD_A, dmac=CARD_B)))
    answer = tcp(f"{B}:80 > {A}:{42000 + number}", b"a", seq=20, ident=100 + number, smac=CARD_B, dmac=CARD_A)
    net.pass_by((CARD, answer), gap=1e5)


def call(net: Network, src: str, mac: str, count: int = 3) -> None:
    """Echo requests of a container to a far host that end at the bridge."""
    for seq in range(count):
        net.pass_by((BRIDGE, ping(f"{src} > {FAR}", sum(src.encode()), seq, ident=seq, smac=mac, dmac=BRIDGE_MAC)),
                    gap=1e6)  # fmt: skip


def off(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "forwarding-off")


def both_call(net: Network) -> None:
    call(net, WEB, WEB_MAC)
    call(net, APP, APP_MAC)


def listening_host() -> Network:
    """The host's interface shows ARP, TCP and ICMP: it was not captured with a filter."""
    net = host()
    net.pass_by((CARD, ping(f"{A} > {B}", 1, 1, smac=CARD_A, dmac=CARD_B)))
    net.pass_by((CARD, ping(f"{B} > {A}", 1, 1, icmp=(0, 0), smac=CARD_B, dmac=CARD_A)))
    own(net, 1)
    return net


def test_containers_that_reach_nothing_is_told(tmp_path: Path) -> None:
    net = listening_host()
    both_call(net)
    own(net, 2)
    (finding,) = off(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["host"] == "A"
    assert finding["facts"]["containers"] == [WEB, APP] and finding["facts"]["packets"] == 6
    assert finding["facts"]["card"] == CARD


def test_containers_of_ipv6_is_told(tmp_path: Path) -> None:
    net = listening_host()
    net.pass_by((CARD, ping("2001:db8::1 > 2001:db8::2", 1, 1, icmp=(128, 0), smac=CARD_A, dmac=CARD_B)))
    net.pass_by((CARD, ping("2001:db8::2 > 2001:db8::1", 1, 1, icmp=(129, 0), smac=CARD_B, dmac=CARD_A)))
    net.pass_by((BRIDGE, ping("fd00::1 > fd00::2", 9, 1, icmp=(128, 0), smac=BRIDGE_MAC, dmac=WEB_MAC)))
    for seq in range(3):
        for src, mac, echo in (("fd00::2", WEB_MAC, 7), ("fd00::3", APP_MAC, 8)):
            request = ping(f"{src} > {FAR_V6}", echo, seq, icmp=(128, 0), smac=mac, dmac=BRIDGE_MAC)
            net.pass_by((BRIDGE, request), gap=1e6)
    net.pass_by((CARD, ping("2001:db8::1 > 2001:db8::2", 1, 2, icmp=(128, 0), smac=CARD_A, dmac=CARD_B)))
    (finding,) = off(net, tmp_path)
    assert finding["facts"]["destinations"] == [FAR_V6]


def test_one_container_that_is_forwarded_is_silent(tmp_path: Path) -> None:
    """The far host is down, or a rule drops what goes there."""
    net = listening_host()
    both_call(net)
    surf(net, WEB, WEB_MAC, BRIDGE, BRIDGE_MAC, 7)
    own(net, 2)
    assert off(net, tmp_path) == []


def test_one_container_alone_is_silent(tmp_path: Path) -> None:
    """A rule may drop this one."""
    net = listening_host()
    call(net, WEB, WEB_MAC)
    own(net, 2)
    assert off(net, tmp_path) == []


@pytest.mark.parametrize(
    ("servers", "is_off"),
    [(["198.51.100.1", FAR], True), ([FAR], False), ([B], True), (["169.254.169.254", "169.254.170.2"], False)],
    ids=["several", "one that a rule may mean", "one that answers the host", "metadata of a cloud"],
)
def test_one_container_whose_other_version_passes_is_told(tmp_path: Path, servers: list[str], is_off: bool) -> None:
    net = listening_host()
    net.pass_by((BRIDGE, ping("fd00::1 > fd00::2", 9, 1, icmp=(128, 0), smac=BRIDGE_MAC, dmac=WEB_MAC)))
    for seq in range(3):
        there = ping(f"fd00::2 > {FAR_V6}", 7, seq, icmp=(128, 0), smac=WEB_MAC, dmac=BRIDGE_MAC)
        net.pass_by((BRIDGE, there), (CARD, there.routed(src="2001:db8::1", smac=CARD_A, dmac=CARD_B)))
        back = ping(f"{FAR_V6} > 2001:db8::1", 7, seq, icmp=(129, 0), smac=CARD_B, dmac=CARD_A, ttl=60)
        net.pass_by((CARD, back), (BRIDGE, back.routed(dst="fd00::2", smac=BRIDGE_MAC, dmac=WEB_MAC)), gap=1e6)
        for server in servers:
            syn = tcp(f"{WEB}:4000 > {server}:8080", seq=5, flags=SYN, ident=seq, smac=WEB_MAC, dmac=BRIDGE_MAC)
            net.pass_by((BRIDGE, syn))
    own(net, 2)
    assert ["IPv4 only" in finding["says"] for finding in off(net, tmp_path)] == [True] * is_off


def test_host_that_refuses_is_silent(tmp_path: Path) -> None:
    """ICMP "prohibited" tells what it is."""
    net = listening_host()
    both_call(net)
    for src, mac in ((WEB, WEB_MAC), (APP, APP_MAC)):
        cause = ping(f"{src} > {FAR}", sum(src.encode()), 1)
        error = about(ping(f"172.17.0.1 > {src}", 0, 0, icmp=(3, 13), smac=BRIDGE_MAC, dmac=mac), cause)
        net.pass_by((BRIDGE, error))
    own(net, 2)
    assert off(net, tmp_path) == []


def test_host_without_packets_of_its_own_is_silent(tmp_path: Path) -> None:
    """Its interface may be down, or the capture was."""
    net = host()
    both_call(net)
    assert off(net, tmp_path) == []
