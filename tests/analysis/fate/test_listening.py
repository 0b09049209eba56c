"""When points listened: as their recording says, else as their frames show, which is less certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.core.contract.report import Report
from capnet.analysis.engine import analyze, study
from capnet.analysis.fate.listening import listening, records_one_direction
from capnet.wire.formats.pcapng_writer import statistics
from tests.stories import ACK, RST, START_NS, SYN, Network, arp, tcp, udp
from tests.story_reports import A, B

SECOND = 1_000_000_000
OTHER, THIRD = "192.168.111.140", "192.168.111.150"


def two_points(folder: Path, *blocks: bytes, packets: int = 5, late: int = 0) -> Path:
    """Datagrams from A to B at both cards; `late` ones, seconds afterwards, at the first card only."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(packets):
        packet = udp(f"{A}:{5000 + number % 4} > {B}:7000", b"%d" % number, ident=number + 1)
        net.pass_by(("A/ens33", packet), ("B/ens33", packet))
    net.now = 3e6
    for number in range(late):
        net.pass_by(("A/ens33", udp(f"{A}:5009 > {B}:7000", b"late %d" % number, ident=900 + number)))
    (path,) = net.write(folder)
    with path.open("ab") as file:
        file.write(b"".join(blocks))
    return path


def recorded(point: int, since: float, until: float, **counts: int) -> bytes:
    """Statistics of a capture that began and ended so many seconds after the story's beginning."""
    start, end = (START_NS + round(time * SECOND) for time in (since, until))
    return statistics(point, end, start_ns=start, end_ns=end, **counts)


def times(path: Path) -> list[tuple[float, float]]:
    """When each point listened, in seconds after the story's beginning."""
    heard = listening(study([path]).context)
    spans = zip(heard.since.tolist(), heard.until.tolist(), strict=True)
    return [((since - START_NS) / SECOND, (until - START_NS) / SECOND) for since, until in spans]


def levels(report: Report) -> list[str]:
    return [finding.level for finding in report.findings if finding.name in ("lost-on-the-wire", "stops-between")]


def test_recorded_times_are_when_points_listened(tmp_path: Path) -> None:
    path = two_points(tmp_path, recorded(0, -1, 9), recorded(1, -0.5, 0.25))
    assert times(path) == [(-1.0, 9.0), (-0.5, 0.25)]
    point = analyze(path).to_dict()["points"][1]
    assert (point["started"], point["ended"]) == ("2023-11-14T22:13:19.500000000Z", "2023-11-14T22:13:20.250000000Z")


@pytest.mark.parametrize("is_recorded", [True, False])
def test_one_packet_before_the_first_of_a_point_proves_no_loss(tmp_path: Path, is_recorded: bool) -> None:
    """Programs do not begin at one moment. Where the recording says that both had begun, it was lost."""
    net = Network(["A/ens33", "B/ens33"])
    net.pass_by(("A/ens33", udp(f"{A}:5009 > {B}:7000", b"early", ident=900)), gap=1e5)
    for number in range(6):
        packet = udp(f"{A}:{5000 + number % 4} > {B}:7000", b"%d" % number, ident=number + 1)
        net.pass_by(("A/ens33", packet), ("B/ens33", packet))
    (path,) = net.write(tmp_path)
    if is_recorded:
        with path.open("ab") as file:
            file.write(recorded(0, -1, 9) + recorded(1, -1, 9))
    assert [row.fate == "stops-at" for row in analyze(path).fates if row.flow.sport == 5009] == [is_recorded]


def test_frames_show_listening_without_record(tmp_path: Path) -> None:
    """Both overlap, so both are assumed to have listened from the first frame to the last."""
    (first, second) = times(two_points(tmp_path, late=2))
    assert first == second and 0 < first[0] < 0.001 and 3 < first[1] < 3.1


