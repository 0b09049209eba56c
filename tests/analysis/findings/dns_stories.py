"""DNS messages (RFC 1035 section 4.1) for stories: questions of a client, and what a name server answers."""

from __future__ import annotations

import struct

from tests.stories import Packet, udp

A, AAAA = 1, 28
NO_SUCH_NAME, SERVER_FAILURE = 3, 2
CLIENT, SERVER = "10.244.0.7", "10.96.0.10"


def message(name: str, kind: int = A, ident: int = 1, flags: int = 0x0100, records: int = 0) -> bytes:
    """A question about `name`, or with `flags` of an answer the answer to it."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    record = struct.pack(">HHHIH", 0xC00C, kind, 1, 30, 4 if kind == A else 16) + bytes(4 if kind == A else 16)
    head = struct.pack(">HHHHHH", ident, flags, 1, records, 0, 0)
    return head + labels + b"\0" + struct.pack(">HH", kind, 1) + record * records


def question(name: str, kind: int = A, ident: int = 1, port: int = 40000, **more: object) -> Packet:
    """A question of CLIENT to SERVER; `ends` in `more` makes it another one's."""
    packet = udp(f"{CLIENT}:{port} > {SERVER}:53", message(name, kind, ident), ident=ident)
    return packet.but(**more)


def answer(to: Packet, code: int = 0, records: int = 1, truncated: bool = False, **more: object) -> Packet:
    """What a server says to a question: `code` is the RCODE."""
    ident, kind = struct.unpack(">H", to.payload[:2])[0], struct.unpack(">H", to.payload[-4:-2])[0]
    name = ".".join(_labels(to.payload[12:-5]))
    payload = message(name, kind, ident, 0x8180 | code | 0x0200 * truncated, 0 if code or truncated else records)
    reply = to.but(src=to.dst, dst=to.src, sport=to.dport, dport=to.sport, smac=to.dmac, dmac=to.smac)
    return reply.but(payload=payload, **more)


def _labels(octets: bytes) -> list[str]:
    labels = []
    while octets:
        labels.append(octets[1 : 1 + octets[0]].decode())
        octets = octets[1 + octets[0] :]
    return labels
