"""Brings Docker's API of machines that cannot be reached from here: they dial in. Two programs of one file.

`python api_tunnel.py gate CONFIGURATION` runs where capnet does. It listens for TLS, prints its port, and makes a unix
socket NAME.sock for each machine that has dialled in; what connects to it talks to that machine's Docker. It ends when
its stdin does. `python -c SOURCE dial` runs on such a machine, in a container that sees Docker's socket; it is told by
its environment where to dial. Both import nothing but the standard library.

Protocol: the dialling side opens connections and says its password and its name on each, in a line. A connection waits
until the gate uses it for a client. With the first byte it belongs to that client, and the dialling side opens another.
Trust: the dialling side knows the gate's certificate, which was made for this run; the gate knows the password.
"""

from __future__ import annotations

import hmac
import json
import os
import queue
import select
import socket
import ssl
import sys
import threading
from typing import Any

SPARE = 4  # connections that wait for a client
HELLO_WITHIN = 10.0  # seconds for TLS and the first line
_READ_SIZE = 1 << 17
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: the clocks of machines differ, which may be what is looked for


def relay(client: socket.socket, server: socket.socket) -> None:
    """Copies both ways until one of them is closed. The end of what the client sends is not the end of the answer."""
    poll = select.poll()
    poll.register(client, select.POLLIN)
    poll.register(server, select.POLLIN)
    other = {client.fileno(): (client, server), server.fileno(): (server, client)}
    while True:
        waiting = [(number, select.POLLIN) for number, (end, _) in other.items() if _pending(end)]
        for number, events in waiting or poll.poll():
            source, target = other[number]
            data = source.recv(_READ_SIZE)
            if data:
                target.sendall(data)
            elif source is server or events & select.POLLHUP or isinstance(source, ssl.SSLSocket):
                return
            else:
                poll.modify(source, 0)  # closed one way; that it is closed altogether is told without being asked
                if not isinstance(target, ssl.SSLSocket):
                    target.shutdown(socket.SHUT_WR)


def _pending(end: socket.socket) -> bool:
    return isinstance(end, ssl.SSLSocket) and end.pending() > 0


# -- the gate -----------------------------------------------------------------------------------------
class Gate:
    """`configuration`: address, folder, certificate, key, password, and the names that may dial in."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._folder = configuration["folder"]
        self._password = configuration["password"]
        self._waiting: dict[str, queue.Queue[ssl.SSLSocket]] = {name: queue.Queue() for name in configuration["names"]}
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(configuration["certificate"], configuration["key"])
        self._listener = socket.create_server((configuration["address"], 0), family=_family(configuration["address"]))
        self._lock = threading.Lock()
        self._open: set[str] = set()

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    def accept(self) -> None:
        """Takes connections for ever."""
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._greet, args=(connection,), daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        """Keeps a connection that says the password and the name of a machine; closes others."""
        connection.settimeout(HELLO_WITHIN)
        try:
            encrypted = self._context.wrap_socket(connection, server_side=True)
            line = b""
            while not line.endswith(b"\n") and len(line) < 1000 and (byte := encrypted.recv(1)):
                line += byte
            password, _, name = line.decode(errors="replace").strip().partition(" ")
        except OSError:
            connection.close()
            return
        if not hmac.compare_digest(password.encode(), self._password.encode()) or name not in self._waiting:
            encrypted.close()
            return
        encrypted.settimeout(None)
        encrypted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._waiting[name].put(encrypted)
        with self._lock:
            if name not in self._open:
                self._open.add(name)
                self._serve(name)

    def _serve(self, name: str) -> None:
        """Opens the unix socket of a machine; it has its name when it listens."""
        path = os.path.join(self._folder, f"{name}.sock")  # noqa: PTH118
        server = socket.socket(socket.AF_UNIX)
        server.bind(f"{path}.new")
        server.listen(64)
        os.rename(f"{path}.new", path)  # noqa: PTH104

        def accept() -> None:
            while True:
                client, _ = server.accept()
                threading.Thread(target=self._connect, args=(name, client), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def _connect(self, name: str, client: socket.socket) -> None:
        with client:
            try:
                server = self._waiting[name].get(timeout=HELLO_WITHIN)
            except queue.Empty:
                return
            with server:
                try:
                    relay(client, server)
                except OSError:
                    return


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def gate(file: str) -> None:
    """Runs the gate until stdin ends."""
    with os.fdopen(os.open(file, os.O_RDONLY), encoding="utf-8") as opened:
        serving = Gate(json.load(opened))
    threading.Thread(target=serving.accept, daemon=True).start()
    print(serving.port, flush=True)
    while os.read(0, 4096):
        pass
    os._exit(0)


# -- the machine that dials in ---------------------------------------------------------------------------
def dial() -> None:
    """Keeps connections to the gate until it is gone."""
    address, port = os.environ["CAPNET_GATE"], int(os.environ["CAPNET_PORT"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # it is known by its certificate, which has no name
    context.verify_flags |= _NO_CHECK_TIME
    context.load_verify_locations(cadata=os.environ["CAPNET_CERTIFICATE"])
    hello = f"{os.environ['CAPNET_PASSWORD']} {os.environ['CAPNET_NODE']}\n".encode()

    def connect() -> None:
        try:
            plain = socket.create_connection((address, port), HELLO_WITHIN)
            connection = context.wrap_socket(plain)
            connection.sendall(hello)
            connection.settimeout(None)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            first = connection.recv(_READ_SIZE)
        except OSError as error:
            print(f"{address}:{port}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        if not first:
            os._exit(0)  # the gate has gone
        threading.Thread(target=connect, daemon=True).start()
        with connection, socket.socket(socket.AF_UNIX) as docker:
            try:
                docker.connect(os.environ["CAPNET_DOCKER"])
                docker.sendall(first)
                relay(connection, docker)
            except OSError as error:
                print(error, file=sys.stderr, flush=True)

    for _ in range(SPARE):
        threading.Thread(target=connect, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["gate"]:
        gate(sys.argv[2])
    else:
        dial()
