"""IP in IP: an IPv4 (RFC 2003) or IPv6 packet (RFC 2473, RFC 4213) directly behind another IP header.

IP protocol 4 announces IPv4 and, written by some, IPv6: the version of the inner header decides. 41 announces IPv6.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import u8
from capnet.wire.tunnel_kinds import TunnelKind

TUNNEL_IPIP = 4
KIND = TunnelKind(
    name="ipip",
    number=TUNNEL_IPIP,
    title="IPIP",
    specification="RFC 2003; IPv6: RFC 2473, RFC 4213",
    inside="IPv4, IPv6",
    limits="Only directly behind another IP header.",
    ip_protocols=(numbers.IP_IN_IP, numbers.IPV6_IN_IP),
    display_filter="("
    "ip.proto in {4, 41} || ipv6.nxt in {4, 41} || ipv6.dstopts.nxt in {4, 41} || ah.next_header in {4, 41}"
    ")",
    is_filtered_by_ends=True,
    filter_selects_also="frames whose inner packet is between the same hosts",
)


@inline
def ipip(buf: ByteArray, at: int, end: int, left: int, six: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r`; the offset of the inner packet, or -1.

    `six`: whether protocol 41 led here, behind which there is IPv6 only; the version tells what protocol 4 carries.
    """
    rows[r + fields.PAYLOAD] = left
    rows[r + fields.PAYLOAD_AT] = at
    if at >= end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return -1
    version = u8(buf, at) >> 4
    if version != 6 and (version != 4 or six):
        rows[r + fields.REASON] = fields.REASON_MALFORMED
        return -1
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL | fields.LAYER_BARE
    rows[r + fields.TUNNEL] = TUNNEL_IPIP
    rows[r + fields.VNI] = -1
    return at
