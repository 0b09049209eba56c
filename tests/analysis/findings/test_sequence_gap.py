"""sequence-gap: octets missing at the first point. `correlate/test_tcp_gaps.py` tests how they are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Host, Interface, Topology
from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, SYN, Network, tcp, udp
from tests.story_reports import A, B


def stream(folder: Path, times_us: dict[int, float], acked: str = "what came", after_us: float = 1.1e6) -> Findings:
    """The findings about segments of 1000 octets, by number, each at its time; the capture goes on for a while.

    B acknowledges what came in order, everything, as if the capture alone had missed some, or says nothing.
    """
    net = Network(["A/ens33", "B/ens33"])
    came: set[int] = set()
    for number, time in sorted(times_us.items(), key=lambda item: item[1]):
        came.add(number)
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=1000 * number, ident=round(time) % 65_000 + 1)
        net.at(time, "A/ens33", segment)
        net.at(time + 10, "B/ens33", segment)
        in_order = next(number for number in range(max(came) + 2) if number not in came)
        ack = segment.but(
            ends=f"{B}:80 > {A}:5555",
            payload=b"",
            seq=1,
            ack=1000 * (in_order if acked == "what came" else max(came) + 1),
        )
        if acked:
            net.at(time + 20, "B/ens33", ack)
            net.at(time + 30, "A/ens33", ack)
    net.at(max(times_us.values()) + after_us, "A/ens33", udp(f"{A}:9 > {B}:9", b"later"))
    return of_story(net, folder, "sequence-gap")


def test_octets_late_at_first_point_is_told(tmp_path: Path) -> None:
    """Segments 3 to 5 meet a queue before the tap that drops them, and are sent again 200 ms later."""
    times = {number: 2e5 + number if number in (3, 4, 5) else 100.0 * number for number in range(9)}
    (finding,) = stream(tmp_path, times)
    facts = finding["facts"]
    assert (finding["level"], facts["point"], facts["flows"]) == ("warning", "A/ens33", 1)
    assert (facts["late"], facts["never"]) == (3000, 0)
    (finding,) = stream(tmp_path, {**times, 4: 400.0, 5: 500.0})
    assert (finding["level"], finding["facts"]["late"]) == ("info", 1000)


def test_few_octets_late_among_many_is_told_as_info(tmp_path: Path) -> None:
    """One segment of 300 comes late: a path of the Internet loses as many."""
    times = {number: 2e5 if number == 3 else 100.0 * number for number in range(300)}
    (finding,) = stream(tmp_path, times)
    assert (finding["level"], finding["facts"]["late"], finding["fix"]) == ("info", 1000, None)
    assert "1,000 bytes out of order, among 300,000 bytes" in finding["says"]
    (finding,) = stream(tmp_path, {number: time for number, time in times.items() if number != 3})
    assert (finding["level"], finding["facts"]["never"]) == ("warning", 1000)


def test_octets_that_never_come_is_told(tmp_path: Path) -> None:
    (finding,) = stream(tmp_path, {number: 100.0 * number for number in range(9) if number != 3})
    assert (finding["level"], finding["facts"]["late"], finding["facts"]["never"]) == ("warning", 0, 1000)


def test_gap_when_the_capture_ends_is_silent(tmp_path: Path) -> None:
    """`tcpdump -c` ends it half a second after the gap opened: the sender may fill it in the next moment."""
    assert stream(tmp_path, {number: 100.0 * number for number in range(9) if number != 3}, after_us=5e5) == []


@pytest.mark.parametrize("acked", ["all", ""])
def test_octets_that_the_receiver_has_is_silent(tmp_path: Path, acked: str) -> None:
    """B acknowledges what the capture lacks, as when it began late or dropped packets; or B was not captured."""
    assert stream(tmp_path, {number: 100.0 * number for number in range(9) if number != 3}, acked) == []


def test_segment_far_outside_the_window_is_silent(tmp_path: Path) -> None:
    """One segment 3 MB ahead, which B ignores but for one ACK (RFC 9293 section 3.10.7.4): nothing is missing."""
    assert stream(tmp_path, {**{number: 100.0 * number for number in range(5)}, 3000: 1000.0}) == []


def test_octets_in_order_is_silent(tmp_path: Path) -> None:
    assert stream(tmp_path, {number: 100.0 * number for number in range(9)}) == []


@pytest.mark.parametrize(
    ("mss", "mtu", "is_too_large"),
    [(1460, 1400, True), (1361, 1400, True), (1360, 1400, False), (1460, 1500, False), (1460, None, False)],
)
def test_segment_size_above_the_links_mtu_is_told(
    tmp_path: Path, mss: int, mtu: int | None, is_too_large: bool
) -> None:
    """A network of containers has 1500, the link of its host less: full segments are dropped before the tap."""
    net = Network(["A/ens33"])
    client, server = f"{A}:40000", f"{B}:80"
    net.pass_by(("A/ens33", tcp(f"{client} > {server}", flags=SYN, seq=0, mss=mss)), gap=100)
    net.pass_by(("A/ens33", tcp(f"{server} > {client}", flags=SYN | ACK, seq=0, ack=1, mss=1460)), gap=100)
    for number in (0, 1, 3, 4):
        segment = tcp(f"{server} > {client}", bytes(1000), seq=1 + 1000 * number, ack=1, ident=number + 1)
        net.pass_by(("A/ens33", segment), gap=100)
        acked = 1 + 1000 * min(number + 1, 2)
        net.pass_by(("A/ens33", tcp(f"{client} > {server}", seq=1, ack=acked, ident=number + 90)), gap=100)
    net.at(net.now + 1.1e6, "A/ens33", udp(f"{A}:9 > {B}:9", b"later"))
    host = Host("A", "20.10", "6", [Interface("ens33", 2, None, [f"{A}/24"], mtu=mtu)])
    (finding,) = of_story(net, tmp_path, "sequence-gap", Topology(hosts=[host]))
    assert (f"announce an MSS of {mss} there, and A/ens33 has an MTU of 1400" in finding["says"]) == is_too_large
    assert ("com.docker.network.driver.mtu=1400" in finding["fix"]) == is_too_large
