"""Where a field stands in the bytes of a frame, and its value there, by Wireshark's name of the field.

For Ethernet without tags, IPv4, and what VXLAN carries: all that the lessons show.
"""

from __future__ import annotations

from collections.abc import Mapping

from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import mac_text

ETHERNET_BYTES, UDP_BYTES = 14, 8

# Field → header it is in, offset in that header, bytes (RFC 791, 792, 9293, 768, 7348).
_PLACES = {
    "eth.dst": ("ethernet", 0, 6),
    "eth.src": ("ethernet", 6, 6),
    "ip.ttl": ("ip", 8, 1),
    "ip.src": ("ip", 12, 4),
    "ip.dst": ("ip", 16, 4),
    "tcp.srcport": ("transport", 0, 2),
    "tcp.dstport": ("transport", 2, 2),
    "udp.dstport": ("transport", 2, 2),
    "vxlan.vni": ("vxlan", 4, 3),
}


class Mark(NamedTuple):
    """A field of a frame: its name, where its bytes are, and what they say."""

    name: str
    at: int
    size: int
    value: str


def mark(raw: bytes, row: Mapping[str, int], name: str) -> Mark:
    """Field `name` of the frame, or inner frame, that `row` describes. `raw` is the captured frame."""
    header, offset, size = _PLACES[name]
    at = _header_at(raw, row["start"], header) + offset
    return Mark(name, at, size, _value(name, raw[at : at + size]))


def _header_at(raw: bytes, start: int, header: str) -> int:
    at = start
    if header == "ethernet":
        return at
    at += ETHERNET_BYTES
    if header == "ip":
        return at
    at += 4 * (raw[at] & 0x0F)  # IHL, in words
    return at + UDP_BYTES if header == "vxlan" else at


def _value(name: str, octets: bytes) -> str:
    if name in ("eth.src", "eth.dst"):
        return mac_text(int.from_bytes(octets))
    if name in ("ip.src", "ip.dst"):
        return ".".join(map(str, octets))
    return str(int.from_bytes(octets))
