"""Whether capnet names a fault: the findings on its capture, and on that of the healthy network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from capnet.analysis.engine import analyze
from capnet.scenario.faults.library import Fault
from capnet.scenario.faults.play import Played


@dataclass(frozen=True)
class Verdict:
    """Names of the findings above info, on the broken play and on the healthy one, and what is wrong with them."""

    broken: tuple[str, ...]
    healthy: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def is_ok(self) -> bool:
        """Does capnet name the fault, and nothing else?"""
        return not self.wrong


def judge(fault: Fault, played: Played) -> Verdict:
    """What capnet says of both captures of a play, against what the fault's file expects."""
    broken, healthy = findings_above_info(played.broken), findings_above_info(played.healthy)
    wrong = []
    if fault.finding not in broken:
        wrong.append(f"{fault.finding} is not told")
    if others := set(broken) - {fault.finding, *fault.also}:
        wrong.append(f"told as well: {', '.join(sorted(others))}")
    if healthy:
        wrong.append(f"told of the healthy network: {', '.join(healthy)}")
    return Verdict(broken, healthy, tuple(wrong))


def findings_above_info(capture: Path) -> tuple[str, ...]:
    """Names of a capture's findings of the levels error and warning, sorted."""
    return tuple(sorted({finding.name for finding in analyze(capture).findings if finding.level != "info"}))
