"""sctp-refused: ABORT answers INIT, or a kernel has no SCTP. Truth of the recordings: tshark, of which chunks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.analysis.findings.sctp.made import ABORT, BACK, INIT_ACK, THERE, answer, ask, of_recording
from tests.stories import Network, Packet, about

NAME = "sctp-refused"


def test_abort_through_dnat_is_told() -> None:
    """One refusal at two points is the server's own; the port that was asked for is translated to it."""
    (finding,) = of_recording("refused", NAME)
    assert finding["level"] == "warning"
    assert finding["says"] == (
        "172.17.0.2 refused SCTP associations (ABORT) to port 38412, to which 192.168.111.128:38412 is translated"
    )
    assert [frame["frame"] for frame in finding["evidence"]] == [2]  # the ABORT at docker0


def test_kernel_without_sctp_is_told() -> None:
    findings = of_recording("without-sctp", NAME)
    assert [finding["says"] for finding in findings] == [
        "10.9.0.2 has no SCTP: it answered 2 packets of 10.9.0.1 with ICMP errors (unknown protocol)",
        "fd09::2 has no SCTP: it answered 2 packets of fd09::1 with ICMP errors (unknown protocol)",
    ]
    assert all("modprobe sctp" in finding["fix"] for finding in findings)


def test_server_that_was_starting_is_told(tmp_path: Path) -> None:
    """An info."""
    net = Network(["A/ens33"])
    ask(net)
    answer(net, ABORT)
    ask(net, THERE.replace("40000", "40001"))
    answer(net, INIT_ACK, BACK.replace("40000", "40001"))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "info"
    assert finding["says"].endswith("it accepted later ones: the server was starting")


@pytest.mark.parametrize(
    ("server", "is_before"),
    [("10.0.0.2:38412", True), ("10.0.0.2:38413", False), ("10.0.0.3:38412", False)],
    ids=["before", "another port", "another host"],
)
def test_other_accepted_association_is_told_as_warning(server: str, is_before: bool, tmp_path: Path) -> None:
    """That the server was starting, one shows that it accepts later at the same port."""
    net = Network(["A/ens33"])
    accepted = (f"10.0.0.1:40001 > {server}", f"{server} > 10.0.0.1:40001", INIT_ACK)
    refused = (THERE, BACK, ABORT)
    for there, back, kind in (accepted, refused) if is_before else (refused, accepted):
        ask(net, there)
        answer(net, kind, back)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "warning" and "starting" not in finding["says"]


@pytest.mark.parametrize("capture", ["accepted", "unanswered"])
def test_other_recordings_are_silent(capture: str) -> None:
    assert of_recording(capture, NAME) == []


def test_abort_of_an_accepted_association_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    ask(net)
    answer(net, INIT_ACK)
    answer(net, ABORT)
    assert of_story(net, tmp_path, NAME) == []


def test_abort_of_the_client_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    ask(net)
    answer(net, ABORT, THERE)
    assert of_story(net, tmp_path, NAME) == []


@pytest.mark.parametrize("sender", ["10.0.0.2", "10.0.0.254"], ids=["the server", "a router"])
def test_only_the_server_itself_lacks_sctp(sender: str, tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    error = Packet("icmp", sender, "10.0.0.1", icmp=(3, 2))
    net.pass_by(("A/ens33", about(error, ask(net))))
    assert len(of_story(net, tmp_path, NAME)) == (sender == "10.0.0.2")


@pytest.mark.parametrize("proto", ["sctp", "gre"])
def test_other_error_of_the_server_is_silent(proto: str, tmp_path: Path) -> None:
    """A port that is closed, or another protocol that it has not."""
    net = Network(["A/ens33"])
    packet = ask(net)
    if proto == "gre":
        packet = Packet("gre", "10.0.0.1", "10.0.0.2", payload=bytes(20), ident=9)
        net.pass_by(("A/ens33", packet))
    error = Packet("icmp", "10.0.0.2", "10.0.0.1", icmp=(3, 2 if proto == "gre" else 10))
    net.pass_by(("A/ens33", about(error, packet)))
    assert of_story(net, tmp_path, NAME) == []
