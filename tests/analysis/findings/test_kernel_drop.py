"""kernel-drop: a kernel's counters say that it dropped packets that no other finding explains.

On a capture that was recorded with its witnesses; `tests/analysis/facts/kernel` has what the counters alone must show.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from capnet.analysis.engine import analyze
from tests.conftest import PROJECT

FAULT = PROJECT / "pcaps" / "faults" / "kernel-drop.pcapng"
HEALTHY = PROJECT / "pcaps" / "faults" / "kernel-drop.healthy.pcapng"


def told(capture: Path) -> list[str]:
    return [finding.level for finding in analyze(capture).findings if finding.name == "kernel-drop"]


def test_rule_in_input_is_told() -> None:
    assert told(FAULT) == ["error"]


def test_same_network_before_the_rule_is_silent() -> None:
    assert told(HEALTHY) == []


def test_capture_without_witnesses_is_silent(tmp_path: Path) -> None:
    assert told(Path(shutil.copy(FAULT, tmp_path))) == []
