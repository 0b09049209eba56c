"""Live tests make Docker hosts on this machine, so they run only when asked for: CAPNET_LIVE=1 pytest tests/live"""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("CAPNET_LIVE") == "1":
        return
    not_asked = pytest.mark.skip(reason="needs root and Docker Engine; set CAPNET_LIVE=1 to run it")
    for item in items:
        if item.get_closest_marker("live"):
            item.add_marker(not_asked)
