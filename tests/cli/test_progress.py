"""A long reading shows how far it is on a terminal only."""

from __future__ import annotations

from capnet.analysis.engine import Progress, analyze
from capnet.cli.progress import line
from tests.conftest import GOLDENS


def test_progress_line_has_share_and_time_left() -> None:
    assert line(Progress(1_234_567, 450_000_000, 1_000_000_000), 9.0) == "1,234,567 packets, 45 %, about 11 s left"
    assert line(Progress(2, 3_000_000, None), 1.0) == "2 packets, 3 MB"
    assert line(Progress(5, 1200, 1000), 1.0) == "5 packets, 100 %, about 0 s left"  # the file has grown


def test_progress_reaches_the_end() -> None:
    seen: list[Progress] = []
    analyze([GOLDENS[0], GOLDENS[1]], progress=seen.append)
    size = sum(each.stat().st_size for each in GOLDENS[:2])
    assert seen[-1].taken == seen[-1].size == size
    assert [each.packets for each in seen] == sorted(each.packets for each in seen)
