"""Whether a scenario's packets show what they must.

A scenario file says it in functions called `check_…`: the docstring is the claim in words; the function takes an
`Observed` and returns (actual, expected), which must be equal. They run after every scenario, and on the golden
captures by the offline tests, together with the checks that all scenarios share (`common_checks`). A check about a
point that was not captured at is left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from capnet.quick_tuple import NamedTuple
from capnet.scenario.checks.common_checks import COMMON_CHECKS
from capnet.scenario.checks.observed import Comparison, NotObserved, Observed
from capnet.topology import Topology, topology_path

Check = Callable[[Observed], Comparison]


class CheckResult(NamedTuple):
    """One check: its claim, whether it passed (None: it could not be checked), and if not, what was seen instead."""

    claim: str
    passed: bool | None
    difference: str = ""


def verify(
    module: ModuleType, capture: Path, *, whole: bool = True, report: dict[str, Any] | None = None
) -> list[CheckResult]:
    """Runs every check of the scenario `module` on its bundle, and on its report where that exists already.

    `whole`: all of the scenario's points were captured at; if not, checks about the whole are left out.
    """
    from capnet.analysis.engine import analyze

    report = report or analyze([capture]).to_dict()
    observed = Observed(report, Topology.load(topology_path(capture)), whole=whole)
    return [*_results(scenario_checks(module), observed), *_results(_by_claim(COMMON_CHECKS), observed)]


def scenario_checks(module: ModuleType) -> dict[str, Check]:
    """Claim in words → the scenario's own check, in the order of the file."""
    return _by_claim([value for name, value in vars(module).items() if name.startswith("check_")])


def _by_claim(checks: Iterable[Check]) -> dict[str, Check]:
    return {" ".join((inspect.getdoc(check) or check.__name__).split()): check for check in checks}


def _results(checks: dict[str, Check], observed: Observed) -> Iterator[CheckResult]:
    for claim, check in checks.items():
        try:
            actual, expected = check(observed)
        except NotObserved:
            yield CheckResult(claim, None)
        except LookupError as error:  # what it is about does not exist
            yield CheckResult(claim, False, f"no {error}")
        else:
            passed = actual == expected
            yield CheckResult(claim, passed, "" if passed else f"found {actual}, not {expected}")
