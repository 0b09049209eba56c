"""`capnet scenario fault`: real faults, each a network that works until one line breaks it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capnet import language

if TYPE_CHECKING:
    from capnet.scenario.faults.library import Fault
    from capnet.scenario.faults.play import Played

_OPTIONS = (
    click.option("--lab", is_flag=True, help="Make the network on this machine; needed: a fault breaks it."),
    click.option(
        "-o",
        "--output",
        metavar="DIR|FILE.pcapng",
        type=click.Path(path_type=Path),
        default=Path("captures"),
        show_default=True,
        help="Where NAME.pcapng, NAME.healthy.pcapng and their topologies go; FILE.healthy.pcapng beside FILE.pcapng.",
    ),
    click.option(
        "--why", is_flag=True, help="Ask the kernels which rule decides about each packet, and why they drop it."
    ),
)


class _Faults(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        from capnet.scenario.faults import library

        return ["list", "all", *library.files()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from capnet.scenario.faults import library

        files = library.files()
        return _command(cmd_name, files[cmd_name]) if cmd_name in files else super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The fault that is called; raises UsageError with similar names for one that there is not."""
        names = self.list_commands(ctx)
        if not ctx.resilient_parsing and not args[0].startswith("-") and args[0] not in names:
            from capnet.cli.similar_names import did_you_mean
            from capnet.errors import UsageError

            hint = did_you_mean(args[0], names, "`capnet scenario fault list` lists them")
            raise UsageError(f"there is no fault {args[0]!r}: {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from capnet.scenario.faults import library

        files = library.files()
        others = [name for name in self.list_commands(ctx) if name not in files]
        for heading, names in (("Commands", others), ("Faults", files)):
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl([(name, command.get_short_help_str()) for name, command in commands if command])


@click.group(cls=_Faults, name="fault", short_help="Break a network that works by one line, and name the fault.")
def group() -> None:
    """Break a network that works by one line, and name the fault.

    Each fault is a small network. Its traffic is sent twice: while the network works, and after the line that breaks
    it. capnet must name the fault in the second capture and find nothing wrong in the first one.

    Everything that a fault makes is removed again, also after Ctrl-C.
    """


@group.command("list", short_help="Print the faults, what breaks each and what it needs.")
def list_() -> None:
    """Print the faults: what breaks each, what it needs, and which finding names it."""
    from capnet.cli.output import UNWRAPPED, show, terminal_columns
    from capnet.cli.scenario_help import title
    from capnet.report.text import fill
    from capnet.scenario.faults import library

    lines = []
    for name, path in library.files().items():
        fault = library.load(name)
        text = language.message(f"{name}\n    {title(name, path)}\n    breaks by  {fault.breaks}")
        text += "\n" + language.message(f"    named by   {fault.finding}\n    needs      {fault.needs}")
        for line in text.splitlines():
            hanging = " " * (15 if "  " in line.strip() else 4)  # below the value, below the title
            lines += fill(line, terminal_columns() or UNWRAPPED, hanging=hanging)
    show("\n".join(lines) + "\n", is_paged=True)


def _options(function: Any) -> Any:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def _command(name: str, path: Path) -> click.Command:
    """The command that plays the fault `name`, whose file is `path`."""
    import ast

    from capnet.cli.scenario_help import ScenarioCommand, title

    @_options
    def run(lab: bool, output: Path, why: bool) -> None:
        _check(lab)
        from capnet.cli.scenario_hosts import say
        from capnet.errors import ScenarioFailed
        from capnet.scenario.faults import library
        from capnet.scenario.faults.verdict import judge

        fault = library.load(name)
        played = _play(fault, output, say, why)
        _report(played)
        verdict = judge(fault, played)
        if not verdict.is_ok:
            raise ScenarioFailed(f"{name}: {'; '.join(verdict.wrong)} (see {played.broken}, {played.healthy})")
        say(f"{fault.finding} is told of the broken network, and nothing above info of the healthy one")

    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return click.command(name, cls=ScenarioCommand, help=docstring, short_help=title(name, path))(run)


@group.command("all", short_help="Play all faults, one after the other.")
@_options
def all_(lab: bool, output: Path, why: bool) -> int:
    """Play all faults, one after the other; ends with one table.

    Exit code: 1 if one of them is not named, or is reported for the healthy network; 4 if one cannot be played here.
    """
    from capnet.errors import UsageError

    if output.suffix == ".pcapng" or output.is_file():
        raise UsageError(f"--output {output}: all faults are many captures; name a folder")
    _check(lab)
    from capnet.cli.scenario_fault_all import Plays
    from capnet.scenario.faults import library

    faults = sorted((library.load(name) for name in library.files()), key=lambda fault: fault.needs_dockerd)
    first_with_dockerd = next((fault for fault in faults if fault.needs_dockerd), None)
    plays = Plays()
    with ExitStack() as stack:
        for fault in faults:
            if fault is first_with_dockerd:
                _open_lab(stack)
            plays.add(fault, lambda fault, say: _play(fault, output, say, why))
    click.echo(plays.table())
    return plays.code()


def _check(lab: bool) -> None:
    from capnet.errors import UsageError
    from capnet.lab import requirements

    if not lab:
        raise UsageError("a fault breaks a network, so it is played on one that is made for it: add --lab")
    requirements.root()


def _play(fault: Fault, output: Path, say: Callable[[str], None], why: bool) -> Played:
    if not fault.needs_dockerd:
        from capnet.scenario.faults.play import play

        return play(fault, output, say, why=why)
    from capnet.cli.scenario_hosts import the_lab
    from capnet.lab.scenario_runner import play_fault

    with the_lab(None, None, "native") as running_lab:  # the one that runs, if one does
        return play_fault(running_lab, fault, output=output, say=say, why=why)


def _open_lab(stack: ExitStack) -> None:
    """A lab that runs until the stack is closed, so that not every fault makes its own. What it lacks, a play says."""
    from capnet.cli.scenario_hosts import the_lab
    from capnet.errors import CapnetError

    with suppress(CapnetError):
        stack.enter_context(the_lab(None, None, "native"))


def _report(played: Played) -> None:
    """Prints the report on the broken network."""
    from capnet.cli.scenario_run import report

    report(played.broken)
