"""Files of one ring are one point: the report is that on the file that mergecap made of them.

Truth: recorded rings (README.md), `mergecap -a`, and what tshark counts in each file.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePath
from typing import Any

import pytest
from click.testing import CliRunner

from capnet.analysis.core.options import Options
from capnet.analysis.core.rings.file_names import is_next, ring_name
from capnet.analysis.core.rings.opening import open_source
from capnet.analysis.engine import Source, analyze, study
from capnet.analysis.tables.library import Tables
from capnet.analysis.trace.packet_trace import follow_packet
from capnet.cli import cli
from tests.stories import Network, udp

pytestmark = pytest.mark.kernels

RINGS = Path(__file__).parent
# Ring → its packets by file, as `capinfos -c` counts them.
PACKETS = {"dumpcap": [12, 12, 12, 12, 9], "tcpdump": [0, 7, 22, 22, 6]}
MERGED = {"dumpcap": RINGS / "dumpcap.pcapng", "tcpdump": RINGS / "tcpdump.pcap"}


def files(ring: str) -> list[Path]:
    return sorted((RINGS / ring).iterdir())


def without_files(report: Any, frames_before: dict[str, int]) -> Any:
    """The document, with frames numbered over all files and without names of files."""
    if isinstance(report, list):
        return [without_files(item, frames_before) for item in report]
    if not isinstance(report, dict):
        return report
    if set(report) == {"point", "file", "frame"}:
        return report["point"], report["frame"] + frames_before.get(PurePath(report["file"]).name, 0)
    hidden = ("file", "last_file", "inputs", "named_by")
    return {key: without_files(value, frames_before) for key, value in report.items() if key not in hidden}


@pytest.mark.parametrize("compiled", [False, True], ids=["interpreted", "compiled"])
@pytest.mark.parametrize("ring", PACKETS)
def test_ring_has_the_report_of_the_merged_file(ring: str, compiled: bool) -> None:
    ring_report = analyze(files(ring), compiled=compiled).to_dict()
    merged = analyze([Source(MERGED[ring], "lo")], compiled=compiled).to_dict()
    before = {file.name: sum(PACKETS[ring][:number]) for number, file in enumerate(files(ring))}
    text = json.dumps(without_files(ring_report, before), sort_keys=True)
    assert text == json.dumps(without_files(merged, {}), sort_keys=True)
    assert sorted(source["packets"] for source in ring_report["inputs"]) == sorted(PACKETS[ring])
    (point,) = ring_report["points"]
    assert point["packets"] == sum(PACKETS[ring])
    assert PurePath(point["last_file"]).parent.name == ring


def test_order_of_arguments_does_not_matter() -> None:
    mixed = files("dumpcap")[::2] + files("dumpcap")[1::2]
    assert analyze(mixed).to_json() == analyze(files("dumpcap")).to_json()


@pytest.mark.parametrize("ring", PACKETS)
def test_evidence_names_file_and_frame(ring: str) -> None:
    """The frame of each connection is one of its own, in the file that is named: the report of that file says so."""
    evidence = [(fate.flow.sport, each) for fate in analyze(files(ring)).fates for each in fate.evidence]
    assert len({each.file for _, each in evidence}) > 1
    for port, each in evidence:
        printed = CliRunner().invoke(cli, ["packet", each.file, str(each.frame), "--no-tshark"]).output
        assert str(port) in printed and "8080" in printed


def test_frame_of_a_later_file_is_followed() -> None:
    result = study(files("dumpcap"))
    file = str(files("dumpcap")[2])
    trace = follow_packet(result, *result.find_frame(file, 5))
    assert [(each.file, each.frame) for each in trace.frames] == [(file, 5)]
    answer = CliRunner().invoke(cli, ["trace", *map(str, files("dumpcap")), "--frame", f"{files('dumpcap')[2].name}:5"])
    assert answer.exit_code == 0 and f"{files('dumpcap')[2].stem}" in answer.output + file


@pytest.mark.parametrize(
    ("before", "after", "is_one_ring"),
    [
        ("web_00001_20261128093000.pcapng", "web_00002_20261128093100.pcapng", True),
        ("web.pcap", "web.pcap1", True),
        ("web.pcap0", "web.pcap1", True),
        ("web.pcap01.gz", "web.pcap02.gz", True),
        ("web-20261128-0930.pcap", "web-20261128-0931.pcap", True),
        ("web_2026-11-28T09:30:00.pcap", "web_2026-11-28T09:31:00.pcap", True),
        ("1795858200.pcap", "1795858260.pcap", True),
        ("veth1.pcap", "veth2.pcap", False),
        ("hostA-docker0.pcap", "hostB-docker0.pcap", False),
        ("web-20261128-0930.pcap", "db-20261128-0930.pcap", False),
        ("a.pcap", "a.pcapng", False),
    ],
)
def test_names_tell_rings(before: str, after: str, is_one_ring: bool) -> None:
    names = ring_name(Path(before)), ring_name(Path(after))
    assert names[0] is not None and names[1] is not None
    assert (names[0].ring == names[1].ring) is is_one_ring


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("w_00001_20261128093000.pcapng", "w_00002_20261128093100.pcapng", True),
        ("w_00001_20261128093000.pcapng", "w_00003_20261128093100.pcapng", False),
        ("w.pcap", "w.pcap1", True),
        ("w.pcap1", "w.pcap2", True),
        ("w.pcap2", "w.pcap1", False),
        ("w.pcap4", "w.pcap0", False),
        ("w-20261128-0930.pcap", "w-20261128-0931.pcap", False),
        ("v_00001_20261128093000.pcapng", "w_00002_20261128093100.pcapng", False),
    ],
)
def test_numbers_tell_neighbours(before: str, after: str, expected: bool) -> None:
    assert is_next(Path(before), Path(after)) is expected


# -- what is no ring: each file is a point of its own ------------------------------------------
def points(folder: Path) -> list[str]:
    return [point.name for point in analyze(sorted(folder.iterdir())).points]


def test_missing_file_ends_a_ring(tmp_path: Path) -> None:
    """Without a number that tells neighbours, a pause is what nobody captured."""
    shutil.copy(files("tcpdump")[1], tmp_path / "lo-20261128-104034.pcap")
    shutil.copy(files("tcpdump")[4], tmp_path / "lo-20261128-104038.pcap")
    assert len(points(tmp_path)) == 2


def test_missing_number_begins_another_point(tmp_path: Path) -> None:
    """Of five files the third one is gone: what it held was captured, so nothing is said of that time."""
    for number in (0, 1, 3, 4):
        shutil.copy(files("dumpcap")[number], tmp_path)
    report = analyze(sorted(tmp_path.iterdir()))
    assert [point.packets for point in report.points] == [24, 21]
    frames = list(Tables([Source(file) for file in sorted(tmp_path.iterdir())]).table("frames"))
    names = [point.name for point in report.points]
    assert [row["point"] for row in frames] == [names[0]] * 24 + [names[1]] * 21


def test_empty_file_is_not_missing(tmp_path: Path) -> None:
    """The third of four files has no frame: nothing passed."""
    for number, file in zip((1, 2, 4), files("tcpdump")[1:4], strict=True):
        shutil.copy(file, tmp_path / f"lo.pcap{number}")
    shutil.copy(files("tcpdump")[0], tmp_path / "lo.pcap3")
    assert points(tmp_path) == ["lo"]


# Names of two files between which nothing was captured for 1.5 s, and what the user calls their point.
PAUSED = {
    "given": ("x.pcapng", "y.pcapng", "B/eth0"),
    "timed": ("w-20261128-0930.pcap", "w-20261128-0931.pcap", None),
    "neighbours": ("w.pcap1", "w.pcap2", None),
}


def paused(names: str, folder: Path) -> list[Source]:
    """A sends 200 datagrams to B in ten seconds; B's two files do not have those of 1.5 s."""
    sender, first, second = Network(["A/eth0"]), Network(["B/eth0"]), Network(["B/eth0"])
    for number in range(200):
        packet = udp("10.0.0.1:4000 > 10.0.0.2:5001", b"%d" % number, ident=number + 1)
        sender.at(50_000.0 * number, "A/eth0", packet)
        if not 80 <= number < 110:
            (first if number < 80 else second).at(50_000.0 * number + 50, "B/eth0", packet)
    sources = []
    before, after, point_name = PAUSED[names]
    for net, name, point in ((sender, "a.pcapng", None), (first, before, point_name), (second, after, point_name)):
        (folder / f"{name}.d").mkdir()
        (file,) = net.write(folder / f"{name}.d")
        sources.append(Source(shutil.move(file, folder / name), point))
    return sources


