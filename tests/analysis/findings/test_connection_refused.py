"""connection-refused: SYNs that are answered with RST."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Endpoint, PublishedPort
from tests.analysis.findings.reported import of_story, two_hosts
from tests.stories import ACK, RST, SYN, Network, tcp, udp
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


def test_scan_of_many_ports_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for port in range(1, 200):
        refuse(net, port)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert finding["facts"]["ports_in_all"] == 199 and finding["facts"]["ports"][:3] == [1, 2, 3]
    assert "199 ports, 1 to 199" in finding["says"] and len(finding["evidence"]) == 10


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


V6_A, V6_B = "[fd00::1]", "[fd00::2]"


def connect(
    net: Network, flags: int, port: int = 8080, sport: int = 40000, ttl: int = 64, ends: tuple[str, str] = (A, B)
) -> None:
    """A SYN, and what answers it."""
    client, server = ends
    net.pass_by(("A/ens33", tcp(f"{client}:{sport} > {server}:{port}", seq=12_345, flags=SYN)), gap=1e6)
    net.pass_by(("A/ens33", tcp(f"{server}:{port} > {client}:{sport}", ack=12_346, flags=flags, ttl=ttl)), gap=1e6)


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


def test_refusal_from_nearer_is_told(tmp_path: Path) -> None:
    """The RST has TTL 64; what the server itself sends has passed a router (measured: REJECT with tcp-reset).

    A Docker host that refuses a port beside one that it publishes shows the same.
    """
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, port=22, ttl=63)
    connect(net, RST | ACK, port=8080, ttl=64)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert (finding["facts"]["ttl"], finding["facts"]["usual_ttl"]) == (64, 63)
    assert "from a firewall or from 192.168.111.129 itself" in finding["says"]


@pytest.mark.parametrize(("accepts", "refuses"), [(64, 62), (63, 63), (64, 255), (63, 128)])
def test_refusal_from_elsewhere_names_no_place(tmp_path: Path, accepts: int, refuses: int) -> None:
    """A backend farther away than the others, as behind kube-proxy; and another system's TTL, which tells nothing."""
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, port=80, ttl=accepts)
    connect(net, RST | ACK, port=80, sport=40001, ttl=refuses)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert "ttl" not in finding["facts"] and "from nearer" not in finding["says"]


def test_scan_that_few_ports_refuse_is_told(tmp_path: Path) -> None:
    """Ten ports are tried, two refuse, the others say nothing: one info."""
    net = Network(["A/ens33"])
    for port in range(1, 11):
        if port > 2:
            net.pass_by(("A/ens33", tcp(f"{A}:40000 > {B}:{port}", seq=12_345, flags=SYN)), gap=10)
        else:
            refuse(net, port)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert (finding["level"], finding["facts"]["ports"]) == ("info", [1, 2])


def test_sweep_of_many_addresses_is_told(tmp_path: Path) -> None:
    """One port of forty addresses: what refuses has no part in it."""
    net = Network(["A/ens33"])
    for host in range(1, 41):
        net.pass_by(("A/ens33", tcp(f"{A}:40000 > 10.0.0.{host}:80", seq=12_345, flags=SYN)), gap=10)
    net.pass_by(("A/ens33", tcp(f"10.0.0.7:80 > {A}:40000", ack=12_346, flags=RST | ACK)))
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert finding["level"] == "info" and finding["facts"]["address"] == "10.0.0.7"


@pytest.mark.parametrize("ends", [(A, B), (V6_A, V6_B)], ids=["IPv4", "IPv6"])
def test_port_forwarded_before_names_the_host(tmp_path: Path, ends: tuple[str, str]) -> None:
    """Docker's rules are flushed: the host itself answers where its container did (played with a real kernel)."""
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, ttl=63, ends=ends)
    for sport in (40001, 40002):
        connect(net, RST | ACK, sport=sport, ends=ends)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert "now it answers itself" in finding["says"] and "from nearer" not in finding["says"]
    assert (finding["facts"]["ttl"], finding["facts"]["usual_ttl"], finding["facts"]["backend"]) == (64, 63, None)


def test_port_translated_before_names_its_backend(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])
    asked = tcp(f"{A}:40000 > {B}:8080", seq=12_345, flags=SYN)
    answer = tcp("172.17.0.2:80 > 192.168.111.128:40000", seq=9, ack=12_346, flags=SYN | ACK).but(dst=A)
    net.pass_by(("A/ens33", asked), ("A/docker0", asked.routed(dst="172.17.0.2", dport=80)), gap=1e6)
    net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(src=B, sport=8080)), gap=1e6)
    connect(net, RST | ACK, sport=40001)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert finding["facts"]["backend"] == "172.17.0.2:80" and "(172.17.0.2:80)" in finding["says"]


def test_far_firewall_that_refuses_is_told(tmp_path: Path) -> None:
    """The RST comes with a TTL that no hop less explains: a middlebox sends it."""
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, sport=40000, ttl=50)
    connect(net, RST | ACK, sport=40001, ttl=62)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    assert "it comes from nearer, from a firewall" in finding["says"]


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


