"""A clue to SYNs without an answer: several silent servers share the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.facts.syns.callers import CARD_C, SECOND, Client
from tests.analysis.findings.reported import CARD_B, Findings, named
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import A, read


def silent(folder: Path, *servers: str) -> Findings:
    played = Client(points=("A/ens33",))
    for server in servers:
        played.server = server
        played.call(443)
    return played.findings(folder)


def test_silent_servers_elsewhere_share_the_way_out_is_told(tmp_path: Path) -> None:
    (finding,) = silent(tmp_path, "203.0.113.5", "198.51.100.9")
    assert "the way out of 192.168.111.128, which all 2 share" in finding["fix"]
    assert "none of these servers answered anything else" in finding["says"]


@pytest.mark.parametrize(
    "servers", [("192.168.111.7", "192.168.111.9"), ("203.0.113.5",)], ids=["on its own network", "one"]
)
def test_servers_that_share_no_way_out_is_silent(tmp_path: Path, servers: tuple[str, ...]) -> None:
    (finding,) = silent(tmp_path, *servers)
    assert "way out" not in finding["fix"] and "none of these servers" not in finding["says"]


@pytest.mark.parametrize(
    ("server", "mac", "is_told"),
    [("192.0.2.7", CARD_B, True), ("192.168.111.9", CARD_B, False), ("192.0.2.7", CARD_C, False)],
    ids=["beyond the gateway", "in the network", "beyond another gateway"],
)
def test_silent_servers_of_a_gateway_that_serves_others_is_told(
    tmp_path: Path, server: str, mac: str, is_told: bool
) -> None:
    """The provider drops what goes to some services, as public captures show (WayytWang/network-learn)."""
    played = Client(points=("A/ens33",))
    for silent_server in ("203.0.113.5", "198.51.100.9"):
        played.server = silent_server
        played.call(443)
        played.server = server
        played.call(443, tries=1, answer=SYN | ACK, to=mac)
    (finding,) = played.findings(tmp_path)
    words = "; 1 other server beyond the same gateway answered meanwhile, such as 192.0.2.7:443"
    assert (words in finding["says"]) == is_told == ("to these 2 addresses alone" in finding["fix"])
    assert ("the way out of" in finding["fix"]) != is_told


def test_gateway_of_a_cooked_capture_is_silent(tmp_path: Path) -> None:
    """`any` does not say which MAC the host sends to: the servers that answer may be beyond another gateway."""
    net = Network(["A/any"], cooked={"A/any"})
    for number, server in enumerate(("203.0.113.5", "198.51.100.9")):
        for at in (0, 1, 3):
            net.at(at * SECOND, "A/any", tcp(f"{A}:{5000 + number} > {server}:443", seq=9, flags=SYN).cooked(4))
    for number in range(3):
        ends, back = f"{A}:{6000 + number} > 192.0.2.7:443", f"192.0.2.7:443 > {A}:{6000 + number}"
        net.at((number + 0.5) * SECOND, "A/any", tcp(ends, seq=9, flags=SYN).cooked(4))
        net.at((number + 0.6) * SECOND, "A/any", tcp(back, seq=9, ack=10, flags=SYN | ACK, smac=CARD_B).cooked())
    (finding,) = named(read(net, tmp_path), "connection-unanswered")
    assert "meanwhile" not in finding["says"] and "the way out of" in finding["fix"]


def test_server_inside_says_nothing_of_the_internet_is_silent(tmp_path: Path) -> None:
    """The gateway leads to other networks of the company, and its way to the provider is down."""
    played = Client(points=("A/ens33",))
    for server in ("8.8.4.4", "9.9.9.9"):
        played.server = server
        played.call(443)
        played.server = "10.10.0.50"
        played.call(445, tries=1, answer=SYN | ACK)
    (finding,) = played.findings(tmp_path)
    assert "meanwhile" not in finding["says"] and "the way out of" in finding["fix"]


def test_servers_that_answered_before_is_silent(tmp_path: Path) -> None:
    """What the gateway let pass before says nothing of the time of these SYNs."""
    played = Client(points=("A/ens33",))
    played.server = "192.0.2.7"
    played.call(443, tries=1, answer=SYN | ACK)
    for played.server in ("203.0.113.5", "198.51.100.9"):
        played.call(443)
    (finding,) = played.findings(tmp_path)
    assert "meanwhile" not in finding["says"] and "the way out of" in finding["fix"]
