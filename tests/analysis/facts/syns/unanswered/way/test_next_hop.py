"""A clue to SYNs without an answer: which host forwards them, and to which next hop.

Played on nodes whose route to the pods of another node is missing, leads to a third node, or without kube-proxy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import POD, SECOND, SERVER, forwarded
from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import SYN, Network, arp, tcp
from tests.story_reports import A, B

NAME = "connection-unanswered"


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
