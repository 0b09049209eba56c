"""Stories of two hosts on one network, with a wire between them that drops some packets."""

from __future__ import annotations

from collections.abc import Callable

from tests.analysis.findings.reported import CARD_A, CARD_B
from tests.stories import Network, Packet, arp, tcp, udp
from tests.story_reports import A, B

CARDS = ["A/ens33", "B/ens33"]

Drops = Callable[[Packet], bool]


def two_cards() -> Network:
    """Both interfaces, captured from their first ARP on."""
    net = Network(list(CARDS))
    for point in CARDS:
        net.at(0, point, arp(1, CARD_A, A, B))
        net.at(0, point, arp(2, CARD_B, B, A, to=CARD_A))
    return net


def send(net: Network, packet: Packet, drops: Drops = lambda packet: False, gap: float = 1e5) -> None:
    """A packet from one host to the other; `drops`: does the wire drop it?"""
    from_a = packet.src == A
    packet = packet.but(smac=CARD_A if from_a else CARD_B, dmac=CARD_B if from_a else CARD_A)
    points = CARDS if from_a else CARDS[::-1]
    hops = points[:1] if drops(packet) else points
    net.pass_by(*((point, packet) for point in hops if point in net.points), gap=gap)


def ask(net: Network, number: int, port: int = 80) -> None:
    """A connection of A to B that is answered."""
    send(net, tcp(f"{A}:{42000 + number} > {B}:{port}", b"question", seq=10, ident=number))
    send(net, tcp(f"{B}:{port} > {A}:{42000 + number}", b"answer", seq=20, ident=1000 + number))


def gossip(net: Network, number: int, drops: Drops = lambda packet: False) -> None:
    """A round of Swarm's gossip: each node probes the other one, over UDP and TCP."""
    ask(net, number, port=7946)
    for src, dst in ((A, B), (B, A)):
        probe = udp(f"{src}:7946 > {dst}:7946", b"probe %d" % number, ident=2000 + number)
        send(net, probe, drops, gap=4e5)
