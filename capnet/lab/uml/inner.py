"""What is done inside User-Mode Linux with capnet's own commands and functions, from outside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from capnet import errors
from capnet.errors import CapnetError, EnvironmentLacks
from capnet.lab import addressing
from capnet.lab.record import RECORD
from capnet.lab.uml import client, machine
from capnet.record.bundle import leftover
from capnet.scenario.bundle.bundle_writer import writing
from capnet.topology import topology_path, witnesses_path
from capnet.whole_file import make_folder, whole

Progress = Callable[[str], None]

_ERROR = "capnet: "  # how the command line begins its one line


def up(folder: Path, progress: Progress) -> None:
    """Makes or repairs the lab inside."""
    if _is_whole(folder):
        progress("the lab is already up")
        return
    # The time that it took is part of the total, which the caller reports.
    lines = Lines(lambda line: progress(line.removeprefix("lab: ")), but=lambda line: line.startswith("lab: up after"))
    code = client.run(folder, capnet("lab", "up", "--kernel", "native"), out=lines, err=lines)
    lines.end()
    if code != 0:
        raise EnvironmentLacks(f"no lab in User-Mode Linux: {lines.last.removeprefix(_ERROR)}")


def run_scenario(folder: Path, name: str, options: dict[str, Any], path: Path, say: Progress) -> None:
    """Plays a scenario inside and moves its bundle to `path`; errors are those of the play itself."""
    exchange = folder / machine.EXCHANGE
    bundle = exchange / path.name
    inside = machine.INSIDE_EXCHANGE / path.name
    lines = Lines(lambda line: say(line.replace(str(inside), str(path))), but=_is_error)
    words = [*machine.python_program("capnet.lab.uml.runner"), name, str(inside), json.dumps(options)]
    code = client.run(folder, words, out=lines, err=lines, passes_interrupts=True)
    lines.end()
    if code != 0:
        if bundle.exists():  # what it captured until it failed
            path = leftover.free_path(path)
            _move(bundle, path)
        raise _error(lines.last.replace(str(inside), str(path)), code)
    _move(bundle, path)


def _move(bundle: Path, path: Path) -> None:
    """Moves a bundle out of the folder that both kernels see; the capture last."""
    with writing(path):
        make_folder(path.absolute().parent)
        for of in (topology_path, witnesses_path, Path):
            if of(bundle).exists():
                with of(bundle).open("rb") as source, whole(of(path), private=True) as target:
                    shutil.copyfileobj(source, target)
                of(bundle).unlink()


def clean(folder: Path, say: Progress, *, everything: bool) -> int:
    """`capnet scenario clean` inside; its lines go to `say`."""
    lines = Lines(say)
    words = capnet("scenario", "clean", "--lab", *(["--all"] if everything else []))
    code = client.run(folder, words, out=lines, err=lines, passes_interrupts=True)
    lines.end()
    return code


def capnet(*words: str) -> list[str]:
    """The words that run a command of this very capnet inside."""
    return [*machine.python_program("capnet"), *words]


def _is_whole(folder: Path) -> bool:
    """Whether the lab inside was made completely and both its daemons run.

    Asked by a shell: a Python there takes seconds to begin.
    """
    lab = addressing.Lab(addressing.DEFAULT_FOLDER)
    questions = [f"grep -q '\"ready\": true' {lab.folder / RECORD}"]
    questions += [f'[ "$(cat /proc/$(cat {host.pidfile})/comm)" = dockerd ]' for host in lab.hosts.values()]
    lines = Lines(lambda line: None)
    return client.run(folder, ["sh", "-c", " && ".join(questions)], out=lines, err=lines) == 0


class Lines:
    """Takes bytes, gives whole lines."""

    def __init__(self, give: Progress, *, but: Callable[[str], bool] = lambda line: False) -> None:
        self.last = ""
        self._give = give
        self._but = but
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.last = line.decode(errors="replace")
            if not self._but(self.last):
                self._give(self.last)

    def end(self) -> None:
        """Hand on the last line if it had no line end."""
        if self._rest:
            self(b"\n")


def _is_error(line: str) -> bool:
    return line.startswith(_ERROR)


def _error(line: str, code: int) -> CapnetError | KeyboardInterrupt:
    """The exception that became `line` and `code` on its way out of the runner."""
    if code == errors.Exit.INTERRUPTED:
        return KeyboardInterrupt()
    text = line.removeprefix(_ERROR) if _is_error(line) else f"in User-Mode Linux: {line or f'exit code {code}'}"
    for kind in (errors.ScenarioFailed, errors.EnvironmentLacks, errors.UnreadableInput, errors.UsageError):
        if kind.exit_code == code:
            return kind(text)
    return errors.ScenarioFailed(text)
