"""isolated-on-bridge: two neighbours on one bridge resolve each other, and no IP packet passes between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.bridges import APP, APP_MAC, BRIDGE, BRIDGE_MAC, WEB, WEB_MAC
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, SYN, Network, arp, ping, tcp
from tests.story_reports import A, B

VETH = "A/vethweb"
POINTS = ["A/ens33", BRIDGE, VETH]
SYN_OF_APP = tcp(f"{APP}:41000 > {WEB}:80", flags=SYN, seq=7000, smac=APP_MAC, dmac=WEB_MAC)


def resolve(net: Network) -> None:
    """app asks for web, and gets its MAC."""
    for point in (BRIDGE, VETH):
        net.at(net.now, point, arp(1, APP_MAC, APP, WEB))
        net.at(net.now + 5, point, arp(2, WEB_MAC, WEB, APP, to=APP_MAC))
    net.now += 1000


def publish(net: Network, number: int) -> None:
    """B's connection to the published port of web, which is answered."""
    for seq, flags in ((100, SYN), (101, ACK)):
        request = tcp(f"{B}:{43000 + number} > {A}:8080", flags=flags, seq=seq, ident=100 * number + seq, smac=CARD_B,
                      dmac=CARD_A)  # fmt: skip
        inside = request.routed(ends=f"{B}:{43000 + number} > {WEB}:80", smac=BRIDGE_MAC, dmac=WEB_MAC)
        net.pass_by(("A/ens33", request), (BRIDGE, inside), (VETH, inside))
        answer = tcp(f"{WEB}:80 > {B}:{43000 + number}", flags=flags | ACK, seq=900 + seq, ack=seq + 1,
                     ident=5000 + 100 * number + seq, smac=WEB_MAC, dmac=BRIDGE_MAC)  # fmt: skip
        outside = answer.routed(ends=f"{A}:8080 > {B}:{43000 + number}", smac=CARD_A, dmac=CARD_B)
        net.pass_by((VETH, answer), (BRIDGE, answer), ("A/ens33", outside), gap=1e5)


def knock(net: Network, *points: str) -> None:
    for number in range(4):
        net.pass_by(*((point, SYN_OF_APP.but(ident=7000 + number)) for point in points), gap=1e6)


def isolated(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "isolated-on-bridge")


def test_neighbours_with_arp_alone_is_told(tmp_path: Path) -> None:
    net = Network(POINTS)
    resolve(net)
    publish(net, 1)
    knock(net, BRIDGE)
    publish(net, 2)
    (finding,) = isolated(net, tmp_path)
    assert finding["level"] == "error"
    assert (finding["facts"]["source"], finding["facts"]["destination"]) == (APP, WEB)
    assert (finding["facts"]["point"], finding["facts"]["next"]) == (BRIDGE, VETH)
    assert of_story(net, tmp_path, "stops-between") == []


def test_neighbours_of_whom_some_packets_pass_is_silent(tmp_path: Path) -> None:
    """Ping passes: a rule for one port drops the connection, not the isolation of containers."""
    net = Network(POINTS)
    resolve(net)
    publish(net, 1)
    echo = ping(f"{APP} > {WEB}", 7, 1, smac=APP_MAC, dmac=WEB_MAC)
    reply = ping(f"{WEB} > {APP}", 7, 1, icmp=(0, 0), smac=WEB_MAC, dmac=APP_MAC)
    net.pass_by((BRIDGE, echo), (VETH, echo))
    net.pass_by((VETH, reply), (BRIDGE, reply))
    knock(net, BRIDGE)
    publish(net, 2)
    assert isolated(net, tmp_path) == []


def test_neighbours_without_arp_is_silent(tmp_path: Path) -> None:
    """Nothing shows that they find each other."""
    net = Network(POINTS)
    publish(net, 1)
    knock(net, BRIDGE)
    publish(net, 2)
    assert isolated(net, tmp_path) == []


def test_packets_that_arrive_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    resolve(net)
    publish(net, 1)
    knock(net, BRIDGE, VETH)
    publish(net, 2)
    assert isolated(net, tmp_path) == []


def test_packets_of_the_host_that_stop_is_silent(tmp_path: Path) -> None:
    """They come from another network: routed, not bridged."""
    net = Network(POINTS)
    resolve(net)
    publish(net, 1)
    for number in range(4):
        routed = tcp(f"{B}:44000 > {WEB}:80", flags=SYN, seq=7000, ident=number, ttl=63, smac=BRIDGE_MAC, dmac=WEB_MAC)
        net.pass_by((BRIDGE, routed), gap=1e6)
    publish(net, 2)
    assert isolated(net, tmp_path) == []


