"""`capnet scenario fault all`: every fault, one after the other, and one table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capnet import language
from capnet.cli.scenario_hosts import say
from capnet.errors import CapnetError, Exit

if TYPE_CHECKING:
    from capnet.scenario.faults.library import Fault
    from capnet.scenario.faults.play import Played

Play = Callable[["Fault", Callable[[str], None]], "Played"]

_LEAST = 30  # columns for what went wrong, however narrow the terminal is


@dataclass(frozen=True)
class FaultResult:
    """How one fault went; the columns of the table, and its exit code."""

    name: str
    broken: tuple[str, ...]  # findings above info
    healthy: tuple[str, ...]
    seconds: float
    verdict: str
    code: Exit


class Plays:
    """Plays faults, shows the progress, and keeps how each went."""

    def __init__(self) -> None:
        self.rows: list[FaultResult] = []

    def add(self, fault: Fault, play: Play) -> None:
        """Plays one fault. An error that the user can fix becomes its row."""
        from capnet.scenario.faults.verdict import judge

        say(f"[{len(self.rows) + 1}] {fault.name}")
        began = time.monotonic()
        try:
            verdict = judge(fault, play(fault, lambda line: say(f"    {line}")))
        except CapnetError as error:
            row = FaultResult(fault.name, (), (), time.monotonic() - began, str(error), Exit(error.exit_code))
        else:
            code = Exit.OK if verdict.is_ok else Exit.FINDING
            seconds = time.monotonic() - began
            row = FaultResult(
                fault.name, verdict.broken, verdict.healthy, seconds, "; ".join(verdict.wrong) or "ok", code
            )
        self.rows.append(row)
        say(f"    {row.verdict} ({row.seconds:.1f} s)")

    def table(self) -> str:
        """A row per fault, as wide as the terminal."""
        from tabulate import tabulate

        from capnet.cli.output import table_columns
        from capnet.report.escape import visible

        rows = [
            [
                row.name,
                "\n".join(row.broken),
                "\n".join(row.healthy) or language.term("nothing"),
                row.seconds,
                visible(language.message(row.verdict)),
            ]
            for row in self.rows
        ]
        headers = [language.term(head) for head in ("fault", "told when broken", "told when healthy", "s", "verdict")]
        room = max(table_columns() - 85, _LEAST)
        return tabulate(rows, headers, floatfmt=".1f", maxcolwidths=[None, None, None, None, room])

    def code(self) -> int:
        """The worst exit code: a fault that is not named is worse than something that the machine lacks."""
        codes = {row.code for row in self.rows}
        return int(next((code for code in (Exit.FINDING, Exit.LACKS) if code in codes), max(codes, default=Exit.OK)))
