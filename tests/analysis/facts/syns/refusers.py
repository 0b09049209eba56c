"""Connections that are accepted or refused, of which the tests of clues and of connection-refused tell."""

from __future__ import annotations

from tests.stories import SYN, Network, tcp
from tests.story_reports import A, B

V6_A, V6_B = "[fd00::1]", "[fd00::2]"


def connect(
    net: Network, flags: int, port: int = 8080, sport: int = 40000, ttl: int = 64, ends: tuple[str, str] = (A, B)
) -> None:
    """A SYN, and what answers it."""
    client, server = ends
    net.pass_by(("A/ens33", tcp(f"{client}:{sport} > {server}:{port}", seq=12_345, flags=SYN)), gap=1e6)
    net.pass_by(("A/ens33", tcp(f"{server}:{port} > {client}:{sport}", ack=12_346, flags=flags, ttl=ttl)), gap=1e6)
