"""icmp-redirect: a router that tells of a shorter way."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, named
from tests.stories import Network, Packet, about, ping
from tests.story_reports import A, B, read

ROUTER = "192.168.111.1"


def redirected(folder: Path, times: int = 3, receiver: str = A, icmp: tuple[int, int] = (5, 1)) -> Findings:
    """Echo requests that a router passes on into the network they came from, and says so."""
    net = Network(["A/ens33"])
    for number in range(times):
        request = ping(f"{A} > {B}", 7, number, ident=number + 1)
        error = about(Packet("icmp", ROUTER, receiver, icmp=icmp, ident=number + 50), request)
        net.pass_by(("A/ens33", request))
        net.pass_by(("A/ens33", error))
        net.pass_by(("A/ens33", ping(f"{B} > {A}", 7, number, icmp=(0, 0), ident=number + 90)))
    return named(read(net, folder), "icmp-redirect")


def test_packets_that_turn_back_at_a_router_is_told(tmp_path: Path) -> None:
    (finding,) = redirected(tmp_path)
    assert finding["level"] == "info"
    assert finding["says"] == (
        f"{ROUTER} sends packets of {A} for {B} back out of the interface they came in by, and tells who sent them a "
        "shorter way (3 ICMP redirects)"
    )
    assert [frame["frame"] for frame in finding["evidence"]] == [2]


def test_single_redirect_is_silent(tmp_path: Path) -> None:
    assert redirected(tmp_path, times=1) == []


def test_redirect_to_another_than_the_sender_is_silent(tmp_path: Path) -> None:
    """It was forged: a router tells who sent the packet."""
    assert redirected(tmp_path, receiver="192.168.111.7") == []


def test_other_errors_is_silent(tmp_path: Path) -> None:
    assert redirected(tmp_path, icmp=(3, 1)) == []
