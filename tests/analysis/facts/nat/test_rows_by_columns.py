"""Rows of translations by columns are the facts, and the documents, that one object for each would be."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from capnet.analysis.core.arrays import equal_rows
from capnet.analysis.core.contract import order
from capnet.analysis.core.contract.document import Plain
from capnet.analysis.engine import study
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.report.escape import visible_all

PCAPS = Path(__file__).resolve().parents[4] / "pcaps"
# Conntrack, ICMP, hairpin, services, replies alone: every way in which a row is made.
CAPTURES = ("bridge", "bridge-hairpin-noproxy", "overlay-service", "bridge-clash")


@pytest.mark.parametrize("name", [name for name in CAPTURES if (PCAPS / f"{name}.pcapng").exists()])
def test_documents_equal_those_of_facts(name: str) -> None:
    """The quick way to a document gives what `Plain` gives for each fact, in the same order."""
    result = study([PCAPS / f"{name}.pcapng"])
    plain = Plain(result.report.inputs)
    facts = sorted(result.report.nat, key=order.by_translated_packets)
    assert facts
    assert result.report.to_dict()["nat"] == plain(facts)


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


def test_point_with_an_escape_is_spelled_out() -> None:
    """Rows are passed on unseen only if none of their texts can repaint a screen."""
    result = study([PCAPS / "bridge.pcapng"])
    document = result.report.to_dict()
    rows = document["nat"]
    assert visible_all({"nat": rows})["nat"] is rows
    rows[0]["before"]["point"] = "A/\x1b[2J"
    rows.texts = [*rows.texts, "A/\x1b[2J"]
    assert visible_all({"nat": rows})["nat"][0]["before"]["point"] == "A/\\x1b[2J"


def test_equal_rows_with_one_hash_are_told_apart() -> None:
    """Rows that a sender made for one hash are compared by all columns."""
    columns = [np.array([1, 2, 1, 2, 3]), np.array([5, 6, 5, 7, 5])]
    assert equal_rows(columns).tolist() == [0, 1, 0, 3, 4]


def test_rows_with_colliding_hashes_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one hash for all rows, the answer is the same."""
    monkeypatch.setattr("capnet.analysis.core.arrays.combined_hash", lambda columns: np.zeros(5, dtype=np.uint64))
    columns = [np.array([1, 2, 1, 2, 3]), np.array([5, 6, 5, 7, 5])]
    assert equal_rows(columns).tolist() == [0, 1, 0, 3, 4]
