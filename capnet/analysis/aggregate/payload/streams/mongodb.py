"""MongoDB: the members of a replica set that the answer to `hello` names.

    length:4  request id:4  response to:4  opcode:4 (little endian), then OP_MSG (2013) or OP_REPLY (1) with a document

A client begins every connection with `hello`, so the first octets of the server are its answer. `hosts` stands near the
beginning of the document: an array (type 4) of strings (type 2), BSON 1.1.
"""

from __future__ import annotations

HEADER = 16
_REPLIES = (b"\x01\0\0\0", b"\xdd\x07\0\0")
_HOSTS = b"\x04hosts\0"
_STRING = 2
MAX_MEMBERS = 50  # of a replica set
DEFAULT_PORT = 27017


def is_reply(octets: bytes) -> bool:
    """Does a server of MongoDB begin so?"""
    return octets[12:HEADER] in _REPLIES and HEADER < int.from_bytes(octets[:4], "little") < 1 << 24


def members(octets: bytes) -> list[tuple[str, int]]:
    """Host and port of the members that an answer names."""
    at = octets.find(_HOSTS, HEADER)
    named: list[tuple[str, int]] = []
    at += len(_HOSTS) + 4 if at >= 0 else len(octets) + 1
    while at < len(octets) and octets[at] == _STRING and len(named) < MAX_MEMBERS:
        value = octets.find(b"\0", at) + 1  # behind the name of the element, its number
        length = int.from_bytes(octets[value : value + 4], "little")
        text = octets[value + 4 : value + 3 + length]
        if not value or not 1 < length <= 300 or len(text) < length - 1:
            break
        host, _, port = text.decode("latin-1").rpartition(":")
        is_number = port.isascii() and port.isdigit()  # "²" is a digit, too
        named.append((host, int(port)) if is_number and host else (text.decode("latin-1"), DEFAULT_PORT))
        at = value + 4 + length
    return named
