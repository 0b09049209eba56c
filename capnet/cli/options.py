"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

topology = click.option(
    "--topology",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who owns which address. Default: NAME.topology.json beside NAME.pcapng, when it is there.",
)
witnesses = click.option(
    "--witnesses",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What the kernels say: rules, counters. Default: NAME.witnesses.json beside NAME.pcapng, when it is there.",
)
vxlan_port = click.option(
    "--vxlan-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="A UDP port that always is VXLAN; 4789 is, others are recognised by their contents.",
)


def format_(formats: Iterable[str]) -> Callable[..., Any]:
    """--format with these choices. None stands for what the name of the output says, or else the first of them."""
    choices = tuple(formats)
    return click.option(
        "--format",
        "format_",
        type=click.Choice(choices),
        default=None,
        show_default=f"what the suffix of --output says, or {choices[0]}",
        help="How to print.",
    )


class _Top(click.ParamType):
    """A number of rows, or `all`."""

    name = "top"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "all":
            return sys.maxsize
        if not str(value).isdecimal() or not int(str(value)[:18]) > 0:
            self.fail(f"{value!r} is neither a number of rows nor all", param, ctx)
        return int(str(value)[:18])


top = click.option(
    "--top",
    type=_Top(),
    metavar="N|all",
    help="List N rows of each table, and N flows in JSON. Default: a screen or so of each; 100 flows in JSON.",
)


def screen(command: Callable[..., Any]) -> Callable[..., Any]:
    """--color and --no-pager."""
    color = click.option(
        "--color",
        type=click.Choice(("auto", "always", "never")),
        default="auto",
        show_default=True,
        help="Colours; auto: on a terminal, unless NO_COLOR is set.",
    )
    return color(click.option("--no-pager", is_flag=True, help="Do not start a pager (CAPNET_PAGER, PAGER).")(command))


output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the report to FILE (atomically)."
)


read = click.option(
    "-r", "--read", "read", multiple=True, metavar="FILE", help="A capture, named as for tcpdump -r and tshark -r."
)


def how_to_read(command: Callable[..., Any]) -> Callable[..., Any]:
    """--topology and --vxlan-port, which decide how captures are read."""
    return topology(vxlan_port(command))


buffer_option = click.option(
    "--buffer",
    "buffer_mib",
    metavar="MIB",
    type=click.IntRange(1, 4096),
    default=64,
    show_default=True,
    help="Kernel buffer of each point, for packets that are not read yet; smaller where memory is short.",
)
