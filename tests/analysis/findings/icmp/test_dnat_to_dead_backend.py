"""dnat-to-dead-backend: a published port whose container is gone, and whose rule is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.topology import Service, ServicePort, Topology, VirtualAddress
from tests.analysis.findings.reported import CARD_A, CARD_B, of_story, two_hosts
from tests.stories import ACK, SYN, Network, Packet, about, arp, solicit, tcp, udp
from tests.story_reports import A, B, read

NAME = "dnat-to-dead-backend"
BRIDGE_MAC, BACKEND, GATEWAY = "02:42:9c:1d:00:80", "172.17.0.9", "172.17.0.1"
POINTS = ["A/docker0", "A/ens33", "B/ens33"]
ASKED = tcp(f"{B}:33893 > {A}:8080", flags=SYN, seq=3736737046, tsval=1, smac=CARD_B, dmac=CARD_A)


def attempts(
    net: Network, asked: Packet, lookup: bytes | Packet | None, *, after: float = 3.06e6, error: Packet | None = None
) -> None:
    """Three packets a second apart; the host asks for the backend, and gives up `after` µs. As recorded of a kernel."""
    begin = net.now
    for number in range(3):
        packet = asked.but(ident=number, tsval=number if asked.proto == "tcp" else None)
        for delay, point in ((0, "B/ens33"), (3, "A/ens33")):
            if point in net.points:
                net.at(begin + number * 1.02e6 + delay, point, packet)
        if lookup is not None and "A/docker0" in net.points:
            net.at(begin + number * 1.02e6 + 16, "A/docker0", lookup)
    unreachable = error or Packet("icmp", A, B, icmp=(3, 1), smac=CARD_A, dmac=CARD_B)
    for delay, point in ((0, "A/ens33"), (80, "B/ens33")):
        if point in net.points:
            net.at(begin + after + delay, point, about(unreachable, asked))
    net.now = begin + max(after, 3.06e6) + 1e6


def of_attempts(
    folder: Path, points: list[str] = POINTS, topology: Topology | None = None, **more: Any
) -> list[dict[str, Any]]:
    net = Network(points)
    attempts(net, ASKED, arp(1, BRIDGE_MAC, GATEWAY, BACKEND), **more)
    return of_story(net, folder, NAME, topology)


def test_port_translated_to_a_dead_address_is_told(tmp_path: Path) -> None:
    (finding,) = of_attempts(tmp_path)
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"port 8080/tcp of {A} is translated to {BACKEND}, which answers no question for its MAC: {A} answers {B} "
        "'host unreachable' 1 time"
    )
    assert finding["facts"]["backend"] == BACKEND
    assert {frame["point"] for frame in finding["evidence"]} == set(POINTS)


@pytest.mark.parametrize("known_by", ["cluster IP", "node port", "neither"])
def test_endpoint_of_kubernetes_is_told_as_one(tmp_path: Path, known_by: str) -> None:
    vips = [VirtualAddress("services", A if known_by == "cluster IP" else "10.96.0.1")]
    ports = [ServicePort("tcp", 8080 if known_by == "node port" else 30080, 80, "ingress")]
    topology = two_hosts()
    topology.services.append(Service("web.shop", None, "vip", vips, ports, namespace="shop"))
    (finding,) = of_attempts(tmp_path, topology=topology)
    is_named = "`kubectl get endpointslices -n shop` lists the endpoints of web.shop" in finding["fix"]
    assert is_named == (known_by != "neither")


def test_dead_backend_at_the_card_alone_is_told(tmp_path: Path) -> None:
    (finding,) = of_attempts(tmp_path, ["A/ens33"])
    assert finding["facts"]["backend"] is None and "is translated to an address behind it" in finding["says"]


def test_message_that_passes_another_point_first_is_told(tmp_path: Path) -> None:
    """A bridge that translates shows the message a little earlier than the veth, and none of the packets to it."""
    net = Network(["B/ens33", "A/ens33"])
    attempts(net, ASKED, None)
    net.points.append("A/br0")
    net.at(3.06e6 - 50, "A/br0", about(Packet("icmp", A, B, icmp=(3, 1), smac=CARD_A, dmac=CARD_B), ASKED))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["host"] == A and finding["facts"]["port"] == 8080


def test_dead_ipv6_backend_is_told(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    asked = ASKED.but(ends="[fd00:1::129]:33893 > [fd00:1::128]:8080")
    for number in range(3):
        net.at(number * 1e6, "A/ens33", asked.but(tsval=number))
        net.at(number * 1e6 + 20, "A/docker0", solicit(BRIDGE_MAC, "fe80::1", "fd00:17::9"))
    error = Packet("icmp", "fd00:1::128", "fd00:1::129", icmp=(1, 3), smac=CARD_A, dmac=CARD_B)
    net.at(3.1e6, "A/ens33", error.but(payload=asked.ip()[:60]))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["backend"] == "fd00:17::9" and "ip6tables" in finding["fix"]


def test_symptoms_of_a_dead_backend_are_left_out(tmp_path: Path) -> None:
    net = Network(POINTS)
    attempts(net, ASKED, arp(1, BRIDGE_MAC, GATEWAY, BACKEND))
    assert [of["name"] for of in read(net, tmp_path)["findings"] if of["level"] != "info"] == [NAME]


def test_rule_that_rejects_at_once_is_silent(tmp_path: Path) -> None:
    """`REJECT --reject-with icmp-host-unreachable` holds no packet back."""
    assert of_attempts(tmp_path, after=40.0) == []


def test_router_that_does_not_reach_another_host_is_silent(tmp_path: Path) -> None:
    """It speaks of another address than its own: host-unreachable."""
    error = Packet("icmp", "192.168.111.1", B, icmp=(3, 1), smac="00:50:56:c0:00:08", dmac=CARD_B)
    assert of_attempts(tmp_path, error=error) == []


@pytest.mark.parametrize("is_on_bridge", [False, True], ids=["no lookup", "same address"])
def test_router_with_proxy_arp_is_silent(tmp_path: Path, is_on_bridge: bool) -> None:
    """A router answers for an address that is behind it and down; it asks for that address itself, if that is seen."""
    net = Network(POINTS)
    router, mac = "192.168.111.1", "00:50:56:c0:00:08"
    net.at(0, "B/ens33", arp(1, CARD_B, B, A))
    net.at(20, "B/ens33", arp(2, mac, A, B, to=CARD_B))
    net.now = 100
    error = Packet("icmp", router, B, icmp=(3, 1), smac=mac, dmac=CARD_B)
    lookup = arp(1, BRIDGE_MAC, GATEWAY, A) if is_on_bridge else None
    attempts(net, ASKED.but(dmac=mac), lookup, error=error)
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize("port", [40001, 33893], ids=["other client", "later"])
def test_port_that_serves_is_silent(tmp_path: Path, port: int) -> None:
    """Another client's datagrams go on without a message; or the container has come up."""
    net = Network(["A/ens33"])
    asked = udp(f"{B}:33893 > {A}:5060", b"log", smac=CARD_B, dmac=CARD_A)
    attempts(net, asked, None)
    for number in range(6):
        again = asked.but(sport=port, ident=50 + number)
        net.at(net.now, "A/ens33", again)
        if port == asked.sport:
            net.at(
                net.now + 90, "A/ens33", udp(f"{A}:5060 > {B}:{port}", b"ok", ident=number, smac=CARD_A, dmac=CARD_B)
            )
        net.now += 1e6
    assert of_story(net, tmp_path, NAME) == []


