"""What the caller of a program inside User-Mode Linux is told when User-Mode Linux ends.

The far end is a socket of the test, in place of the supervisor's: how a Unix socket ends is the kernel's doing.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capnet.errors import EnvironmentLacks
from capnet.lab.uml import client
from capnet.lab.uml.protocol import encode, pack
from capnet.lab.uml.supervisor import CONTROL


@contextmanager
def far_end(folder: Path, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """A supervisor's socket in `folder` whose one client is given to `serve`, and closed after it."""

    def accept() -> None:
        connection, _ = server.accept()
        with connection:
            select.select([connection], [], [])
            serve(connection)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / CONTROL))
        server.listen()
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def read_all(connection: socket.socket) -> None:
    """Reads to the end of the request (two messages), so that closing is an end of file for the client."""
    seen = b""
    while seen.count(b"\n") < 2:
        seen += connection.recv(1 << 16)


def read_nothing(connection: socket.socket) -> None:
    """Leaves the request unread, so that closing is a reset for the client (ECONNRESET)."""


def say_much(connection: socket.socket) -> None:
    """Says so much that the client answers when nobody reads any more (EPIPE, then the end)."""
    read_all(connection)
    connection.sendall(encode({"out": pack(b"word\n")}) * 3)


@pytest.mark.parametrize("serve", [read_all, read_nothing, say_much], ids=lambda serve: serve.__name__)
def test_ended_supervisor_is_an_error_with_its_fix(tmp_path: Path, serve: Callable[[socket.socket], None]) -> None:
    with far_end(tmp_path, serve), pytest.raises(EnvironmentLacks, match=r"has ended; .*lab up --kernel uml"):
        client.run(tmp_path, ["true"], out=lambda data: None, err=lambda data: None)


def test_ended_program_gives_its_exit_code(tmp_path: Path) -> None:
    said: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        read_all(connection)
        connection.sendall(encode({"out": pack(b"word")}) + encode({"ended": 7}))

    with far_end(tmp_path, serve):
        assert client.run(tmp_path, ["true"], out=said.append, err=said.append) == 7
    assert said == [b"word"]
