"""A program in a running container, over Docker's API: a connection that carries its three standard streams.

Run as a program of its own, `python exec_stream.py ENDPOINT CONTAINER WORD...` is what `docker exec -i` is: its stdin,
stdout, stderr and exit status are the program's. A process for each program keeps up with captures, which threads of
one interpreter would not; it imports nothing but the standard library, so that it starts in some 20 ms.

Input: ENDPOINT is a file with an `Endpoint` as JSON; it may hold a password, which the words of a process must not.
Method: POST /exec/ID/start with `Upgrade: tcp`; after the header of the answer the connection is the streams: towards
the container as they are, from it in pieces of a header (stream, 3 zeros, length in 4 bytes) and content.
The end of stdin is a line feed and, where the connection can be closed one way only, its end: TLS cannot.
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

_HEADER = 8
_READ_SIZE = 1 << 18
_CONNECT_WITHIN = 30.0  # seconds
_ENDED_WITHIN = 10.0  # seconds until Docker knows how a program ended whose streams have ended
_ASK_AFTER = 1.0  # seconds of silence behind the end of stdin: Docker leaves streams open if the container is removed
_NOT_RUN = 125  # exit status where Docker did not start the program, as of `docker exec`


class DaemonAddress(NamedTuple):
    """Where a daemon answers: a unix socket, or a host and port, with TLS if it has `tls`."""

    version: str  # of the API
    path: str = ""  # of the unix socket
    host: str = ""
    port: int = 0
    authorization: str = ""  # `user:password` for HTTP's basic authentication
    tls: bool = False
    ca: str = ""  # files, each empty where there is none
    certificate: str = ""
    key: str = ""
    verify: bool = True

    def connect(self) -> socket.socket:
        """A connection to it. Raises OSError, also for a certificate that is not trusted."""
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(_CONNECT_WITHIN)
            connection.connect(self.path)
        else:
            connection = socket.create_connection((self.host, self.port), _CONNECT_WITHIN)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return self._encrypted(connection) if self.tls else connection

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        import ssl  # which takes longer to import than all else here

        context = ssl.create_default_context(cafile=self.ca or None)
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key or None)
        return context.wrap_socket(connection, server_hostname=self.host)


class Refused(Exception):
    """Docker answered with an error; its words."""


def request(endpoint: DaemonAddress, method: str, path: str, body: object = None) -> Any:
    """The JSON that the daemon answers; None where it has none. Raises Refused, OSError."""
    with endpoint.connect() as connection:
        _send(endpoint, connection, method, path, body, "Connection: close\r\n")
        received = bytearray()
        while chunk := connection.recv(_READ_SIZE):
            received += chunk
    head, _, content = bytes(received).partition(b"\r\n\r\n")
    status = _status(head)
    try:
        if b"transfer-encoding: chunked" in head.lower():
            content = _unchunked(content)
        if status >= 400:
            raise Refused(_message(content))
        return json.loads(content) if content.strip() else None
    except ValueError as error:
        raise ConnectionError("the daemon's answer is cut") from error


def stream(endpoint: DaemonAddress, path: str, body: object = None) -> tuple[socket.socket, bytes]:
    """(a connection that carries streams from now on, what came after the header already). Raises Refused, OSError."""
    with ExitStack() as stack:
        connection = stack.enter_context(endpoint.connect())
        _send(endpoint, connection, "POST", path, body, "Connection: Upgrade\r\nUpgrade: tcp\r\n")
        received = bytearray()
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(_READ_SIZE)
            if not chunk:
                raise ConnectionResetError("the daemon closed the connection")
            received += chunk
        head, _, rest = bytes(received).partition(b"\r\n\r\n")
        if _status(head) >= 400:
            raise Refused(_message(rest))
        connection.settimeout(None)
        stack.pop_all()  # it stays open
        return connection, rest


def _send(
    endpoint: DaemonAddress, connection: socket.socket, method: str, path: str, body: object, connection_header: str
) -> None:
    content = b"" if body is None else json.dumps(body).encode()
    authorization = ""
    if endpoint.authorization:
        authorization = f"Authorization: Basic {base64.b64encode(endpoint.authorization.encode()).decode()}\r\n"
    head = (
        f"{method} /v{endpoint.version}{path} HTTP/1.1\r\nHost: {endpoint.host or 'docker'}\r\n{authorization}"
        f"{connection_header}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    connection.sendall(head.encode() + content)


def _status(head: bytes) -> int:
    """The status code of an answer. Raises ConnectionError where it has none: the daemon ended, or is no daemon."""
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ConnectionError("the daemon closed the connection" if not head else "what answers there is no Docker")
    return int(words[1])


def _unchunked(content: bytes) -> bytes:
    parts, at = [], 0
    while (end := content.find(b"\r\n", at)) > 0 and (size := int(content[at:end].split(b";")[0], 16)):
        parts.append(content[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


def _message(content: bytes) -> str:
    start = content.find(b"{")
    try:
        return str(json.loads(content[start : content.rfind(b"}") + 1])["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()


# -- the program --------------------------------------------------------------------------------------
def run(endpoint: DaemonAddress, container: str, words: Sequence[str]) -> int:
    """Runs the words in the container with this process's standard streams; the exit status."""
    has_input = not _is_null(0)
    made = request(
        endpoint,
        "POST",
        f"/containers/{container}/exec",
        {"AttachStdin": has_input, "AttachStdout": True, "AttachStderr": True, "Cmd": list(words)},
    )["Id"]
    connection, rest = stream(endpoint, f"/exec/{made}/start", {"Detach": False, "Tty": False})

    def state() -> dict[str, Any]:
        answer: dict[str, Any] = request(endpoint, "GET", f"/exec/{made}/json")
        return answer

    with connection:
        _relay(connection, rest, has_input, lambda: bool(state()["Running"]))
    deadline = time.monotonic() + _ENDED_WITHIN
    while state()["Running"] and time.monotonic() < deadline:
        time.sleep(0.01)  # the streams end first
    code = state()["ExitCode"]
    return _NOT_RUN if code is None else int(code)


