"""A clue to SYNs without an answer: their host does not forward them, and sends its own to the same service."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_capture, of_story
from tests.stories import ACK, SYN, Network, tcp

NAME = "connection-unanswered"
POD, POD_MAC, BRIDGE_MAC = "10.77.1.7", "0a:58:0a:4d:01:07", "0a:58:0a:4d:01:01"
CARD_MAC, ROUTER_MAC = "52:54:00:00:00:0b", "52:54:00:00:00:01"
RECORDED = "tests/analysis/findings/recorded"


def own(net: Network, number: int, card: str) -> None:
    """An accepted connection of the host itself."""
    asked = tcp(f"10.50.0.11:{50000 + number} > 10.60.0.5:80", flags=SYN, seq=5, ident=number, smac=CARD_MAC,
                dmac=ROUTER_MAC)  # fmt: skip
    net.pass_by((card, asked))
    net.pass_by((card, tcp(f"10.60.0.5:80 > 10.50.0.11:{50000 + number}", flags=SYN | ACK, seq=9, ack=6,
                           ident=number + 9, smac=ROUTER_MAC, dmac=CARD_MAC)))  # fmt: skip
    net.pass_by((card, asked.but(flags=ACK, seq=6, ack=10, ident=number + 20)))


def asked(folder: Path, card: str) -> Findings:
    """Of SYNs of a pod that end at the bridge, between connections of the host by that interface."""
    net = Network(["n1/cni0", card])
    own(net, 1, card)
    for number in range(4):
        syn = tcp(f"{POD}:41000 > 10.60.0.5:80", flags=SYN, seq=7000, ident=700 + number, smac=POD_MAC, dmac=BRIDGE_MAC)
        net.pass_by(("n1/cni0", syn), gap=1e6)
    own(net, 2, card)
    return of_story(net, folder, NAME)


def test_syns_that_a_host_keeps_at_any_is_told() -> None:
    """Recorded: a rule drops what the pod sends; the host received it, and sent its own."""
    (finding,) = of_capture(f"{RECORDED}/forward-drop-any/node__any.pcap", NAME)
    assert "at node/if4, by which those leave, they are not seen" in finding["says"]
    assert "`iptables -vnL FORWARD`" in finding["fix"] and finding["facts"]["exit"] == "node/if4"


def test_syns_that_end_at_the_bridge_is_told(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "n1/eth0")
    assert "at n1/eth0, by which those leave, they are not seen" in finding["says"]


def test_exit_that_shows_them_is_silent() -> None:
    """Recorded: the host sends them on, with the pod's address."""
    (finding,) = of_capture(f"{RECORDED}/stray-masquerade-any/node__any.pcap", NAME)
    assert "by which those leave" not in finding["says"]


def test_exit_of_another_host_is_silent(tmp_path: Path) -> None:
    (finding,) = asked(tmp_path, "n2/eth0")
    assert "by which those leave" not in finding["says"]