@pytest.mark.parametrize(
    ("publisher", "is_misled"), [("172.17.0.9", True), ("172.17.0.2", False)], ids=["another", "the one that refuses"]
)
def test_rule_that_leads_a_port_to_another_container_is_told(publisher: str, is_misled: bool, tmp_path: Path) -> None:
    """A rule of a container that is gone stands before Docker's, and another container has its address now."""
    topology = two_hosts()
    topology.containers[0].ports = [PublishedPort("tcp", "0.0.0.0", 8080, 80)]
    topology.containers[0].endpoints = [Endpoint("bridge", "eth0", None, [f"{publisher}/16"])]
    net = Network(["A/ens33", "A/docker0"])
    for sport in (40000, 40001):
        asked = tcp(f"{B}:{sport} > {A}:8080", seq=sport * 7, flags=SYN)
        answer = tcp(f"172.17.0.2:80 > {B}:{sport}", seq=0, ack=sport * 7 + 1, flags=RST | ACK)
        net.pass_by(("A/ens33", asked), ("A/docker0", asked.routed(dst="172.17.0.2", dport=80)), gap=1e6)
        net.pass_by(("A/docker0", answer), ("A/ens33", answer.routed(src=A, sport=8080)), gap=1e6)
    (finding,) = of_story(net, tmp_path, "connection-refused", topology)
    assert ("Docker on A publishes it for web (172.17.0.9:80), not for 172.17.0.2" in finding["says"]) is is_misled
    assert ("delete the one that leads port 8080 to 172.17.0.2" in finding["fix"]) is is_misled


@pytest.mark.parametrize(("bound", "is_named"), [("127.0.0.1", True), ("0.0.0.0", False), (A, False)])
def test_port_published_at_another_address_is_named(bound: str, is_named: bool, tmp_path: Path) -> None:
    """`-p 127.0.0.1:8080:80`, and a client that asks the host's own address."""
    topology = two_hosts()
    topology.containers[0].ports = [PublishedPort("tcp", bound, 8080, 80)]
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", tcp(f"{B}:40000 > {A}:8080", seq=1, flags=SYN)))
    net.pass_by(("A/ens33", tcp(f"{A}:8080 > {B}:40000", ack=2, flags=RST | ACK)))
    (finding,) = of_story(net, tmp_path, "connection-refused", topology)
    assert ("127.0.0.1:8080 alone publishes it, for container web" in finding["says"]) is is_named
    assert ("`-p 8080:80` in place of `-p 127.0.0.1:8080:80`" in finding["fix"]) is is_named


@pytest.mark.parametrize("accepts", [True, False], ids=["127.0.0.1 accepts", "127.0.0.1 refuses too"])
def test_server_on_one_family_of_localhost_is_an_info(tmp_path: Path, accepts: bool) -> None:
    """A client of localhost tries ::1 first: nothing has to be started."""
    net = Network(["host/lo"])
    for number in range(2):
        for client, server, flags in (
            (f"[::1]:{5000 + number}", "[::1]:8000", RST | ACK),
            (f"127.0.0.1:{5000 + number}", "127.0.0.1:8000", SYN | ACK if accepts else RST | ACK),
        ):
            net.pass_by(("host/lo", tcp(f"{client} > {server}", seq=7, flags=SYN, ident=number)), gap=100)
            net.pass_by(("host/lo", tcp(f"{server} > {client}", seq=3, ack=8, flags=flags)), gap=100)
    findings = of_story(net, tmp_path, "connection-refused")
    assert {of["level"] for of in findings} == {"info" if accepts else "warning"}
    assert [of["facts"].get("accepted_by") for of in findings] == (["127.0.0.1"] if accepts else [None])
    assert all("publish" not in of["fix"] for of in findings)


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


@pytest.mark.parametrize(("hops", "end"), [(0, "02"), (1, "02"), (0, "09")])
def test_server_that_listens_on_ipv6_only_is_told(tmp_path: Path, hops: int, end: str) -> None:
    """One host of the link has both addresses: it is named. Behind a router, or at another MAC, it may be another."""
    net, mac = Network(["p2/eth0"]), f"02:00:00:00:00:{end}"
    for number in range(2):
        for client, server, flags, there in (
            (f"10.77.1.8:{5000 + number}", "10.77.1.7:8080", RST | ACK, "02:00:00:00:00:02"),
            (f"[fd00::8]:{5000 + number}", "[fd00::7]:8080", SYN | ACK, mac),
        ):
            syn = tcp(f"{client} > {server}", seq=7, flags=SYN, ident=number, smac="02:00:00:00:00:01", dmac=there)
            net.pass_by(("p2/eth0", syn), gap=100)
            back = tcp(f"{server} > {client}", seq=3, ack=8, flags=flags, ttl=64 - hops, smac=there, dmac=syn.smac)
            net.pass_by(("p2/eth0", back), gap=100)
    (finding,) = of_story(net, tmp_path, "connection-refused")
    is_one_host = hops == 0 and end == "02"
    assert finding["level"] == "warning"
    assert finding["facts"].get("accepted_by") == ("fd00::7" if is_one_host else None)
    assert ("the server listens on IPv6 only" in finding["says"]) == is_one_host


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
