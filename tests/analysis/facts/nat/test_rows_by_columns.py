"""Rows of translations by columns are the facts, and the documents, that one object for each would be."""

from __future__ import annotations

import pickle
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

from capnet.analysis.core.arrays import equal_rows
from capnet.analysis.core.contract import order
from capnet.analysis.core.contract.document import Plain, row_values
from capnet.analysis.core.results import Point
from capnet.analysis.engine import study
from capnet.analysis.fact_tables.fact_list import FactList
from capnet.analysis.facts.nat import translation_documents
from capnet.analysis.facts.nat.translation_rows import Translations
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.report import formats
from capnet.report.escape import visible_all

PCAPS = Path(__file__).resolve().parents[4] / "pcaps"
# Conntrack, ICMP, hairpin, services, replies alone: every way in which a row is made.
CAPTURES = ("bridge", "bridge-hairpin-noproxy", "overlay-service", "bridge-clash")


@pytest.mark.parametrize("name", CAPTURES)
def test_documents_equal_those_of_facts(name: str) -> None:
    """The quick way to a document gives what `Plain` gives for each fact, in the same order."""
    result = study([PCAPS / f"{name}.pcapng"])
    plain = Plain(result.report.inputs)
    facts = sorted(result.report.nat, key=order.by_translated_packets)
    assert facts
    assert result.report.to_dict()["nat"] == plain(facts)


def test_documents_made_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    report = study([PCAPS / "bridge.pcapng"]).report
    expected = report.to_dict()["nat"]
    monkeypatch.setattr(translation_documents, "MAX_ROWS", 3)
    assert list(report.to_dict(lazily=True)["nat"]) == expected
    assert len(expected) > 3


@pytest.mark.parametrize("format_", ["html", "markdown", "table"])
def test_formats_need_no_list_of_translations(format_: str) -> None:
    """What a page shows is the same when each row is made on demand: 80,000 of them would take 200 MiB."""
    report = study([PCAPS / "bridge.pcapng"]).report
    render = formats.load(format_).render
    assert render(report.to_dict(lazily=True)) == render(report.to_dict())


def test_slices_and_items_are_those_of_a_list() -> None:
    """A report's translations behave as the list they were."""
    result = study([PCAPS / "bridge.pcapng"])
    rows = list(result.report.nat)
    assert result.report.nat[1] == rows[1]
    assert list(result.report.nat[1:3]) == rows[1:3]
    assert result.report.nat[-1] == rows[-1]
    assert rows[2] in result.report.nat
    assert pickle.loads(pickle.dumps(result.report.nat)) == result.report.nat
    assert list(nat_facts(result.context).of_kinds("dnat")) == [row for row in rows if row.kind == "dnat"]
    with pytest.raises(IndexError):
        result.report.nat[len(rows)]


def test_rows_with_an_escape_are_spelled_out() -> None:
    """Rows are passed on as they are only if none of their texts can repaint a screen."""
    result = study([PCAPS / "bridge.pcapng"])
    rows = result.report.to_dict(lazily=True)["nat"]
    assert visible_all({"nat": rows})["nat"] is rows
    named = [replace(point, name="A/\x1b[2J" + point.name) for point in result.report.points]
    hostile = replace(result.report, nat=_with_points(nat_facts(result.context), named))
    shown = visible_all(hostile.to_dict(lazily=True))["nat"]
    assert shown[0]["before"]["point"].startswith("A/\\x1b[2J")


def _with_points(translations: Translations, points: list[Point]) -> FactList:
    places = translations.places._replace(points=points)
    return FactList("nat", replace(translations, places=places))


@pytest.mark.parametrize("name", CAPTURES)
def test_values_of_columns_are_those_of_rows(name: str) -> None:
    """What sentences take from columns stands in the rows."""
    report = study([PCAPS / f"{name}.pcapng"]).report
    paths = [f"{side}.{key}" for side in ("before", "after") for key in ("src", "sport", "dst", "dport", "point")]
    paths += ["kind", "proto", "method", "reply_seen", "port_rewritten", "packets"]
    lazy, rows = report.to_dict(lazily=True)["nat"], report.to_dict()["nat"]
    assert list(row_values(lazy, *paths)) == list(row_values(rows, *paths))
    assert (lazy[0], lazy[-1], lazy[1:3]) == (rows[0], rows[-1], rows[1:3])


@pytest.mark.parametrize("name", CAPTURES)
def test_different_values_are_those_of_rows(name: str) -> None:
    """What findings and signs ask of thousands of rows at once, in order of the first row."""
    translations = nat_facts(study([PCAPS / f"{name}.pcapng"]).context)
    for names in (("proto", "before.dst", "before.dport", "after.dst"), ("after.src",), ("before.id", "after.sport")):
        rows = [tuple(attrgetter(each)(row) for each in names) for row in translations]
        assert translations.different(*names) == list(dict.fromkeys(rows))
    assert translations.of_kinds().different("before.src", "after.src") == []


FEW, MANY = 1, 100  # times five rows: few are found by a dictionary, many by their hashes


@pytest.mark.parametrize("times", [FEW, MANY])
def test_equal_rows_are_the_first_equal(times: int) -> None:
    columns = [np.array([1, 2, 1, 2, 3] * times), np.array([5, 6, 5, 7, 5] * times)]
    assert equal_rows(columns).tolist() == [0, 1, 0, 3, 4] * times


def test_rows_with_colliding_hashes_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a sender made for one hash are compared by all columns."""
    asked = []

    def one_hash(columns: list[np.ndarray]) -> np.ndarray:
        asked.append(len(columns))
        return np.zeros(len(columns[0]), dtype=np.uint64)

    monkeypatch.setattr("capnet.analysis.core.arrays.combined_hash", one_hash)
    columns = [np.array([1, 2, 1, 2, 3] * MANY), np.array([5, 6, 5, 7, 5] * MANY)]
    assert equal_rows(columns).tolist() == [0, 1, 0, 3, 4] * MANY
    assert asked == [2]
