"""Repairs checksums after octets were replaced: what was right is right, what was wrong is as wrong as before.

Method: incremental update (RFC 1624, equation 3) by how much the covered octets changed. Octets that were not captured
have not changed, so that frames which were cut need no other way. A checksum that offload has not filled in holds the
sum of the pseudo header (Linux, CHECKSUM_PARTIAL), which changes the other way round. The checksum of a tunnel around
such a packet may be that of the filled packet (local checksum offload): it is compared with both.
"""

from __future__ import annotations

from capnet.reduce.anonymise.octets import folded, total

_TCP, _UDP, _ICMP, _ICMPV6, _IGMP, _VRRP, _GRE = 6, 17, 1, 58, 2, 112, 47
_FIELD = {_TCP: 16, _UDP: 6, _ICMP: 2, _ICMPV6: 2, _IGMP: 2, _VRRP: 6}  # protocol → offset of its checksum
_WITH_PSEUDO_HEADER = (_TCP, _UDP, _ICMPV6)


class Repair:
    """Repairs the checksums of a frame, from the inside out. `old`: its octets before; `new`: those to be repaired."""

    def __init__(self, old: bytes, new: bytearray) -> None:
        self._old = old
        self._new = new
        self._filled: tuple[bytearray, bytearray] | None = None  # both, with what offload would fill in

    def header(self, ip: int) -> None:
        """The checksum of the IPv4 header at `ip`."""
        self._field(ip + 10, ip, min(ip + 4 * (self._old[ip] & 15), len(self._old)), (0, 0))

    def transport(self, ip: int, at: int, end: int, protocol: int) -> None:
        """The checksum of what an IP header at `ip` carries from `at` to `end`. A UDP checksum of 0 is none."""
        if protocol == _GRE and at + 8 <= end and self._old[at] & 0x80:
            self._field(at + 4, at, end, (0, 0))
        field = _FIELD.get(protocol)
        if field is None or at + field + 2 > end:
            return
        if protocol == _UDP and self._old[at + 6 : at + 8] == b"\0\0":
            return
        has_pseudo = protocol in _WITH_PSEUDO_HEADER or (protocol == _VRRP and self._old[ip] >> 4 == 6)
        sums = (_pseudo(self._old, ip, at, protocol), _pseudo(self._new, ip, at, protocol)) if has_pseudo else (0, 0)
        self._field(at + field, at, end, sums)
        if protocol == _UDP and self._new[at + 6 : at + 8] == b"\0\0":
            self._new[at + 6 : at + 8] = b"\xff\xff"

    def _field(self, at: int, begin: int, end: int, pseudo: tuple[int, int]) -> None:
        """The checksum at `at`, which covers `begin` to `end`; `pseudo`: sums of the pseudo header, old and new."""
        stored = int.from_bytes(self._old[at : at + 2])
        if pseudo[0] and stored == pseudo[0]:
            self._new[at : at + 2] = pseudo[1].to_bytes(2)
            self._fill(at, begin, end, pseudo)
            return
        before = _sum(self._old, at, begin, end, pseudo[0])
        after = _sum(self._new, at, begin, end, pseudo[1])
        if self._filled and folded(before + stored) != 0xFFFF:
            filled = _sum(self._filled[0], at, begin, end, pseudo[0])
            if folded(filled + stored) == 0xFFFF:
                before, after = filled, _sum(self._filled[1], at, begin, end, pseudo[1])
        changed = (0xFFFF ^ folded((0xFFFF ^ stored) + (0xFFFF ^ before) + after)).to_bytes(2)
        self._new[at : at + 2] = changed
        if self._filled:
            self._filled[1][at : at + 2] = changed

    def _fill(self, at: int, begin: int, end: int, pseudo: tuple[int, int]) -> None:
        """Fill in a checksum as offload would, for the checksums around it."""
        self._filled = self._filled or (bytearray(self._old), bytearray(self._new))
        sources: tuple[bytes | bytearray, ...] = (self._old, self._new)
        for octets, source, header in zip(self._filled, sources, pseudo, strict=True):
            octets[begin:end] = source[begin:end]
            octets[at : at + 2] = (0xFFFF ^ _sum(source, at, begin, end, header)).to_bytes(2)


def _pseudo(octets: bytes | bytearray, ip: int, at: int, protocol: int) -> int:
    """The sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1)."""
    if octets[ip] >> 4 == 6:
        length = 40 + int.from_bytes(octets[ip + 4 : ip + 6]) - (at - ip)
        ends = total(octets[ip + 8 : ip + 24]) + total(_final_destination(octets, ip, at))
        return folded(ends + max(length, 0) + protocol)
    length = int.from_bytes(octets[ip + 2 : ip + 4]) - (at - ip)
    return folded(total(octets[ip + 12 : ip + 20]) + max(length, 0) + protocol)


def _final_destination(octets: bytes | bytearray, ip: int, at: int) -> bytes | bytearray:
    """The destination of an IPv6 packet: the last address of a routing header that is not used up (RFC 8200, 8.1)."""
    following, header = octets[ip + 6], ip + 40
    while following in (0, 43, 60) and header + 8 <= at:
        size = 8 * (octets[header + 1] + 1)
        if following == 43 and octets[header + 3] and octets[header + 2] in (0, 2) and size >= 24:
            return octets[header + size - 16 : header + size]
        following, header = octets[header], header + size
    return octets[ip + 24 : ip + 40]


def _sum(octets: bytes | bytearray, at: int, begin: int, end: int, pseudo: int) -> int:
    """The sum of the covered octets but for the checksum itself, and of the pseudo header."""
    return folded(total(octets[begin:at]) + total(octets[at + 2 : end]) + pseudo)
