"""Replaces the names and addresses in a DNS message (RFC 1035), which keeps its length.

A label becomes one of the same length, so that compressed names point where they did. Input: any payload; what is no
DNS message from its first to its last octet gives None.
"""

from __future__ import annotations

from capnet.reduce.anonymise.addresses import Addresses
from capnet.reduce.anonymise.names import NameMap
from capnet.reduce.anonymise.octets import replaced

_HEADER = 12
_QR, _REVERSE = 0x80, (b"in-addr.arpa", b"ip6.arpa")
_A, _AAAA, _OPT = 1, 28, 41
_NAMES = {2: 0, 5: 0, 12: 0, 39: 0, 15: 2, 33: 6}  # type → octets before the name in its data: NS, CNAME, PTR, MX, SRV
_SOA, _TXT = 6, 16
_OPTION, _SUBNET_AT = 4, 4  # octets of an option's code and length; of a client's subnet before its address
_CLIENT_SUBNET, _EXTENDED_ERROR = 8, 15  # RFC 7871, RFC 8914
_KEPT_OF_OPTION = {_CLIENT_SUBNET: _SUBNET_AT, _EXTENDED_ERROR: 2}
MAX_RECORDS = 256  # of a message: more is none
MAX_LABELS = 128


class _NoMessage(Exception):
    """It is no DNS message."""


def dns_message(message: bytes, addresses: Addresses, names: NameMap, key: bytes) -> bytes | None:
    """The new message; None if this is none."""
    if len(message) < _HEADER + 5:
        return None
    counts = [int.from_bytes(message[at : at + 2]) for at in range(4, _HEADER, 2)]
    opcode = message[2] >> 3 & 15
    if opcode not in (0, 4, 5) or counts[0] > 4 or not 0 < sum(counts) <= MAX_RECORDS:
        return None
    try:
        return _Message(message, addresses, names, key).rewritten(counts)
    except (_NoMessage, IndexError):
        return None


class _Message:
    """A message as it is rewritten."""

    def __init__(self, message: bytes, addresses: Addresses, names: NameMap, key: bytes) -> None:
        self.old = message
        self.new = bytearray(message)
        self.addresses = addresses
        self.names = names
        self.key = key

    def rewritten(self, counts: list[int]) -> bytes:
        at = _HEADER
        for _ in range(counts[0]):
            at = self._name(at) + 4
        for _ in range(sum(counts[1:])):
            at = self._record(at)
        if at != len(self.old):
            raise _NoMessage
        return bytes(self.new)

    def _record(self, at: int) -> int:
        at = self._name(at)
        if at + 10 > len(self.old):
            raise _NoMessage
        kind, length = self._u16(at), self._u16(at + 8)
        data, end = at + 10, at + 10 + length
        if end > len(self.old):
            raise _NoMessage
        if (kind, length) in ((_A, 4), (_AAAA, 16)):
            self.new[data:end] = self.addresses.ip(self.old[data:end])
        elif kind in _NAMES and length > _NAMES[kind]:
            self._name(data + _NAMES[kind])
        elif kind == _SOA:
            self._name(self._name(data))
        elif kind == _TXT:
            self._strings(data, end)
        elif kind == _OPT:
            self._options(data, end)
        else:
            self.new[data:end] = replaced(self.old[data:end], self.key)
        return end

    def _strings(self, at: int, end: int) -> None:
        while at < end:
            following = min(at + 1 + self.old[at], end)
            self.new[at + 1 : following] = replaced(self.old[at + 1 : following], self.key)
            at = following

    def _options(self, at: int, end: int) -> None:
        """Options of EDNS (RFC 6891 section 6.1.2): codes and lengths stay, and what an error says by its number."""
        while at + _OPTION <= end:
            code, value = self._u16(at), at + _OPTION
            following = min(value + self._u16(at + 2), end)
            kept = min(value + _KEPT_OF_OPTION.get(code, 0), following)
            self.new[kept:following] = replaced(self.old[kept:following], self.key)
            if code == _CLIENT_SUBNET:
                self._client_subnet(value, following)
            at = following

    def _client_subnet(self, at: int, end: int) -> None:
        """RFC 7871: family, lengths of two prefixes, and as many octets of the address as the first one needs."""
        address = self.old[at + _SUBNET_AT : end]
        size = 4 if self.old[at + 1] == 1 else 16
        if self.old[at] == 0 and 0 < len(address) <= size and self.old[at + 2] <= 8 * len(address):
            new = self.addresses.ip(address.ljust(size, b"\0"))
            beyond = 8 * len(address) - self.old[at + 2]
            prefix = int.from_bytes(new[: len(address)]) >> beyond << beyond
            self.new[at + _SUBNET_AT : end] = prefix.to_bytes(len(address))

    def _name(self, at: int) -> int:
        """Rewrites the name at `at`; where it ends."""
        labels: list[tuple[int, int]] = []
        end = 0
        while len(labels) < MAX_LABELS:
            size = self.old[at]
            if size >= 0xC0:
                target = self._u16(at) & 0x3FFF
                end = end or at + 2
                if not _HEADER <= target < at:
                    raise _NoMessage
                at = target
            elif size > 63 or at + size >= len(self.old):
                raise _NoMessage
            elif size == 0:
                self._labels(labels)
                return end or at + 1
            else:
                labels.append((at + 1, at + 1 + size))
                at += 1 + size
        raise _NoMessage

    def _labels(self, places: list[tuple[int, int]]) -> None:
        labels = [self.old[start:end] for start, end in places]
        is_reverse = b".".join(labels).lower().endswith(_REVERSE)
        for index, (start, end) in enumerate(places):
            rest = b".".join(labels[index + 1 :])
            if is_reverse and rest:
                is_kept = rest.lower() == b"arpa"
                self.new[start:end] = labels[index] if is_kept else self.names.reverse_label(labels[index], rest)
            else:
                self.new[start:end] = self.names.octets(labels[index])

    def _u16(self, at: int) -> int:
        if at + 2 > len(self.old):
            raise _NoMessage
        return int.from_bytes(self.old[at : at + 2])
