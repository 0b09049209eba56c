"""arp-unanswered: where the address is that does not answer, as other questions and stations of the link show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import ACK, SYN, Network, arp, ping, solicit, tcp, udp

NAME = "arp-unanswered"
BRIDGE_MAC, POD1_MAC, POD2_MAC = "0a:58:0a:4d:01:01", "0a:58:0a:4d:01:07", "0a:58:0a:4d:01:08"
GATEWAY, POD1, POD2, SERVER = "10.77.1.1", "10.77.1.7", "10.77.1.8", "10.60.0.5"


def call(net: Network, number: int, *points: str, client: str = POD1, mac: str = POD1_MAC) -> None:
    """A client behind the bridge asks the server on another network by its gateway, and gets an answer."""
    there, back = f"{client}:{40000 + number} > {SERVER}:80", f"{SERVER}:80 > {client}:{40000 + number}"
    macs, macs_back = {"smac": mac, "dmac": BRIDGE_MAC}, {"smac": BRIDGE_MAC, "dmac": mac}
    for packet in (
        tcp(there, flags=SYN, seq=100, ident=number, **macs),
        tcp(back, flags=SYN | ACK, seq=500, ack=101, ttl=62, ident=number + 100, **macs_back),
        tcp(there, b"get", seq=101, ack=501, ident=number + 200, **macs),
        tcp(back, b"got", seq=501, ack=104, ttl=62, ident=number + 300, **macs_back),
    ):
        net.pass_by(*((point, packet) for point in points))


def look_up_gateway(net: Network, *points: str) -> None:
    for point in points:
        net.at(net.now, point, arp(1, POD1_MAC, POD1, GATEWAY))
        net.at(net.now + 40, point, arp(2, BRIDGE_MAC, GATEWAY, POD1, to=POD1_MAC))
    net.now += 1000


def ask_often(net: Network, target: str, *points: str, times: int = 5) -> None:
    for _ in range(times):
        for number, point in enumerate(points):
            net.at(net.now + 10 * number, point, arp(1, POD2_MAC, POD2, target))
        net.now += 1.02e6


@pytest.mark.parametrize("points", [("n1/cni0",), ("p2/eth0", "n1/cni0"), ("p2/eth0", "n1/cni0", "n1/eth0")])
def test_question_for_a_host_of_another_network_is_told(tmp_path: Path, points: tuple[str, ...]) -> None:
    """The netmask of one pod is too wide: the other one reaches the server by the gateway."""
    net = Network(list(points))
    inside = [point for point in points if point != "n1/eth0"]
    look_up_gateway(net, *inside)
    for number in range(3):
        call(net, number, "n1/cni0")
    ask_often(net, SERVER, *inside)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert f"{POD1} reaches it by the router {BRIDGE_MAC}" in finding["says"]
    assert of_story(net, tmp_path, "subnet-overlap") == []


def test_mac_that_sends_nothing_is_no_router(tmp_path: Path) -> None:
    """The capture lacks what it sends: it may be the target's own."""
    net = Network(["n1/cni0"])
    for number in range(3):
        call(net, number, "n1/cni0")
    net.recorded = [record for record in net.recorded if getattr(record[2], "smac", "") != BRIDGE_MAC]
    for request, macs in ((8, (POD1_MAC, POD2_MAC)), (0, (POD2_MAC, POD1_MAC))):
        ends = f"{POD1} > {POD2}" if request else f"{POD2} > {POD1}"
        net.pass_by(("n1/cni0", ping(ends, 7, 1, icmp=(request, 0), smac=macs[0], dmac=macs[1])))
    ask_often(net, SERVER, "n1/cni0")
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "warning" and finding["says"].endswith("by ARP 5 times, no answer")


def test_target_that_is_on_its_link_too_has_no_other_network(tmp_path: Path) -> None:
    """Two networks on one bridge: the server, which asked by ARP before, is down for a while."""
    net = Network(["n1/cni0"])
    look_up_gateway(net, "n1/cni0")
    call(net, 0, "n1/cni0")
    net.at(net.now, "n1/cni0", arp(1, "02:00:0a:3c:00:05", SERVER, "10.60.0.1"))
    net.now += 60e6
    ask_often(net, SERVER, "n1/cni0")
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "warning" and finding["says"].endswith("by ARP 5 times, no answer")


