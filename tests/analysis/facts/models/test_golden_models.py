"""The model of every golden capture, with names and topology and without. Truth: what Docker was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import Source, analyze
from tests.calibration import OF_CNI, model_of
from tests.conftest import GOLDENS
from tests.nameless import nameless

MODEL_OF = {path: model_of(path) for path in GOLDENS}


@pytest.mark.by_turns
@pytest.mark.parametrize("path", MODEL_OF, ids=lambda path: path.stem)
@pytest.mark.parametrize("names", ["named", "nameless"])
def test_golden_capture_shows_the_model_of_its_driver(path: Path, names: str, tmp_path: Path) -> None:
    report = analyze([Source(path if names == "named" else nameless(path, tmp_path))])
    assert names == "named" or {point.name for point in report.points}.isdisjoint({"A/docker0"})
    if names == "nameless" and path.stem.startswith(OF_CNI) and not report.models:
        return  # MACs are random, and the subnet is of no engine: without the name cni0 nothing shows containers
    first, *others = report.models
    assert first.model == MODEL_OF[path]
    assert all(model.confidence < 0.5 for model in others)
    assert all(model.evidence and model.because for model in report.models)
    assert names == "nameless" or first.confidence >= 0.85
