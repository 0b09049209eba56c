"""Proxied connections: what docker-proxy makes, and what only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import ACK, FIN, SYN, Network, tcp
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