def test_question_for_a_gateway_that_is_none_is_told(tmp_path: Path) -> None:
    """The next step names the gateway that the others have."""
    net = Network(["n1/cni0"])
    look_up_gateway(net, "n1/cni0")
    call(net, 0, "n1/cni0")
    ask_often(net, "10.77.1.254", "n1/cni0")
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "warning"
    assert f"others on this link send by {GATEWAY}" in finding["fix"]


def test_gateway_of_ipv4_is_none_of_ipv6(tmp_path: Path) -> None:
    """A link-local neighbor that left: the router's IPv4 address says nothing of it."""
    net = Network(["n1/cni0"])
    look_up_gateway(net, "n1/cni0")
    call(net, 0, "n1/cni0")
    for _ in range(4):
        net.at(net.now, "n1/cni0", solicit("02:00:0a:4d:01:77", "fe80::77", "fe80::99"))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, "neighbour-unanswered")
    assert "gateway" not in finding["fix"]


def test_two_questions_at_a_bridge_is_silent(tmp_path: Path) -> None:
    """Its tap may not show what passes from port to port: a pod that got the answer asks no third time."""
    net = Network(["n1/cni0"])
    look_up_gateway(net, "n1/cni0")
    call(net, 0, "n1/cni0")
    ask_often(net, POD1, "n1/cni0", times=2)
    assert of_story(net, tmp_path, NAME) == []


def test_questions_among_broadcasts_alone_are_told(tmp_path: Path) -> None:
    """At the pod's own interface there is nothing but its questions, and one of another pod."""
    net = Network(["p2/eth0"])
    net.at(net.now, "p2/eth0", arp(1, POD1_MAC, POD1, GATEWAY))
    ask_often(net, GATEWAY, "p2/eth0", times=3)
    assert [finding["level"] for finding in of_story(net, tmp_path, NAME)] == ["warning"]


@pytest.mark.parametrize("times", [1, 3])
def test_answers_that_do_not_come_back_are_told(tmp_path: Path, times: int) -> None:
    """A bridge drops them: their asker asks again. A single question, answered elsewhere, may be cut off."""
    net = Network(["p1/eth0", "p2/eth0"])
    for number in range(3):
        call(net, number, "p1/eth0")
        call(net, 50 + number, "p1/eth0", client=POD1)
        net.pass_by(("p1/eth0", ping(f"{POD1} > 10.77.1.9", 7, number, smac=POD1_MAC, dmac="0a:58:0a:4d:01:09")))
    for _ in range(times):
        for number, point in enumerate(net.points):
            net.at(net.now + 10 * number, point, arp(1, POD1_MAC, POD1, POD2))
        net.at(net.now + 20, "p2/eth0", arp(2, POD2_MAC, POD2, POD1, to=POD1_MAC))
        net.now += 1.02e6
    findings = of_story(net, tmp_path, NAME)
    assert [finding["level"] for finding in findings] == (["error"] if times == 3 else [])
    assert all(f"those of {POD2_MAC} are seen at p2/eth0" in finding["says"] for finding in findings)


@pytest.mark.parametrize(("bridge", "is_stopped"), [("n1/cni0", True), ("n2/cni0", False)])
def test_questions_that_a_bridge_does_not_show_are_told(tmp_path: Path, bridge: str, is_stopped: bool) -> None:
    """A filter drops what comes in from one port; the broadcasts of the other pod go to all. Not at another host."""
    net = Network(["n1/veth2", bridge])
    for _ in range(3):
        for number, point in enumerate((bridge, "n1/veth2")):
            net.at(net.now + 10 * number, point, arp(1, POD1_MAC, POD1, GATEWAY))
        net.at(net.now + 50, bridge, arp(2, BRIDGE_MAC, GATEWAY, POD1, to=POD1_MAC))
        ask_often(net, GATEWAY, "n1/veth2", times=2)
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["level"] == "error") == is_stopped
    assert (f"do not come to {bridge}, where those of {POD1} do" in finding["says"]) == is_stopped


