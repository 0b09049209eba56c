"""A user's script that mypy checks, and a test runs: what the public API says of its types must be so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import assert_type

import capnet
from capnet.testing import LiveNet


def summary(path: Path) -> dict[str, object]:
    """What a script would gather of a capture, without a library besides capnet."""
    report = capnet.analyze(path)
    sources: list[str] = [nat.before.src for nat in report.nat if nat.kind == "snat"]
    assert_type(report.nat.columns, list[str])
    assert_type(report.conversations.dtypes, dict[str, str])
    assert_type(report.findings[0].level, str)
    assert_type(report.findings[:1][0].evidence[0].frame, int)
    rows: list[dict[str, object]] = [row for row in report.protocols.table if row["level"] == 1]
    with capnet.open_capture(path) as capture:
        largest = max(int(block["caplen"].max()) for block in capture.blocks())
    with capnet.open_capture(path) as capture:
        table = capture.frames()
        assert_type(table.dtypes, dict[str, str])
    assert_type(capnet.tables(path)["flows"].columns, list[str])
    text: str = capnet.render(report, "markdown")
    return {"sources": sources, "protocols": rows, "largest": largest, "columns": table.columns, "text": text}


def frames_of_pandas(path: Path) -> tuple[object, object]:
    """With pandas: it returns data frames."""
    report = capnet.analyze(path)
    return report.nat.to_pandas(), report.conversations.to_pandas()


def live(capnet_capture: Callable[..., AbstractContextManager[LiveNet]]) -> bool:
    """A test with the fixture's types; what it asks of a capture is that of `Net`."""
    with capnet_capture("web") as net:
        pass
    return bool(net.flow("web", "db:5432").delivered and not net.findings)
