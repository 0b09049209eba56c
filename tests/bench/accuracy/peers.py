"""The two ends of the connections: python -m tests.bench.accuracy.peers serve | CASE COUNT

`serve` answers in the servers' namespace until its standard input closes. Otherwise the clients of one case connect, in
the clients' namespace. Plain sockets: the kernel chooses sequence numbers, identifications and segments.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

CLIENTS = [f"10.1.0.{number}" for number in range(10, 74)]
SERVERS = [f"198.51.100.{number}" for number in range(10, 14)]
DIRECT = "203.0.113.10"  # masquerade leaves out what goes there
HOST = "10.1.0.1"  # the translating host, where ports are published
TCP_PORT, UDP_PORT, BULK_PORT = 7000, 7000, 7001
ZERO_PORT = 7002  # for UDP whose IP identification is 0, both ways
CLIENT_LINK = bytes.fromhex("020000000001020000000002")  # MACs of in0 and of the clients
SERVER_LINK = bytes.fromhex("020000000003020000000004")  # MACs of out0 and of the servers
PUBLISHED_PORT = 8080  # of the host, for TCP and UDP
BULK_OCTETS = 150_000
TIMEOUT_S = 4.0
RESET = struct.pack("ii", 1, 0)  # linger: close with RST, so that the port is free at once


def serve() -> None:
    """Answer every connection and datagram with what it sent, and bulk requests with BULK_OCTETS."""
    for port, answer in ((TCP_PORT, _echo), (BULK_PORT, _bulk)):
        listener = socket.create_server(("0.0.0.0", port), backlog=4096, reuse_port=False)
        for _ in range(100 if port == TCP_PORT else 2):  # a request that was dropped holds its thread
            threading.Thread(target=_accept, args=(listener, answer), daemon=True).start()
    # A socket for each address: an answer must come from the address that was asked.
    places = [(address, port) for address in (*SERVERS, DIRECT) for port in (UDP_PORT, ZERO_PORT)]
    sockets = {}
    for place in places:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        receiver.bind(place)
        sockets[receiver] = place
    wire = _wire()
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([*sockets, sys.stdin], [], [])
        for one in ready:
            if not isinstance(one, socket.socket):
                return
            data, sender = one.recvfrom(2048)
            if sockets[one][1] == ZERO_PORT:
                wire.send(SERVER_LINK + _zero_datagram(sockets[one], sender, data))
            else:
                one.sendto(data, sender)


def _accept(listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(TIMEOUT_S)
            answer(connection)


def _echo(connection: socket.socket) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


def _bulk(connection: socket.socket) -> None:
    if connection.recv(16):
        connection.sendall(bytes(BULK_OCTETS))


# -- clients ---------------------------------------------------------------------------------------------------
def tcp(count: int) -> None:
    """One request and answer on each connection; one in eight is not translated."""
    for number, client in zip(range(count), itertools.cycle(CLIENTS), strict=False):
        _ask((client, 0), (_server(number), TCP_PORT), b"request %d" % number)


def lossy(count: int) -> None:
    """As `tcp`, from many threads: the host drops packets, and the kernel sends again after a second and more."""

    def ask(number: int) -> None:
        _ask((CLIENTS[number % len(CLIENTS)], 0), (_server(number), TCP_PORT), b"request %d" % number)

    with ThreadPoolExecutor(100) as threads:
        list(threads.map(ask, range(count)))


def udp(count: int) -> None:
    """A question and its answer on each connection; one in eight is not translated."""
    _datagrams(((client, 0), (_server(n), UDP_PORT), b"question %d" % n) for n, client in _numbered(count))


def same_payload(count: int) -> None:
    """As `udp`, three questions each; all datagrams have the same octets and the IP identification 0."""
    _datagrams((((client, 0), (_server(n), ZERO_PORT), b"heartbeat") for n, client in _numbered(count)), times=3)


def same_payload_clash(count: int) -> None:
    """As `same_payload`, and all clients use the same source ports at once: only the order tells them apart."""
    step = len(CLIENTS) // 4
    questions = (
        ((client, port), (SERVERS[0], ZERO_PORT), b"heartbeat")
        for port in range(20_000, 20_000 + count // step)
        for client in CLIENTS[:step]
    )
    _datagrams(questions, times=3)


def icmp(count: int) -> None:
    """Echo requests; each identifier is used by several clients at once, so that some are rewritten."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        senders = {}
        for client in CLIENTS:
            senders[client] = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            senders[client].bind((client, 0))
        for number, client in _numbered(count):
            ident = number // len(CLIENTS) + 1
            head = struct.pack(">BBHHH", 8, 0, 0, ident, 1)
            body = b"echo %08d" % number
            senders[client].sendto(
                struct.pack(">BBHHH", 8, 0, _checksum(head + body), ident, 1) + body, (_server(number), 0)
            )
            if number % 64 == 63:
                _drain(listener, 64)


def published(count: int) -> None:
    """Connections to a published port of the host, TCP and UDP in turn."""
    half = count // 2
    for number, client in _numbered(half):
        _ask((client, 0), (HOST, PUBLISHED_PORT), b"web %d" % number)
    _datagrams(((client, 0), (HOST, PUBLISHED_PORT), b"dns %d" % n) for n, client in _numbered(count - half))


