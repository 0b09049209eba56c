"""`capnet scenario all`: every scenario, one after the other, and one table at the end."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capnet import language
from capnet.cli.scenario_hosts import check_kernel, hosts_options, kernel_option, open_hosts, tell_settings, the_lab
from capnet.errors import CapnetError, Exit

if TYPE_CHECKING:
    from capnet.lab.addressing import Lab

_GAP = 2  # columns between two of a table's
_LEAST = 40  # columns for what was seen and the verdict, however narrow the terminal is
_WORST_FIRST = (Exit.FINDING, Exit.UNREADABLE, Exit.USAGE, Exit.LACKS, Exit.OK)

Run = Callable[[str, Callable[[str], None]], Path]  # (scenario, where its progress goes) → its capture


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
    from capnet.scenario.runner import bundle_path

    names = list(library.files())
    bundle_path(output, names[0])  # a folder that cannot be written is an error now, not of each scenario
    rounds = Rounds(len(names))
    if lab:
        _in_labs(rounds, names, host, peer, kernel, image=image, output=output)
    else:
        from capnet.scenario.runner import run_scenario

        with open_hosts(lab, host, peer) as hosts:

            def on_hosts(name: str, say: Callable[[str], None]) -> Path:
                check_kernel(name, hosts[0])
                tell_settings(name)
                return run_scenario(name, hosts, output=output, image=image, say=say)

            rounds.run(names, on_hosts)
    click.echo(rounds.table())
    return rounds.code()


def _in_labs(rounds: Rounds, names: list[str], host: str | None, peer: str | None, kernel: str, **options: Any) -> None:
    """One lab for all that this machine's kernel can do, then one with another kernel for the rest."""
    from capnet.lab import lab
    from capnet.lab.addressing import HostKernel
    from capnet.scenario import library

    def quietly(line: str) -> None:
        """The kernel is named once for all scenarios that have the same, below."""

    groups: dict[HostKernel, list[str]] = {kernel_: [] for kernel_ in HostKernel}
    for name in names:
        chosen = lab.kernel_for(library.kernel_needs(name), quietly) if kernel == "auto" else HostKernel(kernel)
        groups[chosen].append(name)
    for chosen in (HostKernel.NATIVE, HostKernel.UML):
        group = groups[chosen]
        if not group:
            continue
        try:
            if kernel == "auto":
                lab.kernel_for(sorted({need for name in group for need in library.kernel_needs(name)}), rounds.say)
            with the_lab(host, peer, chosen.value) as running_lab:
                rounds.run(group, partial(_run, running_lab, **options))
        except CapnetError as error:  # there is no such lab
            rounds.without([name for name in group if name not in rounds.finished], error)


def _run(running_lab: Lab, name: str, say: Callable[[str], None], **options: Any) -> Path:
    from capnet.lab.scenario_runner import run_scenario

    return run_scenario(running_lab, name, say=say, **options)


