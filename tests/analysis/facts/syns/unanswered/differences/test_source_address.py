"""A clue to SYNs without an answer: they are translated to another address than those that are accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, named
from tests.conftest import PROJECT
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import A, B, read

NAME = "connection-unanswered"
RECORDED = PROJECT / "tests/analysis/findings/recorded/second-address"
SECOND = 1e6  # µs
APP, OTHER, SECOND_ADDRESS = "172.17.0.2", "172.17.0.3", "192.168.111.130"


def test_second_address_of_a_host_is_told() -> None:
    """Recorded: a rule of the node gives `app` an address that the router has no route back to."""
    (finding,) = named(analyze(sorted(RECORDED.glob("*.pcap"))).to_dict(), NAME)
    assert "the server accepted 1 connection of 10.77.1.7; at node/eth0 these come from 10.50.0.12" in finding["says"]
    assert finding["facts"]["translated_to"] == ["10.50.0.12"]
    assert "`ip route get 10.50.0.12` on 10.60.0.5" in finding["fix"]


def calls(folder: Path, failing_as: str, *accepted_as: str) -> Findings:
    """What is told of SYNs of one container that are never answered, while another one is served."""
    net = Network(["A/docker0", "A/ens33"])
    served = [(OTHER, outside, True) for outside in accepted_as]
    for client, outside, is_accepted in (*served, (APP, failing_as, False), served[0]):
        sport = 40000 + len(net.recorded)
        for _ in range(1 if is_accepted else 3):
            asked = tcp(f"{client}:{sport} > {B}:80", seq=sport, flags=SYN, ident=len(net.recorded))
            sent = asked.routed(src=outside, smac=CARD_A, dmac=CARD_B)
            net.pass_by(("A/docker0", asked), ("A/ens33", sent), gap=1.1 * SECOND)
        if is_accepted:
            answer = tcp(f"{B}:80 > {outside}:{sport}", seq=7, ack=sport + 1, flags=SYN | ACK, smac=CARD_B, dmac=CARD_A)
            net.pass_by(("A/ens33", answer), ("A/docker0", answer.routed(dst=client)), gap=1e4)
    problems: Findings = [finding for finding in read(net, folder)["findings"] if finding["level"] != "info"]
    return problems


def test_address_of_one_container_is_told(tmp_path: Path) -> None:
    (finding,) = calls(tmp_path, SECOND_ADDRESS, A)
    assert f"at A/ens33 these come from {SECOND_ADDRESS}, those that were accepted from {A}" in finding["says"]


@pytest.mark.parametrize(
    ("failing", "accepted"),
    [(A, [A]), (SECOND_ADDRESS, [A, SECOND_ADDRESS]), (APP, [OTHER]), (APP, [A])],
    ids=["one address", "one of two that are accepted", "no translation", "its own address"],
)
def test_address_that_does_not_differ_is_silent(tmp_path: Path, failing: str, accepted: list[str]) -> None:
    """Each is told as another finding."""
    (finding,) = calls(tmp_path, failing, *accepted)
    assert "translated_to" not in finding["facts"]
