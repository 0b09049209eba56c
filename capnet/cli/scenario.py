"""`capnet scenario`: list the scenarios, play one, remove what dead runs left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

_HOST_HELP = (
    "Docker host A: unix:///path, ssh://user@host or tcp://host:port. Default: Docker's own environment and context."
)


class _Scenarios(click.Group):
    """One command per scenario file, beside `list`, `all` and `clean`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from capnet.scenario import library

        return ["list", "all", "clean", *library.files()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from capnet.scenario import library

        if cmd_name == "all":
            from capnet.cli.scenario_all import command as all_

            return all_
        known = library.files()
        if cmd_name in known:
            return _play_command(cmd_name, known[cmd_name])
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from capnet.scenario import library

        known = library.files()
        others = [name for name in self.list_commands(ctx) if name not in known]
        for heading, names in (("Commands", others), ("Scenarios", known)):
            found = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl([(name, each.get_short_help_str()) for name, each in found if each])


@click.group(cls=_Scenarios, name="scenario", short_help="Build a Docker network, send through it, capture, explain.")
def command() -> None:
    """Build a Docker network, send through it, capture, explain.

    Everything that a scenario makes is removed again, also after Ctrl-C.
    """


@command.command("list")
def list_() -> None:
    """Print the scenarios."""
    from capnet.scenario import library

    files = library.files()
    widest = max(map(len, files), default=0)
    for name, path in files.items():
        click.echo(f"{name:{widest}}  {_title(name, path)}")


def hosts_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--peer", metavar="URL", help="Docker host B, where a scenario needs two."),
        click.option("--host", metavar="URL", help=_HOST_HELP),
        click.option(
            "--lab",
            is_flag=True,
            help="Two Docker hosts made on this machine; removed afterwards unless `capnet lab up` made them.",
        ),
    ):
        function = option(function)
    return function


kernel_option = click.option(
    "--kernel",
    type=click.Choice(["native", "uml", "auto"]),
    default="auto",
    show_default=True,
    help="With --lab: this machine's kernel, or User-Mode Linux. auto: the first if it has what is needed.",
)


@command.command("clean", short_help="Remove what killed runs, or runs with --keep, left behind.")
@hosts_options
@click.option(
    "--all", "everything", is_flag=True, help="Also what another machine's runs made, which may still be running."
)
def clean(lab: bool, host: str | None, peer: str | None, everything: bool) -> None:
    """Remove what killed runs, or runs with --keep, left behind."""
    from capnet.scenario import runs
    from capnet.scenario.undo import docker_errors

    if lab and _lab_in_uml():
        from capnet.lab.plan import chosen
        from capnet.lab.uml import inner

        raise SystemExit(inner.clean(chosen().folder, click.echo, everything=everything))
    with open_hosts(lab, host, peer) as hosts, docker_errors():
        gone = runs.sweep(hosts, kept=True, unknown=everything)
    for line in gone:
        click.echo(f"removed {line}")
    if not gone:
        click.echo("nothing was left")


def _play_command(name: str, path: Path) -> click.Command:
    from capnet.cli.scenario_help import ScenarioCommand
    from capnet.scenario import library

    @click.command(name, cls=ScenarioCommand, help=_docstring(path), short_help=_title(name, path))
    @hosts_options
    @click.option(
        "--capture",
        metavar="IFACE",
        multiple=True,
        help="Listen only at this interface of every host, such as ens33 (repeatable). "
        "Default: all of the scenario's points.",
    )
    @click.option(
        "--image", default="busybox", show_default=True, help="Image of the containers; must have busybox's tools."
    )
    @click.option(
        "--keep", is_flag=True, help="Leave containers and networks in place; `capnet scenario clean` removes them."
    )
    @click.option(
        "-o",
        "--output",
        metavar="DIR|FILE.pcapng",
        type=click.Path(path_type=Path),
        default=Path("captures"),
        show_default=True,
        help="Where the capture goes; its topology is written beside it.",
    )
    @kernel_option
    def play(
        lab: bool,
        host: str | None,
        peer: str | None,
        capture: tuple[str, ...],
        image: str,
        keep: bool,
        output: Path,
        kernel: str,
    ) -> None:
        from capnet.errors import UsageError
        from capnet.scenario.play import bundle_path

        bundle_path(output, name)  # that it cannot be written is said now, not when all has been played
        needed = library.kernel_needs(name)
        options: dict[str, Any] = {"output": output, "capture": capture, "image": image, "keep": keep, "say": say}
        if lab:
            from capnet.lab.play import play as play_in_lab

            with the_lab(host, peer, kernel, needed, keep=keep) as made:
                written = play_in_lab(made, name, **options)
            whole = not capture
        else:
            from capnet.scenario.play import play

            if kernel != "auto":
                raise UsageError("--kernel is about the lab: use it with --lab")
            if library.load(name).NEEDS_PEER and not peer:
                raise library.second_host_missing(name)
            with open_hosts(lab, host, peer) as hosts:
                check_kernel(name, hosts[0])
                tell_settings(name)
                written = play(name, hosts, **options)
                whole = not capture and all(each.shell for each in hosts)
        _report(written)
        _check(name, written, whole=whole)

    return play


