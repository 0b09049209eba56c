"""`capnet scenario all`: every scenario, one after the other, and one table at the end."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from capnet.cli.scenario import check_kernel, hosts_options, kernel_option, open_hosts, tell_settings, the_lab
from capnet.errors import CapnetError, Exit

_GAP = 2  # columns between two of a table's
_LEAST = 40  # columns for what was seen and the verdict, however narrow the terminal is
_WORST_FIRST = (Exit.FINDING, Exit.UNREADABLE, Exit.USAGE, Exit.LACKS, Exit.OK)

Play = Callable[[str, Callable[[str], None]], Path]  # (scenario, where its progress goes) → its capture


@click.command("all", short_help="Play all scenarios, one after the other; ends with one table.")
@hosts_options
@click.option("--image", default="busybox", show_default=True, help="Image of the containers.")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("captures"),
    show_default=True,
    help="Where the captures go, and the topology of each.",
)
@kernel_option
def command(lab: bool, host: str | None, peer: str | None, image: str, output: Path, kernel: str) -> int:
    """Play all scenarios, one after the other; ends with one table.

    Exit code: the worst of them. Each one's capture stays, whatever came of it.
    """
    from capnet.scenario import library
    from capnet.scenario.play import bundle_path

    names = list(library.files())
    bundle_path(output, names[0])  # that nothing can be written there is said now, not by each of them
    rounds = Rounds(len(names))
    if lab:
        _in_labs(rounds, names, host, peer, kernel, image=image, output=output)
    else:
        from capnet.scenario.play import play

        with open_hosts(lab, host, peer) as hosts:

            def on_hosts(name: str, say: Callable[[str], None]) -> Path:
                check_kernel(name, hosts[0])
                tell_settings(name)
                return play(name, hosts, output=output, image=image, say=say)

            rounds.play(names, on_hosts)
    click.echo(rounds.table())
    return rounds.code()


def _in_labs(rounds: Rounds, names: list[str], host: str | None, peer: str | None, kernel: str, **options: Any) -> None:
    """One lab for all that this machine's kernel can do, then one with another kernel for the rest."""
    from capnet import lab as labs
    from capnet.scenario import library

    def quietly(line: str) -> None:
        """Which kernel is chosen is said once for all that have the same, below."""

    groups: dict[labs.Kernel, list[str]] = {each: [] for each in labs.Kernel}
    for name in names:
        chosen = labs.kernel_for(library.kernel_needs(name), quietly) if kernel == "auto" else labs.Kernel(kernel)
        groups[chosen].append(name)
    for chosen in (labs.Kernel.NATIVE, labs.Kernel.UML):
        mine = groups[chosen]
        if not mine:
            continue
        try:
            if kernel == "auto":
                labs.kernel_for(sorted({need for name in mine for need in library.kernel_needs(name)}), rounds.say)
            with the_lab(host, peer, chosen.value) as made:
                rounds.play(mine, partial(_play, made, **options))
        except CapnetError as error:  # there is no such lab
            rounds.without([name for name in mine if name not in rounds.played], error)


def _play(made: Any, name: str, say: Callable[[str], None], **options: Any) -> Path:
    from capnet.lab.play import play

    return play(made, name, say=say, **options)


@dataclass(frozen=True)
class Outcome:
    """How one scenario went; the columns of the table, and its exit code."""

    name: str
    code: int
    verdict: str
    model: str = ""
    packets: int | None = None
    nat: str = ""
    tunnels: str = ""
    details: tuple[str, ...] = ()


