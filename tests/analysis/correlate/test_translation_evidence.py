"""Equal packets in two forms: which are one connection before and behind NAT, and which are two connections.

Truth: each story says who sends what. No story but those of a translator holds a translation.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.stories import ACK, RST, SYN, Network, Packet, ping, tcp, udp
from tests.story_reports import C1, A, B, read, translations

CLIENT, ROUTER, WAN, SERVER = (f"02:00:00:00:00:0{number}" for number in range(1, 5))
TARGET = "10.0.0.99"


def scan(ports: int, seed: int, **more: object) -> list[Packet]:
    """SYNs as nmap sends them: one source port, one sequence number, TTL and identification at random."""
    draw = random.Random(seed)
    return [
        tcp(
            f"10.0.0.1:40000 > {TARGET}:{port}", flags=SYN, seq=0x12345678, ident=draw.randrange(4),
            ttl=draw.randrange(37, 60), smac=CLIENT, dmac=ROUTER, **more,
        )
        for port in draw.sample(range(1, 65536), ports)
    ]  # fmt: skip


def reset(probe: Packet) -> Packet:
    return tcp(
        f"{probe.dst}:{probe.dport} > {probe.src}:{probe.sport}",
        flags=RST | ACK, ack=probe.seq + 1, smac=probe.dmac, dmac=probe.smac,
    )  # fmt: skip


@pytest.mark.parametrize("ports", [3, 30])
@pytest.mark.parametrize("answered", [False, True])
def test_port_scan_at_one_point_is_no_nat(tmp_path: Path, ports: int, answered: bool) -> None:
    for seed in range(4):
        net = Network(["eth0"])
        for probe in scan(ports, seed):
            net.pass_by(("eth0", probe), gap=300)
            if answered:
                net.pass_by(("eth0", reset(probe)), gap=300)
        assert read(net, tmp_path)["nat"] == []


@pytest.mark.parametrize("points", [["any"], ["A/ens33", "A/docker0"], ["A/ens33", "B/ens33"]])
def test_routed_scan_with_losses_is_no_nat(tmp_path: Path, points: list[str]) -> None:
    """A router on the way drops every third probe: what comes in and what goes on are not the same probes."""
    for seed in range(4):
        net = Network(points, cooked={"any"} & set(points))
        for number, probe in enumerate(scan(30, seed)):
            hops = [(points[0], probe), (points[-1], probe.routed(smac=ROUTER, dmac=SERVER))]
            net.pass_by(*hops[number % 3 == 0 : 1 + (number % 3 > 0)], gap=200)
        assert read(net, tmp_path)["nat"] == []


def test_spoofed_sources_are_no_nat(tmp_path: Path) -> None:
    net = Network(["eth0"], cooked={"eth0"})
    draw = random.Random(5)
    for number in range(200):
        syn = tcp(f"10.{number}.0.1:1024 > {TARGET}:80", flags=SYN, seq=7, ident=1, ttl=draw.randrange(30, 250))
        net.pass_by(("eth0", syn), gap=draw.choice([3, 500]))
    assert read(net, tmp_path)["nat"] == []


def test_flood_of_equal_packets_at_two_points_is_no_nat(tmp_path: Path) -> None:
    """A replayed flood: one packet under many forged addresses, sent again, seen at both points within microseconds."""
    net = Network(["A/ens33", "B/ens33"])
    sources = [f"99.0.{number}.1" for number in range(12)]
    for round_number in range(4):
        for number, source in enumerate(sources):
            syn = tcp(f"{source}:50536 > {TARGET}:5000", flags=SYN, seq=7, ident=9, smac=CLIENT, dmac=SERVER)
            at = round_number * 1e6 + number
            for point, own in (("A/ens33", sources[:8]), ("B/ens33", sources[4:])):
                if source in own:
                    net.at(at + (point[0] == "B"), point, syn)
    report = read(net, tmp_path)
    assert report["nat"] == []
    assert max(len(path["hops"]) for path in report["paths"]) <= 2


@pytest.mark.parametrize("proto", ["tcp", "udp", "icmp"])
def test_equal_requests_answered_apart_are_no_nat(tmp_path: Path, proto: str) -> None:
    """Two clients, one of them behind a router, ask a server the same; a generator numbers all packets alike."""
    net = Network(["eth0"])
    for number in range(5):
        for last, ttl in ((1, 64), (2, 63)):
            smac, ends = f"02:00:00:00:01:0{last}", f"10.0.0.{last}:5000 > {TARGET}:80"
            if proto == "icmp":
                ask = ping(f"10.0.0.{last} > {TARGET}", last, number, ident=1, ttl=ttl)
                answer = ping(f"{TARGET} > 10.0.0.{last}", last, number, ident=number * 7 + last, icmp=(0, 0))
            else:
                make = tcp if proto == "tcp" else udp
                ask = make(ends, b"GET", seq=number * 3, ident=1, ttl=ttl)
                answer = make(f"{TARGET}:80 > 10.0.0.{last}:5000", b"200", seq=9000 * last + number * 3, ident=last)
            net.pass_by(("eth0", ask.but(smac=smac, dmac=SERVER)), gap=100)
            net.pass_by(("eth0", answer.but(smac=SERVER, dmac=smac)), gap=100)
    assert read(net, tmp_path)["nat"] == []


def test_one_host_with_two_addresses_is_no_nat(tmp_path: Path) -> None:
    """It announces the same by both of them, from one card, once with another TTL."""
    net = Network(["eth0"])
    for number in range(3):
        for src, ttl in (("10.0.0.1", 65), ("10.0.1.1", 64)):
            net.pass_by(("eth0", udp(f"{src}:9000 > {TARGET}:9000", b"here", ttl=ttl, ident=number)), gap=20)
    assert read(net, tmp_path)["nat"] == []


def test_copies_to_several_tunnel_ends_are_no_nat(tmp_path: Path) -> None:
    """A VTEP sends a broadcast to each other VTEP; its two uplinks have one MAC and carry a copy each."""
    net = Network(["leaf/up1", "leaf/up2"])
    for number in range(4):
        inner = udp("10.9.0.1:68 > 255.255.255.255:67", bytes([number]), dmac="ff:ff:ff:ff:ff:ff", ident=number)
        for point, vtep in (("leaf/up1", "10.0.0.11"), ("leaf/up2", "10.0.0.12"), ("leaf/up2", "10.0.0.13")):
            outer = inner.but(tunnel=(7, "10.0.0.10", vtep, 50000)).carrier(ident=0, df=True)
            net.pass_by((point, outer), gap=2)
    assert read(net, tmp_path)["nat"] == []


@pytest.mark.parametrize(("outside", "server"), [(A, B), ("2001:db8::1", "2001:db8::9")])
def test_translator_in_one_segment_is_told(tmp_path: Path, outside: str, server: str) -> None:
    """A router with one card: what it receives goes out again by the same card. One unanswered SYN shows it."""
    inside = C1 if "." in outside else "fd00::2"
    syn = tcp(_ends(inside, 5555, server, 80), flags=SYN, seq=77001, ident=1, smac=CLIENT, dmac=ROUTER)
    net = Network(["eth0"])
    net.pass_by(("eth0", syn), ("eth0", syn.routed(src=outside, smac=ROUTER, dmac=SERVER)))
    assert translations(read(net, tmp_path)) == {
        ("snat", "tcp", (inside, 5555, server, 80), (outside, 5555, server, 80))
    }


def test_translator_with_mirrored_cards_is_told(tmp_path: Path) -> None:
    """Both cards of a router are mirrored to one port. MACs do not match up, the answers do."""
    net = Network(["mirror"])
    ask = ping(f"{C1} > {B}", 7, 1, smac=CLIENT, dmac=ROUTER)
    answer = ping(f"{B} > {A}", 7, 1, icmp=(0, 0), ident=9, smac=SERVER, dmac=WAN)
    net.pass_by(("mirror", ask), ("mirror", ask.routed(src=A, smac=WAN, dmac=SERVER)))
    net.pass_by(("mirror", answer), ("mirror", answer.routed(dst=C1, smac=ROUTER, dmac=CLIENT)))
    assert translations(read(net, tmp_path)) == {("snat", "icmp", (C1, 7, B), (A, 7, B))}


def test_scan_through_a_published_port_is_told(tmp_path: Path) -> None:
    """The one published port of a scanned host: its SYN-ACK is translated back."""
    net = Network(["A/ens33", "A/docker0"])
    for probe in scan(20, seed=1):
        net.pass_by(("A/ens33", probe.but(dst=A)), gap=200)
    syn = tcp(f"10.0.0.1:40000 > {A}:8080", flags=SYN, seq=0x12345678, ident=3, ttl=50)
    reply = tcp(f"{C1}:80 > 10.0.0.1:40000", flags=SYN | ACK, seq=5000, ack=0x12345679)
    net.pass_by(("A/ens33", syn), ("A/docker0", syn.routed(ends=f"10.0.0.1:40000 > {C1}:80")))
    net.pass_by(("A/docker0", reply), ("A/ens33", reply.routed(ends=f"{A}:8080 > 10.0.0.1:40000")))
    assert translations(read(net, tmp_path)) == {
        ("dnat", "tcp", ("10.0.0.1", 40000, A, 8080), ("10.0.0.1", 40000, C1, 80))
    }


def test_numbers_of_a_scan_pair_no_answer(tmp_path: Path) -> None:
    """A SYN without its answer, and the answer to another one: both have the scanner's number."""
    net = Network(["eth0"])
    first, *others = scan(5, seed=2)
    net.pass_by(("eth0", first))
    for probe in others:
        net.pass_by(("eth0", probe))
        net.pass_by(("eth0", reset(probe)))
    net.pass_by(("eth0", tcp(f"{TARGET}:22 > 10.0.0.1:40000", flags=SYN | ACK, seq=99, ack=first.seq + 1)))
    assert read(net, tmp_path)["nat"] == []


def _ends(src: str, sport: int, dst: str, dport: int) -> str:
    source, target = (f"[{address}]" if ":" in address else address for address in (src, dst))
    return f"{source}:{sport} > {target}:{dport}"
