"""A clue to SYNs without an answer: accepted ones go to another gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import CARD_C, Client
from tests.analysis.findings.reported import CARD_B
from tests.stories import ACK, SYN, Packet, udp
from tests.story_reports import B


@pytest.mark.parametrize("is_gateway", [True, False], ids=["gateway", "the server itself"])
def test_other_gateway_of_those_accepted_is_told(tmp_path: Path, is_gateway: bool) -> None:
    """A container's default gateway is a host that forwards nothing; its own host has the right one."""
    played = Client(("A/ens33",))
    played.call(answer=SYN | ACK, tries=1, client="192.168.111.130", mac=CARD_C, to="02:00:00:00:00:fe")
    time, point, answer = played.net.recorded.pop()
    assert isinstance(answer, Packet)
    played.net.at(time, point, answer.routed() if is_gateway else answer)  # with its first TTL, it is the sender's MAC
    played.call()
    (finding,) = played.findings(tmp_path)
    if not is_gateway:
        assert "gateway" not in finding["says"]
        return
    assert f"sent to 02:00:00:00:00:fe, these to {CARD_B}" in finding["says"] and "compare the routes" in finding["fix"]


@pytest.mark.parametrize("shown", ["two VLANs", "both sides of a router"])
def test_next_hops_of_several_links_is_silent(tmp_path: Path, shown: str) -> None:
    """A mirror of several ports: on another link the same server is reached by another MAC in any case."""
    played = Client(("mirror",))
    other = "192.168.111.130"
    played.call(answer=SYN | ACK, tries=1, client=other, mac=CARD_C, to="02:00:00:00:00:fe")
    if shown == "two VLANs":
        own = [(time, point, packet) for time, point, packet in played.net.recorded if isinstance(packet, Packet)]
        played.net.recorded = [(time, point, packet.but(vlan=20)) for time, point, packet in own]
    else:
        packet = udp(f"{other}:40000 > {B}:514", b"log", ident=77, smac=CARD_C, dmac="02:00:00:00:00:fe")
        played.net.pass_by(("mirror", packet), ("mirror", packet.routed(smac="02:00:00:00:00:fd", dmac=CARD_B)))
    played.call()
    (finding,) = played.findings(tmp_path)
    assert "gateway" not in finding["says"] and f"accepted 1 connection of {other}" in finding["says"]
