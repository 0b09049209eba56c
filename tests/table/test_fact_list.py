"""Lists of facts in a report: as lists to people, as tables to programs."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

import capnet
from tests.table.arrow_reader import ArrowStream

OVERLAY = Path(__file__).resolve().parents[2] / "pcaps" / "overlay.pcapng"
NAMES = ("nat", "tunnels", "stations", "paths", "findings", "points")


@pytest.fixture(scope="module")
def report() -> capnet.Report:
    return capnet.analyze(OVERLAY)


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_read_through_arrows_interface(report, name):
    """Without a library: what pyarrow.table(report.nat) asks for."""
    facts = getattr(report, name)
    stream = ArrowStream(facts.__arrow_c_stream__())
    assert len(stream.rows()) == len(list(facts.table)) > 0
    assert list(stream.formats) == facts.columns
    stream.close()
    assert not isinstance(facts, list)  # pyarrow and Polars would take its items for columns


def test_facts_are_compared_and_cut_as_lists(report):
    facts = report.findings
    plain = list(facts)
    assert facts == plain == facts
    assert (facts == plain[1:]) is False
    assert facts[0] is plain[0]
    assert facts[-1:] == plain[-1:]
    assert facts[1:].columns == facts.columns
    assert facts + plain == plain + facts == [*plain, *plain]
    assert list(reversed(facts)) == plain[::-1]
    assert plain[1] in facts
    assert facts.index(plain[1]) == facts.count(plain[1]) == 1
    assert repr(facts) == repr(plain)


def test_copies_and_pickles_are_equal(report):
    for facts in (copy.deepcopy(report.points), pickle.loads(pickle.dumps(report.points))):
        assert facts == report.points
        assert facts.columns == report.points.columns
