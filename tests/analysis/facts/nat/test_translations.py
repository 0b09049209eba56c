"""NAT facts of a connection that both of its hops show. Truth: each story says what it rewrites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stories import ACK, FIN, SYN, Network, Packet, ping, tcp, udp
from tests.story_reports import C1, C2, POINTS, A, B, inward, outward, points, read, translations

GATEWAY = "172.17.0.1"


def row_of(net: Network, folder: Path) -> dict[str, Any]:
    """The only NAT fact."""
    (row,) = read(net, folder)["nat"]
    return row


def translated(net: Network, packet: Packet, before: str, after: str, **changes: object) -> None:
    """A packet at a point, and routed and rewritten at the next one."""
    net.pass_by((before, packet), (after, packet.routed(**changes)))


def test_masquerade_of_tcp_is_one_row(tmp_path: Path) -> None:
    """The replies are not a row of their own; the delay is that of the hop that rewrites."""
    net = Network(POINTS)
    for number in range(4):
        flags = SYN if number == 0 else ACK
        outward(net, tcp(f"{C1}:5555 > {B}:7000", flags=flags, seq=number, ident=number + 1))
        reply = tcp(f"{B}:7000 > {A}:5555", flags=flags | ACK, seq=900 + number, ack=number + 1, ident=number + 50)
        inward(net, reply, f"{C1}:5555")
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))}
    (row,) = report["nat"]
    assert (row["before"]["point"], row["after"]["point"]) == ("A/docker0", "A/ens33")
    assert (row["ttl_delta"], row["packets"], row["reply_seen"], row["port_rewritten"]) == (-1, 4, True, False)
    assert (row["method"], row["confidence"] > 0.99) == ("same-packet", True)
    assert row["latency_us"]["median"] == 10.0


def test_connection_older_than_the_capture_is_masqueraded(tmp_path: Path) -> None:
    """The server speaks first in what was captured, from the port at which it accepts other connections."""
    net = Network(POINTS)
    outward(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1))
    inward(net, tcp(f"{B}:7000 > {A}:5555", flags=SYN | ACK, seq=900, ack=101, ident=2), f"{C1}:5555")
    inward(net, tcp(f"{B}:7000 > {A}:6666", flags=FIN | ACK, seq=300, ack=801, ident=3), f"{C1}:6666")
    outward(net, tcp(f"{C1}:6666 > {B}:7000", seq=801, ack=301, ident=4))
    assert translations(read(net, tmp_path)) == {
        ("snat", "tcp", (C1, port, B, 7000), (A, port, B, 7000)) for port in (5555, 6666)
    }


def test_published_port_is_dnat_with_rewritten_port(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    syn = tcp(f"{B}:51514 > {A}:8080", flags=SYN, seq=1000, ident=1)
    reply = tcp(f"{C1}:80 > {B}:51514", flags=SYN | ACK, seq=5000, ack=1001)
    translated(net, syn, "A/ens33", "A/docker0", ends=f"{B}:51514 > {C1}:80")
    translated(net, reply, "A/docker0", "A/ens33", ends=f"{A}:8080 > {B}:51514")
    report = read(net, tmp_path)
    assert translations(report) == {("dnat", "tcp", (B, 51514, A, 8080), (B, 51514, C1, 80))}
    assert report["nat"][0]["port_rewritten"]


def test_clashing_icmp_identifiers_are_rewritten(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for number in range(3):
        for src, echo, outer_echo in ((C1, 4242, 4242), (C2, 4242, 51554)):
            ask = ping(f"{src} > {B}", echo, number, ident=number * 10 + outer_echo)
            answer = ping(f"{B} > {A}", outer_echo, number, ident=number * 10 + 1, icmp=(0, 0))
            translated(net, ask, "A/docker0", "A/ens33", src=A, echo=outer_echo)
            translated(net, answer, "A/ens33", "A/docker0", dst=src, echo=echo)
    report = read(net, tmp_path)
    assert translations(report) == {
        ("snat", "icmp", (C1, 4242, B), (A, 4242, B)),
        ("snat", "icmp", (C2, 4242, B), (A, 51554, B)),
    }
    assert [row["port_rewritten"] for row in report["nat"]] == [False, True]
    assert all(row["reply_seen"] and row["packets"] == 3 for row in report["nat"])


def test_equal_payloads_of_two_containers_stay_apart(tmp_path: Path) -> None:
    """UDP with equal payloads and no IP identification has one digest; the confidence says so."""
    net = Network(["A/docker0", "A/ens33"])
    for _ in range(5):
        for src, port in ((C1, 5000), (C2, 61000)):
            packet = udp(f"{src}:5000 > {B}:7000", b"equal", smac=f"02:00:00:00:01:0{src[-1]}")
            translated(net, packet, "A/docker0", "A/ens33", src=A, sport=port)
    report = read(net, tmp_path)
    assert translations(report) == {
        ("snat", "udp", (C1, 5000, B, 7000), (A, 5000, B, 7000)),
        ("snat", "udp", (C2, 5000, B, 7000), (A, 61000, B, 7000)),
    }
    assert all(row["confidence"] < 0.7 for row in report["nat"])


def test_equal_payloads_without_nat_are_no_nat(tmp_path: Path) -> None:
    net = Network(["A/veth1", "A/veth2"])
    for _ in range(4):
        for point, src, mac in (("A/veth1", C1, "02:00:00:00:01:02"), ("A/veth2", C2, "02:00:00:00:01:03")):
            net.pass_by((point, udp(f"{src}:5000 > {B}:7000", b"equal", smac=mac)))
    assert read(net, tmp_path)["nat"] == []


def test_udp_echo_is_no_second_request(tmp_path: Path) -> None:
    """The same payload both ways, through masquerade, with the same port at both ends."""
    net = Network(POINTS)
    for _ in range(4):
        outward(net, udp(f"{C1}:7000 > {B}:7000", b"echo"))
        inward(net, udp(f"{B}:7000 > {A}:7000", b"echo"), f"{C1}:7000")
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "udp", (C1, 7000, B, 7000), (A, 7000, B, 7000))}
    assert {len(points(path)) for path in report["paths"]} == {5}


def test_one_query_to_two_servers_is_no_nat(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33"])
    for point in net.points:
        for server in ("8.8.8.8", "8.8.4.4"):
            net.pass_by((point, udp(f"{A}:4000 > {server}:53", b"query")))
    assert read(net, tmp_path)["nat"] == []


def test_multicast_on_two_networks_is_no_nat(tmp_path: Path) -> None:
    """A host announces the same with the address of each of its networks."""
    net = Network(["A/docker0", "A/ens33"])
    for point, src in (("A/docker0", GATEWAY), ("A/ens33", A)):
        net.pass_by((point, udp(f"{src}:5353 > 224.0.0.251:5353", b"mdns", ttl=255)))
    assert read(net, tmp_path)["nat"] == []


def test_udp_proxy_is_no_nat(tmp_path: Path) -> None:
    """docker-proxy sends the payload again: both ends are new, and the TTL is an initial one."""
    net = Network(["A/docker0", "A/ens33"])
    query = udp(f"{B}:5000 > {A}:5353", b"query")
    net.pass_by(("A/ens33", query), ("A/docker0", query.but(ends=f"{GATEWAY}:40404 > {C1}:53")))
    assert read(net, tmp_path)["nat"] == []


def test_reply_alone_at_both_points_is_reply_pairing(tmp_path: Path) -> None:
    """The SYN was seen in one form only. The reply shows the inverse translation."""
    net = Network(["A/docker0", "A/ens33"])
    net.pass_by(("A/ens33", tcp(f"{B}:51514 > {A}:8080", flags=SYN, seq=1000, ident=1)))
    reply = tcp(f"{C1}:80 > {B}:51514", flags=SYN | ACK, seq=5000, ack=1001)
    translated(net, reply, "A/docker0", "A/ens33", ends=f"{A}:8080 > {B}:51514")
    row = row_of(net, tmp_path)
    assert (row["kind"], row["before"]["dst"], row["after"]["dst"]) == ("dnat", A, C1)
    assert (row["before"]["dport"], row["after"]["dport"]) == (8080, 80)
    assert (row["before"]["point"], row["after"]["point"]) == ("A/ens33", "A/docker0")
    assert row["method"] == "reply-pairing"


def test_same_container_address_on_two_hosts_is_two_rows(tmp_path: Path) -> None:
    net = Network(["A/docker0", "A/ens33", "B/docker0", "B/ens33"])
    for number, (host, own, other) in enumerate((("A", A, B), ("B", B, A))):
        syn = tcp(f"{C1}:5555 > {other}:9", flags=SYN, seq=1000 * number + 7, ident=number + 1)
        translated(net, syn, f"{host}/docker0", f"{host}/ens33", src=own)
    rows = read(net, tmp_path)["nat"]
    assert {(row["before"]["point"], row["after"]["src"]) for row in rows} == {("A/docker0", A), ("B/docker0", B)}


@pytest.mark.parametrize("name", ["nat", "paths"])
def test_capture_without_packets_has_no_facts(tmp_path: Path, name: str) -> None:
    assert read(Network(["A/ens33"]), tmp_path)[name] == []
