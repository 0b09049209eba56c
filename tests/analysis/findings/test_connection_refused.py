"""connection-refused: SYNs that are answered with RST."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Topology
from tests.analysis.facts.syns.refusers import V6_A, V6_B, connect
from tests.analysis.findings.reported import CARD_A, of_story
from tests.stories import ACK, RST, SYN, Network, arp, tcp, udp
from tests.story_reports import A, B


def refuse(net: Network, port: int) -> None:
    net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:{port}", seq=12_345, flags=SYN)), gap=10)
    net.pass_by(("A/ens33", tcp(f"{B}:{port} > {A}:40000", ack=12_346, flags=RST | ACK)), gap=10)


def test_syn_answered_with_rst_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    refuse(net, 8080)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert (finding["level"], finding["facts"]) == ("warning", {"address": B, "port": 8080})
    assert finding["says"] == f"{B} refused connections to port 8080"
    assert [frame["frame"] for frame in finding["evidence"]] == [2]


@pytest.mark.parametrize("is_container", [True, False])
def test_next_step_names_the_container_that_refuses(tmp_path: Path, is_container: bool) -> None:
    """It was not captured, so what listens in it is not known. Nothing is to be published between containers."""
    net = Network(["A/ens33"])
    refuse(net, 5432)
    address = B if is_container else "172.18.0.9"
    db = Container("A", "db", "1", "i", "bridge", [Endpoint("shop", "eth0", None, [f"{address}/24"])])
    (finding,) = of_story(net, tmp_path, "connection-refused", Topology(containers=[db]))
    assert ("`capnet capture db --report`" in finding["fix"]) == is_container
    assert ("publish" not in finding["fix"]) or not is_container


def test_accepted_connection_reset_later_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:80", seq=100, flags=SYN)))
    net.pass_by(("A/ens33", tcp(f"{B}:80 > {A}:40000", seq=900, ack=101, flags=SYN | ACK)))
    net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:80", seq=101, ack=901)))
    net.pass_by(("A/ens33", tcp(f"{B}:80 > {A}:40000", seq=901, ack=101, flags=RST | ACK)))
    assert of_story(net, tmp_path, "connection-refused") == []


def test_connection_without_its_syn_ack_is_silent(tmp_path: Path) -> None:
    """The capture dropped it: who acknowledges was accepted."""
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:80", seq=100, flags=SYN)))
    net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:80", b"GET /", seq=101, ack=901)))
    net.pass_by(("A/ens33", tcp(f"{B}:80 > {A}:40000", seq=901, ack=106, flags=RST | ACK)))
    assert of_story(net, tmp_path, "connection-refused") == []


def test_refusal_over_ipv6_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    connect(net, RST | ACK, ends=(V6_A, V6_B))
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert finding["facts"]["address"] == "fd00::2"


def test_server_that_accepts_later_is_told(tmp_path: Path) -> None:
    """It was starting: nothing to do."""
    net = Network(["A/ens33"])
    connect(net, RST | ACK, sport=40000)
    connect(net, SYN | ACK, sport=40001)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert finding["level"] == "info" and "accepted later ones" in finding["says"]


def test_server_that_accepted_before_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, sport=40000)
    connect(net, RST | ACK, sport=40001)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert finding["level"] == "warning" and "accepted connections before" in finding["says"]


@pytest.mark.parametrize(("neighbors", "tries", "level"), [(20, 2, "info"), (19, 2, "warning"), (20, 3, "warning")])
def test_what_an_address_scan_tries_is_an_info(tmp_path: Path, neighbors: int, tries: int, level: str) -> None:
    """Who looks for neighbors by ARP, and asks those that are there for two ports. One that insists wants an answer."""
    net = Network(["A/ens33"])
    for host in range(neighbors):
        net.at(net.now, "A/ens33", arp(1, CARD_A, A, f"192.168.111.{host + 10}"))
        net.now += 1e6
    for number in range(tries):
        connect(net, RST | ACK, sport=40000 + number)
    found = of_story(net, tmp_path, "connection-refused")
    assert [(finding["level"], "tries many" in finding["says"]) for finding in found] == [(level, level == "info")]


def test_refusal_behind_a_translation_is_told_once(tmp_path: Path) -> None:
    """The server refuses; that the published port passes it on is no cause of its own."""
    net = Network(["A/ens33", "A/docker0"])
    for sport in (40000, 40001):
        asked = tcp(f"{A}:{sport} > {B}:8080", seq=sport * 7, flags=SYN)
        answer = tcp(f"172.17.0.2:80 > {A}:{sport}", seq=0, ack=sport * 7 + 1, flags=RST | ACK)
        net.pass_by(("A/ens33", asked), ("A/docker0", asked.routed(dst="172.17.0.2", dport=80)), gap=1e6)
        net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(src=B, sport=8080)), gap=1e6)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert finding["says"].startswith("172.17.0.2 refused connections to port 80, to which 192.168.111.129:8080 is tr")


@pytest.mark.parametrize("public", [True, False], ids=["of the Internet", "of the own network"])
def test_many_clients_that_try_a_port_each_is_an_info(tmp_path: Path, public: bool) -> None:
    """Each scanner of the Internet sends a SYN or two to every host, and goes."""
    net = Network(["B/ens33"])
    for number in range(4):
        client = f"{f'185.220.{number}.7' if public else f'192.168.111.{40 + number}'}:51000"
        for _ in range(2):
            net.pass_by(("B/ens33", tcp(f"{client} > {B}:{5000 + number}", seq=7, flags=SYN)))
            net.pass_by(("B/ens33", tcp(f"{B}:{5000 + number} > {client}", ack=8, flags=RST | ACK)), gap=1e5)
    findings = of_story(net, tmp_path, "connection-refused")
    assert [of["level"] for of in findings] == (["info"] if public else ["warning"] * 4)
    assert not public or findings[0]["facts"]["strangers"] == 4


@pytest.mark.parametrize("port", [80, 81])
def test_localhost_of_both_families_is_told_once(tmp_path: Path, port: int) -> None:
    """A program tries ::1, then 127.0.0.1; on another port it is another question."""
    net = Network(["A/lo"])
    for address, asked in (("[::1]", port), ("127.0.0.1", 80)):
        net.pass_by(("A/lo", tcp(f"{address}:40000 > {address}:{asked}", seq=12_345, flags=SYN)), gap=10)
        net.pass_by(("A/lo", tcp(f"{address}:{asked} > {address}:40000", ack=12_346, flags=RST | ACK)), gap=10)
    refused = [finding["facts"]["address"] for finding in of_story(net, tmp_path, "connection-refused")]
    assert refused == (["127.0.0.1"] if port == 80 else ["127.0.0.1", "::1"])


@pytest.mark.parametrize(
    ("order", "client", "is_between"),
    [("RARA", A, True), ("RRAA", A, False), ("ARRA", A, False), ("RAR", A, True), ("RAR", "192.168.111.7", False)],
)
def test_connections_accepted_between_refused_ones(tmp_path: Path, order: str, client: str, is_between: bool) -> None:
    """Measured behind kube-proxy: one endpoint of two has no server, so a service refuses every other connection."""
    net = Network(["A/ens33"])
    for number, kind in enumerate(order):
        ends = (A, B) if kind == "R" else (client, B)
        connect(net, RST | ACK if kind == "R" else SYN | ACK, sport=40000 + number, ends=ends)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert (finding["facts"].get("accepted_between") == 1) == is_between
    assert ("of the same client" in finding["says"]) == is_between
    assert finding["level"] == ("warning" if is_between or order == "RAR" else "info")


@pytest.mark.parametrize("case", ["translated back", "sent again", "other number", "accepted"])
def test_refusal_translated_back_at_a_bridge(tmp_path: Path, case: str) -> None:
    """Measured at cni0 with kube-proxy: the SYN is for the pod, and the RST comes from the cluster IP.

    A client that asked the pod itself does not take such a RST.
    """
    pod, service = "10.244.2.3", "10.96.0.10"
    net = Network(["A/cni0"])
    for sport in (40000, 40001):
        asked = tcp(f"10.244.1.2:{sport} > {pod}:80", seq=sport * 7, flags=SYN)
        flags = SYN | ACK if case == "accepted" else RST | ACK
        number = sport * 7 + 1 + (case == "other number")
        net.pass_by(("A/cni0", asked))
        net.pass_by(("A/cni0", tcp(f"{service}:80 > 10.244.1.2:{sport}", ack=number, flags=flags)), gap=1.02e6)
        if case == "sent again":
            net.pass_by(("A/cni0", asked), gap=1.02e6)
    net.pass_by(("A/cni0", udp("10.244.1.2:5000 > 10.244.2.9:5000", b"later")))
    findings = of_story(net, tmp_path, "connection-refused")
    says = f"{pod} refused connections to port 80, to which {service}:80 is translated"
    assert [finding["says"] for finding in findings] == [says] * (case == "translated back")
