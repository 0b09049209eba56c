"""What is missing at a later point and was not lost. Truth: the stories."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import Network, ping, udp
from tests.story_reports import A, B, read

SECOND = 1_000_000.0


def losing(net: Network, folder: Path) -> set[str]:
    """Sources of the flows that are told to lose packets."""
    return {row["flow"]["src"] for row in read(net, folder)["fates"] if row["fate"] == "loses"}


@pytest.mark.parametrize("is_answered", [True, False])
def test_answered_echo_requests_were_not_lost(is_answered: bool, tmp_path: Path) -> None:
    """A bridge floods the first ones to a port, and has then learnt where the receiver is."""
    net = Network(["if1", "if2"])
    for number in range(8):
        request = ping(f"{A} > {B}", 77, number, ident=number + 1)
        net.pass_by(*((point, request) for point in (net.points if number not in (4, 5) else net.points[:1])))
        if is_answered or number not in (4, 5):
            net.pass_by(("if1", ping(f"{B} > {A}", 77, number, icmp=(0, 0), ident=number + 50)))
        net.now += SECOND
    assert losing(net, tmp_path) == (set() if is_answered else {A})


@pytest.mark.parametrize("returning", [2, 6], ids=["a few return", "most return"])
def test_carriers_that_return_in_a_tunnel_lost_nothing(returning: int, tmp_path: Path) -> None:
    """A host wraps a few datagrams of a tunnel again and sends them back, as by a route of its own."""
    net = Network(["eth3"])
    for number in range(8):
        carrier = udp(f"{A}:5000 > {B}:4500", bytes(100) + b"%d" % number, ident=number + 1)
        net.pass_by(("eth3", carrier))
        if number < returning:
            net.pass_by(("eth3", carrier.routed(tunnel=(200, B, A, 6000))))
        net.now += SECOND
    assert losing(net, tmp_path) == (set() if returning == 2 else {A})
