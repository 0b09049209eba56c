"""A clue to SYNs without an answer: the capture records no answers."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.facts.syns.callers import SECOND
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import A, B

NAME = "connection-unanswered"


def refused(folder: Path, *, is_one_sided: bool) -> Findings:
    """Windows asks a port that is refused three times; without the RSTs, and beside a connection that works."""
    net = Network(["A/ens33"])
    other = "192.168.111.77"
    for number, (flags, seq, ack) in enumerate(((SYN, 7, 0), (ACK, 8, 4), (ACK, 8, 900), (ACK, 8, 1800))):
        net.pass_by(("A/ens33", tcp(f"{A}:41000 > {other}:22", seq=seq, ack=ack, flags=flags, ident=number)))
    if not is_one_sided:
        net.pass_by(("A/ens33", tcp(f"{other}:22 > {A}:41000", bytes(900), seq=4, ack=8, flags=ACK, ident=9)))
    for number in range(3):
        asked = tcp(f"{A}:49176 > {B}:102", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B, ident=20 + number)
        net.pass_by(("A/ens33", asked), gap=0.6 * SECOND)
    return of_story(net, folder, NAME)


def test_direction_of_the_client_alone_is_told(tmp_path: Path) -> None:
    """Nothing says that the server is silent."""
    (finding,) = refused(tmp_path, is_one_sided=True)
    assert "got no answer" not in finding["says"] and "would not show a refusal" in finding["says"]
    assert finding["fix"].startswith("capture both directions")


def test_capture_of_both_directions_is_silent(tmp_path: Path) -> None:
    (finding,) = refused(tmp_path, is_one_sided=False)
    assert "got no answer" in finding["says"] and "would not show a refusal" not in finding["says"]
    assert not finding["fix"].startswith("capture both directions")
