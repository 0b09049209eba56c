"""A clue to SYNs without an answer: they do not leave the host where other packets of their client do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, SYN, Network, tcp

POD, POD_MAC, BRIDGE_MAC = "10.77.1.7", "0a:58:0a:4d:01:07", "0a:58:0a:4d:01:01"
CARD_MAC, ROUTER_MAC = "52:54:00:00:00:0b", "52:54:00:00:00:01"


def surf(net: Network, number: int, card: str) -> None:
    """An answered connection of the pod to a third host, masqueraded at the card."""
    for seq, flags in ((100, SYN), (101, ACK)):
        asked = tcp(f"{POD}:{40000 + number} > 10.50.0.1:80", flags=flags, seq=seq, ident=number + seq, smac=POD_MAC,
                    dmac=BRIDGE_MAC)  # fmt: skip
        outside = asked.routed(src="10.50.0.11", smac=CARD_MAC, dmac=ROUTER_MAC)
        net.pass_by(("n1/cni0", asked), (card, outside))
        if flags == SYN:
            answer = tcp(f"10.50.0.1:80 > 10.50.0.11:{40000 + number}", flags=SYN | ACK, seq=9, ack=101,
                         ident=number + 500, smac=ROUTER_MAC, dmac=CARD_MAC)  # fmt: skip
            net.pass_by((card, answer), ("n1/cni0", answer.routed(dst=POD, smac=BRIDGE_MAC, dmac=POD_MAC)))


def dropped(folder: Path, card: str, *, is_seen: bool) -> Findings:
    """Of SYNs of the pod to a host of another network, between connections that leave by the card."""
    net = Network(["n1/cni0", card])
    for number in range(2):
        surf(net, number, card)
    for number in range(4):
        syn = tcp(f"{POD}:41000 > 10.60.0.5:8080", flags=SYN, seq=7000, ident=700 + number, smac=POD_MAC,
                  dmac=BRIDGE_MAC)  # fmt: skip
        behind = [(card, syn.routed(src="10.50.0.11", smac=CARD_MAC, dmac=ROUTER_MAC))] if is_seen else []
        net.pass_by(("n1/cni0", syn), *behind, gap=1e6)
    surf(net, 5, card)
    return of_story(net, folder, "connection-unanswered")


def test_syns_that_do_not_leave_with_the_others_are_told(tmp_path: Path) -> None:
    """A route drops what is for one network; the server behind it may be up."""
    (finding,) = dropped(tmp_path, "n1/eth0", is_seen=False)
    assert finding["level"] == "warning"
    assert "they are not seen at n1/eth0" in finding["says"] and "`ip rule`" in finding["fix"]


@pytest.mark.parametrize(("card", "is_seen"), [("n1/eth0", True), ("n2/eth0", False)], ids=["seen", "another host's"])
def test_exit_that_does_not_miss_them_is_silent(tmp_path: Path, card: str, is_seen: bool) -> None:
    (finding,) = dropped(tmp_path, card, is_seen=is_seen)
    assert finding["level"] == "warning"
    assert "they are not seen at" not in finding["says"] and "`ip rule`" not in finding["fix"]
