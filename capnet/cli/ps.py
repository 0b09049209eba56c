"""`capnet ps`: what runs on Docker hosts, and where it is on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.cli.docker_hosts import hosts_option, no_container_option
from capnet.cli.topology_sources import read_topology, survey

if TYPE_CHECKING:
    from capnet.report.inventory.rows import InventoryRow
    from capnet.topology import Topology
    from capnet.topology.lookup import Match


@click.command("ps", short_help="Containers of running hosts, and where they are on the wire.")
@click.argument("asked", nargs=-1, metavar="[NAME|INTERFACE|ADDRESS|MAC]...")
@hosts_option
@no_container_option
@click.option("--network", metavar="NAME", help="Only what is on this Docker network.")
@click.option(
    "--from",
    "saved",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Do not ask a host: read a topology, or what `capnet topology --from` takes (repeatable).",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to print.",
)
def command(
    asked: tuple[str, ...],
    hosts: tuple[str, ...],
    no_container: bool,
    network: str | None,
    saved: tuple[Path, ...],
    format_: str,
) -> None:
    """List containers, pods, networks and services of running hosts, and where they are on the wire.

    \b
    capnet ps                     each interface of each container: address, MAC, host end of the veth
    capnet ps vethb97d211         whose it is, and what it is connected to
    capnet ps 172.17.0.2          who has this address
    capnet ps 02:42:ac:11:00:02   who has this MAC address
    capnet ps docker0 web 8080    a bridge, a container, a published port (also 8080/tcp, 127.0.0.1:8080)
    capnet ps --from a.topology.json veth1   of hosts that were saved

    An argument is a name or id of Docker, a pod or NAMESPACE/POD, an interface, an address, a MAC, a capture point, a
    VNI, a published port or what `ip link` prints after @ (if8).
    Pods of a Kubernetes node, and containers of nerdctl, are those that containerd and CRI-O run; beside Docker or
    without it, and as root. A node's own interfaces are listed too.
    Interfaces and host ends need root, here or where ssh:// leads. Without root, capnet
    starts a container that looks, and removes it afterwards; with --no-container it shows what any user may see.
    The table has as many columns as there is room for; json and csv have all.
    """
    from capnet.cli.output import emit
    from capnet.errors import UsageError

    if saved and hosts:
        raise UsageError("--from reads files and --host asks hosts: leave one of them out")
    topology = read_topology(saved) if saved else survey(hosts, may_start=not no_container)
    matches = _matches(topology, asked)
    rows = _rows(topology, [match for _, match in matches] if asked else None, network)
    if network is not None:
        topology.services = [
            each for each in topology.services
            if network in {vip.network for vip in each.vips} or each.name in {row.service for row in rows}
        ]  # fmt: skip
    emit({"table": _table, "json": _json, "csv": _csv}[format_](topology, matches, rows))


def _matches(topology: Topology, asked: Sequence[str]) -> list[tuple[str, Match]]:
    """(argument, its meaning) of all arguments. Raises UsageError with the nearest names for one without a meaning."""
    from capnet.errors import UsageError
    from capnet.report.inventory.answers import unknown
    from capnet.topology.lookup import look_up

    matches = []
    for text in asked:
        meanings = look_up(topology, text)
        if not meanings:
            raise UsageError(unknown(topology, text))
        matches += [(text, match) for match in meanings]
    return matches


def _rows(topology: Topology, matches: Sequence[Match] | None, network: str | None) -> list[InventoryRow]:
    from capnet.errors import UsageError
    from capnet.report.inventory.answers import nearest
    from capnet.report.inventory.rows import inventory_rows

    rows = list(inventory_rows(topology, matches))
    if network is None:
        return rows
    names = topology.network_names()
    if network not in names:
        near = nearest(network, names, topology) or names
        raise UsageError(f"no network is called {network}; nearest: {', '.join(near)}")
    return [row for row in rows if row.network == network]


def _table(topology: Topology, matches: Sequence[tuple[str, Match]], rows: Sequence[InventoryRow]) -> str:
    from capnet.cli.output import table_columns
    from capnet.report.escape import visible
    from capnet.report.inventory import table
    from capnet.report.inventory.answers import answer
    from capnet.report.text import fill

    width = table_columns()
    sentences = dict.fromkeys(visible(answer(topology, text, match)) for text, match in matches)
    blocks = [[line for sentence in sentences for line in fill(sentence, width, "", "  ")]]
    blocks.append(table.container_lines(rows, width, several_hosts=len(topology.hosts) > 1))
    if not matches:
        if not rows:
            blocks.append([language.message("no container is running")])
        blocks.append(table.stopped_lines(topology, width))
        blocks.append(table.network_lines(topology, rows, width))
        blocks.append(table.service_lines(topology.services, width))
        blocks.append(table.interface_lines(topology, width))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _json(topology: Topology, matches: Sequence[tuple[str, Match]], rows: Sequence[InventoryRow]) -> str:
    import json

    from capnet.report.inventory.answers import answer
    from capnet.report.inventory.document import inventory_json

    language.use_for_programs()
    answers = [{"asked": text, "kind": match.kind, "says": answer(topology, text, match)} for text, match in matches]
    return json.dumps(inventory_json(topology, rows, answers), indent=2, ensure_ascii=False) + "\n"


def _csv(_: Topology, __: Sequence[tuple[str, Match]], rows: Sequence[InventoryRow]) -> str:
    from capnet.report.inventory.document import inventory_csv

    return inventory_csv(rows)
