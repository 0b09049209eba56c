"""`capnet scenario`: its commands, one per scenario file beside `list`, `all`, `clean`, `new` and `fault`."""

from __future__ import annotations

import click

from capnet import language
from capnet.cli.scenario_help import title
from capnet.cli.scenario_hosts import hosts_options, open_hosts, say


class _Scenarios(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        from capnet.scenario import library

        return ["list", "all", "clean", "new", "fault", *library.files()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from capnet.scenario import library

        if cmd_name == "all":
            from capnet.cli import scenario_all

            return scenario_all.command
        if cmd_name == "fault":
            from capnet.cli import scenario_fault

            return scenario_fault.group
        files = library.files()
        if cmd_name in files:
            from capnet.cli.scenario_run import run_command

            return run_command(cmd_name, files[cmd_name])
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The scenario that is called; raises UsageError with similar names for one that there is not."""
        names = self.list_commands(ctx)
        if not ctx.resilient_parsing and not args[0].startswith("-") and args[0] not in names:
            from capnet.cli.similar_names import did_you_mean
            from capnet.errors import UsageError
            from capnet.scenario import library

            faults = library.files("faults")
            names = [f"fault {args[0]}"] if args[0] in faults else [*names, *(f"fault {name}" for name in faults)]
            hint = did_you_mean(args[0], names, "`capnet scenario list` lists them")
            raise UsageError(f"there is no scenario {args[0]!r}: {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from capnet.scenario import library

        files = library.files()
        others = [name for name in self.list_commands(ctx) if name not in files]
        for heading, names in (("Commands", others), ("Scenarios", files)):
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl([(name, command.get_short_help_str()) for name, command in commands if command])


@click.group(cls=_Scenarios, name="scenario", short_help="Build a Docker network, send through it, capture, explain.")
def command() -> None:
    """Build a Docker network, send through it, capture, explain.

    Everything that a scenario makes is removed again, also after Ctrl-C.
    """


@command.command("list", short_help="Print the scenarios, and below them the faults.")
def list_() -> None:
    """Print the scenarios, and below them the faults."""
    from capnet.cli.output import UNWRAPPED, show, terminal_columns
    from capnet.report.text import fill
    from capnet.scenario import library

    lines = []
    faults = library.files("faults")
    for heading, files in (
        ([], library.files()),
        (["", language.pick("Faults: capnet scenario fault NAME", "故障：capnet scenario fault NAME")], faults),
    ):
        lines += heading
        widest = max(map(len, files), default=0)
        for name, path in files.items():
            line = f"{name:{widest}}  {title(name, path)}"
            lines += fill(line, terminal_columns() or UNWRAPPED, hanging=" " * (widest + 2))
    show("\n".join(lines) + "\n", is_paged=True)


@command.command("clean", short_help="Remove what killed runs, or runs with --keep, left behind.")
@hosts_options
@click.option(
    "--all", "everything", is_flag=True, help="Also what another machine's runs made, which may still be running."
)
def clean(lab: bool, host: str | None, peer: str | None, everything: bool) -> None:
    """Remove what killed runs, or runs with --keep, left behind."""
    from capnet.scenario.docker import run_labels
    from capnet.scenario.undo import docker_errors

    if lab and _lab_in_uml():
        from capnet.lab.addressing import chosen
        from capnet.lab.uml import inner

        raise SystemExit(inner.clean(chosen().folder, click.echo, everything=everything))
    with open_hosts(lab, host, peer) as hosts, docker_errors():
        gone = run_labels.sweep(hosts, say, kept=True, unknown=everything)
    for line in gone:
        click.echo(language.message(f"removed {line}"))
    if not gone:
        click.echo(language.message("nothing was left"))


@command.command("new", short_help="Write the file of a new scenario, to be edited.")
@click.argument("name")
def new(name: str) -> None:
    """Write the file of a new scenario, to be edited.

    It is scenarios/NAME.py of a checkout of capnet, and runs as it is. An existing file is never overwritten.
    """
    from capnet.scenario import library, skeleton

    path = skeleton.write_skeleton(name, library.checkout())
    click.echo(language.message(f"wrote {path}"))
    click.echo(skeleton.NEXT_STEPS.format(path=path, name=name, neighbour=skeleton.NEIGHBOUR), nl=False)


def _lab_in_uml() -> bool:
    from capnet.lab import lab
    from capnet.lab.addressing import HostKernel

    return lab.is_up() and lab.current().kernel is HostKernel.UML
