"""Lists of facts in a report: as lists to people, as tables to programs."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

import capnet
from capnet.analysis import engine
from capnet.analysis.engine import Options
from capnet.report.comparison.baseline import with_baseline
from tests.table import typed_script
from tests.table.arrow_reader import ArrowStream

OVERLAY = Path(__file__).resolve().parents[2] / "pcaps" / "overlay.pcapng"
NAMES = ("nat", "tunnels", "stations", "paths", "findings", "points", "conversations", "protocols")


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


@pytest.mark.parametrize("name", ["conversations", "protocols"])
def test_columns_of_volume_are_the_fields_of_a_fact(report, name):
    facts = getattr(report, name)
    row = next(iter(facts.table))
    assert list(row) == facts.columns == list(facts[0].__slots__)
    shown = {key: getattr(facts[0], key) for key in row}
    if "vlan" in shown:
        shown["vlan"] = [str(vlan) for vlan in shown["vlan"]]
    assert row == shown
    assert facts.dtypes == facts.table.dtypes


def test_name_asks_for_a_column(report):
    """Of facts, and of tables: a list. Another name is told with those that there are."""
    assert report.nat["packets"] == [nat.packets for nat in report.nat]
    assert report.nat["before_src"] == report.nat.table["before_src"] == [nat.before.src for nat in report.nat]
    with pytest.raises(KeyError, match="no column 'source': the columns are kind, proto, before_src, "):
        report.nat["source"]


def test_typed_script_of_a_user_runs():
    """mypy checks the same file: `files` of tool.mypy."""
    summary = typed_script.summary(OVERLAY)
    assert summary["sources"]
    assert [row["protocol"] for row in summary["protocols"]]
    assert 0 < summary["largest"] < 65536


def test_report_with_less_in_it_has_tables(report):
    """Also what was not asked for, or was replaced by a baseline's verdicts, is a table."""
    fewer = engine.study([OVERLAY], None, Options(), flows_only=True).report
    assert all(not list(getattr(fewer, name).table) for name in NAMES if name != "points")
    assert len(list(with_baseline(report, report.to_dict()).findings.table)) == len(report.findings)


def test_capture_shows_what_it_is():
    with capnet.open_capture(OVERLAY) as capture:
        shown = repr(capture)
    assert shown.startswith("<capnet capture of ")
    assert "overlay.pcapng; points so far: " in shown
    assert shown.endswith("; read it by frames() or blocks()>")
