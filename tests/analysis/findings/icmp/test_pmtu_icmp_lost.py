"""pmtu-icmp-lost: messages "packet too big" that never reach the sender."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named
from tests.stories import ACK, PSH, SYN, Network, Packet, arp, ping, tcp
from tests.story_reports import C1, A, B, read

SECOND = 1e6  # µs
ROUTER = "192.168.111.1"


def too_big(about: Packet, mtu: int = 1400) -> Packet:
    """RFC 1191: the next-hop MTU is in the second half of the word behind the checksum, where `seq` is written."""
    if ":" in about.src:
        head = ping(f"fd00::99 > {about.src}", 0, mtu, icmp=(2, 0))
    else:
        head = ping(f"{ROUTER} > {about.src}", 0, mtu, icmp=(3, 4))
    return replace(head, payload=about.ip()[: 28 if ":" not in about.src else 48])


def outside(packet: Packet) -> Packet:
    """Behind the host: masqueraded, unless it is IPv6."""
    return packet.routed(src=A) if packet.src == C1 else packet.routed() if packet.src == "fd00::1" else packet


def inside(packet: Packet) -> Packet:
    return packet.but(dst=C1, ttl=packet.ttl - 1) if packet.dst == A else packet.routed()


class Upload:
    """A container sends to B through docker0 and ens33 of its host."""

    def __init__(
        self, ends: tuple[str, str] = (f"{C1}:40000 > {B}:80", f"{B}:80 > {A}:40000"), noise: bool = True
    ) -> None:
        self.net = Network(["A/docker0", "A/ens33"])
        self.ends = ends
        if noise:
            for point in self.net.points:
                self.net.pass_by((point, arp(1, "02:00:00:00:00:01", "10.9.9.9", "10.9.9.8")))
        self.send(tcp(ends[0], seq=0, flags=SYN))
        self.reply(tcp(ends[1], seq=0, ack=1, flags=SYN | ACK))
        self.send(tcp(ends[0], seq=1, ack=1))

    def send(self, packet: Packet) -> Packet:
        packet = packet.but(ident=len(self.net.recorded) + 1)
        self.net.pass_by(("A/docker0", packet), ("A/ens33", outside(packet)))
        return packet

    def reply(self, packet: Packet) -> None:
        packet = packet.but(ident=len(self.net.recorded) + 1)
        self.net.pass_by(("A/ens33", packet), ("A/docker0", inside(packet)))

    def refuse(self, packet: Packet, reaches_sender: bool) -> None:
        self.net.pass_by(("A/ens33", too_big(outside(packet))))
        if reaches_sender:
            self.net.pass_by(("A/docker0", too_big(packet)))

    def run(self, reaches_sender: bool = False, shrinks: bool = False) -> None:
        """Full segments, refused by the router, then 200 ms, 400 ms … later the first one again."""
        size = 1000 if shrinks else 1448
        self.refuse(self.send(tcp(self.ends[0], bytes(1448), seq=1, ack=1, flags=PSH | ACK)), reaches_sender)
        for number in range(4):
            self.net.now += 0.2 * SECOND * 2**number
            self.send(tcp(self.ends[0], bytes(size), seq=1, ack=1, flags=PSH | ACK))

    def findings(self, folder: Path) -> Findings:
        return named(read(self.net, folder), "pmtu-icmp-lost")


@pytest.mark.parametrize(
    "ends",
    [
        (f"{C1}:40000 > {B}:80", f"{B}:80 > {A}:40000"),
        ("[fd00::1]:40000 > [fd00::2]:80", "[fd00::2]:80 > [fd00::1]:40000"),
    ],
    ids=["IPv4", "IPv6"],
)
def test_message_that_stops_at_the_host_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    played = Upload(ends)
    played.run()
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["mtu"], facts["from"], facts["to"]) == ("error", 1400, "A/ens33", "A/docker0")
    assert facts["router"] == ("fd00::99" if ":" in facts["source"] else ROUTER)
    assert {frame["point"] for frame in finding["evidence"]} == {"A/ens33", "A/docker0"}


def test_message_that_reaches_the_sender_is_silent(tmp_path: Path) -> None:
    played = Upload()
    played.run(reaches_sender=True, shrinks=True)
    assert played.findings(tmp_path) == []


def test_message_that_the_sender_does_not_heed_is_told(tmp_path: Path) -> None:
    """It passes both points, and the container goes on: its own rules drop it."""
    played = Upload()
    played.run(reaches_sender=True)
    (finding,) = played.findings(tmp_path)
    assert "passes A/docker0, and the sender does not heed it" in finding["says"]


def test_sender_that_shrinks_is_silent(tmp_path: Path) -> None:
    """It sends less, so that it has the message, whichever way it came."""
    played = Upload()
    played.run(shrinks=True)
    assert played.findings(tmp_path) == []


def test_segment_that_is_acknowledged_is_silent(tmp_path: Path) -> None:
    """The message crossed a repeat; offload shows the same size before and after (`4000` octets, cut by the card)."""
    played = Upload()
    played.run()
    played.reply(tcp(played.ends[1], seq=1, ack=1449))
    assert played.findings(tmp_path) == []


def test_point_that_records_tcp_only_is_silent(tmp_path: Path) -> None:
    """`tcpdump tcp` at the bridge: whether the message came is not to be known."""
    played = Upload(noise=False)
    played.run()
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("shrinks", [False, True])
def test_message_that_passes_the_only_point_is_told(tmp_path: Path, shrinks: bool) -> None:
    """Nothing nearer to the sender was captured: it goes on with full segments, or heeds the message."""
    played = Upload()
    played.run(shrinks=shrinks)
    played.net.points.remove("A/docker0")
    played.net.recorded = [frame for frame in played.net.recorded if frame[1] != "A/docker0"]
    findings = played.findings(tmp_path)
    assert [finding["facts"]["from"] for finding in findings] == ([] if shrinks else ["A/ens33"])
    assert all("passes A/ens33, and the sender does not heed it" in finding["says"] for finding in findings)


@pytest.mark.parametrize("arrives", [False, True])
def test_message_that_comes_to_another_host_is_told(tmp_path: Path, arrives: bool) -> None:
    """Two hosts have one address, and what divides the load sends ICMP to the other one, or to both."""
    played = Upload((f"{A}:40000 > {B}:80", f"{B}:80 > {A}:40000"))
    net = played.net = Network(["n1/eth0", "n2/eth0"])
    for point in net.points:
        net.pass_by((point, arp(1, "02:00:00:00:00:01", "10.9.9.9", "10.9.9.8")))
    there, back = played.ends
    net.pass_by(("n1/eth0", tcp(there, seq=0, flags=SYN, ident=1)))
    net.pass_by(("n1/eth0", tcp(back, seq=0, ack=1, flags=SYN | ACK, ident=2)))
    for number in range(5):
        full = tcp(there, bytes(1448), seq=1, ack=1, flags=PSH | ACK, ident=3 + number)
        net.pass_by(("n1/eth0", full))
        for point in ("n1/eth0", "n2/eth0") if arrives else ("n2/eth0",):
            net.pass_by((point, too_big(full)))
        net.now += 0.2 * SECOND * 2**number
    (finding,) = played.findings(tmp_path)
    assert finding["level"] == "error"
    assert ("comes to n2/eth0, and not to n1/eth0" in finding["says"]) != arrives
    assert arrives or "MSS to 1360 bytes" in finding["fix"]


def test_flow_of_a_sender_that_is_not_told_fails() -> None:
    """It goes on, and the receiver acknowledges nothing: packets are lost, as no path MTU discovery loses them."""
    capture = Path(__file__).parents[4] / "pcaps/faults/pmtu-icmp-lost.pcapng"
    assert "loses" in {fate.fate for fate in analyze(capture).fates}
