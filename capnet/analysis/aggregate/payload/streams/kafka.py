"""Kafka: requests for metadata, and the brokers that a Metadata response names (KIP-4, KIP-482).

    request    size:4  api_key:2  api_version:2  correlation_id:4  client_id …
    response   size:4  correlation_id:4  [tags]  [throttle_time:4]  brokers: count, then node_id:4 host port:4 rack

From version 9 on, counts and lengths are varints of the value + 1, and tagged fields follow. Every length is a claim:
what goes beyond the captured octets ends the list.
"""

from __future__ import annotations

HEADER = 14  # octets of a request up to the length of its client id
ID_OF_REQUEST, ID_OF_RESPONSE = 8, 4  # where their correlation ids are
METADATA = 3  # API key
_FIRST_KEYS = (METADATA, 17, 18)  # a client begins with Metadata, SaslHandshake or ApiVersions
_MAX_VERSION = 20  # of these requests; today's are 13 and less
_MAX_CLIENT_ID = 249  # octets
_FIRST_WITH_RACK, _FIRST_WITH_THROTTLE, _FIRST_FLEXIBLE = 1, 3, 9  # versions
MAX_BROKERS = 64


def is_first_request(octets: bytes) -> bool:
    """Does a client of Kafka begin so?"""
    if len(octets) < HEADER or octets[0] or octets[4]:
        return False
    length = int.from_bytes(octets[12:14], "big", signed=True)
    return octets[5] in _FIRST_KEYS and is_version(octets) and -1 <= length <= _MAX_CLIENT_ID


def is_version(octets: bytes) -> bool:
    """Is the version of a request one that there may be?"""
    return int.from_bytes(octets[6:8], "big") <= _MAX_VERSION


def is_metadata_request(octets: bytes) -> bool:
    """Does a segment begin with a request for metadata?"""
    return len(octets) >= HEADER and octets[4:6] == METADATA.to_bytes(2, "big") and is_version(octets)


def brokers(request: bytes, response: bytes) -> list[tuple[str, int]]:
    """Host and port of the brokers that a Metadata response names, [] if it answers another request."""
    if response[ID_OF_RESPONSE : ID_OF_RESPONSE + 4] != request[ID_OF_REQUEST : ID_OF_REQUEST + 4]:
        return []
    version = int.from_bytes(request[6:8], "big")
    octets = _Octets(response, ID_OF_RESPONSE + 4)
    is_flexible, named = version >= _FIRST_FLEXIBLE, list[tuple[str, int]]()
    try:
        if is_flexible:
            octets.tags()
        if version >= _FIRST_WITH_THROTTLE:
            octets.number(4)
        count = octets.varint() - 1 if is_flexible else octets.number(4)
        for _ in range(min(count, MAX_BROKERS)):
            octets.number(4)
            host, port = octets.text(is_flexible), octets.number(4)
            named.append((host.decode("latin-1"), port))
            if version >= _FIRST_WITH_RACK:
                octets.text(is_flexible)
            if is_flexible:
                octets.tags()
    except IndexError:  # captured up to here
        pass
    return named


class _Octets:
    """Reads fields one after the other. IndexError: not captured."""

    def __init__(self, octets: bytes, at: int) -> None:
        self._octets, self._at = octets, at

    def take(self, length: int) -> bytes:
        if length < 0 or self._at + length > len(self._octets):
            raise IndexError
        self._at += length
        return self._octets[self._at - length : self._at]

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big", signed=True)

    def varint(self) -> int:
        value = shift = 0
        while shift < 35:  # bits: no field here is longer
            octet = self.take(1)[0]
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
            shift += 7
        raise IndexError

    def text(self, is_flexible: bool) -> bytes:
        length = self.varint() - 1 if is_flexible else self.number(2)
        return self.take(length) if length >= 0 else b""  # -1: null

    def tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.take(self.varint())
