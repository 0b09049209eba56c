"""capture-dropped-packets: drop counts of interface statistics blocks."""

from __future__ import annotations

from pathlib import Path

from capnet.analysis.engine import analyze
from capnet.wire.formats.pcapng_writer import statistics
from tests.analysis.findings.reported import Findings, named
from tests.stories import Network, udp
from tests.story_reports import A, B


def dropped(folder: Path, count: int) -> Findings:
    """The findings about a capture whose second interface dropped so many packets."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        packet = udp(f"{A}:5000 > {B}:7000", b"%d" % number, ident=number + 1)
        net.pass_by(("A/ens33", packet), ("B/ens33", packet))
    (path,) = net.write(folder)
    with path.open("ab") as file:
        file.write(statistics(1, 1_700_000_001_000_000_000, received=3, kernel_dropped=count))
    return named(analyze(path).to_dict(), "capture-dropped-packets")


def test_capture_with_drop_count_is_told(tmp_path: Path) -> None:
    (finding,) = dropped(tmp_path, 7)
    assert (finding["level"], finding["facts"]) == ("warning", {"B/ens33": 7})
    assert finding["says"] == "the capture program lost 7 packets at B/ens33"


def test_capture_without_drops_is_silent(tmp_path: Path) -> None:
    assert dropped(tmp_path, 0) == []
