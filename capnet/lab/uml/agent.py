"""Inside User-Mode Linux: runs the programs that the supervisor asks for at the other end of the serial line.

A program has its own session; a client that leaves takes its program with it (SIGTERM, so that it can clean up).
Input and output are under way in a limited number of chunks, so a slow reader stops its own program only.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from capnet.lab.uml.protocol import CHUNK, WINDOW, Message, encode, messages, pack, unpack

Say = Callable[[Message], None]

_OWN_PROGRAMS = os.environ.get("PATH", "").partition(":")[0]  # the first folder of process 1's PATH (see `machine`)

_SILENCE = 1000  # ms, of a terminal whose program has ended


class ProgramRun:
    """One program, from its start to its exit code."""

    def __init__(self, asked: Message, say: Say) -> None:
        self._say = say
        self._window = threading.Semaphore(WINDOW)
        self._input: SimpleQueue[bytes | None] = SimpleQueue()
        self._terminal: int | None = None
        self._gone = False
        folder = asked["folder"] if Path(asked["folder"]).is_dir() else "/"
        environment = {**asked["environment"], "TMPDIR": os.environ["TMPDIR"]}
        environment["PATH"] = f"{_OWN_PROGRAMS}:{environment.get('PATH', os.defpath)}"
        options: dict[str, Any] = {"cwd": folder, "env": environment, "start_new_session": True}
        if asked["terminal"]:
            self._terminal, program_side = pty.openpty()
            self.resize(asked["terminal"])
            options |= dict.fromkeys(("stdin", "stdout", "stderr"), program_side)
            options["preexec_fn"] = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        else:
            options |= dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        try:
            self._process = subprocess.Popen(asked["run"], **options)
        finally:
            if self._terminal is not None:
                os.close(program_side)
        if self._terminal is not None:
            sources, sink = {"out": self._terminal}, os.dup(self._terminal)
        else:
            out, err, into = self._process.stdout, self._process.stderr, self._process.stdin
            assert out and err and into
            sources, sink = {"out": out.fileno(), "err": err.fileno()}, os.dup(into.fileno())
            into.close()
        self._running, self._ended = os.pipe()  # a descriptor to poll for the program's end, and what is closed then
        self._readers = [threading.Thread(target=self._read, args=each, daemon=True) for each in sources.items()]
        threading.Thread(target=self._write, args=(sink,), daemon=True).start()
        for reader in self._readers:
            reader.start()
        threading.Thread(target=self._wait, daemon=True).start()

    def hear(self, message: Message) -> None:
        """Does what a message from the client asks."""
        if "in" in message:
            self._input.put(None if message["in"] is None else unpack(message["in"]))
        elif "taken" in message:
            self._window.release(message["taken"])
        elif "signal" in message:
            self._signal(message["signal"])
        elif "size" in message:
            self.resize(message["size"])
        elif "gone" in message:
            self._gone = True
            self._window.release(1_000_000)
            self._input.put(None)
            self._signal(signal.SIGHUP if self._terminal is not None else signal.SIGTERM)

    def resize(self, size: list[int]) -> None:
        """Gives the terminal its number of rows and columns."""
        if self._terminal is not None:
            with suppress(OSError):
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _read(self, name: str, source: int) -> None:
        """Passes on what the program writes, however slowly it is taken.

        What it left in the background may hold its output open for ever: so when it has ended, what is in a pipe then
        is the rest. A terminal has it a moment later (tty_flip_buffer_push): that is to be silent.
        """
        ready = select.poll()
        for each in (source, self._running):
            ready.register(each, select.POLLIN)
        is_pipe = self._terminal is None
        ended, rest = False, 0  # octets in a pipe when it has ended
        while True:
            if not ended and self._running in dict(ready.poll()):
                ended, rest = True, _unread(source) if is_pipe else 0
                ready.unregister(self._running)
            if ended and (rest <= 0 if is_pipe else not ready.poll(_SILENCE)):
                return
            try:
                data = os.read(source, CHUNK)
            except OSError:  # the terminal's other side is closed
                return
            if not data:
                return
            rest -= len(data)
            self._window.acquire()
            if not self._gone:
                self._say({name: pack(data)})

    def _write(self, sink: int) -> None:
        while (data := self._input.get()) is not None:
            with suppress(OSError):  # the program does not want it
                view = memoryview(data)
                while view:
                    view = view[os.write(sink, view) :]
            self._say({"taken": 1})
        os.close(sink)

    def _wait(self) -> None:
        code = self._process.wait()
        os.close(self._ended)
        for reader in self._readers:
            reader.join()
        os.close(self._running)
        self._input.put(None)
        self._say({"ended": code if code >= 0 else 128 - code})


def _unread(pipe: int) -> int:
    """How many octets are in a pipe (FIONREAD, pipe(7))."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def main(device: str) -> None:
    """Serves the line until it is closed."""
    line = os.open(device, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    lock = threading.Lock()

    def say(message: Message) -> None:
        with lock:
            view = memoryview(encode(message))
            while view:
                view = view[os.write(line, view) :]

    sessions: dict[int, ProgramRun] = {}
    say({"ready": True})

    def heard() -> Iterator[bytes]:
        """Whole lines from the supervisor, who waits to hear that they have been read."""
        rest = b""
        while data := os.read(line, 4096):
            say({"heard": len(data)})
            *whole, rest = (rest + data).split(b"\n")
            yield from whole

    for message in messages(heard()):
        number = message.get("session")
        if not isinstance(number, int):
            continue

        def answer(message: Message, number: int = number) -> None:
            if "ended" in message:
                sessions.pop(number, None)
            say(message | {"session": number})

        if "run" in message:
            try:
                sessions[number] = ProgramRun(message, answer)
            except OSError as error:
                answer({"err": pack(f"{message['run'][0]}: {error.strerror}\n".encode())})
                answer({"ended": 127})
        elif number in sessions:
            sessions[number].hear(message)


if __name__ == "__main__":
    main(sys.argv[1])
