"""The live screen: never wider or longer than the terminal, whatever was captured."""

from __future__ import annotations

import pytest

from capnet.analysis.engine import Study, study
from capnet.analysis.facts.volume.flow_rates import flow_rates
from capnet.report.live_view import bit_rate, live_lines
from capnet.report.text import columns
from tests.conftest import PROJECT


@pytest.fixture(scope="module", params=["bridge", "overlay", "faults/mtu-blackhole", "none"])
def studied(request: pytest.FixtureRequest) -> Study:
    return study(PROJECT / "pcaps" / f"{request.param}.pcapng")


@pytest.mark.parametrize(("width", "height"), [(39, 8), (79, 23), (99, 29), (250, 80)])
def test_screen_fits_the_terminal(studied: Study, width: int, height: int) -> None:
    lines = live_lines(studied.report.to_dict(), flow_rates(studied.context, None, 1.0), width, height)
    assert len(lines) <= height
    assert max(map(columns, lines)) <= width
    assert all(line.isprintable() for line in lines)


def test_problems_stand_above_flows() -> None:
    result = study(PROJECT / "pcaps" / "faults" / "mtu-blackhole.pcapng")
    text = "\n".join(live_lines(result.report.to_dict(), flow_rates(result.context, None, 1.0), 99, 40))
    assert 0 < text.index("error") < text.index("Flows now")


@pytest.mark.parametrize("width", [79, 99])
def test_sentences_are_whole(studied: Study, width: int) -> None:
    """The third line ended in the middle of a sentence, as if it were the last word."""
    lines = live_lines(studied.report.to_dict(), flow_rates(studied.context, None, 1.0), width, 24)
    sentences = lines[1 : lines.index("")]
    assert sentences and len(sentences) <= 3 and sentences[-1].endswith((".", " …"))


def test_rates_have_their_units() -> None:
    assert [bit_rate(value) for value in (0, 10, 125, 125_000, 1.5e8)] == [
        "–", "80 bit/s", "1 kbit/s", "1 Mbit/s", "1.2 Gbit/s",
    ]  # fmt: skip
