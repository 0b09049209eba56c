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
from capnet.analysis.core.contract.finding_list import Statement, listed
from capnet.analysis.core.results import Finding
from capnet.analysis.facts.kernel import with_kernel_reasons


@cache
def finding_modules() -> tuple[ModuleType, ...]:
    """The module of each finding, in order of their names. The first call imports them."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}") for name in names)


def findings(context: Context) -> list[Finding]:
    """What the findings state about a capture, as a report lists it (`contract.finding_list`)."""
    stated = [(module, finding) for module in finding_modules() for finding in module.diagnose(context)]
    modules = {finding.name: module for module, finding in stated}
    stated_findings = with_kernel_reasons(context, [finding for _, finding in stated])
    return listed(
        Statement(finding, modules[finding.name].EXPLAINS, _verify(modules[finding.name]))
        for finding in stated_findings
    )


def _verify(module: ModuleType) -> str | None:
    """The last paragraph of a finding's manual page: commands that show it; None where docstrings are left out."""
    _, _, commands = (module.__doc__ or "").partition("\nVerify: ")
    return " ".join(commands.split()) or None
