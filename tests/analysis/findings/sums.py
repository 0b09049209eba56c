"""TCP packets of stories with the checksum of RFC 9293, or with that of the pseudo-header alone."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from tests.stories import Packet


def total(data: bytes) -> int:
    """Words added up in ones' complement (RFC 1071)."""
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def summed(packet: Packet, *, is_filled: bool = True) -> Packet:
    """The packet with a right checksum, or with that of the pseudo-header, which a card should have filled in."""
    body = packet.but(checksum=0).body()
    pseudo = total(ip_address(packet.src).packed + ip_address(packet.dst).packed + struct.pack(">HH", 6, len(body)))
    return packet.but(checksum=0xFFFF - total(body + struct.pack(">H", pseudo)) if is_filled else pseudo)
