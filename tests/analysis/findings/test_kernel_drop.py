"""kernel-drop: a kernel's counters say that it dropped packets that no other finding explains.

On a capture that was recorded with its witnesses; `tests/analysis/facts/kernel` has what the counters alone must show.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from capnet import language
from capnet.analysis.engine import analyze
from tests.conftest import PROJECT

FAULT = PROJECT / "pcaps" / "faults" / "kernel-drop.pcapng"
HEALTHY = PROJECT / "pcaps" / "faults" / "kernel-drop.healthy.pcapng"


def told(capture: Path) -> list[str]:
    return [finding.level for finding in analyze(capture).findings if finding.name == "kernel-drop"]


def test_rule_in_input_is_told() -> None:
    assert told(FAULT) == ["error"]


def test_rule_in_chinese_has_the_same_facts() -> None:
    """The sentence says which rule of the chain it is; the fact keeps the name that programs compare."""
    with language.used("zh"):
        finding = next(of for of in analyze(FAULT).findings if of.name == "kernel-drop")
    assert "A 上的 iptables filter INPUT 的第 1 条规则丢弃了这些包" in finding.says
    assert finding.facts["rule"] == "iptables filter INPUT rule 1"


def test_same_network_before_the_rule_is_silent() -> None:
    assert told(HEALTHY) == []


def test_capture_without_witnesses_is_silent(tmp_path: Path) -> None:
    assert told(Path(shutil.copy(FAULT, tmp_path))) == []
