"""Geneve (RFC 8926).

|Ver|  Opt Len  |O|C|    Rsvd.  |          Protocol Type        |
|        Virtual Network Identifier (VNI)       |    Reserved   |
|                    Variable-Length Options                    |     Opt Len: their length in 4 octets
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.octets import be16, be24, u8
from capnet.wire.protocols.ethertypes import by_ethertype
from capnet.wire.tunnel_kinds import TunnelKind

HEADER = 8
PORT = 6081

TUNNEL_GENEVE = 2
KIND = TunnelKind(
    name="geneve",
    number=TUNNEL_GENEVE,
    title="Geneve",
    specification="RFC 8926",
    inside="Ethernet, IPv4, IPv6, ARP, VLAN tags, PPPoE, MPLS with IP behind it",
    limits="Version 0 on UDP port 6081 only. Options are skipped.",
    id_name="VNI",
    id_fields={"geneve.vni": 24},
    udp_port=PORT,
    display_filter="geneve",
    header_field="geneve.vni",
)


@inline
def geneve(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r` for the UDP payload at `at`; the offset of what is inside, or -1."""
    if at + HEADER > end or u8(buf, at) >> 6 != 0:
        return -1
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL
    rows[r + fields.TUNNEL] = TUNNEL_GENEVE
    rows[r + fields.VNI] = be24(buf, at + 4)
    kind = be16(buf, at + 2)
    at += HEADER + (u8(buf, at) & 63) * 4
    if at > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    return by_ethertype(buf, at, end, kind, rows, r)
