"""Live tests make Docker hosts on this machine, so they run only when asked for: CAPNET_LIVE=1 pytest tests/live"""

from __future__ import annotations

import os

import pytest

from tests.live.fault_choice import chosen


def pytest_report_header() -> list[str]:
    """Which faults this run plays, and why."""
    if os.environ.get("CAPNET_LIVE") != "1":
        return []
    return ["live faults:", *(f"  {name}: {reason}" for name, reason in chosen().items())]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("CAPNET_LIVE") == "1":
        return
    not_asked = pytest.mark.skip(reason="needs root and Docker Engine; set CAPNET_LIVE=1 to run it")
    for item in items:
        if item.get_closest_marker("live"):
            item.add_marker(not_asked)
