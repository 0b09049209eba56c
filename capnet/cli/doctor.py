"""`capnet doctor`: what this machine can do, and how to get what it cannot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from capnet import language

if TYPE_CHECKING:
    from capnet.lab.doctor import Play

_WIDE = 155  # columns of the table, with a column for the commands
_MAX_NAMES = 50  # columns of the names of scenarios on a line, as of a table on 100 columns


@click.command("doctor", short_help="What this machine can do, and how to get what is missing.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print."
)
def command(form: str) -> None:
    """What this machine can do, and the command that gets each missing thing.

    Looks at Docker, capture programs and permissions, the kernel features that scenarios need, and the parts
    of the lab. Changes nothing; works without root and without Docker. Reading saved captures needs
    none of it.
    """
    from capnet.lab import doctor

    checks, plays = doctor.examine()
    if form == "json":
        click.echo(json.dumps(doctor.as_json(checks, plays), indent=2, ensure_ascii=False))
        return

    from tabulate import tabulate

    from capnet.cli.output import show, terminal_columns
    from capnet.report.escape import visible
    from capnet.report.text import columns

    term = language.term
    rows = [
        [term(check.part), term(check.what), term(check.state), visible(language.message(check.found)), check.get or ""]
        for check in checks
    ]
    for row, above in reversed(list(zip(rows[1:], rows, strict=False))):
        if row[0] == above[0]:
            row[0] = ""
    headers = [term(head) for head in ("part", "what", "here", "found", "get it, or play it")]
    width = terminal_columns()
    if width is None or width >= _WIDE:
        rows += scenario_rows(plays, _MAX_NAMES)
        rows = [[*row[:3], _filled(row[3], 60), row[4]] for row in rows]
        show(tabulate(rows, headers) + "\n", is_paged=True)
        return
    # tabulate makes a column two wider than its heading.
    taken = sum(2 + max(columns(headers[i]) + 2, *(columns(row[i]) for row in rows)) for i in range(3))
    room = max(width - taken, 16)
    headers = [*headers[:3], term("found; get it")]
    rows = [[*row[:3], _filled("\n".join(filter(None, row[3:])), room)] for row in [*rows, *scenario_rows(plays, room)]]
    show(tabulate(rows, headers) + "\n", is_paged=True)


def _filled(text: str, width: int) -> str:
    """The lines of a cell, in lines of at most `width` terminal columns."""
    from capnet.report.text import fill

    return "\n".join(part for line in text.split("\n") for part in fill(line, width))


def scenario_rows(plays: Sequence[Play], width: int) -> list[list[str]]:
    """Rows of the table: a row for all scenarios of which the same is to be said, names on lines of this width."""
    from capnet.report.text import fill

    groups: dict[tuple[str, str], list[str]] = {}
    for play in plays:
        groups.setdefault((play.state, play.found), []).append(play.scenario)
    rows = []
    for (state, reason), names in groups.items():
        lines = fill(language.pick(", ", "、").join(names), width)
        lines += [language.message(reason)] if reason else []
        how = "" if state == "no" else f"sudo capnet scenario {names[0] if len(names) == 1 else 'NAME'} --lab"
        rows.append(["", f"{len(names)} / {len(plays)}", language.term(state), "\n".join(lines), how])
    rows[0][0] = language.term("scenario")
    return rows
