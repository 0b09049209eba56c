"""Proxied connections: what docker-proxy makes, and what only looks like it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.stories import ACK, FIN, SYN, Network, Packet, tcp
from tests.story_reports import C1, A, B, changes, path_of, points, read


def test_docker_proxy_is_two_connections_and_no_nat(tmp_path: Path) -> None:
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


def proxied_request(net: Network, number: int) -> None:
    """One request of B through docker-proxy on A: both connections open, the request passes on, then the answer."""
    sides = [
        ("A/ens33", f"{B}:{51514 + number}", f"{A}:8080", 1000),
        ("A/docker0", f"172.17.0.1:{38000 + number}", f"{C1}:80", 77),
    ]
    for point, client, server, first in sides:
        net.pass_by((point, tcp(f"{client} > {server}", seq=first, flags=SYN, ident=number)))
        net.pass_by((point, tcp(f"{server} > {client}", seq=9 * first, ack=first + 1, flags=SYN | ACK)))
    for point, client, server, first in sides:
        net.pass_by((point, tcp(f"{client} > {server}", b"GET /", seq=first + 1, ack=9 * first + 1, ident=number + 50)))
    for point, client, server, first in reversed(sides):
        back = f"{server} > {client}"
        net.pass_by((point, tcp(back, b"hello!!", seq=9 * first + 1, ack=first + 6)))
        net.pass_by((point, tcp(back, flags=FIN | ACK, seq=9 * first + 8, ack=first + 6)))


def test_equal_requests_one_after_the_other_are_told_apart(tmp_path: Path) -> None:
    """A client asks twice within 50 ms: the second proxied connection is not that of the first request."""
    net = Network(["A/ens33", "A/docker0"])
    for number in range(2):
        proxied_request(net, number)
    proxies = read(net, tmp_path)["proxies"]
    pairs = [(proxy["client_side"]["sport"], proxy["server_side"]["sport"]) for proxy in proxies]
    assert pairs == [(51514, 38000), (51515, 38001)]


@pytest.mark.parametrize("later, ahead", [(5e6, 0.0), (3000.0, 30_000.0)], ids=["later", "answers before the data"])
def test_two_clients_with_equal_sizes_are_no_proxy(tmp_path: Path, later: float, ahead: float) -> None:
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


def connection(
    net: Network, ends: str, macs: tuple[int, int], start: float, serve: float,
    request: bytes = b"GET /", ttl: int = 64, answer_ttl: int = 64,
) -> None:  # fmt: skip
    """One request and its answer at all points; `macs`: last octets; `serve`: microseconds that the server takes."""
    client, server = ends.split(" > ")
    back, port = f"{server} > {client}", int(client.rpartition(":")[2])
    seq, ack = port * 7919, port * 65537
    smac, dmac = (f"02:00:00:00:00:{number:02x}" for number in macs)

    def at(time: float, form: Packet) -> None:
        for point in net.points:
            net.at(start + time, point, form)

    def ask(**more: object) -> Packet:
        return tcp(ends, smac=smac, dmac=dmac, ttl=ttl, **more)

    def answer(**more: object) -> Packet:
        return tcp(back, smac=dmac, dmac=smac, ttl=answer_ttl, **more)

    at(0, ask(flags=SYN, seq=seq, ident=1))
    at(40, answer(flags=SYN | ACK, seq=ack, ack=seq + 1))
    at(60, ask(payload=request, seq=seq + 1, ack=ack + 1, ident=2))
    at(80 + serve, answer(payload=b"200 ok", seq=ack + 1, ack=seq + 6, ident=1))
    at(90 + serve, answer(flags=FIN | ACK, seq=ack + 7, ack=seq + 6, ident=2))
    at(130 + serve, ask(flags=FIN | ACK, seq=seq + 6, ack=ack + 8, ident=3))


@pytest.mark.parametrize(("prefix", "suffix"), [("10.0.0.", ""), ("[fd00::", "]")])
def test_reverse_proxy_at_its_own_card_is_told(tmp_path: Path, prefix: str, suffix: str) -> None:
    """The second connection has the MAC that the first one was sent to; there is no NAT and no name."""
    client, proxy, server = (f"{prefix}{number}{suffix}" for number in (5, 2, 9))
    net = Network(["eth0"])
    for number in range(3):
        connection(net, f"{client}:{40000 + number} > {proxy}:443", (5, 2), 1e6 * number, 2000)
        connection(net, f"{proxy}:{50000 + number} > {server}:80", (2, 9), 1e6 * number + 100, 1500)
    proxies = read(net, tmp_path)["proxies"]
    assert [(row["client_side"]["sport"], row["server_side"]["sport"]) for row in proxies] == [
        (40000 + number, 50000 + number) for number in range(3)
    ]


@pytest.mark.by_turns
@pytest.mark.parametrize("points", [["eth0"], ["A/docker0"], ["A/ens33", "A/docker0"]])
@pytest.mark.parametrize("kind", ["mesh", "pairs", "fan out", "clients"])
def test_independent_equal_connections_are_no_proxy(tmp_path: Path, kind: str, points: list[str]) -> None:
    """Load generators: each request is sent by several, each answer is the same, connections overlap at random."""
    draw = random.Random(kind)
    net = Network(points)
    time = 0.0
    for number in range(120):
        client, server = draw.sample(range(1, 9), 2)
        if kind != "mesh":
            client, server = {
                "fan out": (1, server % 7 + 2),
                "clients": (client + 1, 1),
                "pairs": (client, server + 8),
            }[kind]
        ends = f"10.0.0.{client}:{20000 + number} > 10.0.0.{server}:80"
        serve = draw.choice([50.0, 900.0, draw.expovariate(1 / 5000)])
        connection(net, ends, (client, server), time, serve, b"GET /" + bytes(draw.randrange(15)))
        time += draw.expovariate(1 / 500)
    report = read(net, tmp_path)
    assert report["proxies"] == []
    assert not {"proxied-not-rewritten", "client-ip-lost"} & {finding["name"] for finding in report["findings"]}


def test_router_between_two_connections_is_no_proxy(tmp_path: Path) -> None:
    """It passes one on and brings the other one: both have its MAC, and TTLs say that it forwards."""
    net = Network(["eth0"])
    connection(net, "10.0.0.5:40000 > 192.0.2.7:80", (5, 1), 0, 2000, answer_ttl=57)
    connection(net, "198.51.100.3:50000 > 10.0.0.9:80", (1, 9), 100, 1500, ttl=51)
    assert read(net, tmp_path)["proxies"] == []


def test_server_that_answers_most_by_itself_is_no_proxy(tmp_path: Path) -> None:
    """It asks another one now and then, once while it is asked itself."""
    net = Network(["eth0"])
    for number in range(5):
        connection(net, f"10.0.0.5:{40000 + number} > 10.0.0.2:80", (5, 2), 1e6 * number, 2000)
    connection(net, "10.0.0.2:50000 > 10.0.0.9:80", (2, 9), 100, 1500)
    assert read(net, tmp_path)["proxies"] == []
