"""Options of `capnet capture`, and what they allow together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from capnet.cli.docker_hosts import hosts_option
from capnet.cli.options import buffer_option
from capnet.errors import UsageError
from capnet.quick_tuple import NamedTuple

_UNITS = {"s": 1, "m": 60, "h": 3600}
MAX_SNAPLEN = 262144


class Seconds(click.ParamType):
    """A length of time in seconds: 90, 90s, 5m, 2h."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds; a click.BadParameter for what is none."""
        text = str(value)
        digits, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
        try:
            seconds = float(digits) * _UNITS[unit]
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 1e9:
            self.fail(f"{text!r} is no length of time: 90, 90s, 5m, 2h", param, ctx)
        return seconds


class Given(NamedTuple):
    """What the command line gives."""

    words: tuple[str, ...]
    networks: tuple[str, ...]
    projects: tuple[str, ...]
    services: tuple[str, ...]
    interfaces: tuple[str, ...]
    everything: bool
    swarm: str | None
    capture_filter: str | None
    leaves_modes: bool
    target: str | None
    packets: int | None
    snaplen: int
    buffer_mib: int
    seconds: float | None
    file_size: int | None
    file_count: int | None
    wants_report: bool
    why: bool
    hosts: tuple[str, ...]


_AIM_OPTIONS = (
    click.option("--network", "networks", multiple=True, metavar="NAME", help="Containers on this Docker network."),
    click.option("--project", "projects", multiple=True, metavar="NAME", help="Containers of this Compose project."),
    click.option(
        "--service", "services", multiple=True, metavar="NAME",
        help="Containers of this service (Compose, swarm)."
    ),
    click.option(
        "-i", "--interface", "interfaces", multiple=True, metavar="IFACE",
        help="This interface of the host, or any; works without Docker too.",
    ),
    click.option("--all", "everything", is_flag=True, help="All running containers."),
    click.option(
        "--swarm", metavar="NETWORK",
        help="Containers on this overlay network, on all nodes of the swarm that --host manages.",
    ),
    click.option(
        "-f", "--filter", "capture_filter", metavar="FILTER", help="Capture only what this pcap-filter lets pass."
    ),
    click.option(
        "-p", "--no-promiscuous-mode", "leaves_modes", is_flag=True,
        help="Put no interface into promiscuous mode, which hides faults of macvlan and virtual switches.",
    ),
)  # fmt: skip
_KEEP_OPTIONS = (
    click.option(
        "-w", "-o", "--write", "target", metavar="FILE|-",
        help="Where the packets go; - is standard output, with no rules and counters beside it. "
        "Default: a file in the current folder, named by the time.",
    ),
    click.option(
        "-c", "--count", "packets", type=click.IntRange(min=1), metavar="N",
        help="End after N packets of all points together."
    ),
    click.option(
        "-s", "--snaplen", type=click.IntRange(0, MAX_SNAPLEN), metavar="N", default=MAX_SNAPLEN,
        help="Keep at most N bytes of each packet. Default: all.",
    ),
    buffer_option,
    click.option("--duration", "seconds", type=Seconds(), metavar="TIME", help="End after 90, 90s, 5m, 2h."),
    click.option(
        "-C", "file_size", type=click.IntRange(min=1), metavar="N",
        help="Begin another file after N million bytes: NAME_00001_TIME.pcapng, …",
    ),
    click.option("-W", "file_count", type=click.IntRange(min=1), metavar="N", help="With -C: keep the newest N files."),
    click.option(
        "--report", "wants_report", is_flag=True,
        help="When it ends, print what `capnet analyze` says of the file, of a ring its newest.",
    ),
    click.option(
        "--why", is_flag=True, help="Ask the kernels which rule decides about each packet, and why they drop it."
    ),
)  # fmt: skip


def capture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates the command with its options; the function gets them as keywords."""
    for option in reversed((*_AIM_OPTIONS, *_KEEP_OPTIONS, hosts_option)):
        function = option(function)
    return function


def aim_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a command with the options that say what is captured, and nothing of where it goes."""
    for option in reversed((*_AIM_OPTIONS, hosts_option)):
        function = option(function)
    return function


def aimed(words: tuple[str, ...], **aim: Any) -> Given:
    """What `aim_options` gave, with nothing kept."""
    return Given(
        words=words, target=None, packets=None, snaplen=MAX_SNAPLEN, buffer_mib=64, seconds=None, file_size=None,
        file_count=None,
        wants_report=False, why=False, **aim,
    )  # fmt: skip


def check(given: Given) -> None:
    """UsageError for options that make no sense together."""
    if given.file_count and not given.file_size:
        raise UsageError("-W keeps the newest files of a ring: say with -C how large one is")
    if given.target == "-" and given.file_size:
        raise UsageError("-C makes several files, and -w - is one stream")
    if given.target == "-" and given.wants_report:
        raise UsageError("--report reads the file when it is whole; pipe a stream: … -w - | capnet analyze -")
    if given.why and (given.target == "-" or given.file_size):
        raise UsageError("--why writes what the kernels say beside one file; leave out -w - and -C")
    if given.target == "":
        raise UsageError("-w needs the name of a file, or -")
