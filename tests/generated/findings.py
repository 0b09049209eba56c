"""docs/findings.md: the manual page of each finding, from the docstring and the constants of its file."""

from __future__ import annotations

import inspect
import re
from itertools import pairwise
from types import ModuleType

from capnet.analysis.findings import finding_modules
from capnet.report.manual import ITEM, manual
from capnet.scenario.faults import library

HEAD = """# Findings

<!-- Made by `python -m tests.generated`: do not edit. -->

The text is that of the files in [capnet/analysis/findings](../capnet/analysis/findings).

A finding is a judgement with a name, a level, one sentence, the frames that prove it, and the next step.

- **error**: something fails, and the packets show where.
- **warning**: something probably fails, or works badly.
- **info**: a property of the network or of the capture that is worth knowing.

`capnet analyze --fail-on warning` exits with 1 if there is a finding of that level or above.

"""

FAULTS_HEAD = """
## Faults

`sudo capnet scenario fault NAME --lab` plays a fault on this machine's kernel.
It builds a network that works, sends through it, breaks it by one line, and sends the same again.
capnet must name the fault in the second capture and say nothing above info of the first one.
Both captures are in [pcaps/faults](../pcaps/faults), and tests hold capnet to that.

| fault | what is wrong | the line that breaks it | named by | needs |
|---|---|---|---|---|
"""


def scenario(module: ModuleType) -> tuple[str | None, str]:
    """(scenario that makes a finding, "") or (None, the comment that says why there is none)."""
    match = re.search(r"^SCENARIO = None  # (.+)$", inspect.getsource(module), re.MULTILINE)
    return module.SCENARIO, match[1] if match else ""


def comment(module: ModuleType, constant: str) -> str:
    """The comment behind a constant, "" without one."""
    match = re.search(rf"^{constant} = \S+  # (.+)$", inspect.getsource(module), re.MULTILINE)
    return match[1] if match else ""


def findings_page() -> str:
    """The page: a table of all findings, then a section for each in order of name."""
    modules = finding_modules()
    rows = "".join(
        f"| [{module.NAME}](#{module.NAME}) | {', '.join(module.LEVELS)} | {_cell(manual(module).title)} |\n"
        for module in modules
    )
    pages = "".join(map(_section, modules))
    return f"{HEAD}| finding | level | what it is |\n|---|---|---|\n{rows}{FAULTS_HEAD}{_faults()}{pages}"


def _faults() -> str:
    """A row for each fault: what is wrong, the line that breaks it, and the finding that names it."""
    return "".join(
        f"| [{name}](../pcaps/faults/{name}.pcapng) | {_cell(fault.title)} | `{_cell(str(fault.breaks))}` "
        f"| [{fault.finding}](#{fault.finding}) | {fault.needs} |\n"
        for name in library.files()
        for fault in [library.load(name)]
    )


def in_markdown(blocks: list[str]) -> str:
    """Paragraphs and lists, with an empty line between them."""
    lines = blocks[:1]
    for before, block in pairwise(blocks):
        lines += [block] if before.startswith(ITEM) and block.startswith(ITEM) else ["", block]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.removesuffix(".").replace("|", "\\|")


def _section(module: ModuleType) -> str:
    page = manual(module)
    name, reason = scenario(module)
    made = f"`capnet scenario {name}`" if name else f"no scenario: {reason}"
    silent = f"[{module.WITNESS}](../{module.WITNESS})"
    because = comment(module, "WITNESS")
    lines = [
        f"\n## {module.NAME}\n",
        f"{page.title[:1].upper()}{page.title[1:]}\n",
        *(f"**{heading}**: {in_markdown(blocks)}\n" for heading, blocks in page.sections.items()),
        f"- level: {', '.join(module.LEVELS)}",
        f"- made by: {made}",
        f"- silent on: {silent}" + f", {because}" * bool(because),
    ]
    if module.EXPLAINS:
        lines.append(f"- explains: {', '.join(f'[{symptom}](#{symptom})' for symptom in module.EXPLAINS)}")
    return "\n".join(lines) + "\n"
