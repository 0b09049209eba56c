"""What Geneve and GRE carry by EtherType: an Ethernet frame, or a packet without a link layer (RFC 8926, RFC 2784)."""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.protocols.ethernet import is_vlan_tag
from capnet.wire.protocols.mpls import mpls


@inline
def by_ethertype(buf: ByteArray, at: int, end: int, kind: int, rows: Int64Array, r: int) -> int:
    """The offset of what the tunnel of row `r` carries at `at`, or -1 if an EtherType of that kind is not decoded.

    What has no link layer and does not say itself what it is: DETAIL of row `r` is its EtherType.
    """
    if kind == numbers.ETHERTYPE_ETHERNET:
        return at
    if kind == numbers.ETHERTYPE_IPV4 or kind == numbers.ETHERTYPE_IPV6:
        rows[r + fields.LAYERS] |= fields.LAYER_BARE
        return at
    if kind == numbers.ETHERTYPE_MPLS or kind == numbers.ETHERTYPE_MPLS_UPSTREAM:
        rows[r + fields.LAYERS] |= fields.LAYER_BARE
        return mpls(buf, at, end, rows, r)
    is_arp = kind == numbers.ETHERTYPE_ARP or kind == numbers.ETHERTYPE_RARP
    if is_arp or kind == numbers.ETHERTYPE_PPPOE or is_vlan_tag(kind):
        rows[r + fields.LAYERS] |= fields.LAYER_BARE
        rows[r + fields.DETAIL] = kind
        return at
    rows[r + fields.REASON] = fields.REASON_ETHERTYPE
    rows[r + fields.DETAIL] = kind
    return -1
