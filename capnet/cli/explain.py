"""`capnet explain`: the manual page of a finding."""

from __future__ import annotations

from difflib import get_close_matches
from textwrap import TextWrapper
from typing import TYPE_CHECKING

import click

from capnet.cli import completions
from capnet.errors import Exit, UsageError

if TYPE_CHECKING:
    from types import ModuleType

INDENT = "  "


@click.command("explain", short_help="What a finding looks at, when it is wrong, what to do.")
@click.argument("finding", required=False, shell_complete=completions.findings)
def command(finding: str | None) -> int:
    """Print the manual page of FINDING, or the list of all findings.

    A page says what the finding looks at and says, when it is wrong, what to do, and which commands on the host show
    that it is so.
    """
    from capnet.analysis.findings import finding_modules
    from capnet.cli.output import emit, report_columns

    modules = {module.NAME: module for module in finding_modules()}
    if finding is None:
        text = _list(list(modules.values()), report_columns())
    elif finding in modules:
        text = _page(modules[finding], report_columns())
    else:
        similar = get_close_matches(finding, modules, 3)
        hint = f"did you mean {' or '.join(similar)}?" if similar else "`capnet explain` lists them"
        raise UsageError(f"there is no finding {finding!r}: {hint}")
    emit(text)
    return Exit.OK


def _list(modules: list[ModuleType], columns: int) -> str:
    from capnet.report.manual import manual

    width = max(len(module.NAME) for module in modules) + len(INDENT)
    lines = []
    for module in modules:
        wrapper = TextWrapper(columns, initial_indent=module.NAME.ljust(width), subsequent_indent=" " * width)
        lines.append(wrapper.fill(f"{manual(module).title.removesuffix('.')} ({', '.join(module.LEVELS)})"))
    return "\n".join(lines) + "\n"


def _page(module: ModuleType, columns: int) -> str:
    from capnet.report.manual import manual

    page = manual(module)
    wrapper = TextWrapper(columns, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False)
    lines = [TextWrapper(columns).fill(f"{page.name}: {page.title}"), f"{INDENT}level: {', '.join(module.LEVELS)}"]
    for heading, text in page.sections.items():
        lines += ["", heading, wrapper.fill(text[:1].upper() + text[1:])]
    if module.SCENARIO:
        lines += ["", "Try it", f"{INDENT}capnet scenario {module.SCENARIO} --lab"]
    return "\n".join(lines) + "\n"
