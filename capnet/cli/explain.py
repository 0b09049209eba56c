"""`capnet explain`: the manual page of a finding or a network model, or the card of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.cli import completions
from capnet.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from capnet.scenario.faults.library import Fault

INDENT = "  "


@click.command("explain", short_help="What a finding or a network model is; or all about a container.")
@click.argument(
    "name",
    required=False,
    metavar="[FINDING | MODEL | FAULT | CONTAINER FILES...]",
    shell_complete=completions.explained,
)
@click.argument("files", nargs=-1, metavar="")
def command(name: str | None, files: tuple[str, ...]) -> int:
    """Print the manual page of FINDING or MODEL, the card of CONTAINER in captures, or the list of all findings.

    MODEL is a network model, as the title of a report names it: bridge, overlay, ptp and others. FAULT is one that
    `capnet scenario fault list` prints: its page is that of the finding that names it.

    A page says what the finding looks at and says, when it is wrong, what to do, and which commands on the host show
    that it is so. A card says where a container fails, who reaches it at which port, whom it reaches, as whom it
    appears to others, which names it asks for, and what ICMP says of its MTU. CONTAINER is a name or an address.

    \b
    capnet explain stops-between
    capnet explain bridge
    capnet explain web saved.pcapng
    """
    from capnet.cli.output import report_columns, show

    if name is not None and files:
        show(_card(name, files, report_columns()), is_paged=True)
        return Exit.OK
    from capnet.analysis.findings import finding_modules
    from capnet.report.models.pages import MODEL_PAGES

    modules = {module.NAME: module for module in finding_modules()}
    if name is None:
        text = _list(list(modules.values()), report_columns())
    elif name in modules:
        text = _page(modules[name], report_columns())
    elif name in MODEL_PAGES:
        text = _model_page(name, modules, report_columns())
    elif fault := _fault(name):
        text = _fault_lines(fault, report_columns()) + "\n" + _page(modules[fault.finding], report_columns())
    else:
        raise UsageError(f"there is no finding {name!r}: {_hint(name, modules)}")
    show(text, is_paged=True)
    return Exit.OK


def _fault(name: str) -> Fault | None:
    from capnet.scenario.faults import library

    return library.load(name) if name in library.files() else None


def _hint(name: str, modules: Iterable[str]) -> str:
    """What may have been meant: a scenario, a finding or fault that is written alike, or a container."""
    from capnet.cli.similar_names import did_you_mean
    from capnet.report.models.pages import MODEL_PAGES
    from capnet.scenario import library

    if name in library.files():
        return f"it is a scenario; see `capnet scenario {name} --help`"
    container = f"for a container, add its capture: capnet explain {name} FILE"
    return did_you_mean(name, [*modules, *MODEL_PAGES, *library.files("faults")], container)


def _fault_lines(fault: Fault, columns: int) -> str:
    """What the fault is, and how to see it."""
    from capnet.cli.scenario_help import title
    from capnet.report.text import fill
    from capnet.scenario.faults import library

    what = title(fault.name, library.files()[fault.name])
    lines = language.message(f"{fault.name}\n    {what}\n    breaks by  {fault.breaks}").splitlines()
    lines += language.message(f"    named by   {fault.finding}\n    needs      {fault.needs}").splitlines()
    return "\n".join(row for line in lines for row in fill(line, columns, hanging=" " * 15)) + "\n"


def _card(name: str, files: tuple[str, ...], columns: int) -> str:
    from capnet.analysis.engine import study
    from capnet.analysis.filters.names import of_compose_service
    from capnet.cli.inputs import named_sources, problems_of, tell_problems
    from capnet.report.card.card import card
    from capnet.report.card.text import render
    from capnet.report.text import listing

    result = study(list(named_sources(files)))
    tell_problems(problems_of(result.report.inputs))
    document = result.report.to_dict()
    owners = {container.name for container, _ in of_compose_service(result.context.topology, name)}
    made = card(document, name) or (card(document, *owners) if len(owners) == 1 else None)
    if made is None:
        from capnet.analysis.findings import finding_modules
        from capnet.cli.similar_names import did_you_mean

        if name in (module.NAME for module in finding_modules()):
            raise UsageError(f"{name} is a finding: for its page, leave out the captures")
        names = sorted(dict.fromkeys(document["names"].values()), key=lambda name: "/" in name)  # no bridges first
        if owners:
            hint = f"it is the Compose service of {listing(sorted(owners), 8)}"
        else:
            hint = did_you_mean(name, names, f"they name {listing(names, 8)}" if names else "")
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


def _named(name: str, title: str) -> str:
    """Names are those that commands take, in each language: `duplicate-ip: …`."""
    return name + language.pick(": ", "：") + title


def _page(module: ModuleType, columns: int) -> str:
    from capnet.report.manual import ITEM, manual
    from capnet.report.text import fill

    page = manual(module)
    levels = language.pick(", ", "、").join(map(language.term, module.LEVELS))
    lines = [*fill(_named(page.name, page.title), columns), INDENT + language.labelled("level", levels)]
    for heading, (first, *others) in page.sections.items():
        lines += ["", heading]
        for block in (first[:1].upper() + first[1:], *others):
            lines += fill(block, columns, INDENT, INDENT + " " * len(ITEM) if block.startswith(ITEM) else None)
    from capnet.scenario.faults.library import faults_named_by

    own = [module.SCENARIO] if module.SCENARIO else []
    faults = [f"fault {name}" for name in faults_named_by(module.NAME)]
    if shown := list(dict.fromkeys(own + faults)):
        lines += ["", language.term("Try it"), *(f"{INDENT}capnet scenario {name} --lab" for name in shown)]
    return "\n".join(lines) + "\n"


def _model_page(name: str, modules: Mapping[str, ModuleType], columns: int) -> str:
    from capnet.learn.lessons import NAMES
    from capnet.report.manual import ITEM, manual
    from capnet.report.models import pages
    from capnet.report.text import fill
    from capnet.scenario import library

    page = pages.MODEL_PAGES[name]
    failures = [_named(failure, manual(modules[failure]).title) for failure in page.failures]
    sections = {
        pages.WIRING: [page.wiring.fill()],
        pages.PACKETS: [ITEM + text.fill() for text in page.packets],
        pages.USED_BY: [page.used_by.fill()],
        pages.FAILURES: [ITEM + failure for failure in failures],
    }
    lines = fill(_named(name, page.title.fill()), columns)
    for heading, blocks in sections.items():
        lines += ["", heading.fill()]
        for block in blocks:
            lines += fill(block, columns, INDENT, INDENT + " " * len(ITEM) if block.startswith(ITEM) else None)
    scenario = name if name in library.files() else f"cni-{name}"
    commands = [*([f"learn {name}"] if name in NAMES else []), f"scenario {scenario} --lab"]
    lines += ["", language.term("Try it"), *(f"{INDENT}capnet {words}" for words in commands)]
    return "\n".join(lines) + "\n"