def _check(name: str, path: Path, *, whole: bool) -> None:
    """ScenarioFailed, naming each claim that the packets do not bear out; the capture stays."""
    from capnet.errors import ScenarioFailed
    from capnet.scenario import expect, library

    verdicts = expect.verify(library.load(name), path, whole=whole)
    if broken := [each for each in verdicts if each.true is False]:
        lines = "".join(f"\n  expected: {each.claim}; {each.found}" for each in broken)
        raise ScenarioFailed(f"{name}: its packets do not show what it claims (see {path}):{lines}")
    say(f"all {sum(each.true is True for each in verdicts)} expectations are met" + _unchecked(verdicts))


def _unchecked(verdicts: list[Any]) -> str:
    left_out = sum(each.true is None for each in verdicts)
    return f"; {left_out} more are about places where nobody listened" if left_out else ""


@contextmanager
def the_lab(
    host: str | None, peer: str | None, kernel: str = "auto", needed: tuple[str, ...] = (), *, keep: bool = False
) -> Iterator[Any]:
    """The lab, with a kernel that has what is needed. One that is started here goes, unless `keep`."""
    from capnet import lab as labs
    from capnet.errors import UsageError
    from capnet.scenario.interrupts import Interruptible

    if host or peer:
        raise UsageError("--lab brings its own hosts: leave --host and --peer out")
    with Interruptible():
        chosen = labs.kernel_for(needed, say) if kernel == "auto" else labs.Kernel(kernel)
        if keep:
            yield labs.up(say, chosen)
        else:
            with labs.running(say, chosen) as made:
                yield made


def _lab_in_uml() -> bool:
    from capnet import lab as labs

    return labs.is_up() and labs.current().kernel is labs.Kernel.UML


def check_kernel(name: str, host: Any) -> None:
    """EnvironmentLacks when the kernel of a person's own host surely lacks what the scenario needs."""
    from capnet.errors import EnvironmentLacks
    from capnet.record.kernel import lacking
    from capnet.scenario import library

    needed = library.kernel_needs(name)
    if host.shell is not None and (missing := lacking(needed, host.shell)):
        raise EnvironmentLacks(
            f"the kernel of host {host.name} ({host.kernel}) lacks {', '.join(missing)}, which {name} needs: load the "
            f"modules, or play it in a lab with another kernel: capnet scenario {name} --lab --kernel uml"
        )


def tell_settings(name: str) -> None:
    """Says what the scenario takes for granted of a daemon that is not the lab's: Docker's API does not tell it."""
    import json

    from capnet.scenario import library

    for key, value in library.daemon_settings(name).items():
        say(f"{name} is about a daemon with {key}={json.dumps(value)}; capnet sets that in a lab only (--lab)")


@contextmanager
def open_hosts(lab: bool, host: str | None, peer: str | None) -> Iterator[list[Any]]:
    """The Docker hosts that the options name: one or two."""
    from capnet.errors import UsageError
    from capnet.record.host import connect
    from capnet.scenario.interrupts import Interruptible

    with Interruptible(), ExitStack() as stack:
        if lab:
            made = stack.enter_context(the_lab(host, peer))
            hosts = [connect(each.docker_url, name=each.name) for each in made.hosts.values()]
        else:
            hosts = [connect(host)]
            if peer:
                hosts.append(connect(peer))
                if hosts[1].url == hosts[0].url:
                    raise UsageError(f"--peer {peer} is the first host itself")
                if hosts[1].name == hosts[0].name:  # points are told apart by their host's name
                    hosts[1].name += "-2"
        for each in hosts:
            stack.callback(each.close)
        yield hosts


def _report(path: Path) -> None:
    """Prints the report, and last the path of the capture."""
    from capnet.analysis.engine import analyze
    from capnet.cli.output import emit, report_columns
    from capnet.report.document import document
    from capnet.report.formats.table import render

    found = document(analyze([path]))
    where = {each["file"]: str(path) for each in found["inputs"]}
    if sys.stdout is not None:  # nobody is there to read, but the verdict is still the exit code
        emit(f"{render(found, report_columns(), where)}{path}\n")


def _title(name: str, path: Path) -> str:
    """What the scenario is, in a line: the first one of its docstring, without its name."""
    from capnet.scenario import library

    return library.summary(path).removeprefix(f"{name}:").strip()


def _docstring(path: Path) -> str:
    import ast

    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def say(line: str) -> None:
    click.echo(line, err=True)
