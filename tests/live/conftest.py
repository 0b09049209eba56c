"""Live tests make Docker hosts on this machine, so they run only when asked for: CAPNET_LIVE=1 pytest tests/live"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from capnet.interrupts import Interruptible
from tests import checkout
from tests.live.fault_choice import chosen
from tests.live.time_budget import TimeBudget, rotated

BUDGET = TimeBudget()


def pytest_report_header() -> list[str]:
    """Which faults this run plays, and why."""
    if os.environ.get("CAPNET_LIVE") != "1":
        return []
    return ["live faults:", *(f"  {name}: {reason}" for name, reason in chosen().items())]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    live = [item for item in items if item.get_closest_marker("live")]
    if os.environ.get("CAPNET_LIVE") == "1":
        if BUDGET.seconds != float("inf"):
            files = rotated(list(dict.fromkeys(item.path for item in live)), checkout.commits() or 0)
            live.sort(key=lambda item: files.index(item.path))
            items[:] = [*(item for item in items if not item.get_closest_marker("live")), *live]
        return
    not_asked = pytest.mark.skip(reason="needs root and Docker Engine; set CAPNET_LIVE=1 to run it")
    for item in live:
        item.add_marker(not_asked)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Iterator[None]:
    """SIGTERM, as of `timeout`, ends a run as Ctrl-C does: what the tests have made is undone."""
    with Interruptible():
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("live") and BUDGET.is_spent():
        pytest.skip(BUDGET.leave_out(item.path.name))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What had no time; the reason of a skipped test does not name it."""
    if said := BUDGET.summary():
        terminalreporter.write_line(said)
