"""The model of every golden capture, with names and topology and without. Truth: what Docker was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import Source, analyze
from tests.calibration import model_of
from tests.conftest import GOLDENS
from tests.nameless import nameless

# Pods whose MACs are random, and of which no node's own bridge name is left: nothing shows containers.
WITHOUT_SIGNS = ("flannel", "flannel-host-gw", "kubernetes-service")
MODEL_OF = {path: model_of(path) for path in GOLDENS}


@pytest.mark.by_turns
@pytest.mark.parametrize("path", MODEL_OF, ids=lambda path: path.stem)
@pytest.mark.parametrize("names", ["named", "nameless"])
def test_golden_capture_shows_the_model_of_its_driver(path: Path, names: str, tmp_path: Path) -> None:
    report = analyze([Source(path if names == "named" else nameless(path, tmp_path))])
    assert names == "named" or {point.name for point in report.points}.isdisjoint({"A/docker0"})
    if names == "nameless" and path.stem in WITHOUT_SIGNS:
        assert report.models == []
        return
    first, *others = report.models
    assert first.model == MODEL_OF[path]
    assert all(model.confidence < 0.5 for model in others)
    assert all(model.evidence and model.because for model in report.models)
    assert names == "nameless" or first.confidence >= 0.85
