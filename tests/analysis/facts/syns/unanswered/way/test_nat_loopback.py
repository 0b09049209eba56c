"""A clue to SYNs without an answer: DNAT leads them back to the network of their client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import CARD_C, SECOND
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import SYN, Network, tcp
from tests.story_reports import A

NAME = "connection-unanswered"


def looped(folder: Path, case: str) -> Findings:
    """A router translates what a client asks its own address to a server of the client's network."""
    point, web, client = "A/docker0" if case == "bridge" else "R/eth0", "192.168.111.7", "192.168.111.130"
    net = Network([point])
    for number in range(4):
        ttl = 63 if case == "routed" else 64
        syn = tcp(f"{client}:41000 > {A}:8080", flags=SYN, seq=7, ident=number + 1, ttl=ttl, smac=CARD_C, dmac=CARD_A)
        behind = syn.routed(ends=f"{client}:41000 > {web}:80", smac=CARD_A, dmac=CARD_B)
        net.pass_by((point, syn), (point, behind.but(src=A) if case == "masqueraded" else behind), gap=1.02 * SECOND)
    return of_story(net, folder, NAME)


def test_dnat_back_to_the_network_of_the_client_is_told(tmp_path: Path) -> None:
    (finding,) = looped(tmp_path, "neighbours")
    assert "past the host that translates" in finding["says"] and "MASQUERADE" in finding["fix"]


@pytest.mark.parametrize("case", ["masqueraded", "routed", "bridge"])
def test_answers_that_come_back_by_the_router_is_silent(tmp_path: Path, case: str) -> None:
    """The client is behind another router, or a bridge may translate what passes it."""
    (finding,) = looped(tmp_path, case)
    assert "past the host that translates" not in finding["says"] and "MASQUERADE" not in finding["fix"]
