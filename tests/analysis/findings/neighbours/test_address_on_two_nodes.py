"""stale-neighbour: an address that two nodes share has moved, and each node's own interface shows its own answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import ACK, SYN, Network, arp, tcp

VIP, CLIENT, OTHER = "10.50.0.100", "10.50.0.40", "10.50.0.41"
OLD, NEW = "52:54:00:00:00:01", "52:54:00:00:00:02"
CLIENT_MAC, OTHER_MAC = "52:54:00:00:00:40", "52:54:00:00:00:41"


def look_up(net: Network, mac: str, asker: str, owner: str, home: str, *others: str, apart: float = 30) -> None:
    """A question that both nodes get, and the answer of one of them, at its own interface."""
    for number, point in enumerate((home, *others)):
        net.at(net.now + number * apart, point, arp(1, mac, asker, VIP))
    net.at(net.now + 9, home, arp(2, owner, VIP, asker, to=mac))
    net.now += 2 * apart


def connect(net: Network, client: str, mac: str, node: str, point: str, port: int, answers: bool) -> None:
    ends = f"{client}:{port} > {VIP}:6443"
    for number in range(1 if answers else 4):
        net.pass_by((point, tcp(ends, flags=SYN, seq=port, ident=port + number, smac=mac, dmac=node)), gap=1e6)
    if answers:
        back = tcp(f"{VIP}:6443 > {client}:{port}", flags=SYN | ACK, seq=9, ack=port + 1, smac=node, dmac=mac)
        net.pass_by((point, back))
        net.pass_by((point, tcp(ends, seq=port + 1, ack=10, ident=port + 9, smac=mac, dmac=node)))


@pytest.mark.parametrize(
    ("apart", "serves_again"), [(30, False), (5e5, False), (30, True)], ids=["one link", "two links", "old one serves"]
)
def test_client_that_keeps_the_old_node_is_told(tmp_path: Path, apart: float, serves_again: bool) -> None:
    """Two links have the same addresses, as those of two hosts: the question is not at both at one time."""
    net = Network(["n1/eth0", "n2/eth0"])
    look_up(net, CLIENT_MAC, CLIENT, OLD, "n1/eth0", "n2/eth0", apart=apart)
    connect(net, CLIENT, CLIENT_MAC, OLD, "n1/eth0", 40000, answers=True)
    net.now += 1e6
    look_up(net, OTHER_MAC, OTHER, NEW, "n2/eth0", "n1/eth0", apart=apart)
    connect(net, OTHER, OTHER_MAC, NEW, "n2/eth0", 41000, answers=True)
    connect(net, CLIENT, CLIENT_MAC, OLD, "n1/eth0", 42000, answers=False)
    if serves_again:
        connect(net, CLIENT, CLIENT_MAC, OLD, "n1/eth0", 43000, answers=True)
    connect(net, OTHER, OTHER_MAC, NEW, "n2/eth0", 44000, answers=True)
    findings = of_story(net, tmp_path, "stale-neighbour")
    is_stale = apart == 30 and not serves_again
    assert [(of["facts"]["old"], of["facts"]["new"]) for of in findings] == ([(OLD, NEW)] if is_stale else [])
    assert all(of["facts"]["hosts"] == [CLIENT] for of in findings)
