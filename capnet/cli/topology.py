"""`capnet topology`: hosts, networks and containers, asked of running hosts or read from saved outputs, in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet.cli.docker_hosts import hosts_option, no_container_option
from capnet.cli.topology_sources import read_topology, survey

if TYPE_CHECKING:
    from capnet.topology import Topology

_FORMATS = ("json", "text", "svg", "dot")


@click.command("topology", short_help="Who owns which address, as a tree, file or drawing.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILES]...")
@hosts_option
@no_container_option
@click.option(
    "--from",
    "first",
    type=click.Path(path_type=Path),
    metavar="FILES...",
    help="Do not ask a host: read saved outputs, folders or tar archives of them.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE (atomically).")
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    help="How to write. Default: as -o FILE ends; text at a terminal, else json.",
)
def command(
    files: tuple[Path, ...],
    hosts: tuple[str, ...],
    no_container: bool,
    first: Path | None,
    output: Path | None,
    format_: str | None,
) -> None:
    """Show or write the topology of running hosts: hosts, networks, containers, pods, their addresses and interfaces.

    \b
    capnet topology                                a tree at a terminal; into a pipe, JSON
    capnet topology -o web.topology.json           beside web.pcapng, analyze finds it by itself
    capnet topology -o hosts.svg                   a drawing; dot for Graphviz
    capnet topology --host A=ssh://a --host B=ssh://b -o all.topology.json
    capnet topology --from support.tar.gz          from what was saved on other hosts

    --from takes outputs of docker inspect, docker network inspect, docker service inspect, docker info --format json,
    ip -j -d address, ip -j route, ip -j neigh, iptables-save -c, nft -j list ruleset, conntrack -L and sysctl -a, which
    are recognised by their content; a folder for each host, and in it one for each network namespace. Files that are
    none of these are listed. Topologies of capnet can be read as well.
    """
    from capnet.analysis.core.wording import Text
    from capnet.cli.output import DEFAULT_COLUMNS, show, terminal_columns
    from capnet.errors import UsageError
    from capnet.report.text import fill

    if files and first is None:
        raise UsageError(f"{files[0]}: write --from before files to read; without it, running hosts are asked")
    if first is not None and hosts:
        raise UsageError("--from reads files and --host asks hosts: leave one of them out")
    topology = survey(hosts, may_start=not no_container) if first is None else read_topology((first, *files))
    width = terminal_columns() if output is None else None
    shown_to_person = format_ is None and output is None and sys.stdout is not None and sys.stdout.isatty()
    format_ = format_ or ("text" if shown_to_person else _of_name(output))
    text = _text(topology, format_, width)
    if shown_to_person:
        hint = Text(
            en="to keep it for capnet analyze: -o NAME.topology.json; all details: --format json",
            zh="保存给 capnet analyze 用：-o NAME.topology.json；全部细节：--format json",
        )
        text += "".join(f"{line}\n" for line in ["", *fill(hint.fill(), width or DEFAULT_COLUMNS)])
    show(text, output, is_paged=format_ == "text")


def _of_name(output: Path | None) -> str:
    """The format of a file that is called so."""
    suffix = output.suffix.removeprefix(".") if output else ""
    return {"svg": "svg", "dot": "dot", "gv": "dot", "txt": "text"}.get(suffix, "json")


def _text(topology: Topology, format_: str, width: int | None) -> str:
    if format_ == "text":
        from capnet.report.inventory.tree import tree_text

        return tree_text(topology, width)
    if format_ == "dot":
        from capnet.report.inventory.dot import dot_text

        return dot_text(topology)
    if format_ == "svg":
        from capnet.report.inventory.svg import svg_text

        return svg_text(topology)
    return topology.to_json()
