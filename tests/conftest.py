"""What all tests share: where the captures are."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capnet import language
from tests import checked_kernels, turns

PROJECT = Path(__file__).parent.parent
GOLDENS = sorted((PROJECT / "pcaps").glob("*.pcapng"))
MADE = sorted(path for path in (PROJECT / "tests" / "made").iterdir() if path.suffix in (".pcap", ".pcapng"))

# Bytecode is kept, whatever the environment says: without it each program that a test starts takes twice as long, and
# pytest rewrites the assertions of every file in every worker.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop("COLUMNS", None)  # readline sets it for the workers of xdist; reports obey it
for variable in ("CAPNET_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):  # tests expect English, in any locale
    if os.environ.get(variable, "").startswith("zh"):
        os.environ[variable] = "C.UTF-8"


if checked_kernels.IS_CHECKED:
    checked_kernels.watch()


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Every test begins in English, and leaves it so."""
    yield
    language.use("en")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    turns.leave_out(config, items)


def pytest_collection_finish() -> None:
    """The collector of garbage need not look again and again at what stays until the end: all tests."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist tells what it left out, and which kernels ran checked."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["turns"] = config.stash.get(turns.SUMMARY, "")
        config.workeroutput["kernels"] = sorted(checked_kernels.ran)
    elif checked_kernels.must_be_all(config) and checked_kernels.missing():
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    told = getattr(node, "workeroutput", {})
    checked_kernels.ran.update(told.get("kernels", ()))
    if said := told.get("turns"):
        node.config.stash[turns.SUMMARY] = said


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was left out, which `-q` would hide in the header."""
    if said := config.stash.get(turns.SUMMARY, ""):
        terminalreporter.write_line(said)
    if checked_kernels.IS_CHECKED:
        terminalreporter.write_line(checked_kernels.summary(config))
