"""The first octets of connections: of which segment, at which point, and up to when they are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.aggregate.payload.streams import first_octets
from capnet.analysis.engine import Study, study
from tests.stories import ACK, PSH, SYN, Network, tcp

ENDS = ("10.0.0.1:40000 > 10.0.0.2:80", "10.0.0.2:80 > 10.0.0.1:40000")


def connection(net: Network, *requests: tuple[int, bytes], sport: int = 40000, points: tuple[str, ...] = ()) -> None:
    """A handshake, then segments of the client by the offset of their sequence number, and an answer."""
    out, back = (ends.replace("40000", str(sport)) for ends in ENDS)
    packets = [
        tcp(out, seq=0xFFFFFFFF, flags=SYN),
        tcp(back, seq=7, ack=0, flags=SYN | ACK),
        *(tcp(out, payload, seq=offset, ack=8, flags=PSH | ACK) for offset, payload in requests),
        tcp(back, b"answer", seq=8, ack=9, flags=PSH | ACK),
    ]
    for packet in packets:
        net.pass_by(*((point, packet.but(ident=len(net.recorded))) for point in points or net.points))


def octets(net: Network, folder: Path) -> list[tuple[int, int, bytes]]:
    """Point, source port and octets of each direction."""
    studied: Study = study(net.write(folder))
    return [(start.point, start.sport, start.octets) for start in studied.context.stream_starts]


def test_first_segment_of_each_direction_is_kept(tmp_path: Path) -> None:
    """Not the one that comes first, but the one that begins the stream, behind the sequence number 0."""
    net = Network(["A/eth0"])
    connection(net, (5, b"later"), (0, b"first"), (0, b"again"))
    assert octets(net, tmp_path) == [(0, 40000, b"first"), (0, 80, b"answer")]


def test_padding_is_not_what_an_end_says_first(tmp_path: Path) -> None:
    """Rewritten captures count the padding of an ACK as its payload (Huberto-Madalena/masters_programme_project)."""
    net = Network(["A/eth0"])
    connection(net, (0, bytes(6)), (0, b"first"))
    connection(net, (0, bytes(7)), sport=40001)
    assert octets(net, tmp_path) == [
        (0, 40000, b"first"), (0, 80, b"answer"), (0, 40001, bytes(7)), (0, 80, b"answer"),
    ]  # fmt: skip


def test_points_of_several_files_are_kept_apart(tmp_path: Path) -> None:
    net = Network(["A/eth0", "B/eth0", "C/eth0"], files={"B/eth0": "other.pcapng"})
    connection(net, (0, b"first"))
    starts = octets(net, tmp_path)
    assert sorted(starts) == sorted(
        (point, *start) for point in range(3) for start in ((40000, b"first"), (80, b"answer"))
    )


def test_octets_are_bounded_but_for_answers_of_http(tmp_path: Path) -> None:
    net = Network(["A/eth0"])
    connection(net, (0, b"GET " + bytes(500)))
    connection(net, (0, b"HTTP/1.1 " + bytes(2000)), sport=40001)
    lengths = [len(start) for _, port, start in octets(net, tmp_path) if port != 80]
    assert lengths == [first_octets.MAX_OCTETS, first_octets.MAX_ANSWER]


def test_connections_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that comes later, of another file, is not looked at."""
    monkeypatch.setattr(first_octets, "MAX_CONNECTIONS", 2)
    net = Network(["A/eth0", "B/eth0"], files={"B/eth0": "other.pcapng"})
    for number in range(2):
        connection(net, (0, b"first"), sport=40000 + number)
    assert {point for point, _, _ in octets(net, tmp_path)} == {0}


def test_late_octets_are_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames of a block are looked at together, so it takes several of them."""
    monkeypatch.setattr(first_octets, "MAX_FRAMES", 10)
    net = Network(["A/eth0"])
    packets = [tcp(ENDS[0], seq=9, flags=SYN), tcp(ENDS[1], seq=7, ack=10, flags=SYN | ACK)]
    fill = tcp("10.0.0.3:1 > 10.0.0.4:2", bytes(8), seq=5)
    for packet in (*packets, *(fill.but(seq=number) for number in range(9000)), tcp(ENDS[0], b"late", seq=10, ack=8)):
        net.pass_by(("A/eth0", packet), gap=10)
    assert octets(net, tmp_path) == []
