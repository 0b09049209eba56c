"""The Docker hosts of a scenario: the options that name them, and opening them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from capnet import language

if TYPE_CHECKING:
    from capnet.record.remote.docker_host import DockerHost

_HOST_HELP = (
    "Docker host A: unix:///path, ssh://user@host or tcp://host:port. Default: Docker's own environment and context."
)


def hosts_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a command with --lab, --host and --peer."""
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


@contextmanager
def the_lab(
    host: str | None, peer: str | None, kernel: str = "auto", needed: tuple[str, ...] = (), *, keep: bool = False
) -> Iterator[Any]:
    """The lab, with a kernel that has what is needed. A lab that is started here is removed, unless `keep`."""
    from capnet.errors import UsageError
    from capnet.interrupts import Interruptible
    from capnet.lab import lab
    from capnet.lab.addressing import HostKernel

    if host or peer:
        raise UsageError("--lab brings its own hosts: leave --host and --peer out")
    with Interruptible():
        chosen = lab.kernel_for(needed, say) if kernel == "auto" else HostKernel(kernel)
        if keep:
            yield lab.up(say, chosen)
        else:
            with lab.running(say, chosen) as running_lab:
                yield running_lab


def check_kernel(name: str, host: DockerHost) -> None:
    """EnvironmentLacks when the kernel of the user's own host lacks what the scenario needs."""
    from capnet.errors import EnvironmentLacks
    from capnet.record.find.kernel_features import missing_features
    from capnet.scenario import library

    needed = library.kernel_needs(name)
    if host.shell is not None and (missing := missing_features(needed, host.shell)):
        raise EnvironmentLacks(
            f"the kernel of host {host.name} ({host.kernel}) lacks {', '.join(missing)}, which {name} needs: load the "
            f"modules, or play it in a lab with another kernel: capnet scenario {name} --lab --kernel uml"
        )


def tell_settings(name: str) -> None:
    """Says which settings of daemon.json the scenario needs, on the user's own host; Docker's API does not."""
    import json

    from capnet.scenario import library

    for key, value in library.daemon_settings(name).items():
        say(f"{name} is about a daemon with {key}={json.dumps(value)}; capnet sets that in a lab only (--lab)")


@contextmanager
def open_hosts(lab: bool, host: str | None, peer: str | None) -> Iterator[list[Any]]:
    """The Docker hosts that the options name: one or two."""
    from capnet.errors import EnvironmentLacks, UsageError
    from capnet.interrupts import Interruptible
    from capnet.record.remote.docker_host import NoDaemonAnswers, connect

    with Interruptible(), ExitStack() as stack:
        if lab:
            running_lab = stack.enter_context(the_lab(host, peer))
            hosts = [connect(each.docker_url, name=each.name) for each in running_lab.hosts.values()]
        else:
            try:
                hosts = [connect(host, say=say)]
            except NoDaemonAnswers as error:
                raise EnvironmentLacks(f"{error}; --lab brings its own hosts") from error
            if peer:
                hosts.append(connect(peer, say=say))
                if hosts[1].url == hosts[0].url:
                    raise UsageError(f"--peer {hosts[1].shown_url} is the first host itself")
                if hosts[1].name == hosts[0].name:  # points are told apart by their host's name
                    hosts[1].name += "-2"
        for opened in hosts:
            stack.callback(opened.close)
        yield hosts


def say(line: str) -> None:
    """Prints a line of progress; where the terminal is gone (SIGHUP), what goes on needs no reader."""
    with suppress(OSError):
        click.echo(language.message(line), err=True)
