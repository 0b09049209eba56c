"""NAT where it is half done, hidden in a container, shared by a service; and what looks like NAT and is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import ACK, FIN, RST, SYN, Network, Packet, about, ping, tcp, udp
from tests.story_reports import C1, C2, A, B, changes, path_of, points, read, translations

WEB, BRIDGE = "02:42:ac:11:00:02", "02:42:00:00:00:01"


# -- ICMP errors --------------------------------------------------------------------------------------------
def test_an_icmp_error_about_a_translated_packet_follows_it_back(tmp_path: Path) -> None:
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


# -- translations that only part of a point's traffic shows --------------------------------------------------------
def test_hairpin_half_translated_on_the_bridge(tmp_path: Path) -> None:
    """--userland-proxy=false: docker0 shows 172.17.0.1 → web and web → the host, never their mirror images."""
    net = Network(["A/docker0"])
    syn = tcp(f"172.17.0.1:40000 > {C1}:80", seq=1000, flags=SYN, ident=1)
    net.pass_by(("A/docker0", syn))
    net.pass_by(("A/docker0", tcp(f"{C1}:80 > {A}:40000", seq=5000, ack=1001, flags=SYN | ACK)))
    for number in range(3):
        net.pass_by(("A/docker0", syn.but(seq=1001 + number, ack=5001, flags=ACK, ident=2 + number, payload=b"x")))
        net.pass_by(
            ("A/docker0", tcp(f"{C1}:80 > {A}:40000", b"y", seq=5001 + number, ack=1002 + number, ident=number))
        )
    report = read(net, tmp_path)
    assert translations(report) == {("snat", "tcp", (A, 40000, C1, 80), ("172.17.0.1", 40000, C1, 80))}
    (row,) = report["nat"]
    assert (row["method"], row["reply_seen"]) == ("reply-pairing", True)
    assert row["confidence"] < 0.99


def test_a_hairpin_between_two_containers_is_one_translation(tmp_path: Path) -> None:
    """Client's veth, the bridge half-way, web's veth: DNAT, then masquerade, one entry of conntrack."""
    net = Network(["A/veth2", "A/docker0", "A/veth1"])
    for number in range(3):
        first = tcp(f"{C2}:40000 > {A}:8080", b"x", seq=number, ident=1 + number)
        half = first.but(ends=f"{C2}:40000 > {C1}:80")
        last = half.routed(src="172.17.0.1")
        net.pass_by(("A/veth2", first), ("A/docker0", half), ("A/veth1", last))
    report = read(net, tmp_path)
    assert translations(report) == {("snat+dnat", "tcp", (C2, 40000, A, 8080), ("172.17.0.1", 40000, C1, 80))}


def test_a_server_that_reaches_itself_by_its_published_port_is_one_translation(tmp_path: Path) -> None:
    """Out by its port of the bridge and in again; the promiscuous bridge has a copy routed, too."""

    def frames(points: list[str]) -> Network:
        net = Network(points)
        for number in range(3):
            first = tcp(f"{C1}:40000 > {A}:8080", b"x", seq=number, ident=1 + number, smac=WEB, dmac=BRIDGE)
            half = first.but(ends=f"{C1}:40000 > {C1}:80", dmac=WEB)
            last = half.but(ends=f"172.17.0.1:40000 > {C1}:80")
            copy = half.routed(smac=BRIDGE)
            for after, point, form in (
                (0, "A/web/eth0", first), (55, "A/docker0", half), (58, "A/docker0", copy),
                (61, "A/web/eth0", last), (73, "A/web/eth0", copy),
            ):  # fmt: skip
                if point in points:
                    net.at(net.now + after, point, form)
            net.now += 10_000
        return net

    both = read(frames(["A/web/eth0", "A/docker0"]), tmp_path)
    whole = ("snat+dnat", "tcp", (C1, 40000, A, 8080), ("172.17.0.1", 40000, C1, 80))
    assert translations(both) == {whole}
    assert not [hop for path in both["paths"] for hop in path["hops"] if hop["lost"]]
    alone = read(frames(["A/web/eth0"]), tmp_path)
    assert translations(alone) <= {whole}


def test_embedded_dns_is_translated_inside_the_container(tmp_path: Path) -> None:
    net = Network(["A/web/lo"])
    for number in range(3):
        ident = bytes([0x12, number])
        question = b"\x00\x01" + bytes(6) + b"\x03bbox\x00\x00\x01\x00\x01"
        net.pass_by(
            (
                "A/web/lo",
                udp(f"127.0.0.1:4000{number} > 127.0.0.11:35353", ident + b"\x01\x00" + question, ident=number),
            )
        )
        net.pass_by(
            ("A/web/lo", udp(f"127.0.0.11:53 > 127.0.0.1:4000{number}", ident + b"\x81\x80" + question + bytes(16)))
        )
    report = read(net, tmp_path)
    assert translations(report) == {
        ("dnat", "udp", ("127.0.0.1", 40000 + n, "127.0.0.11", 53), ("127.0.0.1", 40000 + n, "127.0.0.11", 35353))
        for n in range(3)
    }


def test_ipvs_from_the_virtual_address_to_the_task(tmp_path: Path) -> None:
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


def test_ingress_keeps_the_clients_port_and_the_published_one_up_to_the_task(tmp_path: Path) -> None:
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


def test_a_virtual_address_that_answers_pings_is_no_service_that_works(tmp_path: Path) -> None:
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


# -- what is not NAT ---------------------------------------------------------------------------------------------
def test_docker_proxy_is_two_connections(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])

    def side(point: str, client: str, server: str, first: int, port_ident: int) -> None:
        net.pass_by((point, tcp(f"{client} > {server}", seq=first, flags=SYN, ident=port_ident)))
        net.pass_by((point, tcp(f"{server} > {client}", seq=9 * first, ack=first + 1, flags=SYN | ACK)))
        net.pass_by((point, tcp(f"{client} > {server}", seq=first + 1, ack=9 * first + 1, ident=port_ident + 1)))

    def data(point: str, client: str, server: str, first: int, port_ident: int) -> None:
        ask = tcp(f"{client} > {server}", b"GET /", seq=first + 1, ack=9 * first + 1, ident=port_ident + 2)
        net.pass_by((point, ask))

    def rest(point: str, client: str, server: str, first: int, port_ident: int) -> None:
        net.pass_by(
            (point, tcp(f"{server} > {client}", b"hello!!", seq=9 * first + 1, ack=first + 6, ident=port_ident))
        )
        net.pass_by(
            (point, tcp(f"{server} > {client}", flags=FIN | ACK, seq=9 * first + 8, ack=first + 6, ident=port_ident))
        )

    client = ("A/ens33", f"{B}:51514", f"{A}:8080", 1000, 10)
    server = ("A/docker0", "172.17.0.1:38000", f"{C1}:80", 77777, 5000)
    for step in (side, data):
        step(*client)
        step(*server)
    rest(*server)
    rest(*client)
    report = read(net, tmp_path)
    assert report["nat"] == []
    (proxy,) = report["proxies"]
    assert (proxy["client_side"]["dport"], proxy["server_side"]["dport"]) == (8080, 80)
    there, back = path_of(report, B, A), path_of(report, C1, "172.17.0.1")
    assert (points(there), points(back)) == (["A/ens33", "A/docker0"], ["A/docker0", "A/ens33"])
    assert changes(there)[1] == changes(back)[1] == ["proxied"]
    names = {finding["name"] for finding in report["findings"]}
    assert {"proxied-not-rewritten", "client-ip-lost"} <= names


@pytest.mark.parametrize("later, ahead", [(5e6, 0.0), (3000.0, 30_000.0)], ids=["later", "knows before it is told"])
def test_two_clients_of_one_habit_are_no_proxy(tmp_path: Path, later: float, ahead: float) -> None:
    """Equal sizes both ways, the second connection inside the first: health checks, database drivers."""
    net = Network(["A/ens33"])
    for client, server, start, early, length in (
        ("10.0.0.5:40000", "10.0.0.10:3306", 0.0, 0.0, 60e6), ("10.0.0.6:41000", "10.0.0.11:3306", later, ahead, 50e6)
    ):  # fmt: skip
        first = 1000 + round(start)
        ask, tell = f"{client} > {server}", f"{server} > {client}"
        net.at(start, "A/ens33", tcp(ask, seq=first, flags=SYN, ident=1))
        net.at(start + 200, "A/ens33", tcp(tell, seq=5 * first, ack=first + 1, flags=SYN | ACK))
        for number in range(5):
            now = start + 50_000 + number * length / 5 - early
            net.at(now, "A/ens33", tcp(ask, bytes(20), seq=first + 1 + 20 * number, ack=5 * first, ident=2 + number))
            net.at(now + 300, "A/ens33", tcp(tell, bytes(35), seq=5 * first + 1 + 35 * number, ack=0, ident=2 + number))
        net.at(start + length, "A/ens33", tcp(ask, seq=first + 101, flags=FIN | ACK, ident=90))
    report = read(net, tmp_path)
    assert report["proxies"] == []
    assert not {"proxied-not-rewritten", "client-ip-lost"} & {finding["name"] for finding in report["findings"]}


def test_resets_and_handshakes_of_strangers_are_never_nat(tmp_path: Path) -> None:
    """Ports scanned from two sides: RSTs have sequence number 0 and nothing else."""
    net = Network(["A/docker0", "A/ens33"])
    for port in range(10):
        net.pass_by(("A/docker0", tcp(f"{C1}:80 > {C2}:{port + 1}", flags=RST | ACK, ack=port)))
        net.pass_by(("A/ens33", tcp(f"{A}:81 > {B}:{port + 1}", flags=RST | ACK, ack=port + 100)))
    assert read(net, tmp_path)["nat"] == []
