"""Running a program inside User-Mode Linux from outside, as if it ran here."""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import socket
import struct
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from capnet.errors import EnvironmentLacks
from capnet.lab.uml.protocol import CHUNK, WINDOW, Message, encode, messages, pack, unpack
from capnet.lab.uml.supervisor import CONTROL

Take = Callable[[bytes], None]

# What the programs inside have of their own: temporary files in memory, and the lab in its usual folder.
_NOT_PASSED_ON = ("TMPDIR", "TMP", "TEMP", "CAPNET_LAB_DIR")


def run(folder: Path, words: list[str], *, out: Take, err: Take, passes_interrupts: bool = False) -> int:
    """Runs a program without input and returns its exit code; `out` and `err` get what it prints.

    When KeyboardInterrupt comes, a program that `passes_interrupts` gets SIGINT and may finish what it has to undo
    before the exception goes on; others get SIGTERM and are left to themselves.
    """
    with _connected(folder) as line:
        line.say(_request(words, terminal=None))
        line.say({"in": None})
        while True:
            try:
                return line.until_it_ends(out, err)
            except KeyboardInterrupt:
                if not passes_interrupts:
                    raise
                passes_interrupts = False  # a second one does not wait
                line.say({"signal": signal.SIGINT})
                with suppress(EnvironmentLacks):
                    line.until_it_ends(out, err)
                raise


def become(folder: Path, words: list[str]) -> int:
    """Runs a program with this process's own standard input, output and error; returns its exit code."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with _connected(folder) as line:
        line.say(_request(words, terminal=_size() if terminal else None))
        with _raw(line) if terminal else _signals_passed_on(line):
            return line.until_it_ends(_writer(1), _writer(2), reads=0)


class _Line:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = b""

    def say(self, message: Message) -> None:
        with suppress(ConnectionError):  # reading will tell
            self._socket.sendall(encode(message))

    def until_it_ends(self, out: Take, err: Take, *, reads: int | None = None) -> int:
        """The program's exit code. `reads` is a descriptor whose content is its input."""
        room = WINDOW  # chunks of input that may still be sent
        with selectors.PollSelector() as selector:  # not epoll, which refuses plain files
            selector.register(self._socket, selectors.EVENT_READ)
            if reads is not None:
                selector.register(reads, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if reads is not None and reads in ready:
                    data = os.read(reads, CHUNK)
                    self.say({"in": pack(data) if data else None})
                    room -= 1
                    if not data or room == 0:
                        selector.unregister(reads)
                    if not data:
                        reads = None
                if self._socket.fileno() not in ready:
                    continue
                for message in self._received():
                    if "ended" in message:
                        return int(message["ended"])
                    if "taken" in message:
                        if reads is not None and room == 0:
                            selector.register(reads, selectors.EVENT_READ)
                        room += message["taken"]
                    for name, take in (("out", out), ("err", err)):
                        if name in message:
                            take(unpack(message[name]))
                            self.say({"taken": 1})

    def _received(self) -> list[Message]:
        """The messages that have come in whole."""
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionError:  # the supervisor ended with words of ours unread: reset, not closed (unix(7))
            data = b""
        if not data:
            raise EnvironmentLacks("User-Mode Linux has ended; start the lab anew: capnet lab up --kernel uml")
        *lines, self._rest = (self._rest + data).split(b"\n")
        return list(messages(lines))


@contextmanager
def _connected(folder: Path) -> Iterator[_Line]:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(os.fspath(folder / CONTROL))
        except OSError as error:
            raise EnvironmentLacks(
                f"User-Mode Linux does not answer at {folder / CONTROL} ({error.strerror}); "
                "repair the lab: capnet lab up --kernel uml"
            ) from error
        yield _Line(connection)


def _request(words: list[str], *, terminal: list[int] | None) -> Message:
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON}
    environment = {key: value for key, value in environment.items() if not key.startswith("DOCKER_")}
    folder = environment["PWD"] = str(Path.cwd())
    return {"run": words, "folder": folder, "environment": environment, "terminal": terminal}


def _writer(descriptor: int) -> Take:
    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    return write


def _size() -> list[int]:
    rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    return [rows, columns]


@contextmanager
def _raw(line: _Line) -> Iterator[None]:
    """Every key, also Ctrl-C, goes to the terminal inside, which is as large as this one."""
    before = termios.tcgetattr(0)
    resized = signal.signal(signal.SIGWINCH, lambda *_: line.say({"size": _size()}))
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, resized)


@contextmanager
def _signals_passed_on(line: _Line) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, _: line.say({"signal": number})) for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
