"""Programs that watch kernels while packets are captured: they print lines, and end with capnet.

Each is a Python program of its own (`rule_tracer`, `drop_tracer`), which is given to `python3 -c` on the machine that
it watches, in the network namespace that it watches. It ends when its standard input closes, so also by the death of
capnet, and what it made in the kernel goes with it.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from types import ModuleType

from capnet.record.kernel import nfnetlink
from capnet.record.polling import poll_until
from capnet.record.remote.shell import Shell, wait_or_kill

# Makes a module of a source, so that what is behind it can import that; a parent package is not looked for then.
_MODULE = "import sys, types; m = types.ModuleType({name!r}); exec({source!r}, m.__dict__); sys.modules[{name!r}] = m\n"

_FIRST = '{"tracing"'  # how the first line begins
_MAX_BANNER_BYTES = 1 << 16
_READY_WITHIN = 15.0  # seconds
_STOP_WITHIN = 15.0  # seconds, in which it prints what it has received


@dataclass
class Watcher:
    """A program that runs; `name` is what it watches, in words."""

    name: str
    output: Path
    process: Popen[bytes]
    was_killed: bool = False  # it did not end when it was told to

    def words(self) -> str:
        """Its last line, which is the complaint of one that has ended."""
        lines = self.output.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), f"exit status {self.process.returncode}")

    def is_ready(self) -> bool:
        """Has it printed its first line? What ssh prints may stand before it."""
        with self.output.open("rb") as file:
            return _FIRST.encode() in file.read(_MAX_BANNER_BYTES)

    def request_stop(self) -> None:
        """Tells it to end, and returns at once."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> None:
        """Waits until it has ended, which it was told to."""
        self.was_killed = not wait_or_kill(self.process, _STOP_WITHIN)

    def printed(self) -> tuple[list[str], int]:
        """Its lines behind the first one, without the last, and how many it did not print. It has ended."""
        lines = self.output.read_text(encoding="utf-8", errors="replace").splitlines()
        lost = 0
        if lines and '"lost"' in lines[-1]:
            lost = int(json.loads(lines.pop())["lost"])
        first = next((number for number, line in enumerate(lines) if line.startswith(_FIRST)), len(lines))
        return lines[first + 1 :], lost


def source_of(program: ModuleType) -> str:
    """The program, for `python3 -c` where no capnet is; in front of it what it takes from `nfnetlink`."""
    source = inspect.getsource(program)
    if nfnetlink.__name__ not in source:
        return source
    part = _MODULE.format(name=nfnetlink.__name__, source=inspect.getsource(nfnetlink))
    return f"{part}exec({source!r}, {{'__name__': '__main__'}})"


def start(
    program: ModuleType,
    arguments: Sequence[str],
    name: str,
    shell: Shell,
    netns: str,
    output: Path,
    prefix: Sequence[str] = (),
) -> Watcher:
    """Starts a program in a network namespace; `prefix` are words before `python3`. It may not be ready yet."""
    python = sys.executable if shell.is_direct else "python3"
    command = [*prefix, python, "-c", source_of(program), *arguments]
    with output.open("wb") as file:
        return Watcher(name, output, shell.start(command, netns=netns, stdout=file, stderr=file))


def until_ready(watchers: Sequence[Watcher], say: Callable[[str], None]) -> list[Watcher]:
    """Those that are ready, in their order; says of the others why they are not, and ends them."""
    waiting = list(watchers)

    def have_begun_or_ended() -> bool:
        waiting[:] = [each for each in waiting if not each.is_ready() and each.process.poll() is None]
        return not waiting

    poll_until(have_begun_or_ended, _READY_WITHIN)
    ready = []
    for watcher in watchers:
        if watcher.is_ready():
            ready.append(watcher)
        else:
            say(f"{watcher.name} is not watched: {watcher.words()}")
            watcher.request_stop()
            watcher.wait()
    return ready