@dataclass(frozen=True)
class ScenarioResult:
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
    """Runs scenarios, shows the progress, and keeps the outcome of each."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.outcomes: list[ScenarioResult] = []
        self._screen = sys.stderr.isatty()

    def run(self, names: Iterable[str], run: Run) -> None:
        """Runs each scenario by `run`. An error that the user can fix becomes its row, and the next one runs."""
        for name in names:
            began = time.monotonic()
            self.say(f"[{len(self.outcomes) + 1:2}/{self.total}] {name}")
            try:
                outcome = _outcome(name, run(name, self.step))
            except CapnetError as error:
                outcome = ScenarioResult(name, int(error.exit_code), str(error))
            self.outcomes.append(outcome)
            self.say(f"        {outcome.verdict} ({time.monotonic() - began:.1f} s)")
            for line in outcome.details:
                self.say(f"        {line}")

    def without(self, names: Iterable[str], error: CapnetError) -> None:
        """Records that none of these could run, for the same reason."""
        self.outcomes += [ScenarioResult(name, int(error.exit_code), str(error)) for name in names]

    @property
    def finished(self) -> set[str]:
        """The scenarios that have an outcome."""
        return {outcome.name for outcome in self.outcomes}

    def step(self, line: str) -> None:
        """A step of a scenario: on a terminal each overwrites the one before."""
        if self._screen:
            width = shutil.get_terminal_size().columns
            click.echo(f"\r\x1b[K        {_cut(language.message(line), width - 10)}", err=True, nl=False)
        else:
            click.echo(f"        {language.message(line)}", err=True)

    def say(self, line: str) -> None:
        """Prints a line of progress."""
        line = language.message(line)
        click.echo(f"\r\x1b[K{line}" if self._screen else line, err=True)

    def table(self) -> str:
        """A row per scenario, as wide as the terminal."""
        from tabulate import tabulate

        from capnet.cli.output import table_columns
        from capnet.report.escape import visible
        from capnet.report.text import columns

        rows = [
            [
                outcome.name,
                outcome.model,
                outcome.packets,
                outcome.nat,
                outcome.tunnels,
                visible(language.message(outcome.verdict)),
            ]
            for outcome in sorted(self.outcomes, key=lambda outcome: outcome.name)
        ]
        headers = [language.term(head) for head in ("scenario", "model", "packets", "NAT", "tunnels", "verdict")]
        fixed = sum(max(columns(str(cell)) for cell in column) for column in list(zip(headers, *rows, strict=True))[:3])
        room = max(table_columns() - fixed - _GAP * (len(headers) - 1), _LEAST)
        widths = [None, None, None, room * 3 // 8, room * 2 // 8, room * 3 // 8]
        return tabulate(rows, headers, maxcolwidths=widths)

    def code(self) -> int:
        """The worst exit code: a broken claim is worse than something that the machine lacks."""
        codes = {outcome.code for outcome in self.outcomes}
        return int(next((code for code in _WORST_FIRST if code in codes), Exit.OK))


def _cut(line: str, room: int) -> str:
    """As much of the line as so many columns of a terminal hold."""
    from capnet.report.text import columns

    while columns(line) > room:
        line = line[:-1]
    return line


def _outcome(name: str, capture: Path) -> ScenarioResult:
    """The scenario's row: what the report says of the capture, and whether its packets pass the checks."""
    from capnet.analysis.engine import analyze
    from capnet.scenario import library
    from capnet.scenario.checks import checks

    report = analyze([capture]).to_dict()
    results = checks.verify(library.load(name), capture, report=report)
    failed = [result for result in results if result.passed is False]
    passed = sum(result.passed is True for result in results)
    verdict = f"ok, {passed} expectations" if not failed else f"failed {len(failed)} of {len(results)} expectations"
    return ScenarioResult(
        name,
        int(Exit.FINDING if failed else Exit.OK),
        verdict,
        model=report["models"][0]["model"] if report["models"] else "nothing",
        packets=report["coverage"]["frames"],
        nat=_nat(report["nat"]),
        tunnels=_tunnels(report["tunnels"]),
        details=(
            *(f"expected: {result.claim}; {result.difference}" for result in failed),
            *([f"see {capture}"] if failed else []),
        ),
    )


def _nat(rows: list[dict[str, Any]]) -> str:
    """`snat 4 (2 ports), dnat 1`"""
    parts = []
    for kind in ("snat", "dnat", "snat+dnat"):
        of_kind = [row for row in rows if row["kind"] == kind]
        ports = sum(row["port_rewritten"] for row in of_kind)
        if of_kind:
            parts.append(f"{kind} {len(of_kind)}" + (f" ({ports} ports)" if kind == "snat" and ports else ""))
    return ", ".join(parts)


def _tunnels(rows: list[dict[str, Any]]) -> str:
    """`vxlan 4097 4098`, each VNI once however many points saw it."""
    vnis_by_kind: dict[str, set[int]] = {row["kind"]: set() for row in rows}
    for row in rows:
        if row["vni"] is not None:
            vnis_by_kind[row["kind"]].add(row["vni"])
    return ", ".join(" ".join([kind, *map(str, sorted(vnis))]) for kind, vnis in sorted(vnis_by_kind.items()))