def port_clash(count: int) -> None:
    """All clients use the same source ports to the same server at once: masquerade has to choose others."""
    server, step = SERVERS[0], len(CLIENTS) // 4
    for port in range(20_000, 20_000 + count // step // 2):
        opened = []
        for client in CLIENTS[:step]:
            with contextlib.suppress(OSError):
                opened.append(_connected((client, port), (server, TCP_PORT)))
        for number, connection in enumerate(opened):
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"clash %d %d" % (port, number))
                connection.recv(64)
    _datagrams(
        ((client, port), (server, UDP_PORT), b"clash %d" % port)
        for port in range(20_000, 20_000 + count // step // 2)
        for client in CLIENTS[:step]
    )


def port_reuse(count: int) -> None:
    """Each source port connects to one server four times, closed by RST; the host chooses a random port each time."""
    for number in range(count // 4):
        client = CLIENTS[number % len(CLIENTS)]
        for use in range(4):
            with contextlib.suppress(OSError):
                connection = _connected((client, 20_000 + number // len(CLIENTS)), (SERVERS[0], TCP_PORT))
                with connection:
                    connection.sendall(b"use %d of %d" % (use, number))
                    connection.recv(64)


def bulk(count: int) -> None:
    """Downloads of BULK_OCTETS, segmented by the network devices."""
    for number, client in _numbered(count):
        with contextlib.suppress(OSError), _connected((client, 0), (SERVERS[number % 4], BULK_PORT)) as connection:
            connection.sendall(b"bulk %d" % number)
            while connection.recv(1 << 17):
                pass


CASES: dict[str, Callable[[int], None]] = {
    "tcp": tcp,
    "udp": udp,
    "icmp": icmp,
    "published": published,
    "port-clash": port_clash,
    "port-reuse": port_reuse,
    "same-payload": same_payload,
    "same-payload-clash": same_payload_clash,
    "bulk": bulk,
    "lossy": lossy,
}


# -- parts -----------------------------------------------------------------------------------------------------
def _numbered(count: int) -> Iterator[tuple[int, str]]:
    return zip(range(count), itertools.cycle(CLIENTS), strict=False)


def _server(number: int) -> str:
    return DIRECT if number % 8 == 7 else SERVERS[number % len(SERVERS)]


def _connected(source: tuple[str, int], target: tuple[str, int]) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.settimeout(TIMEOUT_S)
    try:
        connection.bind(source)
        connection.connect(target)
    except OSError:
        connection.close()
        raise
    return connection


def _ask(source: tuple[str, int], target: tuple[str, int], request: bytes) -> None:
    """Connect, ask and close in order; a connection that fails is none."""
    with contextlib.suppress(OSError), socket.create_connection(target, TIMEOUT_S, source) as connection:
        connection.sendall(request)
        connection.recv(64)


def _datagrams(questions: Iterator[tuple[tuple[str, int], tuple[str, int], bytes]], times: int = 1) -> None:
    """Send from a new socket each, 64 at a time, and wait for their answers; all of it several times."""
    wire = _wire()
    for batch in iter(lambda: list(itertools.islice(questions, 64)), []):
        waiting = []
        for source, target, data in batch:
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sender.bind(source)
            waiting.append((sender, target, data))
        for _ in range(times):
            for sender, target, data in waiting:
                if target[1] == ZERO_PORT:
                    wire.send(CLIENT_LINK + _zero_datagram(sender.getsockname(), target, data))
                else:
                    sender.sendto(data, target)
            _await_answers([sender for sender, _, _ in waiting])
        for sender, _, _ in waiting:
            sender.close()


def _await_answers(senders: list[socket.socket]) -> None:
    """Read one datagram from each, as long as they come."""
    poll = select.poll()
    by_number = {sender.fileno(): sender for sender in senders}
    for number in by_number:
        poll.register(number, select.POLLIN)
    while by_number and (ready := poll.poll(300)):
        for number, _ in ready:
            poll.unregister(number)
            by_number.pop(number).recv(2048)


def _wire() -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("eth0", 0))
    return wire


def _zero_datagram(source: tuple[str, int], target: tuple[str, int], data: bytes) -> bytes:
    """Behind both MACs: a UDP datagram without checksum and with the IP identification 0, which this kernel avoids."""
    ends = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(data), 0, 0x4000, 64, socket.IPPROTO_UDP, 0)
    checksum = struct.pack(">H", _checksum(head + ends))
    udp_head = struct.pack(">HHHH", source[1], target[1], 8 + len(data), 0)
    return b"\x08\x00" + head[:10] + checksum + ends + udp_head + data


def _drain(listener: socket.socket, most: int) -> None:
    """Read answers until `most` came, or none for a while."""
    for _ in range(most):
        if not select.select([listener], [], [], 0.3)[0]:
            return
        listener.recv(2048)


def _checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


if __name__ == "__main__":
    random.seed(1)
    if sys.argv[1] == "serve":
        serve()
    else:
        CASES[sys.argv[1]](int(sys.argv[2]))
