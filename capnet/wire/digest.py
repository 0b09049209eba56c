"""The digest: a hash of what survives NAT, routing, encapsulation, fragmentation and segmentation offload.

Equal digests at two points: probably the same packet (`packet_matching` decides). What may be rewritten on the way
stays out: addresses, ports, TTL, checksums, ICMP identifiers. What may be cut differently at different points counts
by its beginning alone: a TCP segment by its first octet, so that a whole one and the first of its pieces agree; a
datagram by its first fragment. The IPv4 identification survives all of it (offload and fragmentation keep it for the
first piece), and tells a repeated payload from a repeated packet.
"""

from __future__ import annotations

from typing import Any

from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, be32, mix, u8
from capnet.wire.protocols.icmp import is_error, is_query

# How much of a UDP, ICMP or unknown payload goes into the digest. TCP needs none: its sequence numbers tell more.
SAMPLE = 32
# Lengths count up to here: no fragment but the last is shorter (RFC 791: every host takes 576 octets), so a whole
# datagram and its first fragment agree.
LENGTH = 512

# Flags that cutting a segment keeps with each piece: all but FIN, PSH and CWR.
KEPT_FLAGS = 0xFFF & ~(numbers.TCP_FIN | numbers.TCP_PSH | numbers.TCP_CWR)


@inline
def ip_digest(buf: Any, end: int, rows: Any, r: int) -> int:
    """Digest of the IP packet in row `r`, whose captured bytes end at `end`; 0 when too little of it was captured."""
    layers = rows[r + fields.LAYERS]
    ident = rows[r + fields.IP_ID]
    if layers & fields.LAYER_IPV6 and rows[r + fields.FRAG_OFFSET] <= 0:
        ident = -1  # only fragments have one, a reassembled packet has not
    state = mix(rows[r + fields.PROTO] + 1, ident + 1)
    if rows[r + fields.FRAG_OFFSET] > 0:
        state = mix(state, rows[r + fields.FRAG_OFFSET] * 2 + (rows[r + fields.IP_FLAGS] & 1))
        state = mix(state, rows[r + fields.IP_LENGTH])
    elif layers & fields.LAYER_TCP:
        if rows[r + fields.TCP_FLAGS] < 0 or rows[r + fields.PAYLOAD] < 0:
            return 0
        flags = rows[r + fields.TCP_FLAGS]
        if rows[r + fields.PAYLOAD] > 0:
            flags = (flags & KEPT_FLAGS) | 4096
        state = mix(state, (rows[r + fields.SEQ] << 30) ^ rows[r + fields.ACK])
        return mix(mix(state, flags), rows[r + fields.TSVAL]) | 1
    payload_at = rows[r + fields.PAYLOAD_AT]
    if payload_at < 0:
        return 0
    if layers & fields.LAYER_ESP:
        return mix(mix(state, rows[r + fields.VNI]), rows[r + fields.SEQ]) | 1
    length = rows[r + fields.PAYLOAD]
    state = mix(state, min(length, LENGTH))
    if layers & (fields.LAYER_ICMP | fields.LAYER_ICMPV6):
        kind = rows[r + fields.ICMP_TYPE]
        state = mix(state, (kind << 40) ^ (rows[r + fields.ICMP_CODE] << 32) ^ (rows[r + fields.ICMP_SEQ] & 0xFFFF))
        if is_error(kind, layers & fields.LAYER_ICMP):
            return error_digest(buf, payload_at, end, state, rows, r)
    sample = min(length, SAMPLE)
    if payload_at + sample > end:
        return 0
    k = 0
    while k + 4 <= sample:
        state = mix(state, be32(buf, payload_at + k))
        k += 4
    while k < sample:
        state = mix(state, u8(buf, payload_at + k) + k)
        k += 1
    return mix(state, layers & (fields.LAYER_UDP | fields.LAYER_IP)) | 1


@inline
def error_digest(buf: Any, at: int, end: int, state: int, rows: Any, r: int) -> int:
    """Digest of an ICMP error; RELATED of row `r` = the ports of the packet embedded at `at`.

    NAT translates the embedded packet too: its addresses, ports, identifier and checksums stay out.
    """
    if at + 20 > end:
        return 0
    version = u8(buf, at) >> 4
    if version == 4:
        state = mix(state, (be16(buf, at + 2) << 32) + be32(buf, at + 4))
        proto = u8(buf, at + 9)
        transport = at + (u8(buf, at) & 15) * 4
    elif version == 6:
        state = mix(state, be32(buf, at + 4) >> 8)
        proto = u8(buf, at + 6)
        transport = at + 40
    else:
        return 0
    state = mix(state, proto)
    if transport + 8 > end:
        return state | 1
    if proto == numbers.TCP or proto == numbers.UDP:
        rows[r + fields.RELATED] = be32(buf, transport)
        if proto == numbers.TCP:
            state = mix(state, be32(buf, transport + 4))
        else:
            state = mix(state, be16(buf, transport + 4))
    elif proto == numbers.ICMP or proto == numbers.ICMPV6:
        state = mix(state, be16(buf, transport))
        if is_query(u8(buf, transport), fields.LAYER_ICMP if proto == numbers.ICMP else fields.LAYER_ICMPV6):
            rows[r + fields.RELATED] = be16(buf, transport + 4) * 65537
            state = mix(state, be16(buf, transport + 6))
    return state | 1


@inline
def arp_digest(rows: Any, r: int) -> int:
    """ARP crosses bridges unchanged."""
    state = mix(rows[r + fields.ARP_OP], rows[r + fields.ARP_SHA])
    return mix(mix(state, rows[r + fields.SRC_LO]), rows[r + fields.DST_LO]) | 1
