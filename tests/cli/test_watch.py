"""`capnet watch` in a pseudo-terminal: a growing file and standard input, `q`, Ctrl-C, and the terminal afterwards."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import PROJECT

BRIDGE = PROJECT / "pcaps" / "bridge.pcapng"
WITHIN_S = 30


class Terminal:
    """A program on a pseudo-terminal of 100 × 30, and what it wrote so far."""

    def __init__(self, *words: str | Path, stdin: int | None = None, before: Sequence[str] = (), **env: str) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        termios.tcsetwinsize(slave, (30, 100))
        self.slave = slave
        self.text = ""
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "capnet", *map(str, words)],
            stdin=slave if stdin is None else stdin,
            stdout=slave,
            stderr=slave,
            cwd=PROJECT,
            env={**os.environ, "TERM": "xterm", **env},
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(slave), os.O_RDWR)),  # makes it the controlling terminal
        )

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while words not in self.text:
            if time.monotonic() > deadline:
                pytest.fail(f"no {words!r} in: {self.text[-3000:]}")
            self.read()

    def read(self) -> None:
        """What it writes within a tenth of a second."""
        if select.select([self.master], [], [], 0.1)[0]:
            self.text += os.read(self.master, 1 << 16).decode(errors="replace")

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())

    def wait(self) -> int:
        deadline = time.monotonic() + WITHIN_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        return self.process.wait(1)


@contextmanager
def terminal(
    *words: str | Path, stdin: int | None = None, before: Sequence[str] = (), **env: str
) -> Iterator[Terminal]:
    opened = Terminal(*words, stdin=stdin, before=before, **env)
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
            opened.process.wait()
        os.close(opened.master)
        os.close(opened.slave)


def test_growing_file_is_shown_as_it_grows(tmp_path: Path) -> None:
    content = BRIDGE.read_bytes()
    path = tmp_path / "growing.pcapng"
    path.write_bytes(content[: len(content) // 3])
    with terminal("watch", path) as opened:
        opened.wait_for("Flows now")
        assert "272 packets" not in opened.text
        with path.open("ab") as file:
            file.write(content[len(content) // 3 :])
        opened.wait_for("272 packets")
        opened.wait_for("no packets for")
        opened.press("q")
        assert opened.wait() == 0
        assert "\x1b[?1049l" in opened.text
        assert termios.tcgetattr(opened.slave) == opened.before


def test_standard_input_is_shown_and_ctrl_c_ends() -> None:
    reading, writing = os.pipe()
    try:
        with terminal("watch", "-", stdin=reading) as opened:
            os.write(writing, BRIDGE.read_bytes()[:60_000])
            opened.wait_for("Flows now")
            os.kill(opened.process.pid, signal.SIGINT)
            assert opened.wait() == 0
            assert termios.tcgetattr(opened.slave) == opened.before
    finally:
        os.close(reading)
        os.close(writing)


def test_followed_file_is_shown_until_q(tmp_path: Path) -> None:
    path = tmp_path / "bridge.pcapng"
    path.write_bytes(BRIDGE.read_bytes())
    with terminal("analyze", "--follow", path) as opened:
        opened.wait_for("Flows now")
        opened.press("q")
        assert opened.wait() == 0
        assert opened.text.rindex("\x1b[?1049l") < opened.text.rindex("272 packets")


def test_without_a_terminal_it_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "capnet", "watch", str(BRIDGE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "capnet analyze FILE" in done.stderr
