"""Clients whose SYNs get no answer, of which the tests of clues and of connection-unanswered tell."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, SYN, Network, Packet, arp, tcp
from tests.story_reports import A, B

V6_A, V6_B = "[fd00::128]", "[fd00::129]"
SECOND = 1e6  # µs
CARD_C = "02:00:c0:a8:6f:82"
BRIDGE, CONTAINER = "02:42:00:00:00:01", "02:42:ac:11:00:02"
POD, SERVER = "10.244.1.2", "10.244.2.2"


class Client:
    """A calls B: at B's own interface, where C calls it too."""

    def __init__(self, points: tuple[str, ...] = ("B/ens33",), ends: tuple[str, str] = (A, B)) -> None:
        self.net = Network(list(points))
        self.client, self.server = ends
        self.port = 40000

    def put(self, packet: Packet) -> None:
        packet = packet.but(ident=len(self.net.recorded) + 1)
        self.net.pass_by(*((point, packet) for point in self.net.points), gap=100)

    def call(
        self, port: int = 80, *, tries: int = 4, answer: int | None = None, flags: int = SYN, **ends: str
    ) -> Packet:
        self.port += 1
        client = ends.get("client", self.client)
        asked = tcp(f"{client}:{self.port} > {self.server}:{port}", seq=7, flags=flags, smac=CARD_A, dmac=CARD_B)
        asked = asked.but(smac=ends.get("mac", CARD_A), dmac=ends.get("to", CARD_B))
        for _ in range(tries):
            self.put(asked)
            self.net.now += 1.02 * SECOND
        if answer is not None:
            back = asked.but(ends=f"{self.server}:{port} > {client}:{self.port}", flags=answer, seq=3, ack=8)
            self.put(back.but(smac=asked.dmac, dmac=asked.smac))
        return asked

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "connection-unanswered")


def called_back(
    when: str, *, answer: int = SYN | ACK, is_completed: bool = True, port: int = 102, caller: str = B
) -> Network:
    """A calls B four times in vain, and a host calls A: before that, meanwhile, or after it."""
    net = Network(["A/ens33"])
    back = CARD_B if caller == B else "02:00:00:00:00:09"

    def put(packet: Packet) -> None:
        net.pass_by(("A/ens33", packet.but(ident=len(net.recorded) + 1)), gap=100)

    def call() -> None:
        put(tcp(f"{caller}:4185 > {A}:{port}", seq=7, flags=SYN, smac=back, dmac=CARD_A))
        put(tcp(f"{A}:{port} > {caller}:4185", seq=3, ack=8, flags=answer, smac=CARD_A, dmac=back))
        if is_completed:
            put(tcp(f"{caller}:4185 > {A}:{port}", seq=8, ack=4, flags=ACK, smac=back, dmac=CARD_A))

    if when == "before":
        call()
    for number in range(4):
        put(tcp(f"{A}:49176 > {B}:102", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B))
        net.now += 1.02 * SECOND
        if when == "meanwhile" and number == 1:
            call()
    if when == "after":
        call()
    return net


def behind_dnat(*servers: str, answers: bool = False) -> Network:
    """Clients call A:8080 by its card; behind DNAT, at docker0, the SYNs go to these servers in turn."""
    net = Network(["A/ens33", "A/docker0"])
    for number, server in enumerate(servers):
        syn = tcp(f"{B}:{41000 + number} > {A}:8080", flags=SYN, seq=7, smac=CARD_B, dmac=CARD_A)
        for attempt in range(4):
            syn = syn.but(ident=100 * number + attempt)
            inside = syn.routed(ends=f"{B}:{41000 + number} > {server}:80", smac=BRIDGE, dmac=CONTAINER)
            net.pass_by(("A/ens33", syn), ("A/docker0", inside), gap=1.02 * SECOND)
    if answers:
        hello = tcp(f"{B}:50000 > {A}:22", flags=SYN, seq=1, ident=900, smac=CARD_B, dmac=CARD_A)
        back = tcp(f"{A}:22 > {B}:50000", flags=SYN | ACK, seq=1, ack=2, ident=901, smac=CARD_A, dmac=CARD_B)
        net.pass_by(("A/ens33", hello))
        net.pass_by(("A/ens33", back))
    return net


def forwarded(point: str = "A/ens33", ttl: int = 63, server: str = SERVER, second: str = CARD_B) -> Network:
    """POD's SYNs to `server` where host A, with CARD_A, forwards them to B, with CARD_B; the last ones to `second`."""
    net = Network([point])
    net.at(0, point, arp(1, CARD_A, A, B))
    net.at(1, point, arp(2, CARD_B, B, A, CARD_A))
    for number in range(8):
        asked = tcp(f"{POD}:{40000 + number // 4} > {server}:80", seq=7 + number // 4, flags=SYN, ttl=ttl)
        to = CARD_B if number < 4 else second
        net.pass_by((point, asked.but(smac=CARD_A, dmac=to, ident=number + 1)), gap=1.02 * SECOND)
    return net
