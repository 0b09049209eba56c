"""EtherIP (RFC 3378), Ethernet in IP protocol 97, and EoIPv6, MikroTik's, which holds a tunnel-id in the same header.

| Version = 3 |      Reserved = 0      |                             EtherIP: 4 and 12 bits
| tunnel-id, upper 4 bits | Version = 3 | tunnel-id, lower 8 bits |  EoIPv6: the first octet has its halves swapped

So the first octet is 0x30 in EtherIP, and ends in 3 in EoIPv6. A packet without a frame is a keep-alive.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import u8
from capnet.wire.tunnel_kinds import TunnelKind

HEADER = 2
VERSION = 3

TUNNEL_ETHERIP = 10
KIND = TunnelKind(
    name="etherip",
    number=TUNNEL_ETHERIP,
    title="EtherIP",
    specification="RFC 3378; EoIPv6: MikroTik RouterOS, Interface/EoIP",
    inside="Ethernet",
    limits="A tunnel-id is EoIPv6's; EtherIP has none. "
    "Wireshark splits the tunnel-id between version and reserved bits: its filter selects all tunnels between the two "
    "hosts.",
    id_name="tunnel-id",
    other_id_bits=12,
    ip_protocols=(numbers.ETHERIP,),
    display_filter="etherip",
    is_filtered_by_ends=True,
    header_field="etherip.ver",
)


@inline
def etherip(buf: ByteArray, at: int, end: int, left: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r`; the offset of the frame inside, or -1. `left`: bytes from `at` on the wire."""
    rows[r + fields.PAYLOAD] = left
    rows[r + fields.PAYLOAD_AT] = at
    if at + HEADER > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    first, second = u8(buf, at), u8(buf, at + 1)
    ident = -1
    if first & 15 == VERSION:
        ident = (first >> 4) * 256 + second
    elif first != VERSION * 16 or second != 0:
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return -1
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL
    rows[r + fields.TUNNEL] = TUNNEL_ETHERIP
    rows[r + fields.VNI] = ident
    if left <= HEADER:
        return -1
    return at + HEADER
