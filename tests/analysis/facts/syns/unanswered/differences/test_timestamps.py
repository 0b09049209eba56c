"""A clue to SYNs without an answer: the timestamps of accepted ones are ahead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import SECOND, Client
from tests.analysis.findings.reported import CARD_A, CARD_B
from tests.stories import ACK, SYN, tcp
from tests.story_reports import A, B


def behind_nat(ahead: int, behind: int, *, ticks: float = 1000, rounds: int = 3) -> Client:
    """Two hosts call by turns from one address; the server answers the one, whose timestamps begin at `ahead`."""
    played = Client()

    def stamped(start: int) -> int:
        return int(start + ticks * played.net.now / SECOND) & 0xFFFFFFFF

    for _ in range(rounds):
        for start, is_answered in ((ahead, True), (behind, False)):
            asked = tcp(f"{A}:{played.port} > {B}:80", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B)
            for _ in range(1 if is_answered else 4):
                played.put(asked.but(tsval=stamped(start)))
                played.net.now += (0.1 if is_answered else 1.02) * SECOND
            if is_answered:
                back = asked.but(ends=f"{B}:80 > {A}:{played.port}", flags=SYN | ACK, seq=3, ack=8)
                played.put(back.but(smac=CARD_B, dmac=CARD_A))
            played.port += 1
    return played


@pytest.mark.parametrize("ahead", [900_000_000, 100_000])
def test_timestamps_behind_those_accepted_is_told(tmp_path: Path, ahead: int) -> None:
    """The clock that is ahead may have begun anew (RFC 7323 section 5.2)."""
    (finding,) = behind_nat(ahead, (ahead - 500_000) & 0xFFFFFFFF).findings(tmp_path)
    assert "TCP timestamps of those are ahead" in finding["says"] and "tcp_tw_recycle" in finding["fix"]


@pytest.mark.parametrize(
    ("ahead", "behind", "ticks"), [(100_000, 900_000_000, 1000), (900_000_000, 100_000, 5000), (7, 7, 1000)]
)
def test_timestamps_that_decide_nothing_is_silent(tmp_path: Path, ahead: int, behind: int, ticks: float) -> None:
    """The host that is ahead gets no answer; no clock ticks so; one host calls."""
    (finding,) = behind_nat(ahead, behind, ticks=ticks).findings(tmp_path)
    assert "timestamps" not in finding["says"] and "tcp_tw_recycle" not in finding["fix"]
