"""Translations one after the other, of services and of ICMP errors. Truth: each story says what it rewrites."""

from __future__ import annotations

from pathlib import Path

from tests.stories import ACK, RST, SYN, Network, Packet, about, ping, tcp, udp
from tests.story_reports import C1, C2, A, B, changes, path_of, points, read, translations


def test_icmp_error_of_translated_flow_is_translated_back(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for src, port in ((C1, 5000), (C2, 6000)):
        query = udp(f"{src}:{port} > {B}:9", b"nobody there", ident=port)
        outside = query.routed(src=A)
        net.pass_by(("A/docker0", query), ("A/ens33", outside))
        error = about(Packet("icmp", B, A, icmp=(3, 3), ident=port + 1), outside)
        net.pass_by(("A/ens33", error), ("A/docker0", about(error.routed(dst=src), query)))
    report = read(net, tmp_path)
    for src in (C1, C2):
        back = [p for p in report["paths"] if p["proto"] == "icmp" and p["hops"][-1]["dst"] == src]
        assert [points(path) for path in back] == [["A/ens33", "A/docker0"]]
        assert changes(back[0])[1] == ["dnat", "routed"]
    assert {row["proto"] for row in report["nat"]} == {"udp"}  # conntrack has no entry for an error


def test_ipvs_virtual_address_is_snat_and_dnat(tmp_path: Path) -> None:
    """The client sees the VIP; the load balancer's namespace rewrites both ends; the TTL steps 64, 63."""
    net = Network(["A/client/eth0", "A/overlay:web/vxlan0", "A/ens33", "B/ens33", "B/task/eth0"])
    for number in range(4):
        asked = tcp("10.0.1.7:41000 > 10.0.1.3:80", b"x", seq=number, ident=number + 1)
        sent = asked.routed(ends="10.0.1.4:41000 > 10.0.1.9:80")
        inside = sent.but(tunnel=(4097, A, B, 50001))
        net.pass_by(
            ("A/client/eth0", asked),
            ("A/overlay:web/vxlan0", sent), ("A/ens33", inside), ("B/ens33", inside), ("B/task/eth0", sent),
        )  # fmt: skip
    report = read(net, tmp_path)
    assert translations(report) == {
        ("snat+dnat", "tcp", ("10.0.1.7", 41000, "10.0.1.3", 80), ("10.0.1.4", 41000, "10.0.1.9", 80))
    }
    path = path_of(report, "10.0.1.7", "10.0.1.3")
    assert points(path) == net.points
    assert [hop["ttl"] for hop in path["hops"]] == [64, 63, 63, 63, 63]


def test_ingress_to_another_node_is_two_translations(tmp_path: Path) -> None:
    """Routing mesh: DNAT to the sandbox of the ingress network, IPVS to a task on another node; TTL 64, 63, 62."""
    net = Network(
        ["A/ens33", "A/docker_gwbridge", "A/overlay:ingress/vxlan0", "B/ens33", "B/overlay:ingress/vxlan0", "B/t/eth0"]
    )
    sandbox = "172.20.0.2"
    for number in range(4):
        asked = tcp(f"192.168.111.200:41000 > {A}:8080", b"x", seq=number, ident=number + 1)
        passed = asked.routed(dst=sandbox)
        balanced = passed.routed(ends="10.0.0.2:41000 > 10.0.0.9:8080")
        wrapped = balanced.but(tunnel=(4096, A, B, 50_001))
        net.pass_by(
            ("A/ens33", asked), ("A/docker_gwbridge", passed), ("A/overlay:ingress/vxlan0", balanced),
            ("B/ens33", wrapped), ("B/overlay:ingress/vxlan0", balanced), ("B/t/eth0", balanced),
        )  # fmt: skip
    report = read(net, tmp_path)
    client = ("192.168.111.200", 41000)
    assert translations(report) == {
        ("dnat", "tcp", (*client, A, 8080), (*client, sandbox, 8080)),
        ("snat+dnat", "tcp", (*client, sandbox, 8080), ("10.0.0.2", 41000, "10.0.0.9", 8080)),
    }
    path = path_of(report, client[0], A)
    assert points(path) == net.points
    assert [hop["ttl"] for hop in path["hops"]] == [64, 63, 62, 62, 62, 62]


def test_ping_of_a_virtual_address_is_no_nat(tmp_path: Path) -> None:
    """The load balancer has the address and answers itself, also when no task is left."""
    net = Network(["A/client/eth0", "A/overlay:web/br0"])
    for number in range(3):
        ask = ping("10.0.1.7 > 10.0.1.3", 9, number, ident=number + 1)
        answer = ping("10.0.1.3 > 10.0.1.7", 9, number, ident=number + 70, icmp=(0, 0))
        net.pass_by(*((point, ask) for point in net.points))
        net.pass_by(*((point, answer) for point in net.points[::-1]))
    syn = tcp("10.0.1.7:41000 > 10.0.1.3:80", flags=SYN, seq=100, ident=5)
    reset = tcp("10.0.1.3:80 > 10.0.1.7:41000", flags=RST | ACK, ack=101)
    net.pass_by(*((point, syn) for point in net.points))
    net.pass_by(*((point, reset) for point in net.points[::-1]))
    report = read(net, tmp_path)
    assert report["nat"] == []
    assert path_of(report, "10.0.1.7", "10.0.1.3", "icmp")["ends"] == "delivered"
    assert "connection-refused" in {each["name"] for each in report["findings"]}
