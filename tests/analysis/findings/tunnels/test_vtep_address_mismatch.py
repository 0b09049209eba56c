"""vtep-address-mismatch: a host sends a tunnel's packets from one address, and gets them at another one."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.overlays import A_CARD, A_INSIDE, B_CARD, B_INSIDE, POINTS, X_MAC, Y_MAC, X, Y, travel
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, ping
from tests.story_reports import A, B

SECOND = "192.168.111.200"  # B's other address
ON_THE_WAY = (A_INSIDE, A_CARD, B_CARD)


def both_ways(net: Network, *points: str, sends_from: str = SECOND) -> None:
    """Y sends from B's address `sends_from`, X's packets go to B; these points see them."""
    for seq in range(3):
        from_y = ping(f"{Y} > {X}", 8, seq, ident=200 + seq, smac=Y_MAC, dmac=X_MAC)
        travel(net, from_y, False, *POINTS, ends=(A, sends_from))
        from_x = ping(f"{X} > {Y}", 7, seq, ident=100 + seq, smac=X_MAC, dmac=Y_MAC)
        travel(net, from_x, True, *points, ends=(A, B))


def mismatch(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "vtep-address-mismatch")


def test_peers_that_send_to_another_address_is_told(tmp_path: Path) -> None:
    net = Network(POINTS)
    both_ways(net, *ON_THE_WAY)
    (finding,) = mismatch(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["point"] == B_CARD
    assert finding["facts"]["sends_from"] == [SECOND] and finding["facts"]["peers_send_to"] == [B]
    assert of_story(net, tmp_path, "tunnel-not-decapsulated") == []


def test_tunnel_that_is_decapsulated_is_silent(tmp_path: Path) -> None:
    """The kernel takes packets to any of its addresses."""
    net = Network(POINTS)
    both_ways(net, *ON_THE_WAY, B_INSIDE)
    assert mismatch(net, tmp_path) == []


def test_one_address_that_drops_is_silent(tmp_path: Path) -> None:
    """Nothing comes out, but not because of the address."""
    net = Network(POINTS)
    both_ways(net, *ON_THE_WAY, sends_from=B)
    assert mismatch(net, tmp_path) == []


def test_inside_that_was_not_captured_is_silent(tmp_path: Path) -> None:
    net = Network([A_CARD, B_CARD])
    both_ways(net, A_CARD, B_CARD)
    assert mismatch(net, tmp_path) == []
