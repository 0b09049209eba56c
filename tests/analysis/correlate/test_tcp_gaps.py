"""Sequence numbers that leave a gap: lost before the first point, late, or never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stories import ACK, FIN, SYN, Network, tcp, udp
from tests.story_reports import C1, A, B, findings_named, lost, path_of, read


def gaps(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The facts of the sequence gaps in a report."""
    return [finding["facts"] for finding in findings_named(report, "sequence-gap")]


def stream(net: Network, order: list[tuple[float, int]], first: int = 0xFFFFF000) -> None:
    """Segments of 1000 octets by number, each at its time in µs, seen at both ends of the wire; B acknowledges each."""
    came: set[int] = set()
    for time, number in sorted(order):
        came.add(number)
        in_order = next(number for number in range(len(order) + 2) if number not in came)
        ack = tcp(f"{B}:80 > {A}:5555", seq=1, ack=first + 1000 * in_order & 0xFFFFFFFF, ident=round(time) % 65_000 + 1)
        net.at(time + 20, "B/ens33", ack)
        net.at(time + 30, "A/ens33", ack)
        segment = tcp(
            f"{A}:5555 > {B}:80", bytes(1000), seq=first + 1000 * number & 0xFFFFFFFF, ident=round(time) % 65_000 + 1
        )
        net.at(time, "A/ens33", segment)
        net.at(time + 10, "B/ens33", segment)


def test_segments_dropped_before_first_point_are_a_gap(tmp_path: Path) -> None:
    """Segments 3 and 4 meet a queue that drops them: no point shows them until they are sent again, 200 ms later."""
    net = Network(["A/ens33", "B/ens33"])
    stream(net, [(100.0 * n, n) for n in range(10) if n not in (3, 4)] + [(2e5, 3), (2.001e5, 4)])
    report = read(net, tmp_path)
    assert lost(path_of(report, A, B)) == [None, 0]
    (facts,) = gaps(report)
    assert (facts["point"], facts["flows"], facts["late"], facts["never"]) == ("A/ens33", 1, 2000, 0)
    assert {finding["name"] for finding in report["findings"]} == {"sequence-gap", "retransmissions"}


def test_octets_never_seen_are_counted_apart_from_late(tmp_path: Path) -> None:
    """Segment 3 never comes; segment 6 comes 300 ms late."""
    net = Network(["A/ens33", "B/ens33"])
    stream(net, [(100.0 * n, n) for n in range(10) if n not in (3, 6)] + [(3e5, 6)])
    net.now = 1.2e6
    net.pass_by(("A/ens33", udp(f"{A}:9 > {B}:9", b"the capture goes on")))
    (facts,) = gaps(read(net, tmp_path))
    assert (facts["late"], facts["never"]) == (1000, 1000)


def test_reordering_repeats_and_reused_ports_leave_no_gap(tmp_path: Path) -> None:
    """Reordered within 3 ms, sent twice, and a second connection with the same ports."""
    net = Network(["A/ens33", "B/ens33"])
    stream(net, [(0, 0), (100, 2), (150, 1), (200, 3), (300, 3), (400, 4), (500, 5)])
    stream(net, [(1e6 + 100 * n, n) for n in range(5)], first=0x40000000)  # another connection
    assert gaps(read(net, tmp_path)) == []


def test_loss_between_points_is_no_gap_of_the_second(tmp_path: Path) -> None:
    """The loss is reported once: at the hop where it happened."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(10):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=number * 1000, ident=number)
        net.pass_by(("A/ens33", segment), *([] if number == 4 else [("B/ens33", segment)]))
    report = read(net, tmp_path)
    assert lost(path_of(report, A, B)) == [None, 1]
    assert gaps(report) == []


def test_first_segments_swapped_are_not_sent_again(tmp_path: Path) -> None:
    """The capture begins with segment 1, which overtook segment 0."""
    net = Network(["A/ens33", "B/ens33"])
    stream(net, [(0, 1), (20, 0), *((100.0 * n, n) for n in range(2, 6))])
    assert read(net, tmp_path)["findings"] == []


def test_pure_ack_before_the_fin_is_no_retransmission(tmp_path: Path) -> None:
    """The ACK of the other side's FIN was recorded before the sender's own FIN, whose number it follows."""
    net = Network(["A/ens33"])
    out, back = f"{A}:5555 > {B}:80", f"{B}:80 > {A}:5555"
    net.at(0, "A/ens33", tcp(out, seq=0, flags=SYN, ident=1))
    net.at(100, "A/ens33", tcp(back, seq=0, ack=1, flags=SYN | ACK, ident=2))
    net.at(200, "A/ens33", tcp(out, seq=1, ack=1, ident=3))
    net.at(300, "A/ens33", tcp(back, seq=1, ack=2, flags=FIN | ACK, ident=4))
    net.at(310, "A/ens33", tcp(out, seq=2, ack=2, ident=6))
    net.at(320, "A/ens33", tcp(out, seq=1, ack=1, flags=FIN | ACK, ident=5))
    assert read(net, tmp_path)["findings"] == []


@pytest.mark.parametrize("seconds", [(0, 1, 2, 3, 4, 5, 7, 11), (0, 1, 3, 7)], ids=["linear first", "doubling"])
def test_repeated_syn_is_one_connection(tmp_path: Path, seconds: tuple[int, ...]) -> None:
    """Since Linux 6.5 every second at first (tcp_syn_linear_timeouts), before it after 1, 3, 7 s."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"])
    for number, second in enumerate(seconds):
        net.now = second * 1e6
        syn = tcp(f"{C1}:5555 > {B}:80", flags=SYN, seq=1000, ident=number + 1, tsval=1000 * second)
        net.pass_by(*((point, syn if point == "A/docker0" else syn.routed()) for point in net.points))
    report = read(net, tmp_path)
    path = path_of(report, C1, B)
    assert [hop["packets"] for hop in path["hops"]] == [len(seconds)] * 3
    assert lost(path) == [None, 0, 0]
    (finding,) = findings_named(report, "not-masqueraded")
    assert finding["facts"]["connections"] == 1
    (finding,) = findings_named(report, "retransmissions")
    assert finding["facts"]["segments"] == dict.fromkeys(net.points, len(seconds) - 1)
    assert not {"sequence-gap", "duplicate-observation"} & {finding["name"] for finding in report["findings"]}
