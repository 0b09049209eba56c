"""VXLAN (RFC 7348) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).

   |R|R|R|R|I|R|R|R|            Reserved                           |
   |                VXLAN Network Identifier (VNI) |   Reserved    |

A payload is VXLAN by its UDP port and its header: on 4789 (IANA) the I flag is enough. On 8472 (Linux, flannel) all
other bits must be as drawn. On any other port (Swarm's --data-path-port) an Ethernet frame with ARP or IP must follow.

VXLAN-GPE, UDP port 4790, names what is inside:

   |R|R|Ver|I|P|B|O|       Reserved                |Next Protocol  |
   |                VXLAN Network Identifier (VNI) |   Reserved    |
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, be24, be32, u8
from capnet.wire.tunnel_kinds import TunnelKind

HEADER = 8
IANA_PORT = 4789
LINUX_PORT = 8472
GPE_PORT = 4790
GPE_IPV4, GPE_IPV6, GPE_ETHERNET = 1, 2, 3

TUNNEL_VXLAN = 1
KIND = TunnelKind(
    name="vxlan",
    number=TUNNEL_VXLAN,
    title="VXLAN",
    specification="RFC 7348; VXLAN-GPE: draft-ietf-nvo3-vxlan-gpe",
    inside="Ethernet; behind VXLAN-GPE also IPv4 and IPv6",
    limits="On ports other than 4789, 4790 and 8472: only with ARP or IP inside, behind at most one VLAN tag.",
    id_name="VNI",
    id_fields={"vxlan.vni": 24},
    udp_port=IANA_PORT,
    display_filter="vxlan",
    header_field="vxlan.vni",
)


@inline
def is_vxlan(buf: ByteArray, at: int, end: int, port: int, forced: int) -> bool:
    """Whether the UDP payload at `at` is VXLAN; `port` is the destination's, `forced` one given by the user or 0."""
    if at + HEADER > end:
        return False
    if port == IANA_PORT or (forced > 0 and port == forced):
        return u8(buf, at) & 8 != 0
    if u8(buf, at) != 8 or be32(buf, at) & 0xFFFFFF or u8(buf, at + 7) != 0:
        return False
    if port == LINUX_PORT:
        return True
    if at + HEADER + 34 > end:
        return False
    inner = at + HEADER + 12
    kind = be16(buf, inner)
    if kind == numbers.ETHERTYPE_VLAN:
        inner += 4
        kind = be16(buf, inner)
    first = u8(buf, inner + 2)
    if kind == numbers.ETHERTYPE_IPV4:
        return first >> 4 == 4 and first & 15 >= 5
    if kind == numbers.ETHERTYPE_IPV6:
        return first >> 4 == 6
    is_arp = kind == numbers.ETHERTYPE_ARP or kind == numbers.ETHERTYPE_RARP
    return is_arp and be16(buf, inner + 2) == 1


@inline
def vxlan(buf: ByteArray, at: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r`, whose header is all there; the offset of the frame inside."""
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL
    rows[r + fields.TUNNEL] = TUNNEL_VXLAN
    rows[r + fields.VNI] = be24(buf, at + 4)
    return at + HEADER


@inline
def vxlan_gpe(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """As `vxlan`, for the UDP payload at `at` on VXLAN-GPE's port; -1 if there is nothing inside that we decode."""
    if at + HEADER > end or u8(buf, at) & 0x38 != 8:  # version 0, with a VNI
        return -1
    if u8(buf, at) & 4 == 0:
        return vxlan(buf, at, rows, r)  # no next protocol: Ethernet, as ever
    following = u8(buf, at + 3)
    at = vxlan(buf, at, rows, r)
    if following == GPE_ETHERNET:
        return at
    if following == GPE_IPV4 or following == GPE_IPV6:
        rows[r + fields.LAYERS] |= fields.LAYER_BARE
        return at
    rows[r + fields.REASON] = fields.REASON_NEXT
    rows[r + fields.DETAIL] = following
    return -1
