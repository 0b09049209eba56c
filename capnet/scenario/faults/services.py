"""Servers: each runs in threads of this process, through sockets of any namespace, and answers what it is asked."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from threading import Thread

Answer = Callable[[bytes], bytes]  # the answer to the octets that came; nothing: the server keeps silent

MAX_DATAGRAM = 65_535
PAGE = 1000  # octets of a web page
_BACKLOG = 16


def web_page(request: bytes, size: int = PAGE) -> bytes:
    """The answer of a web server: `size` octets behind a header that says so last."""
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a page " * (size // 7) + b"." * (size % 7)


def echo(request: bytes) -> bytes:
    """The answer of an echo server."""
    return request


class Services:
    """The servers of one network. `close` ends them all."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def tcp(self, listener: socket.socket, answer: Answer) -> None:
        """Accepts connections at a bound socket, and answers whatever each sends."""
        self._sockets.append(listener)
        listener.listen(_BACKLOG)
        Thread(target=self._accept, args=(listener, answer), daemon=True).start()

    def udp(self, server: socket.socket, answer: Answer) -> None:
        """Answers each datagram that comes to a bound socket."""
        self._sockets.append(server)
        Thread(target=_answer_datagrams, args=(server, answer), daemon=True).start()

    def close(self) -> None:
        """Closes all sockets; the threads end."""
        for each in self._sockets:
            with contextlib.suppress(OSError):  # it is not connected, which wakes its thread all the same
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener: socket.socket, answer: Answer) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self._sockets.append(connection)
                Thread(target=_answer_stream, args=(connection, answer), daemon=True).start()


def _answer_stream(connection: socket.socket, answer: Answer) -> None:
    with contextlib.suppress(OSError), connection:
        while request := connection.recv(MAX_DATAGRAM):
            connection.sendall(answer(request))


def _answer_datagrams(server: socket.socket, answer: Answer) -> None:
    with contextlib.suppress(OSError):
        while True:
            request, client = server.recvfrom(MAX_DATAGRAM)
            if not client:  # shut down
                return
            if reply := answer(request):
                server.sendto(reply, client)
