"""Which faults a run of the live tests plays: those that the change touches, and a quarter of the others by turns.

The turn is the number of commits, so four commits play all of them. CAPNET_FAULTS=all plays all at once.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from capnet.scenario.faults import library
from tests import checkout
from tests.checkout import TURNS

_PLAYED_BY = (
    "capnet/scenario/faults/",
    "capnet/record/taps/",
    "capnet/record/bundle/bundle.py",
    "tests/live/test_faults.py",
)


def chosen() -> dict[str, str]:
    """Fault → why it is played, for this checkout."""
    findings = {name: library.load(name).finding for name in library.files()}
    commits = checkout.commits()
    if os.environ.get("CAPNET_FAULTS") == "all" or commits is None:
        return dict.fromkeys(findings, "all are asked for")
    return choose(findings, checkout.changed_files(), commits)


def choose(findings: Mapping[str, str], changed: Collection[str], turn: int) -> dict[str, str]:
    """Fault → why it is played. `findings`: each fault's finding; `changed`: paths from the top of the checkout."""
    if played_by := next((path for path in changed if path.startswith(_PLAYED_BY)), None):
        return dict.fromkeys(findings, f"{played_by} has changed")
    reasons = {}
    rest = []
    for name, finding in findings.items():
        own = {
            f"scenarios/faults/{name.replace('-', '_')}.py",
            *(path for path in changed if is_of_finding(path, finding)),
            f"pcaps/faults/{name}.pcapng",
        }
        if touched := sorted(own & set(changed)):
            reasons[name] = f"{touched[0]} has changed"
        else:
            rest.append(name)
    return reasons | dict.fromkeys(rest[turn % TURNS :: TURNS], f"turn {turn % TURNS + 1} of {TURNS}")


def is_of_finding(path: str, finding: str) -> bool:
    """Is this the file of a finding, in its folder or in a subfolder of it?"""
    return path.startswith("capnet/analysis/findings/") and path.endswith(f"/{finding.replace('-', '_')}.py")
