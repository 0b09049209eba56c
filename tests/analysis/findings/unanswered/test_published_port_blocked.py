"""published-port-blocked: SYNs to a published port without an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story, two_hosts
from tests.stories import ACK, SYN, Network, about, ping, tcp
from tests.story_reports import A, B


def syns(folder: Path, *points: str, port: int = 8080, answered: bool = False, code: int | None = None) -> Findings:
    """The findings about three SYNs of B to a port of A that pass these points; port 8080 is published."""
    net = Network(["B/ens33", "A/ens33", "A/docker0"])
    for number in range(3):
        syn = tcp(f"{B}:40000 > {A}:{port}", flags=SYN, seq=100, ident=number + 1, smac=CARD_B, dmac=CARD_A)
        net.pass_by(*((point, syn) for point in points), gap=1e6)
    if answered:
        answer = tcp(f"{A}:{port} > {B}:40000", flags=SYN | ACK, seq=900, ack=101, smac=CARD_A, dmac=CARD_B)
        net.pass_by(*((point, answer) for point in points[::-1]))
    if code is not None:
        net.pass_by(("A/ens33", about(ping(f"{A} > {B}", 0, 0, icmp=(3, code), smac=CARD_A, dmac=CARD_B), syn)))
    return of_story(net, folder, "published-port-blocked", two_hosts())


def test_published_port_without_answer_is_told(tmp_path: Path) -> None:
    (finding,) = syns(tmp_path, "B/ens33", "A/ens33")
    assert finding["level"] == "error" and "web:80" in finding["says"]
    assert finding["facts"] == {"address": A, "port": 8080, "attempts": 3, "last_seen": "A/ens33"}


def test_published_port_with_unreachable_net_is_told(tmp_path: Path) -> None:
    (finding,) = syns(tmp_path, "A/ens33", code=0)
    assert f"{A} answers 'unreachable'" in finding["says"]


def test_published_port_of_a_dead_backend_is_silent(tmp_path: Path) -> None:
    """ "Host unreachable" names the cause: dnat-to-dead-backend."""
    assert syns(tmp_path, "A/ens33", code=1) == []


@pytest.mark.parametrize(("port", "answered"), [(8080, True), (9999, False)], ids=["answered", "not published"])
def test_answered_or_unpublished_port_is_silent(tmp_path: Path, port: int, answered: bool) -> None:
    assert syns(tmp_path, "A/ens33", port=port, answered=answered) == []


def test_published_port_rejected_by_firewall_is_silent(tmp_path: Path) -> None:
    """ "Communication administratively prohibited" names the cause: firewall-rejected."""
    assert syns(tmp_path, "A/ens33", code=13) == []


def test_translated_syn_got_in_and_is_silent(tmp_path: Path) -> None:
    """What happens behind the translation, no rule at the door did."""
    net = Network(["B/ens33", "A/ens33", "A/docker0"])
    for number in range(3):
        options = {"flags": SYN, "seq": 100, "ident": number + 1}
        syn = tcp(f"{B}:40000 > {A}:8080", **options, smac=CARD_B, dmac=CARD_A)
        inside = tcp(f"{B}:40000 > 172.17.0.2:80", **options, ttl=63)
        net.pass_by(("B/ens33", syn), ("A/ens33", syn), ("A/docker0", inside), gap=1e6)
    assert of_story(net, tmp_path, "published-port-blocked", two_hosts()) == []


@pytest.mark.parametrize(("goes_on_us", "is_told"), [(5e5, False), (2e6, True)])
def test_syns_when_the_capture_ends_are_silent(tmp_path: Path, goes_on_us: float, is_told: bool) -> None:
    """A load test opens two connections in the last moment of a capture: their answers are on their way."""
    net = Network(["B/ens33", "A/ens33", "A/docker0"])
    for number in range(2):
        syn = tcp(f"{B}:{40000 + number} > {A}:8080", flags=SYN, seq=100, ident=9, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("B/ens33", syn), ("A/ens33", syn), gap=20)
    net.at(net.now + goes_on_us, "B/ens33", tcp(f"{B}:9 > {A}:9", ident=5))
    net.at(net.now + goes_on_us, "A/ens33", tcp(f"{B}:9 > {A}:9", ident=5))
    assert bool(of_story(net, tmp_path, "published-port-blocked", two_hosts())) == is_told