@pytest.mark.parametrize(("names", "lost"), [("given", []), ("timed", []), ("neighbours", [30])])
def test_packets_of_a_pause_are_not_lost(names: str, lost: list[int], tmp_path: Path) -> None:
    """Only numbers that follow each other say that the capture went on."""
    report = analyze(paused(names, tmp_path))
    assert [(point.name, point.packets) for point in report.points] == [("A/eth0", 200), ("B/eth0", 170)]
    assert [finding.facts["lost"] for finding in report.findings if finding.name == "packet-loss"] == lost


def test_series_has_the_frames_of_its_files() -> None:
    first, *later = files("dumpcap")
    with open_source(Source(first, later=tuple(later)), Options()) as capture:
        rows = list(capture.frames())
    assert len(rows) == sum(PACKETS["dumpcap"]) and {row["point"] for row in rows} == {"lo"}


def test_neighbours_with_a_pause_are_one_ring(tmp_path: Path) -> None:
    """tcpdump -C writes web.pcap1 right after web.pcap, however long nothing was sent."""
    shutil.copy(files("tcpdump")[1], tmp_path / "web.pcap")
    shutil.copy(files("tcpdump")[4], tmp_path / "web.pcap1")
    assert points(tmp_path) == ["web"]


@pytest.mark.parametrize("second", ["dumpcap", "tcpdump"])
def test_two_captures_at_one_time_are_no_ring(second: str, tmp_path: Path) -> None:
    """They overlap: two programs captured at once."""
    for number, file in enumerate((MERGED["dumpcap"], MERGED[second])):
        shutil.copy(file, tmp_path / f"lo.pcapng{number}")
    assert len(points(tmp_path)) == 2


