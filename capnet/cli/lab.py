"""`capnet lab`: two real Docker hosts on this one machine."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from capnet import language
from capnet.errors import Exit

_HOST = click.argument("host", type=click.Choice(["A", "B"]))


@click.group("lab", short_help="Two real Docker hosts on this one machine.")
def command() -> None:
    """Two real Docker hosts, A and B, on this one machine.

    \b
                 gateway 192.168.111.1 (no route out)
        ens33 ────────────┴──────────── ens33
        A 192.168.111.128               B 192.168.111.129

    Each has network, mount and UTS namespaces of its own, and a Docker daemon that does not see
    the machine's own Docker. Needs root. The state is kept in /run/capnet-lab, or in the folder
    that CAPNET_LAB_DIR names.

    With `--kernel uml` both hosts are inside User-Mode Linux, a second kernel that runs as a process,
    for what this machine's kernel lacks: ipvlan, IPVS, 802.1q, ESP, netem. The other commands work
    as with the native one.
    """


@command.command("up")
@click.option(
    "--kernel",
    type=click.Choice(["native", "uml", "auto"]),
    default="auto",
    show_default=True,
    help="This machine's kernel, or User-Mode Linux. auto: the kernel of the lab that is up, else the "
    "first if a lab can be made with it.",
)
def up(kernel: str) -> None:
    """Make the lab. Does nothing when it is up; repairs it when it is not whole."""
    from capnet.interrupts import Interruptible
    from capnet.lab import lab
    from capnet.lab.addressing import HostKernel

    with Interruptible():
        lab.up(_progress, lab.kernel_for((), _progress) if kernel == "auto" else HostKernel(kernel))


@command.command("down", short_help="Remove the lab, also what a killed daemon or a killed `up` left.")
@click.option("--force", is_flag=True, help="Also a lab that a scenario uses, without asking.")
def down(force: bool) -> None:
    """Remove the lab, also what a killed daemon or a killed `up` left.

    If a scenario uses the lab, capnet asks first; without a terminal it names the scenario and does nothing.
    """
    from capnet.lab import lab

    _progress("removed" if lab.down(_progress, _ignore if force else _ask) else "there is no lab")


@command.command("status")
def status_() -> int:
    """Show what each host does. Exit code 0: the lab is up, 1: it is down or not whole."""
    from tabulate import tabulate

    from capnet.lab import lab
    from capnet.lab.addressing import HostKernel
    from capnet.lab.host_status import host_status
    from capnet.lab.uml import client, inner, machine

    if lab.is_up() and (made := lab.current()).kernel is HostKernel.UML:
        up = f"kernel uml, {machine.release()}: a process with the hosts inside; reach them with capnet lab exec"
        click.echo(language.message(up))
        return client.become(made.folder, inner.capnet("lab", "status"))
    hosts = host_status()
    if hosts is None:
        click.echo(language.message("the lab is down"))
        return Exit.FINDING
    rows = [
        [
            status.host.name,
            status.host.address,
            f"{language.term('up')}, {status.version}" if status.version else language.term("down"),
            status.running_containers,
            status.swarm,
            status.host.docker_url,
        ]
        for status in hosts
    ]
    headers = [*map(language.term, ("host", "address", "Docker", "containers", "swarm")), "DOCKER_HOST"]
    click.echo(tabulate(rows, headers=headers, missingval="–"))
    if lab.is_up():
        return Exit.OK
    click.echo(language.message("the lab is not whole; `capnet lab up` repairs it"), err=True)
    return Exit.FINDING


@command.command(
    "exec",
    short_help="Run a command inside a host, and exit with its exit code.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@_HOST
@click.argument("words", metavar="CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(host: str, words: tuple[str, ...]) -> None:
    """Run a command inside a host, and exit with its exit code.

    DOCKER_HOST is set to the host's daemon: `capnet lab exec A docker ps` asks A.
    """
    _enter(host, list(words[1:] if words[0] == "--" and len(words) > 1 else words))


@command.command("shell")
@_HOST
def shell(host: str) -> None:
    """Open a shell ($SHELL) inside a host."""
    _enter(host, [os.environ.get("SHELL") or "/bin/sh"])


def _enter(name: str, words: list[str]) -> NoReturn:
    from capnet.lab import lab
    from capnet.lab.addressing import HostKernel
    from capnet.lab.netns import netns_exec
    from capnet.lab.uml import client, inner

    made = lab.current()
    if made.kernel is HostKernel.UML:
        sys.exit(client.become(made.folder, inner.capnet("lab", "exec", name, *words)))
    netns_exec.replace_this_process(made.hosts[name], words)


def _ignore(users: list[str]) -> None:
    """The scenario that uses the lab ends, with an error that says so."""


def _ask(users: list[str]) -> None:
    """UsageError, or an abort by the user, if the lab is to stay."""
    from capnet.errors import UsageError

    uses = f"{' and '.join(users)} use{'s' * (len(users) == 1)} the lab"
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(f"{uses}: wait until it has ended, or end it with `capnet lab down --force`")
    click.confirm(language.message(f"{uses}. Remove it all the same?"), abort=True, err=True)


def _progress(line: str) -> None:
    click.echo(f"lab: {language.message(line)}", err=True)
