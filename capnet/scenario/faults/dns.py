"""Questions for a DNS server and its answers, as octets (RFC 1035 section 4.1)."""

from __future__ import annotations

import struct

A, AAAA = 1, 28
_IN = 1
_RECURSION_DESIRED, _ANSWER, _TRUNCATED = 0x0100, 0x8180, 0x0200
_NAME_OF_QUESTION = 0xC00C  # a pointer to offset 12
_ADDRESS = bytes((192, 0, 2, 80))
_HEADER = 12


def question(name: str, ident: int, kind: int = A) -> bytes:
    """A question for the addresses of a name."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack(">6H", ident, _RECURSION_DESIRED, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, _IN)


def answer(request: bytes) -> bytes:
    """A name server that knows the IPv4 address of every name, and no IPv6 address."""
    ident, asked = struct.unpack(">H", request[:2])[0], request[_HEADER:]
    has_address = struct.unpack(">H", asked[-4:-2])[0] == A
    record = struct.pack(">3HLH", _NAME_OF_QUESTION, A, _IN, 30, len(_ADDRESS)) + _ADDRESS if has_address else b""
    return struct.pack(">6H", ident, _ANSWER, 1, int(has_address), 0, 0) + asked + record


def truncated(request: bytes) -> bytes:
    """The answer to a UDP question that is too long for UDP: nothing but the bit that says so (TC)."""
    return request[:2] + struct.pack(">H", _ANSWER | _TRUNCATED) + request[4:]


def over_tcp(message: bytes) -> bytes:
    """A message behind its length (RFC 1035 section 4.2.2)."""
    return struct.pack(">H", len(message)) + message


def answer_over_tcp(request: bytes) -> bytes:
    """`answer`, over TCP."""
    return over_tcp(answer(request[2:]))
