"""GTP-U, the user plane of mobile networks (3GPP TS 29.281), version 1.

| Ver |P|*|E|S|N| Message Type  |            Length             |     P = 1: GTP, not GTP'
|               Tunnel Endpoint Identifier (TEID)               |
|        Sequence Number        | N-PDU Number  | Next Ext. Hdr.|     all of it if E, S or N is 1

Length counts what follows the first 8 octets. An extension header (section 5.2) is its length in 4 octets(1), its
contents, and the type of the next one(1), 0 = no more.
A G-PDU, message type 255, carries one user packet. All other messages are signalling and carry none.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.octets import be16, be32, u8
from capnet.wire.tunnel_kinds import TunnelKind

PORT = 2152
HEADER = 8
OPTIONAL = 4
G_PDU = 255
VERSION_AND_TYPE = 3  # version 1 and P
HAS_EXTENSION, HAS_OPTIONAL = 4, 7  # E; E, S and N
MAX_EXTENSIONS = 8  # TS 29.281 defines six kinds, each at most once

TUNNEL_GTPU = 6
KIND = TunnelKind(
    name="gtpu",
    number=TUNNEL_GTPU,
    title="GTP-U",
    specification="3GPP TS 29.281",
    inside="IPv4, IPv6",
    limits="G-PDUs of version 1 with the length of their datagram. Ethernet in PDU sessions is not decoded.",
    id_name="TEID",
    id_fields={"gtp.teid": 32},
    has_id_per_direction=True,
    udp_port=PORT,
    display_filter="gtp",
    is_filtered_by_ends=True,
    filter_selects_also="signalling messages of the same TEID, and packets whose length is not that of the datagram",
    header_field="gtp.message",
    header_values=(G_PDU,),
    length_field="gtp.length",
    length_offset=HEADER,
)


@inline
def is_gtpu(buf: ByteArray, at: int, end: int, length: int) -> bool:
    """Whether the UDP payload at `at`, of `length` octets on the wire, is a G-PDU."""
    if at + HEADER > end:
        return False
    return u8(buf, at) >> 4 == VERSION_AND_TYPE and u8(buf, at + 1) == G_PDU and HEADER + be16(buf, at + 2) == length


@inline
def gtpu(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r`, whose header is all there; the offset of the user packet, or -1."""
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL
    rows[r + fields.TUNNEL] = TUNNEL_GTPU
    rows[r + fields.VNI] = be32(buf, at + 4)
    flags = u8(buf, at)
    payload_end = at + rows[r + fields.PAYLOAD]
    at += HEADER
    if flags & HAS_OPTIONAL:
        at = skip_extensions(buf, at, end, flags & HAS_EXTENSION)
    if at < 0 or at >= payload_end:
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return -1
    if at >= end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    version = u8(buf, at) >> 4
    if version != 4 and version != 6:
        rows[r + fields.REASON] = fields.REASON_INSIDE
        rows[r + fields.DETAIL] = TUNNEL_GTPU
        return -1
    rows[r + fields.LAYERS] |= fields.LAYER_BARE
    return at


@inline
def skip_extensions(buf: ByteArray, at: int, end: int, has_extension: int) -> int:
    """The offset behind the optional fields at `at` and all extension headers; `end` or more if they are cut, or -1."""
    if at + OPTIONAL > end:
        return end
    following = u8(buf, at + 3) if has_extension else 0
    at += OPTIONAL
    for _ in range(MAX_EXTENSIONS):
        if following == 0:
            return at
        if at >= end:
            return end
        size = u8(buf, at) * 4
        if size == 0:
            return -1
        if at + size > end:
            return at + size
        following = u8(buf, at + size - 1)
        at += size
    return -1