def _relay(connection: socket.socket, rest: bytes, has_input: bool, is_running: Callable[[], bool]) -> None:
    """Copies the streams until those of the container end. Raises Refused, OSError."""
    pieces = Pieces()
    pieces.write(rest)
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    if has_input:
        poll.register(0, select.POLLIN)
    is_encrypted = hasattr(connection, "pending")
    wait_ms: float | None = None
    while True:
        is_pending = is_encrypted and connection.pending() > 0  # type: ignore[attr-defined]
        ready = {descriptor for descriptor, _ in poll.poll(0 if is_pending else wait_ms)}
        if 0 in ready:
            data = os.read(0, _READ_SIZE)
            connection.sendall(data or b"\n")
            if not data:
                poll.unregister(0)
                wait_ms = _ASK_AFTER * 1000
                if not is_encrypted:
                    connection.shutdown(socket.SHUT_WR)
        if is_pending or connection.fileno() in ready:
            data = connection.recv(_READ_SIZE)
            if not data:
                return
            pieces.write(data)
        elif not ready and not is_running():
            return


class Pieces:
    """Writes what comes from a container to file descriptors, however the connection cuts its pieces."""

    def __init__(self, stdout: int = 1, stderr: int = 2) -> None:
        self._stdout, self._stderr = stdout, stderr
        self._head = b""
        self._left = 0  # bytes of the present piece that are still to come
        self._descriptor = stdout

    def write(self, data: bytes) -> None:
        """Takes the next bytes of the connection."""
        view, at = memoryview(data), 0
        while at < len(view):
            if self._left:
                content = view[at : at + self._left]
                self._left -= len(content)
                at += len(content)
                _write(self._descriptor, content)
                continue
            missing = _HEADER - len(self._head)
            self._head += bytes(view[at : at + missing])
            at += missing
            if len(self._head) == _HEADER:
                self._descriptor = self._stderr if self._head[0] == 2 else self._stdout
                self._left = int.from_bytes(self._head[4:], "big")
                self._head = b""


def _write(descriptor: int, content: memoryview) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _is_null(descriptor: int) -> bool:
    status = os.fstat(descriptor)
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.fstat(null).st_rdev
    finally:
        os.close(null)


def main(arguments: Sequence[str]) -> int:
    """What the module's docstring says."""
    file, container, *words = arguments
    with os.fdopen(os.open(file, os.O_RDONLY), encoding="utf-8") as opened:
        endpoint = DaemonAddress(**json.load(opened))
    try:
        return run(endpoint, container, words)
    except (Refused, OSError) as error:
        print(f"Docker: {error}", file=sys.stderr)
        return _NOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
