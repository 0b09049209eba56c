"""BGP-4 (RFC 4271 section 4): the messages that open a session, keep it and end it.

|                        16 octets of ones                      |
|            length             | type          |  OPEN: version(1) AS(2) hold time(2) id(4) options; NOTIFICATION:
                                                   error code(1), subcode(1), data

An AS number beyond 16 bits stands in a capability of OPEN (RFC 6793).
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.quick_tuple import NamedTuple

MARKER = b"\xff" * 16
HEADER = 19
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
CAPABILITIES, AS_CAPABILITY = 2, 65  # an optional parameter of OPEN (RFC 5492), and one capability in it
MAX_MESSAGES = 64  # of a segment
OPEN_ERROR, HOLD_TIMER_EXPIRED, CEASE = 2, 4, 6
COLLISION = 7  # of CEASE: two connections were opened at once, and one is closed (RFC 4486)
REASONS = {
    (1, 0): "message header error", (OPEN_ERROR, 0): "OPEN message error", (OPEN_ERROR, 1): "unsupported version",
    (OPEN_ERROR, 2): "bad peer AS", (OPEN_ERROR, 3): "bad BGP identifier",
    (OPEN_ERROR, 4): "unsupported optional parameter", (OPEN_ERROR, 6): "unacceptable hold time",
    (OPEN_ERROR, 7): "unsupported capability", (OPEN_ERROR, 11): "role mismatch", (3, 0): "UPDATE message error",
    (HOLD_TIMER_EXPIRED, 0): "hold timer expired", (5, 0): "finite state machine error", (CEASE, 0): "cease",
    (CEASE, 1): "maximum number of prefixes reached", (CEASE, 2): "administrative shutdown",
    (CEASE, 3): "peer de-configured", (CEASE, 4): "administrative reset", (CEASE, 5): "connection rejected",
    (CEASE, 6): "other configuration change", (CEASE, 8): "out of resources", (CEASE, 9): "hard reset",
    (CEASE, 10): "BFD down",
}  # fmt: skip


class BgpMessage(NamedTuple):
    """A message; of OPEN the AS number and the hold time [s], of NOTIFICATION code and subcode, else 0."""

    kind: int
    first: int
    second: int


def bgp_messages(segment: bytes) -> Iterator[BgpMessage]:
    """The messages of a segment that begins with one, whole ones only."""
    at = 0
    for _ in range(MAX_MESSAGES):
        length, kind = int.from_bytes(segment[at + 16 : at + 18], "big"), segment[at + 18 : at + HEADER]
        if segment[at : at + 16] != MARKER or length < HEADER or not kind or at + length > len(segment):
            return
        body = segment[at + HEADER : at + length]
        if kind[0] == OPEN and len(body) >= 10:
            yield BgpMessage(OPEN, _as_number(body), int.from_bytes(body[3:5], "big"))
        elif kind[0] == NOTIFICATION and len(body) >= 2:
            yield BgpMessage(NOTIFICATION, body[0], body[1])
        elif kind[0] in (UPDATE, KEEPALIVE):
            yield BgpMessage(kind[0], 0, 0)
        at += length


def _as_number(body: bytes) -> int:
    """The AS number of an OPEN: of its capability, or else of its field."""
    at, end = 10, min(10 + body[9], len(body))
    while at + 2 <= end:
        kind, size = body[at], body[at + 1]
        inside, stop = at + 2, min(at + 2 + size, end)
        while kind == CAPABILITIES and inside + 2 <= stop:
            if body[inside] == AS_CAPABILITY and body[inside + 1] == 4 and inside + 6 <= stop:
                return int.from_bytes(body[inside + 2 : inside + 6], "big")
            inside += 2 + body[inside + 1]
        at = at + 2 + size
    return int.from_bytes(body[1:3], "big")
