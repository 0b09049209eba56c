"""A clue to SYNs without an answer: private addresses leave for the Internet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import POD, SERVER, forwarded
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_capture, of_story
from tests.stories import ACK, SYN, tcp
from tests.story_reports import A, B

NAME = "connection-unanswered"
RECORDED = "tests/analysis/findings/recorded"


INTERNET = "93.184.216.34"


def forwarded_untranslated(folder: Path, server: str, accepted: str) -> Findings:
    """Node A forwards SYNs of a pod; the server accepts another address."""
    net = forwarded(server=server)
    asked = tcp(f"{accepted}:50000 > {server}:80", seq=5, flags=SYN, smac=CARD_A, dmac=CARD_B, ident=99)
    back = tcp(f"{server}:80 > {accepted}:50000", seq=7, ack=6, flags=SYN | ACK, smac=CARD_B, dmac=CARD_A, ttl=50)
    net.pass_by(("A/ens33", asked))
    net.pass_by(("A/ens33", back))
    return of_story(net, folder, NAME)


def test_private_address_that_leaves_for_the_internet_is_told(tmp_path: Path) -> None:
    """Measured: a node without a rule for its pods; the node itself is accepted by the same server."""
    (finding,) = forwarded_untranslated(tmp_path, INTERNET, accepted=A)
    assert f"{A} forwards them to {B} with the private address of {POD}" in finding["says"]
    assert "MASQUERADE" in finding["fix"]
    assert (finding["facts"]["router"], finding["facts"]["next_hop"]) == (A, B)


@pytest.mark.parametrize(("server", "accepted"), [(SERVER, A), (INTERNET, POD)], ids=["private", "the pod itself"])
def test_private_address_that_may_leave_is_silent(tmp_path: Path, server: str, accepted: str) -> None:
    """It asks a private network, or its own connections are accepted."""
    (finding,) = forwarded_untranslated(tmp_path, server, accepted)
    assert "private address" not in finding["says"] and "MASQUERADE" not in finding["fix"]


def test_address_that_a_host_sends_on_at_any_is_told() -> None:
    """Recorded at `any`: the node's rule is for another network; its own SYNs are accepted."""
    (finding,) = of_capture(f"{RECORDED}/stray-masquerade-any/node__any.pcap", NAME)
    assert "the host sends them on by node/if4 with the address of 10.77.1.8, not with its own" in finding["says"]
    assert "`iptables -t nat -S POSTROUTING`" in finding["fix"]


def test_address_that_a_host_keeps_at_any_is_silent() -> None:
    (finding,) = of_capture(f"{RECORDED}/forward-drop-any/node__any.pcap", NAME)
    assert "not with its own" not in finding["says"]
