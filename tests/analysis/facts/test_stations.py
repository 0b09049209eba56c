"""Stations of a report are made when one is asked for, from less than the capture."""

from __future__ import annotations

import gc
import pickle
from types import FunctionType, ModuleType

import numpy as np
import pytest

from capnet.analysis.core.schema import FLOW_WIDTH
from capnet.analysis.engine import study
from capnet.analysis.facts.stations import Stations, station_facts
from tests.conftest import PROJECT

CAPTURE = PROJECT / "pcaps" / "bridge.pcapng"


def _held_by(held: object) -> list[object]:
    """All that an object refers to, itself or through others, but for classes, functions and modules."""
    found: dict[int, object] = {}
    left = [held]
    while left:
        each = left.pop()
        if id(each) not in found and not isinstance(each, type | FunctionType | ModuleType):
            found[id(each)] = each
            left += gc.get_referents(each)
    return list(found.values())


def _holds_flow_table(held: object) -> bool:
    return any(isinstance(each, np.ndarray) and each.shape[1:] == (FLOW_WIDTH,) for each in _held_by(held))


def test_stations_hold_no_flow_table() -> None:
    context = study(CAPTURE).context
    stations = station_facts(context)
    assert isinstance(stations, Stations)
    assert _holds_flow_table(context)
    assert not _holds_flow_table(stations)


def test_stations_of_a_report_are_pickled_as_they_are() -> None:
    report = study(CAPTURE).report
    assert len(report.stations) > 5
    assert pickle.loads(pickle.dumps(report)).stations == report.stations


def test_number_of_stations_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    stations = study(CAPTURE).report.stations

    def refuse(*_: object) -> None:
        raise AssertionError("a station was made")

    monkeypatch.setattr("capnet.analysis.facts.stations.Station", refuse)
    assert len(stations) > 5
