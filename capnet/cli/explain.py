"""`capnet explain`: the manual page of a finding, or the card of a container."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.cli import completions
from capnet.errors import Exit, UsageError

if TYPE_CHECKING:
    from types import ModuleType

INDENT = "  "


@click.command("explain", short_help="What a finding means; or all that is known of a container.")
@click.argument("name", required=False, metavar="[FINDING | CONTAINER FILES...]", shell_complete=completions.findings)
@click.argument("files", nargs=-1, metavar="")
def command(name: str | None, files: tuple[str, ...]) -> int:
    """Print the manual page of FINDING, the card of CONTAINER in captures, or the list of all findings.

    A page says what the finding looks at and says, when it is wrong, what to do, and which commands on the host show
    that it is so. A card says where a container fails, who reaches it at which port, whom it reaches, as whom it
    appears to others, and which names it asks for. CONTAINER is a name or an address.

    \b
    capnet explain stops-between
    capnet explain web saved.pcapng
    """
    from capnet.cli.output import emit, report_columns

    if name is not None and files:
        emit(_card(name, files, report_columns()))
        return Exit.OK
    from capnet.analysis.findings import finding_modules

    modules = {module.NAME: module for module in finding_modules()}
    if name is None:
        text = _list(list(modules.values()), report_columns())
    elif name in modules:
        text = _page(modules[name], report_columns())
    else:
        similar = get_close_matches(name, modules, 3)
        hint = f"did you mean {' or '.join(similar)}?" if similar else "`capnet explain` lists them"
        raise UsageError(f"there is no finding {name!r}: {hint}; of a container, name the capture too")
    emit(text)
    return Exit.OK


def _card(name: str, files: tuple[str, ...], columns: int) -> str:
    from capnet.analysis.engine import analyze
    from capnet.cli.inputs import named_sources, problems_of, tell_problems
    from capnet.report.card.card import card
    from capnet.report.card.text import render
    from capnet.report.text import listing

    report = analyze(list(named_sources(files)))
    tell_problems(problems_of(report.inputs))
    document = report.to_dict()
    made = card(document, name)
    if made is None:
        names = list(dict.fromkeys(document["names"].values()))
        hint = f"nearest: {', '.join(similar)}" if (similar := get_close_matches(name, names, 3)) else listing(names, 8)
        raise UsageError(f"no station is called {name} in these captures" + (f"; {hint}" if hint else ""))
    return render(made, columns)


def _list(modules: list[ModuleType], columns: int) -> str:
    from capnet.report.manual import manual
    from capnet.report.text import fill

    width = max(len(module.NAME) for module in modules) + len(INDENT)
    lines = []
    for module in modules:
        levels = language.pick("({})", "（{}）").format(
            language.pick(", ", "、").join(map(language.term, module.LEVELS))
        )
        text = manual(module).title.rstrip(".。") + language.pick(" ", "") + levels
        lines += fill(f"{module.NAME:{width}}{text}", columns, hanging=" " * width)
    return "\n".join(lines) + "\n"


def _page(module: ModuleType, columns: int) -> str:
    from capnet.report.manual import manual
    from capnet.report.text import fill

    page = manual(module)
    levels = language.pick(", ", "、").join(map(language.term, module.LEVELS))
    lines = [*fill(language.labelled(page.name, page.title), columns), INDENT + language.labelled("level", levels)]
    for heading, text in page.sections.items():
        lines += ["", heading, *fill(text[:1].upper() + text[1:], columns, INDENT)]
    if module.SCENARIO:
        lines += ["", language.term("Try it"), f"{INDENT}capnet scenario {module.SCENARIO} --lab"]
    return "\n".join(lines) + "\n"
