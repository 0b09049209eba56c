"""Replaces what TCP, UDP and SCTP carry, and what identifies in their headers. Ports stay: they name services."""

from __future__ import annotations

from capnet.reduce.anonymise.octets import replaced
from capnet.reduce.anonymise.payload.control import ike_message
from capnet.reduce.anonymise.payload.dhcp import dhcp_message
from capnet.reduce.anonymise.payload.dns import dns_message
from capnet.reduce.anonymise.payload.streams import tcp_payload
from capnet.reduce.anonymise.replacements import Replacements
from capnet.wire.numbers import PORT_IKE, PORT_IPSEC_NAT

UDP_HEADER = 8
_MIN_TCP = 20
_KEPT_OPTIONS = (0, 1, 2, 3, 4, 5, 8)  # end, no-op, MSS, window scale, SACK permitted, SACK, timestamps
_DHCP_PORTS = (67, 68)


def tcp(old: bytes, new: bytearray, at: int, end: int, replacements: Replacements) -> None:
    """A segment from `at` to `end`: the header stays, but for options that may hold addresses or cookies."""
    if at + _MIN_TCP > end:
        new[at:end] = old[at:end]
        return
    data = min(max(at + 4 * (old[at + 12] >> 4), at + _MIN_TCP), end)
    new[at:data] = old[at:data]
    option = at + _MIN_TCP
    while option + 1 < data and old[option]:
        if old[option] == 1:
            option += 1
            continue
        following = min(option + max(old[option + 1], 2), data)
        if old[option] not in _KEPT_OPTIONS:
            new[option + 2 : following] = replaced(old[option + 2 : following], replacements.key)
        option = following
    new[data:end] = tcp_payload(old[data:end], replacements)


def udp(old: bytes, new: bytearray, at: int, end: int, replacements: Replacements) -> None:
    """A datagram from `at` to `end`: the names and addresses of DNS and DHCP, all of any other payload."""
    data = min(at + UDP_HEADER, end)
    new[at:data] = old[at:data]
    payload = bytes(old[data:end])
    ports = int.from_bytes(old[at : at + 2]), int.from_bytes(old[at + 2 : at + 4])
    addresses, names, key, reads = replacements
    message = dhcp_message(payload, addresses, names, key) if set(ports) & set(_DHCP_PORTS) else None
    if message is None and "ike" in reads and {PORT_IKE, PORT_IPSEC_NAT} & set(ports):
        message = ike_message(payload, PORT_IPSEC_NAT in ports, replacements)
    if message is None:
        message = dns_message(payload, addresses, names, key)
    if message is None and PORT_IPSEC_NAT in ports:
        kept = 1 if len(payload) == 1 else 4 if payload[:4] == bytes(4) else 0  # a keepalive; the marker of IKE
        message = payload[:kept] + replaced(payload[kept:], key)
    new[data:end] = replaced(payload, key) if message is None else message


def sctp(old: bytes, new: bytearray, at: int, end: int, key: bytes) -> None:
    """A packet of SCTP (RFC 9260): heads of chunks stay, with the numbers of DATA; its checksum is right if it was."""
    new[at:end] = old[at:end]
    chunk = at + 12
    while chunk + 4 <= end:
        length = max(int.from_bytes(old[chunk + 2 : chunk + 4]), 4)
        kept = chunk + (16 if old[chunk] == 0 else 20 if old[chunk] in (1, 2) else 4)
        following = min(chunk + length, end)
        new[kept:following] = replaced(old[kept:following], key)
        chunk += length + 3 & ~3
    if at + 12 <= end and crc32c(old[at : at + 8] + bytes(4) + old[at + 12 : end]) == old[at + 8 : at + 12]:
        new[at + 8 : at + 12] = crc32c(bytes(new[at : at + 8]) + bytes(4) + bytes(new[at + 12 : end]))


def crc32c(octets: bytes) -> bytes:
    """The CRC of SCTP (RFC 9260, appendix A), as the four octets of its field."""
    value = 0xFFFFFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return (value ^ 0xFFFFFFFF).to_bytes(4, "little")
