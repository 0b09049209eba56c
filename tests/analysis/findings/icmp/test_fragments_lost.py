"""fragments-lost: ICMP "fragment reassembly time exceeded" of a receiver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, of_story
from tests.stories import Network, about, ping, udp
from tests.story_reports import A, B


def give_up(net: Network, number: int, code: int) -> None:
    """A first fragment, and what the receiver says of it half a minute later."""
    packet = udp(f"{B}:{41000 + number} > {A}:5170", bytes(3000), ident=number + 1, smac=CARD_B, dmac=CARD_A)
    first, *_ = packet.fragments(1480)
    net.pass_by(("A/ens33", first), gap=30e6)
    net.pass_by(("A/ens33", about(ping(f"{A} > {B}", 0, 0, icmp=(11, code), smac=CARD_A, dmac=CARD_B), first)))


@pytest.mark.parametrize(("count", "level"), [(3, "error"), (1, "warning")])
def test_reassembly_timeout_is_told(tmp_path: Path, count: int, level: str) -> None:
    net = Network(["A/ens33"])
    for number in range(count):
        give_up(net, number, code=1)
    (finding,) = of_story(net, tmp_path, "fragments-lost")
    assert finding["level"] == level
    assert finding["facts"] == {"receiver": A, "sources": [B], "proto": "udp", "packets": count}


def test_ttl_exceeded_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    give_up(net, 0, code=0)
    assert of_story(net, tmp_path, "fragments-lost") == []
