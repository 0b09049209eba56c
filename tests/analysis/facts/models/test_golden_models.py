"""The model of every golden capture, with names and topology and without. Truth: the driver Docker was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import Source, analyze
from tests.conftest import GOLDENS
from tests.nameless import nameless

MODELS = ("none", "host", "bridge", "container", "overlay", "macvlan", "ipvlan-l2", "ipvlan-l3")
# The scenario's name says the driver; docker inspect has it in the topology too.
MODEL_OF = {
    path: model for path in GOLDENS for model in MODELS if path.stem == model or path.stem.startswith(f"{model}-")
}


@pytest.mark.by_turns
@pytest.mark.parametrize("path", MODEL_OF, ids=lambda path: path.stem)
@pytest.mark.parametrize("names", ["named", "nameless"])
def test_golden_capture_shows_the_model_of_its_driver(path: Path, names: str, tmp_path: Path) -> None:
    report = analyze([Source(path if names == "named" else nameless(path, tmp_path))])
    assert names == "named" or {point.name for point in report.points}.isdisjoint({"A/docker0"})
    first, *others = report.models
    assert first.model == MODEL_OF[path]
    assert all(model.confidence < 0.5 for model in others)
    assert all(model.evidence and model.because for model in report.models)
    assert names == "nameless" or first.confidence >= 0.85
