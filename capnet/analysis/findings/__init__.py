"""Findings: judgements on the facts, each with a name, a level, one sentence, evidence, and what to do next.

Each file of this folder is one finding, and lying here registers it: routing_loop.py is the finding `routing-loop`.
Its docstring is its manual page, from which docs/findings.md is made. CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding


@cache
def finding_modules() -> tuple[ModuleType, ...]:
    """The module of each finding, in order of their names. The first call imports them."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}") for name in names)


def findings(context: Context) -> list[Finding]:
    """What each finding says of a capture, in order of their names; symptoms that another one explains are left out.

    A finding explains those of the names in its EXPLAINS whose evidence lies at points of its own evidence only.
    """
    stated = [(module, finding) for module in finding_modules() for finding in module.diagnose(context)]
    causes = [(module.EXPLAINS, _points(finding)) for module, finding in stated if module.EXPLAINS]
    return [finding for _, finding in stated if not _is_explained(finding, causes)]


def _is_explained(finding: Finding, causes: list[tuple[tuple[str, ...], set[str]]]) -> bool:
    """Does one of `causes`, symptoms that it explains and its points, explain the finding?"""
    points = _points(finding)
    return any(finding.name in symptoms and points and points <= cause for symptoms, cause in causes)


def _points(finding: Finding) -> set[str]:
    return {frame.point for frame in finding.evidence}