def ports(folder: Path, *, story: str = "") -> Findings:
    """app asks for web, and both talk to the bridge's host before and afterwards."""
    net, both = Network([BRIDGE, VETH]), (BRIDGE, VETH)

    def talk(number: int, points: tuple[str, ...], address: str, mac: str) -> None:
        gateway = "172.17.0.1"
        for point in points if number == 0 else ():
            net.at(net.now, point, arp(1, mac, address, gateway))
            net.at(net.now + 5, point, arp(2, BRIDGE_MAC, gateway, address, to=mac))
        net.now += 1000
        asked = ping(f"{address} > {gateway}", 9, number, smac=mac, dmac=BRIDGE_MAC)
        net.pass_by(*((point, asked) for point in points))
        answer = ping(f"{gateway} > {address}", 9, number, icmp=(0, 0), smac=BRIDGE_MAC, dmac=mac)
        net.pass_by(*((point, answer) for point in points[::-1]))

    talk(0, both, WEB, WEB_MAC)
    talk(0, (BRIDGE,), APP, APP_MAC)
    for _ in range(1 if story == "asked once" else 3):
        question = arp(1, APP_MAC, APP, WEB)
        tag = b"\x81\x00\x00\x0a" if story == "VLAN" else b""
        for point in both if story == "arrive" else (BRIDGE,):
            net.at(net.now, point, question[:12] + tag + question[12:])
        net.now += 1e6
    if story != "web is gone":
        talk(1, both, WEB, WEB_MAC)
    return isolated(net, folder)


def test_questions_that_stop_at_the_bridge_is_told(tmp_path: Path) -> None:
    """Both ports are isolated, measured: cni0 gets the broadcasts, the other port does not."""
    (finding,) = ports(tmp_path)
    assert (finding["level"], finding["facts"]["protos"], finding["facts"]["packets"]) == ("warning", ["arp"], 3)
    assert (finding["facts"]["point"], finding["facts"]["next"]) == (BRIDGE, VETH)
    assert "`bridge -d link` shows `isolated on`" in finding["fix"]


@pytest.mark.parametrize("story", ["arrive", "asked once", "VLAN", "web is gone"])
def test_questions_that_show_no_isolation_are_silent(tmp_path: Path, story: str) -> None:
    assert ports(tmp_path, story=story) == []


GUEST, GUEST_MAC = "192.168.111.50", "52:54:00:9d:47:8a"
BRIDGED = ["A/br0", "A/ens33"]


def guest_asks(net: Network, dmac: str) -> None:
    """A virtual machine and the host itself, both on a bridge whose port is the host's card, connect to B."""
    for point in BRIDGED:
        net.at(net.now, point, arp(1, GUEST_MAC, GUEST, B))
        net.at(net.now + 5, point, arp(2, CARD_B, B, GUEST, to=GUEST_MAC))
    net.now += 1000
    for port in range(42000, 42004):
        syn = tcp(f"{A}:{port} > {B}:80", flags=SYN, seq=5, ident=port, smac=CARD_A, dmac=CARD_B)
        back = syn.but(ends=f"{B}:80 > {A}:{port}", flags=SYN | ACK, seq=9, ack=6, smac=CARD_B, dmac=CARD_A)
        net.pass_by(*((point, syn) for point in BRIDGED))
        net.pass_by(*((point, back) for point in BRIDGED[::-1]))
    for number in range(4):
        lost = tcp(f"{GUEST}:41000 > {B}:80", flags=SYN, seq=7, ident=7000 + number, smac=GUEST_MAC, dmac=dmac)
        net.pass_by(("A/br0", lost), gap=1e6)


def test_guest_whose_bridge_has_the_card_is_told(tmp_path: Path) -> None:
    """Docker set the policy of FORWARD to DROP, which bridged frames pass, too (docker/for-linux#103)."""
    net = Network(BRIDGED)
    guest_asks(net, CARD_B)
    (finding,) = isolated(net, tmp_path)
    assert (finding["facts"]["point"], finding["facts"]["next"]) == ("A/br0", "A/ens33")
    assert "DOCKER-USER -i BRIDGE -o BRIDGE" in finding["fix"]


def test_guest_that_is_routed_is_silent(tmp_path: Path) -> None:
    """It sends to the bridge's own MAC: what drops is no filter between ports."""
    net = Network(BRIDGED)
    guest_asks(net, CARD_A)
    assert isolated(net, tmp_path) == []


@pytest.mark.parametrize(("bridge", "is_pods"), [("A/cni0", True), ("A/cni-podman0", False)])
def test_pods_of_a_policy_is_told(tmp_path: Path, bridge: str, is_pods: bool) -> None:
    """Measured: a rule between two pods of one bridge; a third pod passes. Podman's bridges of CNI have no pods."""
    net = Network([*POINTS, bridge])
    resolve(net)
    publish(net, 1)
    knock(net, BRIDGE)
    publish(net, 2)
    net.pass_by((bridge, tcp("10.88.7.4:4000 > 10.88.7.2:80", flags=SYN)))
    (finding,) = isolated(net, tmp_path)
    assert ("kubectl get networkpolicy" in finding["fix"], "enable_icc" in finding["fix"]) == (is_pods, not is_pods)
