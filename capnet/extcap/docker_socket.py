"""Asks Docker daemons by their Unix sockets, all at once and not for long.

Method: HTTP/1.0, after whose answer the daemon closes the connection, so that there is neither chunked encoding nor
keeping alive. By hand: `http.client` loads the package `email` and doubles the processor time of an answer, and
docker-py takes 100 ms (tests/bench/extcap.py).
"""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Sequence
from time import monotonic
from typing import Any

from capnet.quick_tuple import NamedTuple

ANSWERS_WITHIN = 0.2  # seconds for all questions: a list of interfaces must not wait for a daemon that hangs
MAX_ANSWER = 1 << 24  # bytes; a container takes about 2,000


class ApiRequest(NamedTuple):
    """A path of Docker's API, such as /networks, and the socket of the daemon that is asked."""

    socket_path: str
    path: str


def ask(questions: Sequence[ApiRequest], within: float = ANSWERS_WITHIN) -> list[Any]:
    """The JSON answers in the order of the questions; None where none came in time, or an error did."""
    deadline = monotonic() + within
    poll = select.poll()
    connections: dict[int, tuple[int, socket.socket]] = {}
    received = [bytearray() for _ in questions]
    is_complete = [False] * len(questions)
    for number, question in enumerate(questions):
        connection = _connected(question)
        if connection is not None:
            connections[connection.fileno()] = number, connection
            poll.register(connection, select.POLLIN)
    while connections and (left := deadline - monotonic()) > 0:
        for handle, _ in poll.poll(left * 1000):
            number, connection = connections[handle]
            data = _next_bytes(connection)
            received[number] += data
            if not data or len(received[number]) > MAX_ANSWER:
                is_complete[number] = not data
                poll.unregister(handle)
                del connections[handle]
                connection.close()
    for _, connection in connections.values():
        connection.close()
    return [_answer(bytes(data)) if done else None for data, done in zip(received, is_complete, strict=True)]


def _connected(question: ApiRequest) -> socket.socket | None:
    """A connection on which the question is sent; None where no daemon listens, or it may not be asked."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)  # a full queue of a daemon that hangs is no answer either
    try:
        connection.connect(question.socket_path)
        connection.send(f"GET {question.path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
    except (OSError, ValueError):
        connection.close()
        return None
    return connection


def _next_bytes(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except OSError:
        return b""


def _answer(data: bytes) -> Any:
    head, _, body = data.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if not head.startswith(b"HTTP/") or status != [b"200"]:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
