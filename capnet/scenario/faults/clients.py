"""Clients: one question and its answer, through a socket of any namespace."""

from __future__ import annotations

import socket
import struct

from capnet.scenario.faults.services import MAX_DATAGRAM

PATIENCE = 3.5  # seconds: a SYN without an answer is sent three times, after 1 s and 3 s again (RFC 6298)

NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER, socket(7): close() sends RST


def unspecified(address: str) -> str:
    """The unspecified address of the same family."""
    return "::" if ":" in address else "0.0.0.0"


def family_of(address: str) -> int:
    """AF_INET6 for an IPv6 address, else AF_INET."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def ask(client: socket.socket, question: bytes) -> bytes:
    """Asks a connected server, and returns the answer: what comes at once, or a whole web page. OSError without."""
    client.sendall(question)
    answer = client.recv(MAX_DATAGRAM)
    if not answer:
        raise ConnectionError("the server closed the connection without an answer")
    if answer.startswith(b"HTTP/"):
        head, _, body = answer.partition(b"\r\n\r\n")
        missing = int(head.rpartition(b" ")[2]) - len(body)
        while missing > 0 and (octets := client.recv(MAX_DATAGRAM)):
            answer += octets
            missing -= len(octets)
        if missing > 0:
            raise ConnectionError("the server closed the connection before its page was complete")
    return answer
