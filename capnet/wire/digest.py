"""Computes the digest: 62 bits of what NAT, routing, encapsulation, fragmentation and offload leave as it is.

Equal digests at two points mean that the packets are probably the same; `analysis.correlate` decides.
Left out, because it may be rewritten: addresses, ports, TTL, checksums, ICMP identifiers.
Counted by its beginning, because it may be cut differently: a TCP segment by its first octet, so that a large one and
the first of its pieces agree; a datagram by its first fragment.
Counted: the IPv4 identification. Offload and fragmentation keep it for the first piece, and it tells a packet that was
sent again from the same packet at another point.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be16, be32, mix, u8
from capnet.wire.protocols.icmp import is_error, is_query

# Octets of a payload of UDP, ICMP and others that count. TCP needs none: its sequence numbers tell segments apart.
MAX_SAMPLE = 32
# Lengths count up to this number of octets: a fragment before the last one is no shorter (RFC 791: all hosts accept
# 576 octets), so that a datagram and its first fragment agree.
MAX_LENGTH = 512

# Flags that all pieces of a segment have in common: segmentation moves FIN and PSH to the last, CWR to the first.
KEPT_FLAGS = 0xFFF & ~(numbers.TCP_FIN | numbers.TCP_PSH | numbers.TCP_CWR)
HAS_PAYLOAD = 0x1000  # one bit above the flags


@inline
def ip_digest(buf: ByteArray, end: int, rows: Int64Array, r: int) -> int:
    """Digest of the IP packet in row `r`, whose captured bytes end at `end`; 0 when too little of it was captured."""
    layers = rows[r + fields.LAYERS]
    ident = rows[r + fields.IP_ID]
    if layers & fields.LAYER_IPV6 and rows[r + fields.FRAG_OFFSET] <= 0:
        ident = -1  # fragments alone have one: it would differ from that of the reassembled packet
    state = mix(rows[r + fields.PROTO] + 1, ident + 1)
    if rows[r + fields.FRAG_OFFSET] > 0:
        state = mix(state, rows[r + fields.FRAG_OFFSET] * 2 + (rows[r + fields.IP_FLAGS] & 1))
        state = mix(state, rows[r + fields.IP_LENGTH])
    elif layers & fields.LAYER_TCP:
        if rows[r + fields.TCP_FLAGS] < 0 or rows[r + fields.PAYLOAD] < 0:
            return 0
        flags = rows[r + fields.TCP_FLAGS]
        if rows[r + fields.PAYLOAD] > 0:
            flags = (flags & KEPT_FLAGS) | HAS_PAYLOAD
        state = mix(state, (rows[r + fields.SEQ] << 30) ^ rows[r + fields.ACK])
        return mix(mix(state, flags), rows[r + fields.TSVAL]) | 1
    payload_at = rows[r + fields.PAYLOAD_AT]
    if payload_at < 0:
        return 0
    if layers & fields.LAYER_ESP:
        return mix(mix(state, rows[r + fields.VNI]), rows[r + fields.SEQ]) | 1
    length = rows[r + fields.PAYLOAD]
    state = mix(state, min(length, MAX_LENGTH))
    if layers & (fields.LAYER_ICMP | fields.LAYER_ICMPV6):
        kind = rows[r + fields.ICMP_TYPE]
        state = mix(state, (kind << 40) ^ (rows[r + fields.ICMP_CODE] << 32) ^ (rows[r + fields.ICMP_SEQ] & 0xFFFF))
        if is_error(kind, layers & fields.LAYER_ICMP):
            return error_digest(buf, payload_at, end, state, rows, r)
    sample = min(length, MAX_SAMPLE)
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
def error_digest(buf: ByteArray, at: int, end: int, state: int, rows: Int64Array, r: int) -> int:
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
def arp_digest(rows: Int64Array, r: int) -> int:
    """Digest of an ARP message, which bridges leave unchanged."""
    state = mix(rows[r + fields.ARP_OP], rows[r + fields.ARP_SHA])
    return mix(mix(state, rows[r + fields.SRC_LO]), rows[r + fields.DST_LO]) | 1
