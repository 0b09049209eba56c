"""GRE (RFC 2784, RFC 2890), version 1 for PPTP (RFC 2637), and what is in it: ERSPAN, EoIP.

|C|R|K|S| Reserved0     |A| Ver |         Protocol Type         |     A: version 1 only
|      Checksum (C or R)        |       Reserved1 (C or R)      |
|                            Key (K)                            |     version 1: payload length(2), call ID(2)
|                      Sequence Number (S)                      |
|               source routes (R), as RFC 1701 had them         |
|                  Acknowledgment Number (A)                    |

NVGRE (RFC 7637) cannot be told from gretap: both are GRE with a key and Ethernet inside. So the key is shown whole; the
subnet of NVGRE (VSID) is its upper 24 bits.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, be32, u8
from capnet.wire.protocols.eoip import eoip
from capnet.wire.protocols.erspan import erspan
from capnet.wire.protocols.ethertypes import by_ethertype
from capnet.wire.protocols.pppoe import ppp
from capnet.wire.tunnel_kinds import TunnelKind

CHECKSUM, ROUTING, KEY, SEQUENCE, ACKNOWLEDGMENT = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
MAX_ROUTES = 16  # source routes in one header (RFC 1701; RFC 2784 has none): bounds the loop

TUNNEL_GRE = 3
KIND = TunnelKind(
    name="gre",
    number=TUNNEL_GRE,
    title="GRE",
    specification="RFC 2784, RFC 2890; version 1 (PPTP): RFC 2637",
    inside="Ethernet (NVGRE too), IPv4, IPv6, ARP, VLAN tags, PPPoE, MPLS and PPP with IP behind them",
    limits="PPTP: the key is the call ID. NVGRE: the key includes the FlowID. ERSPAN and EoIP: see there.",
    id_name="key",
    id_fields={"gre.key": 32, "gre.key.call_id": 16},
    ip_protocols=(numbers.GRE,),
    display_filter="gre",
    is_filtered_by_ends=True,
    filter_selects_also="of a tunnel without a key, the frames with keys between the same hosts",
    header_field="gre.proto",
)


@inline
def gre(buf: ByteArray, at: int, end: int, left: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r`; the offset of what is inside, or -1 if that cannot be decoded.

    `left`: bytes from `at` on, on the wire.
    """
    rows[r + fields.PAYLOAD] = left
    rows[r + fields.PAYLOAD_AT] = at
    rows[r + fields.VNI] = -1
    if at + 4 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    flags = be16(buf, at)
    kind = be16(buf, at + 2)
    version = flags & 7
    if version > 1:
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return -1
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL | fields.LAYER_GRE
    rows[r + fields.TUNNEL] = TUNNEL_GRE
    begin = key_at = at
    at += 4
    if flags & (CHECKSUM | ROUTING):
        at += 4
    if flags & KEY:
        if at + 4 > end:
            rows[r + fields.REASON] = fields.REASON_CUT
            return -1
        rows[r + fields.VNI] = be16(buf, at + 2) if version else be32(buf, at)
        key_at = at
        at += 4
    if flags & SEQUENCE:
        at += 4
    if version and flags & ACKNOWLEDGMENT:
        at += 4
    if flags & ROUTING:
        at = skip_source_routes(buf, at, end)
    if at > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1

    if kind == numbers.ETHERTYPE_ERSPAN or kind == numbers.ETHERTYPE_ERSPAN_III:
        return erspan(buf, at, end, kind, flags & SEQUENCE, rows, r)
    if kind == numbers.ETHERTYPE_EOIP and version and flags & KEY:
        return eoip(buf, at, end, left - (at - begin), key_at, rows, r)
    if kind == numbers.ETHERTYPE_PPP:
        if version and flags & SEQUENCE == 0:
            return -1  # an acknowledgment alone
        rows[r + fields.LAYERS] |= fields.LAYER_BARE
        return ppp(buf, at, end, numbers.ETHERTYPE_PPP, rows, r)
    return by_ethertype(buf, at, end, kind, rows, r)


@inline
def skip_source_routes(buf: ByteArray, at: int, end: int) -> int:
    """The offset behind the source routes at `at` (RFC 1701), beyond `end` if they do not end before.

    Each: address family(2) offset(1) length(1) and `length` octets; the last one has neither family nor length.
    """
    for _ in range(MAX_ROUTES):
        if at + 4 > end:
            break
        family, length = be16(buf, at), u8(buf, at + 3)
        at += 4 + length
        if family == 0 and length == 0:
            return at
    return end + 1
