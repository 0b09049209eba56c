"""IKE, versions 1 (RFC 2408) and 2 (RFC 7296): who begins, and the errors that messages state in clear.

|                    IKE SA initiator's SPI (8)                 |
|                    IKE SA responder's SPI (8), 0 at first     |
| next payload  | version       | exchange type | flags         |
|                          message id                           |
|                            length                             |  payloads follow

Each payload begins with the type of the next one, an octet of flags and its length (2). On UDP port 4500, four zero
octets come first (RFC 3948). What is encrypted says nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.quick_tuple import NamedTuple

NON_ESP_MARKER = b"\0\0\0\0"
HEADER, PAYLOAD_HEADER = 28, 4
SA_INIT, AUTH = 34, 35  # exchanges of version 2
MAIN_MODE, AGGRESSIVE, INFORMATIONAL = 2, 4, 5  # of version 1
_EXCHANGES = {1: (MAIN_MODE, AGGRESSIVE, INFORMATIONAL, 6, 32), 2: (SA_INIT, AUTH, 36, 37, 38, 43, 44)}
_NOTIFY = {1: 11, 2: 41}  # types of payload
_ENCRYPTED_1 = 1  # a flag of version 1
_TYPE_AT = {1: 10, 2: 6}  # where a notify payload says what it notifies of: version 1 has a DOI before it
FIRST_STATUS = 16384  # smaller numbers of notifications are errors
NO_PROPOSAL_CHOSEN, INVALID_KE_PAYLOAD = 14, 17
ERRORS = {
    1: {14: "NO-PROPOSAL-CHOSEN", 18: "INVALID-ID-INFORMATION", 24: "AUTHENTICATION-FAILED"},
    2: {
        5: "INVALID_MAJOR_VERSION", 7: "INVALID_SYNTAX", 14: "NO_PROPOSAL_CHOSEN", 17: "INVALID_KE_PAYLOAD",
        24: "AUTHENTICATION_FAILED",
    },
}  # fmt: skip
MAX_PAYLOADS = 32


class IkeMessage(NamedTuple):
    """What is readable in a message."""

    version: int
    spi: int  # the initiator's
    is_begun: bool  # the responder has chosen an SPI
    exchange: int
    number: int  # message id
    error: int  # that it notifies of, 0 if none


def ike_message(payload: bytes, port_has_marker: bool) -> IkeMessage | None:
    """A message in the payload of a datagram; None for what is none, or was cut."""
    if port_has_marker:
        if not payload.startswith(NON_ESP_MARKER):
            return None
        payload = payload[len(NON_ESP_MARKER) :]
    if len(payload) < HEADER or int.from_bytes(payload[24:28], "big") != len(payload):
        return None
    version, exchange, spi = payload[17] >> 4, payload[18], int.from_bytes(payload[:8], "big")
    if exchange not in _EXCHANGES.get(version, ()) or not spi:
        return None
    is_begun = any(payload[8:16])
    number = int.from_bytes(payload[20:24], "big")
    return IkeMessage(version, spi, is_begun, exchange, number, _error(payload, version))


def _error(message: bytes, version: int) -> int:
    """The first error of its notify payloads, 0 without one."""
    for part in heads_of_payloads(message):
        if part.stop - part.start > PAYLOAD_HEADER:
            notified = int.from_bytes(message[part.stop - 2 : part.stop], "big")
            if 0 < notified < FIRST_STATUS:
                return notified
    return 0


def heads_of_payloads(message: bytes) -> Iterator[slice]:
    """Where the headers of the payloads in clear are; of a notify payload, up to the type that it notifies of."""
    version = message[17] >> 4
    if version == 1 and message[19] & _ENCRYPTED_1:
        return
    kind, at = message[16], HEADER
    for _ in range(MAX_PAYLOADS):
        if not kind or at + PAYLOAD_HEADER > len(message):
            return
        size, type_at = int.from_bytes(message[at + 2 : at + 4], "big"), at + _TYPE_AT[version]
        is_notify = kind == _NOTIFY[version] and type_at + 2 <= min(len(message), at + size)
        yield slice(at, type_at + 2 if is_notify else at + PAYLOAD_HEADER)
        kind, at = message[at], at + max(size, PAYLOAD_HEADER)
