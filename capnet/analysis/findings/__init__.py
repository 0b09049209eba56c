"""Findings: judgements on the facts, each with a name, a level, one sentence, evidence, and what to do next.

Each file of this folder and of its subfolders is one finding, and lying there registers it: routing_loop.py is the
finding `routing-loop`. Its docstring is its manual page, from which docs/findings.md is made. CONTRIBUTING.md says how
to add one. A subfolder holds findings that all begin with the same input; they are loaded and asked only if its
`is_needed(context)` says that it is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from capnet import language
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.finding_list import Statement, Subjects, listed
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, with_commands_of_family
from capnet.analysis.facts.kernel import with_kernel_reasons
from capnet.analysis.facts.namespaces.loopback_parts import loopback_parts

# Findings and folders that take one address for one station.
OF_ADDRESSES = (
    "connection_refused", "dns", "handshake_unfinished", "icmp", "listen_queue_full", "port_scan",
    "retransmissions", "segments", "sequence_gap", "streams", "unanswered",
)  # fmt: skip

IN_NAMESPACE = Text(en=", in the network namespace of {namespace}", zh="，在 {namespace} 的网络命名空间中")


def finding_modules() -> tuple[ModuleType, ...]:
    """The module of each finding, in order of their names. Imports all of them."""
    return _by_name([*common_modules(), *(module for folder in folders() for module in modules_of(folder))])


def needed_modules(context: Context) -> tuple[ModuleType, ...]:
    """The modules of those findings that a capture may show, in order of their names."""
    needed = [folder for folder in folders() if folder.is_needed(context)]
    return _by_name([*common_modules(), *(module for folder in needed for module in modules_of(folder))])


@cache
def common_modules() -> tuple[ModuleType, ...]:
    """The modules of findings that every capture is asked for. The first call imports them."""
    return _imported(__name__, __path__, is_folder=False)


@cache
def folders() -> tuple[ModuleType, ...]:
    """The subfolders, without the modules in them."""
    return _imported(__name__, __path__, is_folder=True)


@cache
def modules_of(folder: ModuleType) -> tuple[ModuleType, ...]:
    """The modules of a subfolder. The first call imports them."""
    return _imported(folder.__name__, folder.__path__, is_folder=False)


def _imported(package: str, path: Iterable[str], is_folder: bool) -> tuple[ModuleType, ...]:
    entries = [entry for folder in path for entry in os.scandir(folder) if not entry.name.startswith("_")]
    if is_folder:
        names = [entry.name for entry in entries if entry.is_dir() and Path(entry.path, "__init__.py").is_file()]
    else:
        names = [entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py")]
    return tuple(import_module(f"{package}.{name}") for name in sorted(names))


def _by_name(modules: list[ModuleType]) -> tuple[ModuleType, ...]:
    return tuple(sorted(modules, key=lambda module: module.__name__.rpartition(".")[2]))


def payload_read_by(name: str) -> frozenset[str]:
    """The fields of `Context` with what packets carry, without which the finding `name` is not told.

    A finding declares them as `READS`, or its subfolder does for all that are in it.
    """
    (module,) = (module for module in finding_modules() if name == module.NAME)
    folder = import_module(module.__package__ or "")
    return frozenset((*getattr(folder, "READS", ()), *getattr(module, "READS", ())))


def findings(context: Context) -> list[Finding]:
    """What the findings state about a capture, as a report lists it (`contract.finding_list`)."""
    stated = [(module, finding) for module in needed_modules(context) for finding in _stated(module, context)]
    modules = {finding.name: module for module, finding in stated}
    stated_findings = with_kernel_reasons(context, [finding for _, finding in stated])
    statements = [_statement(modules[finding.name], finding) for finding in stated_findings]
    return listed(statements, lambda statement: _subjects(context, statement))


def _stated(module: ModuleType, context: Context) -> Iterable[Finding]:
    """What a finding states; of each network namespace for itself if it reasons on addresses."""
    folder = module.__name__.removeprefix(f"{__name__}.").partition(".")[0]
    if folder not in OF_ADDRESSES:
        yield from module.diagnose(context)
        return
    for part in loopback_parts(context):
        for finding in module.diagnose(part.context):
            if part.namespace:
                finding = replace(finding, says=finding.says + IN_NAMESPACE.fill(namespace=part.namespace))
            yield finding


def _statement(module: ModuleType, finding: Finding) -> Statement:
    if finding.fix:
        finding = replace(finding, fix=with_commands_of_family(finding.fix, finding.says))
    explains = () if hasattr(module, "is_weak") and module.is_weak(finding) else module.EXPLAINS
    return Statement(finding, explains, _verify(module), getattr(module, "IS_OF_TUNNEL", False))


def _subjects(context: Context, statement: Statement) -> Subjects:
    from capnet.analysis.facts.outcomes.evidence_subjects import evidence_subjects  # most captures explain nothing

    return evidence_subjects(context, statement.finding.evidence, statement.is_of_tunnel)


def _verify(module: ModuleType) -> str | None:
    """The last paragraph of a finding's manual page: commands that show it; None where docstrings are left out."""
    if language.is_chinese():
        return language.unbroken(module.PAGE_ZH.partition("\n验证：")[2])
    _, _, commands = (module.__doc__ or "").partition("\nVerify: ")
    return " ".join(commands.split()) or None
