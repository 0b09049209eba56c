"""connection-unanswered: which host forwards SYNs without an answer, and to which next hop.

Played on nodes whose route to the pods of another node is missing, leads to a third node, or without kube-proxy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import ACK, SYN, Network, arp, tcp
from tests.story_reports import A, B

NAME, POD, SERVER = "connection-unanswered", "10.244.1.2", "10.244.2.2"
SECOND = 1e6  # µs


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


def test_next_hop_of_who_forwards_is_told(tmp_path: Path) -> None:
    (finding,) = of_story(forwarded(), tmp_path, NAME)
    assert finding["says"].endswith(f"; {A} forwards them to {B}")
    assert f"`ip route get {SERVER}`" in finding["fix"] and "kube-proxy" not in finding["fix"]
    assert (finding["facts"]["router"], finding["facts"]["next_hop"]) == (A, B)


def test_node_of_kubernetes_is_told_of_kube_proxy(tmp_path: Path) -> None:
    net = forwarded()
    net.points.append("A/flannel.1")
    net.pass_by(("A/flannel.1", tcp(f"{POD}:50000 > 10.244.3.2:80", flags=SYN)))
    (finding,) = of_story(net, tmp_path, NAME)
    assert "kube-proxy" in finding["fix"] and finding["facts"]["next_hop"] == B


@pytest.mark.parametrize(
    "changes",
    [{"server": B}, {"second": "02:00:c0:a8:6f:99"}],
    ids=["the next hop is asked", "two next hops"],
)
def test_next_hop_that_is_no_clue_is_silent(tmp_path: Path, changes: dict[str, str]) -> None:
    (finding,) = of_story(forwarded(**changes), tmp_path, NAME)
    assert "forwards them" not in finding["says"] and "next_hop" not in finding["facts"]


def test_own_connections_of_a_host_are_silent(tmp_path: Path) -> None:
    """It sends them to its gateway, as it should."""
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", arp(1, CARD_A, A, B))
    net.at(1, "A/ens33", arp(2, CARD_B, B, A, CARD_A))
    for number in range(8):
        asked = tcp(f"{A}:{40000 + number // 4} > {SERVER}:80", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B)
        net.pass_by(("A/ens33", asked.but(ident=number + 1)), gap=1.02 * SECOND)
    (finding,) = of_story(net, tmp_path, NAME)
    assert "forwards them" not in finding["says"]


@pytest.mark.parametrize(
    ("server", "accepted", "is_masquerade"),
    [("93.184.216.34", A, True), (SERVER, A, False), ("93.184.216.34", POD, False)],
)
def test_private_address_that_leaves_for_the_internet(
    tmp_path: Path, server: str, accepted: str, is_masquerade: bool
) -> None:
    """Measured: a node without a rule for its pods; the node itself is accepted by the same server."""
    net = forwarded(server=server)
    asked = tcp(f"{accepted}:50000 > {server}:80", seq=5, flags=SYN, smac=CARD_A, dmac=CARD_B, ident=99)
    back = tcp(f"{server}:80 > {accepted}:50000", seq=7, ack=6, flags=SYN | ACK, smac=CARD_B, dmac=CARD_A, ttl=50)
    net.pass_by(("A/ens33", asked))
    net.pass_by(("A/ens33", back))
    (finding,) = of_story(net, tmp_path, NAME)
    assert (f"{A} forwards them to {B} with the private address of {POD}" in finding["says"]) == is_masquerade
    assert ("MASQUERADE" in finding["fix"]) == is_masquerade
