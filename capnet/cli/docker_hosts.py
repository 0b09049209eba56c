"""The running hosts that a command is about: `--host [NAME=]URL`, several times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from capnet import language

if TYPE_CHECKING:
    from capnet.record.remote.docker_host import DockerHost
    from capnet.record.remote.nodes.reached_host import ReachedHost

    AnyHost = TypeVar("AnyHost", bound=ReachedHost)

hosts_option = click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="[NAME=]URL",
    help="Docker host: unix:///path, ssh://user@host or tcp://host:port (repeatable). "
    "Default: Docker's own environment and context.",
)

no_container_option = click.option(
    "--no-container",
    is_flag=True,
    help="Without root: start no container that looks, and show what Docker and bridges tell every user.",
)


@contextmanager
def open_docker_hosts(given: Sequence[str]) -> Iterator[list[DockerHost]]:
    """The Docker hosts that --host names, else Docker's default; closed when the block ends.

    A host is called NAME, else what its daemon says; a name that an earlier one has gets a number.
    Raises UsageError for what is no host, EnvironmentLacks where no daemon answers.
    """
    from capnet.record.remote.docker_host import connect

    with ExitStack() as stack:
        yield _opened(given, stack, lambda url, name: connect(url, name=name, say=_say))


@contextmanager
def open_hosts(given: Sequence[str], *, may_start: bool = True) -> Iterator[list[ReachedHost]]:
    """As `open_docker_hosts`; where no daemon answers, the machine itself, if containerd or CRI-O run containers.

    `may_start`: without root, a capture container may be started.
    """
    from capnet.record.find.runtimes.host_access import reach

    with ExitStack() as stack:
        yield _opened(given, stack, lambda url, name: reach(url, name=name, say=_say, may_start=may_start))


def _opened(
    given: Sequence[str], stack: ExitStack, connect: Callable[[str | None, str | None], AnyHost]
) -> list[AnyHost]:
    """The hosts, each closed with the stack; `connect` is given URL and name."""
    from capnet.errors import UsageError
    from capnet.record.remote.docker_urls import shown_url

    hosts: list[AnyHost] = []
    for text in given or ("",):
        name, url = _split(text)
        host = connect(url or None, name)
        stack.callback(host.close)
        if any(other.url == host.url for other in hosts):
            raise UsageError(f"--host {shown_url(url)} is given twice")
        names = {other.name for other in hosts}
        if name in names:
            raise UsageError(f"--host {name}=… is given twice: call each host otherwise")
        if host.name in names:  # cloned machines: points are told apart by their host's name
            host.name = next(
                candidate for number in range(2, 99) if (candidate := f"{host.name}-{number}") not in names
            )
        hosts.append(host)
    return hosts


@contextmanager
def open_swarm(hosts: list[DockerHost], network: str | None) -> Iterator[list[DockerHost]]:
    """All hosts of the swarm that the one host manages, while the block runs; the hosts as they are without a network.

    Raises UsageError for several hosts, one that is no manager, or a network that it does not have; EnvironmentLacks.
    """
    if network is None:
        yield hosts
        return
    from capnet.errors import UsageError
    from capnet.record.remote.swarm import swarm_hosts

    if len(hosts) > 1:
        raise UsageError("--swarm finds the other hosts itself: name one --host, a manager")
    with swarm_hosts(hosts[0], network, _say) as nodes:
        yield nodes


def _split(text: str) -> tuple[str | None, str]:
    """`NAME=URL` → (NAME, URL); what has `://` before the first `=` is a URL alone."""
    from capnet.errors import UsageError
    from capnet.record.remote.docker_urls import shown_url

    name, equals, url = text.partition("=")
    if not equals or "://" in name:
        return None, text
    if not name or not url:
        raise UsageError(f"--host {shown_url(text)}: write NAME=URL, both of them")
    return name, url


def _say(line: str) -> None:
    from capnet.cli.error_lines import print_error
    from capnet.report.escape import visible

    print_error(visible(language.message(line)))
