"""`capnet wireshark`: what Wireshark can read of capnet, installed, removed and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from capnet.wireshark.installation import FileOutcome
    from capnet.wireshark.parts import WiresharkPart
    from capnet.wireshark.program import Wireshark

_SYSTEM = click.option(
    "--system", is_flag=True, help="The extcap program of all users, in Wireshark's global folder; needs root."
)


@click.group("wireshark", short_help="Docker hosts and packet ids in Wireshark itself.")
def command() -> None:
    """Docker hosts, containers and networks as interfaces of Wireshark, and what capnet says of a packet.

    \b
    extcap    interfaces of Wireshark and `tshark -D`: capnet:web, capnet-network:shop, capnet-host:docker
    profile   capnet: columns for point, packet id and comment; colours; filter buttons
    fields    capnet.id, capnet.change, capnet.delay, …, from the comments of `capnet annotate`

    \b
    capnet wireshark install && wireshark -C capnet
    tshark -i capnet:web -c 10
    """


@command.command("install", short_help="Install what this version of Wireshark reads.")
@_SYSTEM
def install(system: bool) -> int:
    """Install what this version of Wireshark reads, for you alone; files of others stay as they are.

    Variables such as DOCKER_HOST that are set now are kept for the extcap program. Exit code 4: nothing was installed.
    """
    from capnet.wireshark import installation
    from capnet.wireshark.parts import personal_parts, system_parts
    from capnet.wireshark.program import find_wireshark

    wireshark = find_wireshark()
    parts = system_parts(wireshark) if system else personal_parts(wireshark)
    for part in parts:
        if part.lacks:
            click.echo(language.message(f"{part.name}: not installed: {part.lacks}"), err=True)
        _report(installation.install(part.files))
    return Exit.OK if any(part.files for part in parts) else Exit.LACKS


@command.command("uninstall", short_help="Remove the files that `install` wrote.")
@_SYSTEM
def uninstall(system: bool) -> int:
    """Remove the files that `install` wrote, unless they were edited since."""
    from capnet.errors import EnvironmentLacks
    from capnet.wireshark import installation
    from capnet.wireshark.parts import former_extcap_files, personal_parts, system_parts
    from capnet.wireshark.program import default_wireshark, find_wireshark

    try:
        wireshark = find_wireshark()
    except EnvironmentLacks:
        if system:
            raise
        wireshark = default_wireshark()  # it was removed before
    parts = system_parts(wireshark) if system else personal_parts(wireshark)
    files = [file for part in parts for file in part.files] + ([] if system else former_extcap_files())
    if not _report(installation.uninstall(files)):
        click.echo(language.message("nothing is installed"))
    return Exit.OK


@command.command("status", short_help="Show what is installed where.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print."
)
def status(form: str) -> int:
    """Show what is installed where, in which version, and what this Wireshark reads. Exit code 1: a part is missing."""
    from capnet.wireshark.parts import personal_parts, system_parts
    from capnet.wireshark.program import find_wireshark

    wireshark = find_wireshark()
    parts = personal_parts(wireshark)
    if wireshark.global_extcap:
        parts += [part._replace(name="extcap for all users") for part in system_parts(wireshark)]
    rows = [row for part in parts for row in _rows(part)]
    _note_what_is_read(wireshark, rows)
    _print_status(wireshark, rows, form)
    working = {row["part"].removesuffix(" for all users") for row in rows if row["state"] == "installed"}
    return Exit.OK if {"extcap", "profile", "fields"} <= working else Exit.FINDING


def _note_what_is_read(wireshark: Wireshark, rows: list[dict[str, str]]) -> None:
    """Changes the state of what is installed and does not work; says how many interfaces there are."""
    from capnet.wireshark.reading import offered_interfaces, why_plugin_is_not_read

    for row in rows:
        if row["state"] not in ("installed", "outdated"):
            continue
        if row["part"] == "fields" and (reason := why_plugin_is_not_read(wireshark, "capnet.id")):
            row["state"], row["note"] = "not read", reason
        elif row["part"].startswith("extcap"):
            count = offered_interfaces(Path(row["file"]))
            if count is None:
                row["state"], row["note"] = "broken", "cannot be run; install again"
            else:
                row["note"] = f"interfaces now: {count or 'none, no Docker daemon answers'}"


def _rows(part: WiresharkPart) -> list[dict[str, str]]:
    from capnet.wireshark.installation import examine

    if part.lacks:
        return [{"part": part.name, "state": "not possible", "capnet": "", "file": "", "note": part.lacks}]
    rows = []
    for file in part.files:
        installed = examine(file)
        version, path = installed.version or "", str(file.path)
        rows.append({"part": part.name, "state": str(installed.state), "capnet": version, "file": path, "note": ""})
    return rows


def _print_status(wireshark: Wireshark, rows: list[dict[str, str]], form: str) -> None:
    from capnet.report.escape import visible, visible_all

    reads = f"Lua {wireshark.lua}" if wireshark.lua else "no Lua"
    if form == "json":
        import json

        facts = {"program": wireshark.program, "version": wireshark.version, "lua": wireshark.lua}
        click.echo(json.dumps(visible_all({"schema": "capnet.wireshark/1", **facts, "parts": rows}), indent=2))
        return
    from tabulate import tabulate

    message = language.message
    click.echo(message(f"Wireshark {visible(wireshark.version)} ({visible(wireshark.program)}), {reads}"))
    cells = [
        [
            message(row["part"]),
            message(row["state"]),
            row["capnet"],
            visible(_with_tilde(row["file"])) or visible(message(row["note"])),
        ]
        for row in rows
    ]
    for cell, above in reversed(list(zip(cells[1:], cells, strict=False))):
        if cell[0] == above[0]:
            cell[0] = ""
    click.echo(tabulate(cells, [language.term(head) for head in ("part", "state", "capnet", "file")]))


def _place(row: dict[str, str]) -> str:
    from capnet.report.escape import visible

    return visible(": ".join(filter(None, (_with_tilde(row["file"]), row["note"]))))


def _with_tilde(path: str) -> str:
    home = f"{Path.home()}/"
    return f"~/{path.removeprefix(home)}" if path.startswith(home) and len(home) > 2 else path


def _report(outcomes: Iterable[FileOutcome]) -> bool:
    """Prints what was done with each file; False if there was none."""
    from capnet.report.escape import visible

    is_any = False
    for outcome in outcomes:
        is_any = True
        separator = "" if outcome.kept or outcome.done.startswith("is ") else ":"
        done = f"{visible(_with_tilde(str(outcome.path)))}{separator} {outcome.done}"
        click.echo(language.message(done), err=outcome.kept)
    return is_any
