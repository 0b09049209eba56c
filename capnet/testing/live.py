"""A live capture around a block of a test: `capnet capture TARGET…` in a process of its own, which needs root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capnet.testing.net import Net, net_of

__tracebackhide__ = True  # pytest shows the line of the test instead of this file

READY = "Ctrl-C ends it"  # the last words, in English, of `capnet capture` before it captures
MAX_START_S = 60.0
MAX_END_S = 60.0

# `capnet`, which is told to end (PR_SET_PDEATHSIG of prctl(2)) when the process of the test does, however that ends: by
# SIGTERM, because programs in the background of a shell begin with SIGINT ignored. Its argument is that process, which
# may have ended before: the kernel tells nothing then, and the parent is another one.
_PROGRAM = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.getppid() == int(sys.argv.pop(1)) or sys.exit(); from capnet.cli import main; main()"
)


class CaptureFailed(RuntimeError):
    """The capture did not begin, or ended before the test did; the message is what it printed."""


class LiveNet:
    """What a capture shows, once the block has ended; before, asking raises CaptureFailed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._net: Net | None = None

    def __getattr__(self, name: str) -> Any:  # what `Net` has
        if name.startswith("_") or self._net is None:
            raise CaptureFailed(f"{name} can be asked for when the capture has ended: behind the `with` block")
        return getattr(self._net, name)

    def read(self) -> None:
        """The capture has ended."""
        self._net = net_of(self.file)


@contextmanager
def capturing(targets: tuple[str, ...], file: Path, options: tuple[str, ...] = ()) -> Iterator[LiveNet]:
    """Capture at the targets until the block ends. Raises CaptureFailed."""
    begin = [sys.executable, "-c", _PROGRAM, str(os.getpid())]
    command = [*begin, "--lang", "en", "capture", *targets, "-w", str(file), *options]
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, text=True)
    try:
        lines = _wait_until_ready(process)
        rest = threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True)
        rest.start()
        net = LiveNet(file)
        yield net
        if process.poll() is not None:
            rest.join()
            raise CaptureFailed(f"the capture ended before the test did: {''.join(lines).strip()}")
        process.send_signal(signal.SIGINT)
        process.wait(MAX_END_S)
        rest.join()
        if process.returncode:
            raise CaptureFailed("".join(lines).strip())
        net.read()
    finally:
        _end(process)


def _wait_until_ready(process: subprocess.Popen[str]) -> list[str]:
    """The lines that it says until it captures."""
    lines: list[str] = []
    watchdog = threading.Timer(MAX_START_S, process.kill)
    watchdog.start()
    try:
        for line in process.stderr or ():
            lines.append(line)
            if READY in line:
                return lines
    finally:
        watchdog.cancel()
    process.wait()
    raise CaptureFailed("".join(lines).strip() or f"the capture did not begin within {MAX_START_S:.0f} s")


def _end(process: subprocess.Popen[str]) -> None:
    """A capture that a failing test left is ended as by Ctrl-C, so that its file is whole and nothing stays."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(MAX_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stderr:
        process.stderr.close()
