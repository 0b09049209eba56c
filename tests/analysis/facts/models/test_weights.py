"""The table of evidence: what a report says of it can be added up, and without containers nothing is likely."""

from __future__ import annotations

import inspect
import json
import re
from itertools import islice
from math import exp
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import Source, analyze
from capnet.analysis.facts.models import (
    MAX_CONFIDENCE,
    MAX_CONTAINED_CONFIDENCE,
    MAX_UNSHOWN_CONFIDENCE,
    MIN_CONFIDENCE,
)
from capnet.analysis.facts.models.weights import EVIDENCE, NAMES, PRIOR
from tests.calibration import BINS, repository
from tests.conftest import GOLDENS, PROJECT
from tests.report.golden_documents import report


def test_confidence_is_kept_by_the_repositorys_captures() -> None:
    """All that is told is right, and of a point alone too; every golden has a model that is told with 0.9 or more.

    The table of docs/models.md says how much of all captures is told, and how much of it is right; the test of
    generated pages makes it anew.
    """
    page = (PROJECT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d.]+) to [\d.]+ \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    assert tuple(float(least) for least, _, _ in rows) == BINS
    assert all(int(right) == int(told) > 0 for _, told, right in rows)
    assert [path for path in GOLDENS if max(model.confidence for model in report(path).models) < 0.9] == []


def test_weights_of_a_model_add_up_to_its_confidence(tmp_path: Path) -> None:
    captures = islice(repository(tmp_path), 60)
    models = [model for labelled in captures for model in analyze([Source(file) for file in labelled.files]).models]
    assert models
    for model in models:
        total = PRIOR + sum(weight.log_odds for weight in model.weights)
        shows_containers = any(weight.shows_containers for weight in model.weights)
        confidence = min(1 / (1 + exp(-total)), MAX_CONFIDENCE if shows_containers else MAX_UNSHOWN_CONFIDENCE)
        assert model.confidence in (round(confidence, 2), MAX_CONTAINED_CONFIDENCE)
        assert len(model.weights) <= len(model.because) <= len(model.weights) + 2
        assert len(model.evidence) <= 10


def test_no_evidence_without_containers_makes_a_model_likely() -> None:
    assert MAX_UNSHOWN_CONFIDENCE < MIN_CONFIDENCE
    assert {row.name for row in EVIDENCE if row.shows_containers} >= {
        "topology-network",
        "container-mac",
        "bridge-name",
    }
    masquerade = next(row for row in EVIDENCE if row.name == "masquerade")
    assert not masquerade.shows_containers


@pytest.mark.parametrize("row", EVIDENCE, ids=lambda row: row.name)
def test_row_of_evidence_is_explained_and_named(row: Any) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", row.name)
    assert row.log_odds.keys() <= set(NAMES) and all(row.log_odds.values())
    assert inspect.getdoc(row.signs)


def test_names_of_evidence_and_models_are_those_of_the_schema() -> None:
    assert len({row.name for row in EVIDENCE}) == len(EVIDENCE)
    schema = json.loads(Path(PROJECT / "capnet" / "report" / "schema.json").read_text(encoding="utf-8"))
    assert sorted(NAMES) == sorted(schema["$defs"]["model"]["properties"]["model"]["enum"])
