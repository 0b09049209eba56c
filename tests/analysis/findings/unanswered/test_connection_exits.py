"""connection-unanswered: SYNs that do not leave by the interface by which their client's other packets do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
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


@pytest.mark.parametrize(("card", "is_seen", "is_told"), [
    ("n1/eth0", False, True),
    ("n1/eth0", True, False),
    ("n2/eth0", False, False),
], ids=["missing", "seen there", "of another host"])  # fmt: skip
def test_syns_that_do_not_leave_with_the_others_are_told(
    tmp_path: Path, card: str, is_seen: bool, is_told: bool
) -> None:
    """A route drops what is for one network; the server behind it may be up."""
    net = Network(["n1/cni0", card])
    for number in range(2):
        surf(net, number, card)
    for number in range(4):
        syn = tcp(f"{POD}:41000 > 10.60.0.5:8080", flags=SYN, seq=7000, ident=700 + number, smac=POD_MAC,
                  dmac=BRIDGE_MAC)  # fmt: skip
        behind = [(card, syn.routed(src="10.50.0.11", smac=CARD_MAC, dmac=ROUTER_MAC))] if is_seen else []
        net.pass_by(("n1/cni0", syn), *behind, gap=1e6)
    surf(net, 5, card)
    (finding,) = of_story(net, tmp_path, "connection-unanswered")
    assert finding["level"] == "warning"
    assert (f"they are not seen at {card}" in finding["says"]) == is_told
    assert ("`ip rule`" in finding["fix"]) == is_told