def test_other_port_that_serves_does_not_hide_it(tmp_path: Path) -> None:
    """Another published port of the host answers, before and later."""
    net = Network(POINTS)
    for _ in range(2):
        other = ASKED.but(dport=8081, sport=40000)
        net.at(net.now, "A/ens33", other)
        net.at(net.now + 90, "A/ens33", other.but(ends=f"{A}:8081 > {B}:40000", flags=SYN | ACK, smac=CARD_A))
        net.now += 1e6
        attempts(net, ASKED, arp(1, BRIDGE_MAC, GATEWAY, BACKEND))
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["facts"]["port"], finding["facts"]["backend"]) == (8080, BACKEND)


def test_backend_that_answered_before_is_told(tmp_path: Path) -> None:
    """The container served, and has stopped: the rule still names its address."""
    net = Network(POINTS)
    net.at(0, "A/docker0", arp(1, BRIDGE_MAC, GATEWAY, BACKEND))
    net.at(20, "A/docker0", arp(2, "02:42:ac:11:00:09", BACKEND, GATEWAY, BRIDGE_MAC))
    before = ASKED.but(sport=40000, ident=77)
    net.pass_by(("A/ens33", before), ("A/docker0", before.routed(dst=BACKEND, dport=80)), gap=100)
    answer = before.but(
        ends=f"{BACKEND}:80 > {B}:40000", flags=SYN | ACK, seq=5, ident=78, smac="02:42:ac:11:00:09", dmac=BRIDGE_MAC
    )
    net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(src=A, sport=8080)), gap=1e6)
    attempts(net, ASKED, arp(1, BRIDGE_MAC, GATEWAY, BACKEND))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["backend"] == BACKEND


def accept(net: Network, port: int) -> None:
    syn = ASKED.but(sport=port, tsval=None)
    net.at(net.now, "A/ens33", syn)
    answer = tcp(f"{A}:8080 > {B}:{port}", flags=SYN | ACK, seq=5, ack=syn.seq + 1, smac=CARD_A, dmac=CARD_B)
    net.at(net.now + 90, "A/ens33", answer)
    net.at(net.now + 180, "A/ens33", syn.but(flags=ACK, seq=syn.seq + 1, ack=6))
    net.now += 1e5


@pytest.mark.parametrize("is_shared", [True, False], ids=["backends in turn", "container started again"])
def test_one_dead_backend_of_several_is_told(tmp_path: Path, is_shared: bool) -> None:
    net = Network(["A/docker0", "A/ens33"])
    accept(net, 40001)
    attempts(net, ASKED, arp(1, BRIDGE_MAC, GATEWAY, BACKEND))
    accept(net, 40002)
    if is_shared:
        attempts(net, ASKED.but(sport=40003), arp(1, BRIDGE_MAC, GATEWAY, BACKEND))
    findings = of_story(net, tmp_path, NAME)
    assert [finding["facts"]["accepted"] for finding in findings] == ([1] if is_shared else [])


def test_dead_pod_at_a_node_is_told_as_one(tmp_path: Path) -> None:
    """A device of flannel shows that Docker has no rule there."""
    net = Network([*POINTS, "A/flannel.1"])
    attempts(net, ASKED, arp(1, BRIDGE_MAC, GATEWAY, BACKEND))
    net.pass_by(("A/flannel.1", udp("10.244.1.2:4000 > 10.244.2.2:5000", b"other")))
    (finding,) = of_story(net, tmp_path, NAME)
    assert "kubectl get endpointslices,pods" in finding["fix"] and "DOCKER" not in finding["fix"]
