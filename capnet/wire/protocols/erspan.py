"""ERSPAN, a mirrored Ethernet frame behind GRE (draft-foschiano-erspan).

The frame is behind a header of 0 octets (type I: no sequence number in GRE), 8 (II) or 12 to 20 (III):

|  Ver  |          VLAN         | COS | En|T|    Session ID     |
|      Reserved         |                  Index                |     type II
|                          Timestamp                            |     type III, instead
|             SGT               |P|    FT   |   Hw ID   |D|Gra|O|     O = 1: 8 octets more
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, u8
from capnet.wire.tunnel_kinds import TunnelKind

HEADER_II, HEADER_III, PLATFORM_SPECIFIC = 8, 12, 8

TUNNEL_ERSPAN = 8
KIND = TunnelKind(
    name="erspan",
    number=TUNNEL_ERSPAN,
    title="ERSPAN",
    specification="draft-foschiano-erspan, types I to III",
    inside="Ethernet",
    limits="Type I has no session. Mirrors of other link types than Ethernet are not told apart.",
    id_name="session",
    id_fields={"erspan.spanid": 10},
    ip_protocols=(numbers.GRE,),
    display_filter="erspan",
    is_filtered_by_ends=True,
    filter_selects_also="of a tunnel without a session, the frames with sessions between the same hosts",
    header_field="gre.proto",
    header_values=(numbers.ETHERTYPE_ERSPAN, numbers.ETHERTYPE_ERSPAN_III),
)


@inline
def erspan(buf: ByteArray, at: int, end: int, kind: int, sequenced: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r` for what is behind GRE; the offset of the mirrored frame, or -1."""
    rows[r + fields.TUNNEL] = TUNNEL_ERSPAN
    rows[r + fields.VNI] = -1
    if kind == numbers.ETHERTYPE_ERSPAN and not sequenced:
        return at
    header = HEADER_II if kind == numbers.ETHERTYPE_ERSPAN else HEADER_III
    if at + header > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    rows[r + fields.VNI] = be16(buf, at + 2) & 0x3FF
    if kind == numbers.ETHERTYPE_ERSPAN_III and u8(buf, at + 11) & 1:
        header += PLATFORM_SPECIFIC
    if at + header > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    return at + header
