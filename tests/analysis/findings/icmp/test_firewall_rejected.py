"""firewall-rejected: ICMP errors with which a firewall, or a service without a backend, rejects connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import ACK, SYN, Network, Packet, about, arp, ping, tcp, udp
from tests.story_reports import A, B

SYN_TO_A = tcp(f"{B}:40000 > {A}:80", flags=SYN, seq=100, ident=1, smac=CARD_B, dmac=CARD_A)
DATAGRAM = udp(f"{B}:40000 > {A}:53", b"question", ident=2, smac=CARD_B, dmac=CARD_A)


def reject(net: Network, cause: Packet, kind: int, code: int) -> None:
    """A answers the cause with an ICMP error that quotes it."""
    net.pass_by(("A/ens33", cause))
    error = ping(f"{cause.dst} > {cause.src}", 0, 0, icmp=(kind, code), smac=CARD_A, dmac=CARD_B)
    net.pass_by(("A/ens33", about(error, cause)))


@pytest.mark.parametrize(
    ("cause", "code", "words"),
    [
        (SYN_TO_A, 9, "network administratively prohibited"),
        (SYN_TO_A, 10, "host administratively prohibited"),
        (SYN_TO_A, 13, "communication administratively prohibited"),
        (DATAGRAM, 13, "communication administratively prohibited"),
        (SYN_TO_A, 3, "port unreachable"),
    ],
)
def test_rejecting_message_is_told(tmp_path: Path, cause: Packet, code: int, words: str) -> None:
    net = Network(["A/ens33"])
    reject(net, cause, 3, code)
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert finding["level"] == "error" and words in finding["says"]
    assert finding["facts"]["destination"] == A and finding["facts"]["sources"] == [B]
    assert ("route of type prohibit" in finding["fix"]) is (code == 13)
    assert [frame["frame"] for frame in finding["evidence"]] == [2]


@pytest.mark.parametrize(
    ("point", "code", "is_cluster"), [("A/cni0", 3, True), ("A/ens33", 3, False), ("A/cni0", 13, False)]
)
def test_service_of_kubernetes_without_endpoints_is_told(
    tmp_path: Path, point: str, code: int, is_cluster: bool
) -> None:
    """kube-proxy rejects with port unreachable, and from the gateway of the pods."""
    net = Network([point])
    cause = tcp("10.244.1.2:40000 > 10.96.0.10:80", flags=SYN, ident=1)
    net.pass_by((point, cause))
    net.pass_by((point, about(ping("10.244.1.1 > 10.244.1.2", 0, 0, icmp=(3, code)), cause)))
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert ("kubectl get services,endpointslices -A | grep 10.96.0.10`" in finding["fix"]) == is_cluster


def of_two_clients(folder: Path, order: str) -> dict[str, Any]:
    """The finding about connections to a service: A is accepted, of one client, R is rejected, of another one."""
    net = Network(["A/cni0"])
    for number, outcome in enumerate(order):
        client = f"10.244.1.{3 if outcome == 'A' else 2}"
        asked = tcp(f"{client}:{40000 + number} > 10.60.0.5:80", flags=SYN, seq=1, ident=number + 1)
        accepts = tcp(f"10.60.0.5:80 > {client}:{40000 + number}", flags=SYN | ACK, seq=7, ack=2, ident=2)
        rejects = about(ping(f"10.244.1.1 > {client}", 0, 0, icmp=(3, 3)), asked)
        net.pass_by(("A/cni0", asked))
        net.pass_by(("A/cni0", accepts if outcome == "A" else rejects), gap=1e6)
    (finding,) = of_story(net, folder, "firewall-rejected")
    return finding


@pytest.mark.parametrize("order", ["ARA", "RAR", "AARRA"])
def test_rule_about_one_of_two_clients_is_told(tmp_path: Path, order: str) -> None:
    """Another pod is accepted meanwhile: what is asked for is no service without endpoints."""
    finding = of_two_clients(tmp_path, order)
    assert finding["says"].endswith("; connections of 10.244.1.3 to it are accepted")
    assert "a rule about 10.244.1.2 on 10.244.1.1" in finding["fix"] and "kubectl" not in finding["fix"]


@pytest.mark.parametrize("order", ["AARR", "RRAA", "AR", "RA"])
def test_service_that_lost_or_got_its_endpoints_is_silent(tmp_path: Path, order: str) -> None:
    """Of a rule about a client."""
    finding = of_two_clients(tmp_path, order)
    assert "accepts" not in finding["facts"] and "kubectl" in finding["fix"]


@pytest.mark.parametrize(("port", "is_service"), [(8082, False), (30_080, True)])
def test_port_of_the_node_itself_is_told(tmp_path: Path, port: int, is_service: bool) -> None:
    """Only a NodePort may be one of a service without endpoints."""
    net = Network(["A/cni0"])
    cause = tcp(f"10.244.1.2:40000 > 10.244.1.1:{port}", flags=SYN, ident=1)
    net.pass_by(("A/cni0", cause))
    net.pass_by(("A/cni0", about(ping("10.244.1.1 > 10.244.1.2", 0, 0, icmp=(3, 3)), cause)))
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert ("kubectl" in finding["fix"]) == is_service


def test_rejecting_message_of_ipv6_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    cause = tcp("[2001:db8::2]:40000 > [2001:db8::1]:80", flags=SYN, seq=1)
    net.pass_by(("A/ens33", cause))
    error = Packet("icmp", "2001:db8::1", "2001:db8::2", icmp=(1, 1), payload=cause.ip())
    net.pass_by(("A/ens33", error))
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert finding["facts"]["destination"] == "2001:db8::1" and finding["facts"]["port"] == 80


@pytest.mark.parametrize(
    ("cause", "kind", "code"),
    [(DATAGRAM, 3, 3), (SYN_TO_A, 3, 1), (SYN_TO_A, 3, 4), (SYN_TO_A, 11, 0)],
    ids=["closed UDP port", "host unreachable", "fragmentation needed", "time exceeded"],
)
def test_other_message_is_silent(tmp_path: Path, cause: Packet, kind: int, code: int) -> None:
    net = Network(["A/ens33"])
    reject(net, cause, kind, code)
    assert of_story(net, tmp_path, "firewall-rejected") == []


def test_message_to_another_than_the_quoted_sender_is_silent(tmp_path: Path) -> None:
    """A flood of forged errors (BlackNurse): nobody has sent what they quote."""
    net = Network(["A/ens33"])
    forged = tcp("1.2.3.4:0 > 5.6.7.8:0", flags=SYN)
    for _ in range(20):
        net.pass_by(("A/ens33", about(ping(f"{B} > {A}", 0, 0, icmp=(3, 3), smac=CARD_B, dmac=CARD_A), forged)))
    assert of_story(net, tmp_path, "firewall-rejected") == []


@pytest.mark.parametrize("began", [True, False], ids=["the SYN is seen", "by the ports"])
def test_rejected_answer_is_told_as_info(tmp_path: Path, began: bool) -> None:
    """The client has closed, and its firewall forgot: no server is missing at its ports."""
    net = Network(["A/ens33"])
    for port in (59_437, 58_548):
        if began:
            net.pass_by(("A/ens33", tcp(f"{A}:{port} > {B}:22", flags=SYN, smac=CARD_A, dmac=CARD_B)), gap=5e6)
        reject(net, tcp(f"{B}:22 > {A}:{port}", b"late", smac=CARD_B, dmac=CARD_A), 3, 10)
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert finding["level"] == "info" and "backend" not in finding["fix"]
    assert (finding["facts"]["ports"], finding["facts"]["messages"]) == ([22], 2)


def test_targets_of_one_client_is_told_once(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for port in (5060, 5061, 5062):
        reject(net, udp(f"{B}:5060 > {A}:{port}", b"OPTIONS", smac=CARD_B, dmac=CARD_A), 3, 10)
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert finding["facts"]["targets"] == [f"{A}:5060", f"{A}:5061", f"{A}:5062"]
    assert finding["facts"]["messages"] == 3


@pytest.mark.parametrize(("mac", "is_calico"), [("ee:ee:ee:ee:ee:ee", True), ("02:00:00:00:00:01", False)])
def test_gateway_of_calico_shows_a_cluster(tmp_path: Path, mac: str, is_calico: bool) -> None:
    """In a capture of a pod alone, whatever its file is called: each node has this MAC for its pods."""
    net = Network(["eth0"])
    net.at(0, "eth0", arp(2, mac, "169.254.1.1", "10.233.91.65", "02:00:00:00:00:02"))
    cause = tcp("10.233.91.65:40000 > 10.96.0.10:80", flags=SYN, ident=1)
    net.pass_by(("eth0", cause))
    net.pass_by(("eth0", about(ping("192.168.56.11 > 10.233.91.65", 0, 0, icmp=(3, 3)), cause)))
    (finding,) = of_story(net, tmp_path, "firewall-rejected")
    assert ("kubectl get services,endpointslices" in finding["fix"]) == is_calico
