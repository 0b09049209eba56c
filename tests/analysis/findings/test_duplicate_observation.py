"""duplicate-observation: one packet twice at one point. `correlate/test_duplicates.py` tests captures of `any`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import ACK, RST, SYN, Network, tcp, udp
from tests.story_reports import A, B


def test_packet_recorded_twice_within_a_ms_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for number in range(3):
        packet = udp(f"{A}:5000 > {B}:7000", b"%d" % number, ident=number + 1)
        net.pass_by(("A/ens33", packet), *([("A/ens33", packet)] if number else []), gap=1e4)
    (finding,) = of_story(net, tmp_path, "duplicate-observation")
    assert (finding["level"], finding["facts"]) == ("info", {"point": "A/ens33", "packets": 2, "times": 2})
    assert [frame["frame"] for frame in finding["evidence"]] == [2, 3]


@pytest.mark.parametrize(("gap_us", "ident"), [(5000.0, 1), (50.0, 2)], ids=["5 ms apart", "another IP id"])
def test_packet_sent_twice_by_its_host_is_silent(tmp_path: Path, gap_us: float, ident: int) -> None:
    net = Network(["A/ens33"])
    packet = udp(f"{A}:5000 > {B}:7000", b"the same", ident=1)
    net.at(0.0, "A/ens33", packet)
    net.at(gap_us, "A/ens33", packet.but(ident=ident))
    assert of_story(net, tmp_path, "duplicate-observation") == []


@pytest.mark.parametrize("copies", [2, 0], ids=["others too", "alone"])
def test_synacks_that_tcp_sent_twice_are_silent(tmp_path: Path, copies: int) -> None:
    """Its timer and a second SYN meet: two equal SYN-ACKs with IP id 0 (seen of a kernel)."""
    net = Network(["A/ens33"])
    answer = tcp(f"{B}:80 > {A}:5000", seq=1, ack=2, flags=SYN | ACK, tsval=7)
    net.at(0.0, "A/ens33", answer)
    net.at(60.0, "A/ens33", answer)
    for number in range(copies):
        net.at(1e6 + 60 * number, "A/ens33", udp(f"{A}:5000 > {B}:7000", b"the same", ident=1))
    findings = of_story(net, tmp_path, "duplicate-observation")
    assert [finding["facts"]["packets"] for finding in findings] == ([2] if copies else [])


def test_packets_that_a_router_sends_back_are_silent(tmp_path: Path) -> None:
    """A balancer or router with one interface: each packet comes in and goes out there."""
    net = Network(["lb/eth0"])
    for number in range(3):
        client = f"02:00:00:00:00:a{number}"
        packet = udp(f"10.0.0.{number}:5000 > {B}:7000", b"%d" % number, ident=number + 1, smac=client)
        net.pass_by(("lb/eth0", packet), ("lb/eth0", packet.routed(smac="02:00:00:00:00:02", dmac="02:00:00:00:00:0b")))
        net.now += 1e4
    assert of_story(net, tmp_path, "duplicate-observation") == []


@pytest.mark.parametrize("copies", [2, 0], ids=["others too", "alone"])
def test_resets_of_a_closed_socket_are_silent(tmp_path: Path, copies: int) -> None:
    """A client that is gone answers each segment of the server with an equal RST with IP id 0 (seen of a kernel)."""
    net = Network(["A/ens33"])
    for number in range(3):
        net.at(20.0 * number, "A/ens33", tcp(f"{A}:80 > {B}:5000", b"data", seq=4 * number, ack=9, ident=number + 1))
        net.at(20.0 * number + 5, "A/ens33", tcp(f"{B}:5000 > {A}:80", seq=9, flags=RST))
    for number in range(copies):
        net.at(1e6 + 60 * number, "A/ens33", udp(f"{A}:5000 > {B}:7000", b"the same", ident=1))
    findings = of_story(net, tmp_path, "duplicate-observation")
    assert [finding["facts"]["packets"] for finding in findings] == ([2] if copies else [])
