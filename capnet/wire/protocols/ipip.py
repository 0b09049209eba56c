"""IP in IP: an IPv4 packet directly behind another IP header (RFC 2003; behind IPv6: RFC 2473).

IP protocol 4 announces IPv4 and, written by some, IPv6: the version of the inner header decides. 41 announces IPv6,
which is a tunnel of another kind: 6in4 (`sit`) behind IPv4, `ip6ip6` behind IPv6.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import u8
from capnet.wire.protocols.ip6ip6 import TUNNEL_IP6IP6
from capnet.wire.protocols.sit import TUNNEL_SIT
from capnet.wire.tunnel_kinds import TunnelKind

TUNNEL_IPIP = 4
KIND = TunnelKind(
    name="ipip",
    number=TUNNEL_IPIP,
    title="IPIP",
    specification="RFC 2003; behind IPv6: RFC 2473",
    inside="IPv4, IPv6",
    limits="Only directly behind another IP header.",
    ip_protocols=(numbers.IP_IN_IP,),
    display_filter="(ip.proto == 4 || ipv6.nxt == 4 || ipv6.dstopts.nxt == 4 || ah.next_header == 4)",
    is_filtered_by_ends=True,
    filter_selects_also="frames whose inner packet is between the same hosts",
)


@inline
def ipip(buf: ByteArray, at: int, end: int, left: int, six: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r`, of any of the three kinds; the offset of the inner packet, or -1.

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
    rows[r + fields.TUNNEL] = TUNNEL_IPIP
    if six:
        rows[r + fields.TUNNEL] = TUNNEL_IP6IP6 if rows[r + fields.LAYERS] & fields.LAYER_IPV6 else TUNNEL_SIT
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL | fields.LAYER_BARE
    rows[r + fields.VNI] = -1
    return at
