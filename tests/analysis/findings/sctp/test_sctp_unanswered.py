"""sctp-unanswered: INITs that nothing answers. Truth of the recordings: the rule that drops them, and tshark."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.analysis.findings.sctp.made import BACK, DATA, INIT_ACK, THERE, answer, ask, chunk, of_recording
from tests.stories import Network, Packet, about, sctp

NAME = "sctp-unanswered"


def test_init_that_a_rule_drops_is_told() -> None:
    (finding,) = of_recording("unanswered", NAME)
    assert finding["says"] == (
        "2 SCTP INITs of 192.168.111.129 to 192.168.111.128:38412 got no answer; they were last seen at ens33"
    )
    assert "/sctp" in finding["fix"]


@pytest.mark.parametrize("capture", ["accepted", "refused", "without-sctp"])
def test_answered_inits_are_silent(capture: str) -> None:
    assert of_recording(capture, NAME) == []


def test_inits_rejected_by_icmp_are_silent(tmp_path: Path) -> None:
    """A firewall's message, which quotes the ports, is an answer."""
    net = Network(["A/ens33"])
    packet = ask(net, times=2)
    net.pass_by(("A/ens33", about(Packet("icmp", "10.0.0.254", "10.0.0.1", icmp=(3, 13)), packet)))
    assert of_story(net, tmp_path, NAME) == []


def test_single_init_is_silent(tmp_path: Path) -> None:
    """The capture may have ended before the answer."""
    net = Network(["A/ens33"])
    ask(net)
    assert of_story(net, tmp_path, NAME) == []


def test_other_associations_of_the_server_are_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    ask(net, THERE.replace("40000", "40001"))
    answer(net, INIT_ACK, BACK.replace("40000", "40001"))
    ask(net, times=3)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["says"].endswith("the server accepted 1 other association")


def test_data_without_an_answer_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for ident in range(3):
        net.pass_by(("A/ens33", sctp(THERE, chunk(DATA), ident=ident)), gap=3e6)
    assert of_story(net, tmp_path, NAME) == []