class Rounds:
    """Plays scenarios, shows how far it is, and keeps what came of each."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.outcomes: list[Outcome] = []
        self._screen = sys.stderr.isatty()

    def play(self, names: Iterable[str], play: Play) -> None:
        """Plays each by `play`. What a person can fix makes its row, and the next one has its turn."""
        for name in names:
            began = time.monotonic()
            self.say(f"[{len(self.outcomes) + 1:2}/{self.total}] {name}")
            try:
                outcome = _outcome(name, play(name, self.step))
            except CapnetError as error:
                outcome = Outcome(name, int(error.exit_code), str(error))
            self.outcomes.append(outcome)
            self.say(f"        {outcome.verdict} ({time.monotonic() - began:.1f} s)")
            for line in outcome.details:
                self.say(f"        {line}")

    def without(self, names: Iterable[str], error: CapnetError) -> None:
        """None of these could be played, for one and the same reason."""
        self.outcomes += [Outcome(name, int(error.exit_code), str(error)) for name in names]

    @property
    def played(self) -> set[str]:
        return {each.name for each in self.outcomes}

    def step(self, line: str) -> None:
        """A step of a scenario: on a terminal each overwrites the one before."""
        if self._screen:
            width = shutil.get_terminal_size().columns
            click.echo(f"\r\x1b[K        {line}"[: width + 2], err=True, nl=False)
        else:
            click.echo(f"        {line}", err=True)

    def say(self, line: str) -> None:
        click.echo(f"\r\x1b[K{line}" if self._screen else line, err=True)

    def table(self) -> str:
        from tabulate import tabulate

        from capnet.cli.output import table_columns
        from capnet.report.escape import visible

        rows = [
            [each.name, each.model, each.packets, each.nat, each.tunnels, visible(each.verdict)]
            for each in sorted(self.outcomes, key=lambda outcome: outcome.name)
        ]
        headers = ["scenario", "model", "packets", "NAT", "tunnels", "verdict"]
        fixed = sum(max(len(str(cell)) for cell in column) for column in list(zip(headers, *rows, strict=True))[:3])
        room = max(table_columns() - fixed - _GAP * (len(headers) - 1), _LEAST)
        widths = [None, None, None, room * 3 // 8, room * 2 // 8, room * 3 // 8]
        return tabulate(rows, headers, maxcolwidths=widths)

    def code(self) -> int:
        """The worst exit code: a broken claim is worse than something that the machine lacks."""
        codes = {each.code for each in self.outcomes}
        return int(next((code for code in _WORST_FIRST if code in codes), Exit.OK))


def _outcome(name: str, capture: Path) -> Outcome:
    """What the report says of the capture, and whether it bears out the scenario's claims."""
    from capnet.analysis.engine import analyze
    from capnet.report.document import document
    from capnet.scenario import expect, library

    found = document(analyze([capture]))
    verdicts = expect.verify(library.load(name), capture, report=found)
    broken = [each for each in verdicts if each.true is False]
    met = sum(each.true is True for each in verdicts)
    verdict = f"ok, {met} expectations" if not broken else f"failed {len(broken)} of {len(verdicts)} expectations"
    return Outcome(
        name,
        int(Exit.FINDING if broken else Exit.OK),
        verdict,
        model=found["models"][0]["model"] if found["models"] else "nothing",
        packets=found["coverage"]["frames"],
        nat=_nat(found["nat"]),
        tunnels=_tunnels(found["tunnels"]),
        details=(
            *(f"expected: {each.claim}; {each.found}" for each in broken),
            *([f"see {capture}"] if broken else []),
        ),
    )


def _nat(rows: list[dict[str, Any]]) -> str:
    """`snat 4 (2 ports), dnat 1`"""
    said = []
    for kind in ("snat", "dnat", "snat+dnat"):
        mine = [row for row in rows if row["kind"] == kind]
        ports = sum(row["port_rewritten"] for row in mine)
        if mine:
            said.append(f"{kind} {len(mine)}" + (f" ({ports} ports)" if kind == "snat" and ports else ""))
    return ", ".join(said)


def _tunnels(rows: list[dict[str, Any]]) -> str:
    """`vxlan 4097 4098`, each VNI once however many points saw it."""
    kinds = {row["kind"]: {each["vni"] for each in rows if each["kind"] == row["kind"]} for row in rows}
    said = []
    for kind, vnis in sorted(kinds.items()):
        said.append(" ".join([kind, *(str(vni) for vni in sorted(vni for vni in vnis if vni is not None))]))
    return ", ".join(said)
