"""checksum-wrong: segments that are damaged on their way, and sent again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named, of_story
from tests.analysis.findings.sums import summed
from tests.stories import ACK, PSH, SYN, Network, Packet, tcp
from tests.story_reports import A, B, read

NAME = "checksum-wrong"
THERE, BACK = f"{B}:40000 > {A}:80", f"{A}:80 > {B}:40000"


def download(points: list[str], damaged: tuple[int, ...], *, resent: bool = True, size: int = 1000) -> Network:
    """A sends 12 segments; those of `damaged` have a bit changed behind the first point, and come a second time."""
    net = Network(points)
    ident = 0

    def put(packet: Packet, is_bad: bool = False) -> None:
        nonlocal ident
        ident += 1
        sent = summed(packet.but(ident=ident))
        bad = sent.but(payload=bytes([sent.payload[0] ^ 0x20]) + sent.payload[1:]) if is_bad else sent
        way = points if packet.src == A else points[::-1]
        net.pass_by(*((point, bad if point == points[-1] else sent) for point in way), gap=100)

    put(tcp(THERE, flags=SYN, seq=0))
    put(tcp(BACK, flags=SYN | ACK, seq=0, ack=1))
    put(tcp(THERE, b"get it", flags=PSH | ACK, seq=1, ack=1))
    segments = [tcp(BACK, bytes([65 + n]) * size, flags=PSH | ACK, seq=1 + n * size, ack=7) for n in range(12)]
    for number, segment in enumerate(segments):
        put(segment, is_bad=number in damaged)
    net.now += 2e5
    for number in damaged if resent else ():
        put(segments[number])
    put(tcp(THERE, flags=ACK, seq=7, ack=1 + 12 * size))
    return net


def damage(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, NAME)


def test_segments_damaged_between_two_points_are_told(tmp_path: Path) -> None:
    net = download(["A/ens33", "B/ens33"], (3, 7))
    (finding,) = damage(net, tmp_path)
    facts = finding["facts"]
    assert finding["level"] == "error" and "they are damaged in between" in finding["says"]
    assert (facts["before"], facts["point"], facts["wrong"]) == ("A/ens33", "B/ens33", 2)
    levels = {of["name"]: of["level"] for of in read(net, tmp_path)["findings"]}
    assert levels.get("retransmissions", "info") == levels.get("packet-loss", "info") == "info"


def test_segments_damaged_before_the_only_point_is_told(tmp_path: Path) -> None:
    (finding,) = damage(download(["B/ens33"], (3, 7)), tmp_path)
    assert finding["level"] == "warning" and finding["facts"]["before"] is None


@pytest.mark.parametrize(
    ("damaged", "resent", "size"),
    [((), True, 1000), ((5,), True, 1000), ((3, 7), False, 1000), ((3, 7), True, 3000), (tuple(range(12)), True, 1000)],
    ids=["right", "one", "not sent again", "joined by a card", "all, as of an edited file"],
)
def test_checksums_that_harm_nothing_is_silent(
    tmp_path: Path, damaged: tuple[int, ...], resent: bool, size: int
) -> None:
    net = download(["B/ens33"], damaged, resent=resent, size=size)
    if len(damaged) == 12:
        net.recorded = net.recorded[:15] + net.recorded[-1:]  # none comes again
    assert damage(net, tmp_path) == []


def test_repeats_of_other_segments_is_silent(tmp_path: Path) -> None:
    """The receiver took those with a wrong checksum, as of an edited file; two others were lost and came again."""
    net = download(["B/ens33"], (3, 7), resent=False)
    *sent, acked = net.recorded
    net.recorded = [*sent, *((time + 2e5, point, frame) for time, point, frame in sent[5:12:6]), acked]
    (again,) = named(read(net, tmp_path), "retransmissions")
    assert again["facts"]["segments"] == {"B/ens33": 2}
    assert damage(net, tmp_path) == []


def test_unfilled_checksums_is_silent(tmp_path: Path) -> None:
    """On a virtual link no card fills them in: what is sent again was lost elsewhere."""
    net = download(["A/ens33"], (3, 7))
    net.recorded = [
        (time, point, summed(form, is_filled=form.src != A))  # type: ignore[arg-type,union-attr]
        for time, point, form in net.recorded
    ]
    assert damage(net, tmp_path) == []