@pytest.mark.parametrize("counts", [{"delivered": 9}, {"received": 9}, {"received": 9, "kernel_dropped": 1}])
def test_statistics_of_a_file_cut_down_are_not_believed(tmp_path: Path, counts: dict[str, int]) -> None:
    """editcap keeps the statistics of all the packets that it leaves out."""
    path = two_points(tmp_path, recorded(0, -1, 9, **counts))
    assert analyze(path).points[0].started is None


@pytest.mark.parametrize(("since", "until"), [(1.5, 9), (-9, -2), (2, 1)])
def test_statistics_beside_the_frames_are_not_believed(tmp_path: Path, since: float, until: float) -> None:
    """Frames more than a second before the beginning or behind the end; an end before the beginning."""
    assert analyze(two_points(tmp_path, recorded(0, since, until))).points[0].ended is None


def test_stop_behind_the_last_frame_is_a_warning(tmp_path: Path) -> None:
    """Four flows went on to B; a fifth, three seconds later, is seen at A only. Did anybody listen at B by then?"""
    report = analyze(two_points(tmp_path, packets=8, late=3))
    assert levels(report) == ["warning"]


def test_stop_where_recording_went_on_is_an_error(tmp_path: Path) -> None:
    """The recording says that B listened until second 9."""
    report = analyze(two_points(tmp_path, recorded(0, -1, 9), recorded(1, -1, 9), packets=8, late=3))
    assert levels(report) == ["error"]


def test_stop_after_recording_ended_is_silent(tmp_path: Path) -> None:
    """The recording says that nobody listened at B any more."""
    report = analyze(two_points(tmp_path, recorded(0, -1, 9), recorded(1, -1, 1), packets=8, late=3))
    assert levels(report) == []


@pytest.mark.parametrize("has_others", [False, True], ids=["host A", "no filter"])
def test_capture_of_one_client_shows_no_stop_of_others(has_others: bool, tmp_path: Path) -> None:
    """A server may be recorded with `host A`: what it shows of A alone says nothing of C, whose packets are missing."""
    net = Network(["R/ens33", "B/ens33"])
    for number in range(48):
        client = (A, OTHER, THIRD)[number % 3]
        asked = tcp(f"{client}:{5000 + number // 3} > {B}:80", flags=SYN, seq=100 * number, ident=number + 1)
        is_seen = client == A or (client == THIRD and has_others)
        net.pass_by(("R/ens33", asked), *([("B/ens33", asked)] if is_seen else []), gap=4e5)
        if is_seen:
            answer = tcp(
                f"{B}:80 > {client}:{asked.sport}", flags=SYN | ACK, seq=9, ack=asked.seq + 1, ident=number + 50
            )
            net.pass_by(("B/ens33", answer), ("R/ens33", answer), gap=4e5)
    assert bool(levels(analyze(net.write(tmp_path)))) is has_others


def one_sided(net: Network, folder: Path) -> list[bool]:
    return records_one_direction(study(net.write(folder)).context).tolist()


@pytest.mark.parametrize("count", [1, 2])
def test_refusals_without_their_questions_show_one_direction(count: int, tmp_path: Path) -> None:
    """A single RST may end what passed before the capture."""
    net = Network(["A/ens33"])
    for number in range(count):
        net.pass_by(("A/ens33", tcp(f"{A}:80 > {B}:{5000 + number}", ack=1, flags=RST | ACK)))
    assert one_sided(net, tmp_path) == [count == 2]


@pytest.mark.parametrize("asked", [True, False])
def test_arp_replies_without_their_questions_show_one_direction(asked: bool, tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for asker in (B, OTHER):
        if asked:
            net.at(net.now, "A/ens33", arp(1, "02:00:c0:a8:6f:81", asker, A))
        net.at(net.now + 9, "A/ens33", arp(2, "02:00:c0:a8:6f:80", A, asker, to="02:00:c0:a8:6f:81"))
        net.pass_by(("A/ens33", udp(f"{A}:5000 > {asker}:7000", b"data")))
    assert one_sided(net, tmp_path) == [not asked]
