"""What the tests of findings about routes share: questions that leave host A for host B."""

from __future__ import annotations

from typing import Any

from tests.stories import Network, Packet

WAY = ["A/docker0", "A/ens33", "B/ens33"]
CARD = "02:00:c0:a8:6f:80"  # MAC of host A's interface
ROUTE_FINDINGS = {"not-masqueraded", "no-return-route", "asymmetric-path"}


def facts(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [finding["facts"] for finding in report["findings"] if finding["name"] == name]


def route_findings(report: dict[str, Any]) -> set[str]:
    return {finding["name"] for finding in report["findings"]} & ROUTE_FINDINGS


def ask(net: Network, packet: Packet, points: list[str], *, outside: str | None = None, gap: float = 1e6) -> None:
    """Three times from docker0 by A's interface to B; `outside`: masqueraded as that address."""
    for number in range(3):
        inside = packet.but(ident=packet.ident + number, seq=packet.seq + number * (packet.proto == "icmp"))
        routed = inside.routed(smac=CARD, **({"src": outside} if outside else {}))
        net.pass_by(
            *((point, inside if point.endswith(("docker0", "podman0")) else routed) for point in points), gap=gap
        )
