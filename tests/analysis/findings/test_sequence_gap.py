"""sequence-gap: octets missing at the first point. `correlate/test_tcp_gaps.py` tests how they are counted."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, tcp
from tests.story_reports import A, B


def stream(folder: Path, times_us: dict[int, float]) -> Findings:
    """The findings about segments of 1000 octets, by number, each at its time."""
    net = Network(["A/ens33", "B/ens33"])
    for number, time in times_us.items():
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=1000 * number, ident=round(time) % 65_000 + 1)
        net.at(time, "A/ens33", segment)
        net.at(time + 10, "B/ens33", segment)
    return of_story(net, folder, "sequence-gap")


def test_octets_late_at_first_point_is_told(tmp_path: Path) -> None:
    """Segments 3 and 4 meet a queue before the tap that drops them, and are sent again 200 ms later."""
    (finding,) = stream(tmp_path, {number: 2e5 + number if number in (3, 4) else 100.0 * number for number in range(9)})
    facts = finding["facts"]
    assert (finding["level"], facts["point"], facts["flows"]) == ("warning", "A/ens33", 1)
    assert (facts["late"], facts["never"]) == (2000, 0)


def test_octets_that_never_come_is_told(tmp_path: Path) -> None:
    (finding,) = stream(tmp_path, {number: 100.0 * number for number in range(9) if number != 3})
    assert (finding["level"], finding["facts"]["late"], finding["facts"]["never"]) == ("info", 0, 1000)


def test_octets_in_order_is_silent(tmp_path: Path) -> None:
    assert stream(tmp_path, {number: 100.0 * number for number in range(9)}) == []
