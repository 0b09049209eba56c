"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

_TOPOLOGY = click.option(
    "--topology",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who owns which address. Default: NAME.topology.json beside NAME.pcapng, when it is there.",
)
_VXLAN_PORT = click.option(
    "--vxlan-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="A UDP port that always is VXLAN; 4789 is, others are recognised by their contents.",
)


def format_(formats: Sequence[str]) -> Callable[..., Any]:
    """--format with these choices, the first as default."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print.",
    )


output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, whole or not at all."
)


def how_to_read(command: Callable[..., Any]) -> Callable[..., Any]:
    """--topology and --vxlan-port, which decide how captures are read."""
    return _TOPOLOGY(_VXLAN_PORT(command))
