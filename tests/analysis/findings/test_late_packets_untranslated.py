"""late-packets-untranslated: connections whose entry is gone close with the container's own address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, FIN, RST, SYN, Network, tcp
from tests.story_reports import C1, A, B

V4, V6 = (C1, A, B), ("[fd00:d0c::2]", "[2001:db8:111::80]", "[2001:db8:111::81]")


def ended(folder: Path, hosts: tuple[str, str, str], flags: int, late: bool = True, way: str = "A/ens33") -> Findings:
    """A request of the container that A masquerades; then its entry is gone, and the container closes."""
    inside, outside, server = hosts
    net = Network([way])
    for number in range(2):
        ends, back = f"{outside}:{42000 + number} > {server}:443", f"{server}:443 > {outside}:{42000 + number}"
        net.pass_by((way, tcp(ends, seq=100, flags=SYN, ttl=63, ident=1)))
        net.pass_by((way, tcp(back, seq=900, ack=101, flags=SYN | ACK)))
        net.pass_by((way, tcp(ends, b"GET /", seq=101, ack=901, ttl=63, ident=2)))
        sender = inside if late else outside
        close = tcp(f"{sender}:{42000 + number} > {server}:443", seq=106, ack=901, flags=flags, ttl=63, ident=3)
        net.pass_by((way, close), gap=2e5)
        net.pass_by((way, close.but(ident=4)))
    return of_story(net, folder, "late-packets-untranslated")


@pytest.mark.parametrize("flags", [FIN | ACK, RST], ids=["FIN", "RST"])
@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_close_after_the_entry_is_gone_is_told(tmp_path: Path, hosts: tuple[str, str, str], flags: int) -> None:
    (finding,) = ended(tmp_path, hosts, flags)
    inside, outside, _ = (host.strip("[]") for host in hosts)
    assert finding["level"] == "info"
    assert finding["says"] == (
        f"4 late packets (FIN, RST) of 2 connections of {inside} left by A/ens33 with the container's own address: "
        f"until then NAT had translated them to {outside}"
    )


def test_close_that_is_translated_is_silent(tmp_path: Path) -> None:
    assert ended(tmp_path, V4, FIN | ACK, late=False) == []


def test_both_sides_of_nat_at_one_point_is_silent(tmp_path: Path) -> None:
    """`any` shows each packet before and behind the masquerade, and the capture began in the middle."""
    net = Network(["any"])
    for number, (payload, flags) in enumerate(((b"GET /", ACK), (b"", FIN | ACK))):
        packet = tcp(f"{C1}:42000 > {B}:443", payload, seq=101 + 5 * number, ack=901, flags=flags, ident=number + 1)
        net.pass_by(("any", packet), ("any", packet.routed(src=A)))
    assert of_story(net, tmp_path, "late-packets-untranslated") == []
