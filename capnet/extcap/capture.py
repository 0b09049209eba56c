"""Captures for Wireshark: what `capnet capture TARGET -w -` does, with Wireshark's FIFO as standard output.

Ends when Wireshark closes the FIFO, or with SIGTERM. Wireshark shows everything on standard error as an error when the
capture has ended, so only what is wrong is written there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from capnet.cli.capture import command, run
from capnet.cli.capture_options import Given
from capnet.cli.capture_status import Screen
from capnet.errors import CapnetError, Exit, UsageError
from capnet.extcap.arguments import Request
from capnet.extcap.docker_hosts import docker_hosts
from capnet.extcap.interfaces import target_of
from capnet.wireshark.sentences import BUFFER_MIB, MAX_BUFFER_MIB, MAX_SNAPLEN

if TYPE_CHECKING:
    from pathlib import Path

    from capnet.record.live.session import LiveCapture


class _Silent(Screen):
    """A screen that keeps only what went wrong, such as a capture point that is gone."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.lines: list[str] = []

    def announce(self, points: Sequence[str]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Keeps the line."""
        self.lines.append(line)

    def note(self, line: str) -> None:
        """Nothing."""

    def show(self, live: LiveCapture) -> None:
        """Nothing."""

    def end(self, live: LiveCapture, paths: Sequence[Path]) -> None:
        """Nothing."""


def capture(request: Request) -> int:
    """Captures until it is told to stop. Returns the exit code."""
    screen = _Silent(request.interface)
    try:
        given = given_of(request)
        _open_fifo(request.options.get("--fifo", ""))
        code = run(given, screen)
    except CapnetError as error:
        screen.say(str(error))
        code = int(error.exit_code)
    except KeyboardInterrupt:  # while it still looked for the points
        code = int(Exit.INTERRUPTED)
    if screen.lines and code != Exit.INTERRUPTED:  # to stop a capture before it has begun is no error
        _complain("\n".join(screen.lines))
    return code


def given_of(request: Request) -> Given:
    """What `capnet capture` would be given for the request. Raises UsageError."""
    with command.make_context("capture", words_of(request)) as context:
        return Given(**context.params)


def words_of(request: Request) -> list[str]:
    """The arguments of `capnet capture`. Raises UsageError."""
    target = target_of(request.interface)
    if target is None:
        raise UsageError(f"no interface {request.interface!r}")
    urls = {host.name: host.url for host in docker_hosts()}
    if target.host and target.host not in urls:
        raise UsageError(f"{request.interface}: no lab with a host {target.host} is up (CAPNET_LAB_DIR)")
    snaplen = request.options.get("--snaplen") or "0"
    if not snaplen.isdecimal() or int(snaplen) > MAX_SNAPLEN:
        raise UsageError(f"snapshot length {snaplen!r}: a number up to {MAX_SNAPLEN}")
    buffer_mib = request.options.get("--buffer") or str(BUFFER_MIB)
    if not buffer_mib.isdecimal() or not 1 <= int(buffer_mib) <= MAX_BUFFER_MIB:
        raise UsageError(f"buffer {buffer_mib!r}: MiB from 1 to {MAX_BUFFER_MIB}")
    words = ["--write=-", f"--snaplen={int(snaplen) or MAX_SNAPLEN}", f"--buffer={int(buffer_mib)}"]
    if request.capture_filter:
        words.append(f"--filter={request.capture_filter}")
    if target.host:
        words.append(f"--host={target.host}={urls[target.host]}")
    words += [f"--network={name}" for name in target.networks]
    if not target.containers and not target.networks:
        words.append("--all")
    return [*words, "--", *target.containers]


def _open_fifo(path: str) -> None:
    """Makes the FIFO standard output, at once: Wireshark removes its name when a capture is stopped early."""
    if not path:
        raise UsageError("--capture needs --fifo")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)  # waits until Wireshark reads
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
    os.dup2(handle, sys.stdout.fileno())
    os.close(handle)


def _complain(text: str) -> None:
    from capnet.report.escape import visible

    sys.stderr.write(f"capnet: {visible(text, chr(10))}\n")
    sys.stderr.flush()