@pytest.mark.parametrize("is_there", [True, False], ids=["it is there", "it was removed"])
def test_interface_that_does_not_get_questions_is_told(tmp_path: Path, is_there: bool) -> None:
    """Ports of the bridge are isolated. That of a container that was removed gets no questions, and drops none."""
    points, docker = ["A/web/eth0", "A/app/eth0", "A/docker0"], "02:42:00:00:00:01"
    macs, web, app = ["02:42:ac:11:00:02", "02:42:ac:11:00:03"], "172.17.0.2", "172.17.0.3"
    net = Network(points)
    for number, (mac, address) in enumerate(zip(macs, (web, app), strict=True)):
        net.pass_by(*((point, arp(1, mac, address, "172.17.0.1")) for point in points))
        answer = arp(2, docker, "172.17.0.1", address, mac)
        net.pass_by(("A/docker0", answer), (points[number], answer))
    for number in range(10):
        if number == 5:
            net.now += 5e6
            for _ in range(4):
                net.pass_by(*((point, arp(1, macs[0], web, app)) for point in ("A/web/eth0", "A/docker0")), gap=1e6)
        if is_there or number < 5:
            log = udp(f"{app}:5000 > 10.1.1.1:514", b"%d" % number, ident=number, smac=macs[1], dmac=docker)
            net.pass_by(("A/app/eth0", log), ("A/docker0", log), gap=2e5)
    (finding,) = of_story(net, tmp_path, NAME)
    assert ("A/app/eth0" in finding["says"]) == is_there


@pytest.mark.parametrize(("host", "is_elsewhere"), [("n1", True), ("n2", False)])
def test_address_on_another_bridge_of_the_host_is_told(tmp_path: Path, host: str, is_elsewhere: bool) -> None:
    """Two networks have the same addresses; two hosts may."""
    other = f"{host}/br-bbbbbbbbbbbb"
    net = Network(["n1/br-aaaaaaaaaaaa", other])
    net.at(net.now, other, arp(1, POD1_MAC, POD1, "10.77.1.254"))
    net.at(net.now + 9, other, arp(2, "0a:58:0a:4d:01:fe", "10.77.1.254", POD1, to=POD1_MAC))
    ask_often(net, POD1, "n1/br-aaaaaaaaaaaa")
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["level"] == "error") == is_elsewhere
    assert (f"it is at {other}, on another network of that host" in finding["says"]) == is_elsewhere


ROUTER_MAC, NODE_MAC = "52:54:00:00:00:01", "52:54:00:00:00:0b"


@pytest.mark.parametrize("points", [["n1/eth0"], ["n1/cni0", "n1/eth0"]], ids=["card", "both"])
def test_address_of_snat_that_no_host_has_is_told(tmp_path: Path, points: list[str]) -> None:
    """The router looks for it, to send the answers there: no networks overlap."""
    net = Network(points)
    for number in range(4):
        syn = tcp(f"{POD1}:40000 > {SERVER}:443", flags=SYN, seq=77, ident=number + 1, smac=POD1_MAC, dmac=BRIDGE_MAC)
        outside = syn.routed(src="10.50.0.99", smac=NODE_MAC, dmac=ROUTER_MAC)
        net.pass_by(*((point, outside if point == "n1/eth0" else syn) for point in points))
        net.at(net.now + 90, "n1/eth0", arp(1, ROUTER_MAC, "10.50.0.1", "10.50.0.99"))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    if len(points) == 2:
        assert f"SNAT at n1/eth0 makes {POD1} that address" in finding["says"]
    assert of_story(net, tmp_path, "subnet-overlap") == of_story(net, tmp_path, "connection-unanswered") == []


@pytest.mark.parametrize(
    ("gateway", "host", "is_proxied"),
    [("169.254.1.1", "n1", True), ("169.254.1.1", "n2", False), ("169.254.169.254", "n1", False)],
)
def test_gateway_that_a_node_answers_for_elsewhere_is_told(
    tmp_path: Path, gateway: str, host: str, is_proxied: bool
) -> None:
    """Pods with routed links, of one node or of two. A cloud's metadata server is no gateway."""
    own, other = "n1/cali2", f"{host}/cali1"
    net = Network([own, other])
    net.at(net.now, other, arp(1, POD1_MAC, POD1, gateway))
    net.at(net.now + 40, other, arp(2, "ee:ee:ee:ee:ee:ee", gateway, POD1, to=POD1_MAC))
    ask_often(net, gateway, own)
    (finding,) = of_story(net, tmp_path, NAME)
    assert ("proxy_arp" in finding["fix"]) == ("by proxy ARP" in finding["says"]) == is_proxied