def test_other_interface_is_no_ring(tmp_path: Path) -> None:
    """Two captures with one name that follow each other, of interfaces with two names."""
    first, second = (file.read_bytes() for file in files("dumpcap")[:2])
    (tmp_path / "x_00001_20261128104032.pcapng").write_bytes(first)
    (tmp_path / "x_00002_20261128104034.pcapng").write_bytes(
        second.replace(b"\x02\x00\x02\x00lo", b"\x02\x00\x02\x00l1")
    )
    assert len(points(tmp_path)) == 2


def test_name_given_twice_is_one_point() -> None:
    first, second = files("dumpcap")[:2]
    report = analyze([Source(first, "A/lo"), Source(second, "A/lo")])
    assert [(point.name, point.packets) for point in report.points] == [("A/lo", 24)]


def test_copies_of_one_file_are_no_ring(tmp_path: Path) -> None:
    """Equal times: none of them follows another one."""
    for number in range(3):
        shutil.copy(files("dumpcap")[0], tmp_path / f"lo_{number:05}_20261128104032.pcapng")
    assert len(points(tmp_path)) == 3


@pytest.mark.parametrize("expression", ["", "tcp"])
def test_table_of_frames_names_file_and_frame(expression: str) -> None:
    """All frames, and those of chosen flows: file and number are those that Wireshark has; the point is one."""
    sources = [Source(file) for file in files("dumpcap")]
    rows = list(Tables(sources, expression=expression).table("frames"))
    assert {row["point"] for row in rows} == {"lo"}
    counts = zip(files("dumpcap"), PACKETS["dumpcap"], strict=True)
    expected = [(file.name, number) for file, count in counts for number in range(1, count + 1)]
    assert [(PurePath(row["file"]).name, row["frame"]) for row in rows] == expected
