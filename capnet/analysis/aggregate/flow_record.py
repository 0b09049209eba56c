"""A flow's row while a pass counts its packets: what each packet needs lies in two cache lines.

A pass waits for memory more than for anything else: a flow table is larger than any cache, and each packet finds its
row somewhere in it. So the key is one line, which is only read, and what every packet changes is another one; small
numbers share a word. When the pass is over, `unpack` makes the columns of `core.schema` of it.

A word is a signed 64-bit number; numbers that may be -1 (none) are stored one higher.
"""

from __future__ import annotations

from typing import Any

from capnet.analysis.core import schema as col
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.fields import (
    ACK,
    DEPTH,
    DIGEST,
    DMAC,
    DPORT,
    DST_HI,
    DST_LO,
    FRAG_OFFSET,
    FRAME,
    ICMP_CODE,
    ICMP_ID,
    ICMP_TYPE,
    IP_ID,
    IP_LENGTH,
    LAYER_FRAGMENT,
    LAYER_ICMP,
    LAYER_ICMPV6,
    LAYER_INSIDE,
    LAYER_TCP,
    LAYER_TUNNEL,
    LAYER_UDP,
    LAYERS,
    PAYLOAD,
    POINT,
    PROTO,
    RELATED,
    SEQ,
    SMAC,
    SPORT,
    SRC_HI,
    SRC_LO,
    TCP_FLAGS,
    TIME,
    TTL,
    TUNNEL,
    VIA,
    VIA_VNI,
    VLAN,
    VLAN2,
    VNI,
    WIDTH,
    WIRELEN,
)
from capnet.wire.numbers import TCP_FIN, TCP_SYN, TCP_SYN_ACK, UDP
from capnet.wire.octets import mix

# -- first line: the key, and what is written once
K_SRC_HI = 0
K_SRC_LO = 1
K_DST_HI = 2
K_DST_LO = 3
K_VIA_VNI = 4
K_ENDS = 5  # source port + 1 << 36 | destination port + 1 << 18 | kind + 1
K_PLACE = 6  # point << 16 | protocol + 1 << 7 | depth << 4 | kind of tunnel
KEY = 7
K_FIRST = 7

# -- second line
K_LAST = 8
K_PACKETS = 9
K_BYTES = 10
K_PAYLOAD = 11
K_SOURCE = 12  # TCP flags << 49 | source MAC + 1
K_TARGET = 13  # kind of tunnel that it carries << 49 | destination MAC + 1
K_NUMBERS = 14  # highest TTL + 1 << 42 | lowest TTL + 1 << 33 | next sequence number + 1
K_SIZES = 15  # VNI that it carries + 1 << 24 | largest IP packet

# -- seldom
K_INNER_BYTES = 16
K_INNER_LARGEST = 17
K_FIRST_DIGEST = 18
K_FIRST_FRAME = 19
K_TTL = 20
K_RETRANSMISSIONS = 21
K_SYN_TIME = 22
K_SYNACK_TIME = 23
K_FRAGMENTS = 24
K_VLAN = 25
K_FIRST_SEQ = 26
K_SYNS = 27
K_STRAYS = 28
K_OTHER_VNIS = 29
PACKED = 32  # numbers a row, four cache lines

END_SHIFT = 18
END_MASK = (1 << END_SHIFT) - 1
MAC_SHIFT = 49
MAC_MASK = (1 << MAC_SHIFT) - 1
TTL_MASK = 511
LOW_SHIFT = 33
HIGH_SHIFT = 42
NEXT_MASK = (1 << LOW_SHIFT) - 1
LARGEST_SHIFT = 24
LARGEST_MASK = (1 << LARGEST_SHIFT) - 1

# The ports of the last first fragments seen, by which later ones find their flow: which datagram, and its K_ENDS.
FRAGMENT_SLOTS = 256
FRAGMENT = 2

# What `count_packet` says of a packet:
STRAY = 1  # its MACs are not those of its flow
OTHER_VNI = 2  # it carries another VNI than its flow, or none


@inline
def packed_key(rows: Any, r: int, base: int, key: Any, at: int) -> None:
    """The flow of the IP packet in row `r`, written to `key[at:]`."""
    key[at + K_SRC_HI] = rows[r + SRC_HI]
    key[at + K_SRC_LO] = rows[r + SRC_LO]
    key[at + K_DST_HI] = rows[r + DST_HI]
    key[at + K_DST_LO] = rows[r + DST_LO]
    key[at + K_VIA_VNI] = rows[r + VIA_VNI]
    place = ((rows[r + POINT] + base) << 16) | ((rows[r + PROTO] + 1) << 7)
    key[at + K_PLACE] = place | (rows[r + DEPTH] << 4) | rows[r + VIA]
    if rows[r + LAYERS] & (LAYER_ICMP | LAYER_ICMPV6):
        kind = rows[r + ICMP_TYPE] * 256 + rows[r + ICMP_CODE]
        if rows[r + RELATED] >= 0:
            key[at + K_ENDS] = ends(rows[r + RELATED] >> 16, rows[r + RELATED] & 0xFFFF, kind)
        else:
            key[at + K_ENDS] = ends(rows[r + ICMP_ID], rows[r + ICMP_ID], kind)
    else:
        key[at + K_ENDS] = ends(rows[r + SPORT], rows[r + DPORT], -1)


@inline
def ends(sport: int, dport: int, kind: int) -> int:
    return ((sport + 1) << (2 * END_SHIFT)) | ((dport + 1) << END_SHIFT) | (kind + 1)


@inline
def fragment_ends(rows: Any, r: int, key: Any, at: int, fragments: Any, slots: int) -> None:
    """Give the fragment in row `r` the ports of its first fragment, in the key at `key[at:]`.

    A later fragment that comes before its first one, or long after it, stays in a flow without ports. `slots`: where
    in `fragments` those of first fragments are remembered.
    """
    which = mix(mix(key[at + K_PLACE], key[at + K_VIA_VNI]), rows[r + IP_ID])
    which = mix(mix(which, key[at + K_SRC_HI]), key[at + K_SRC_LO])
    which = mix(mix(which, key[at + K_DST_HI]), key[at + K_DST_LO]) | 1
    slot = slots + (which >> 8) % FRAGMENT_SLOTS * FRAGMENT
    if rows[r + FRAG_OFFSET] <= 0:
        fragments[slot] = which
        fragments[slot + 1] = key[at + K_ENDS]
    elif fragments[slot] == which:
        key[at + K_ENDS] = fragments[slot + 1]


@inline
def begin_flow(rows: Any, r: int, flows: Any, f: int) -> None:
    """What the first packet of a flow says; `f` is the offset of the flow's row, whose key is there."""
    flows[f + K_FIRST] = rows[r + TIME]
    flows[f + K_LAST] = rows[r + TIME]
    flows[f + K_SOURCE] = rows[r + SMAC] + 1
    flows[f + K_TARGET] = (rows[r + TUNNEL] << MAC_SHIFT) | (rows[r + DMAC] + 1)
    flows[f + K_NUMBERS] = ((rows[r + TTL] + 1) << HIGH_SHIFT) | ((rows[r + TTL] + 1) << LOW_SHIFT)
    flows[f + K_SIZES] = (rows[r + VNI] + 1) << LARGEST_SHIFT
    flows[f + K_FIRST_DIGEST] = rows[r + DIGEST]
    flows[f + K_FIRST_FRAME] = rows[r + FRAME]
    flows[f + K_TTL] = rows[r + TTL]
    flows[f + K_SYN_TIME] = -1
    flows[f + K_SYNACK_TIME] = -1
    flows[f + K_VLAN] = rows[r + VLAN]
    if rows[r + VLAN2] >= 0:
        flows[f + K_VLAN] |= (rows[r + VLAN2] + 1) << 12
    if rows[r + SEQ] >= 0 and rows[r + ACK] >= 0:
        flows[f + K_FIRST_SEQ] = ((rows[r + SEQ] - 0x80000000) << 32) | rows[r + ACK]


@inline
def count_packet(rows: Any, r: int, layers: int, flows: Any, f: int) -> int:
    """Add row `r` to the flow at offset `f`. Returns what the flow's row cannot hold of it: STRAY, OTHER_VNI."""
    unusual = 0
    flows[f + K_PACKETS] += 1
    flows[f + K_BYTES] += rows[r + WIRELEN]
    flows[f + K_LAST] = max(flows[f + K_LAST], rows[r + TIME])
    payload = max(rows[r + PAYLOAD], 0)
    if layers & LAYER_FRAGMENT and rows[r + FRAG_OFFSET] > 0 and rows[r + PROTO] == UDP:
        payload = 0  # the first fragment's header has told the length of the whole datagram
    flows[f + K_PAYLOAD] += payload
    numbers = flows[f + K_NUMBERS]
    ttl = rows[r + TTL] + 1
    low, high = (numbers >> LOW_SHIFT) & TTL_MASK, numbers >> HIGH_SHIFT
    if ttl != low or ttl != high:
        numbers = (max(ttl, high) << HIGH_SHIFT) | (min(ttl, low) << LOW_SHIFT) | (numbers & NEXT_MASK)
        flows[f + K_NUMBERS] = numbers
    sizes = flows[f + K_SIZES]
    if rows[r + IP_LENGTH] > sizes & LARGEST_MASK:
        flows[f + K_SIZES] = (sizes - (sizes & LARGEST_MASK)) | min(rows[r + IP_LENGTH], LARGEST_MASK)
    if layers & LAYER_FRAGMENT:
        flows[f + K_FRAGMENTS] += 1
    target = flows[f + K_TARGET]
    if rows[r + SMAC] + 1 != flows[f + K_SOURCE] & MAC_MASK or rows[r + DMAC] + 1 != target & MAC_MASK:
        flows[f + K_STRAYS] += 1
        unusual = STRAY
    if layers & LAYER_TUNNEL:
        if rows[r + TUNNEL] == target >> MAC_SHIFT and rows[r + VNI] + 1 == sizes >> LARGEST_SHIFT:
            if layers & LAYER_INSIDE:
                flows[f + K_INNER_BYTES] += rows[r + WIDTH + WIRELEN]
                flows[f + K_INNER_LARGEST] = max(flows[f + K_INNER_LARGEST], rows[r + WIDTH + IP_LENGTH])
        else:
            flows[f + K_OTHER_VNIS] += 1
            unusual |= OTHER_VNI
    elif layers & LAYER_UDP and target >> MAC_SHIFT:
        unusual |= OTHER_VNI
        flows[f + K_OTHER_VNIS] += 1  # on a tunnel's port, but none: IKE beside ESP, say
    if layers & LAYER_TCP and rows[r + TCP_FLAGS] >= 0:
        count_segment(rows, r, payload, flows, f)
    return unusual


@inline
def count_segment(rows: Any, r: int, payload: int, flows: Any, f: int) -> None:
    """Sequence numbers (RFC 9293 section 3.4: modulo 2**32) and handshake times."""
    flags = rows[r + TCP_FLAGS]
    flows[f + K_SOURCE] |= flags << MAC_SHIFT
    if flags & TCP_SYN_ACK == TCP_SYN:
        flows[f + K_SYN_TIME] = rows[r + TIME]
        flows[f + K_SYNS] += 1
    elif flags & TCP_SYN_ACK == TCP_SYN_ACK and flows[f + K_SYNACK_TIME] < 0:
        flows[f + K_SYNACK_TIME] = rows[r + TIME]
    length = payload
    if flags & (TCP_SYN | TCP_FIN):
        length += 1
    following = (rows[r + SEQ] + length) & 0xFFFFFFFF
    numbers = flows[f + K_NUMBERS]
    expected = (numbers & NEXT_MASK) - 1
    ahead = (following - expected) & 0xFFFFFFFF
    anew = False
    if flags & TCP_SYN and ahead and rows[r + SEQ] != (flows[f + K_FIRST_SEQ] >> 32) + 0x80000000:
        anew = True  # the ports are used again, with other numbers
        flows[f + K_SOURCE] |= col.USED_AGAIN << MAC_SHIFT
    if anew or expected < 0 or 0 < ahead < 0x80000000:
        flows[f + K_NUMBERS] = (numbers - (numbers & NEXT_MASK)) | (following + 1)
    elif length > 0 and not (payload <= 1 and ahead == 0 and flags & (TCP_SYN | TCP_FIN) == 0):
        # A keep-alive repeats the last byte at most (RFC 9293 section 3.8.4); all else was sent before.
        flows[f + K_RETRANSMISSIONS] += 1


@inline
def unpack_key(key: Any, at: int, out: Any, to: int, apart: int) -> None:
    """The key at `key[at:]` as columns of `core.schema`: column c at `out[to + c * apart]`."""
    place, both = key[at + K_PLACE], key[at + K_ENDS]
    out[to + col.FLOW_POINT * apart] = place >> 16
    out[to + col.FLOW_VIA * apart] = place & 15
    out[to + col.FLOW_VIA_VNI * apart] = key[at + K_VIA_VNI]
    out[to + col.FLOW_DEPTH * apart] = (place >> 4) & 7
    out[to + col.FLOW_PROTO * apart] = ((place >> 7) & 511) - 1
    out[to + col.FLOW_SRC_HI * apart] = key[at + K_SRC_HI]
    out[to + col.FLOW_SRC_LO * apart] = key[at + K_SRC_LO]
    out[to + col.FLOW_DST_HI * apart] = key[at + K_DST_HI]
    out[to + col.FLOW_DST_LO * apart] = key[at + K_DST_LO]
    out[to + col.FLOW_SPORT * apart] = (both >> (2 * END_SHIFT)) - 1
    out[to + col.FLOW_DPORT * apart] = ((both >> END_SHIFT) & END_MASK) - 1
    out[to + col.FLOW_KIND * apart] = (both & END_MASK) - 1


@kernel
def unpack(table: Any, start: int, stop: int, columns: Any, length: int) -> None:
    """Rows `start` to `stop` of a table become those of the columns, which are `length` long and lie one by one."""
    for to in range(start, stop):
        f = to * PACKED
        numbers, sizes = table[f + K_NUMBERS], table[f + K_SIZES]
        unpack_key(table, f, columns, to, length)
        columns[to + col.FLOW_LAST * length] = table[f + K_LAST]
        columns[to + col.FLOW_PACKETS * length] = table[f + K_PACKETS]
        columns[to + col.FLOW_BYTES * length] = table[f + K_BYTES]
        columns[to + col.FLOW_PAYLOAD * length] = table[f + K_PAYLOAD]
        columns[to + col.FLOW_SMAC * length] = (table[f + K_SOURCE] & MAC_MASK) - 1
        columns[to + col.FLOW_DMAC * length] = (table[f + K_TARGET] & MAC_MASK) - 1
        columns[to + col.FLOW_TTL_MIN * length] = lowest_ttl(table, f)
        columns[to + col.FLOW_TTL_MAX * length] = highest_ttl(table, f)
        columns[to + col.FLOW_LARGEST_IP * length] = sizes & LARGEST_MASK
        columns[to + col.FLOW_TCP_FLAGS * length] = table[f + K_SOURCE] >> MAC_SHIFT
        columns[to + col.FLOW_NEXT_SEQ * length] = (numbers & NEXT_MASK) - 1
        columns[to + col.FLOW_CARRIES * length] = table[f + K_TARGET] >> MAC_SHIFT
        columns[to + col.FLOW_CARRIES_VNI * length] = (sizes >> LARGEST_SHIFT) - 1
        columns[to + col.FLOW_INNER_BYTES * length] = table[f + K_INNER_BYTES]
        columns[to + col.FLOW_INNER_LARGEST * length] = table[f + K_INNER_LARGEST]
        columns[to + col.FLOW_FIRST_DIGEST * length] = table[f + K_FIRST_DIGEST]
        columns[to + col.FLOW_FIRST * length] = table[f + K_FIRST]
        columns[to + col.FLOW_FIRST_FRAME * length] = table[f + K_FIRST_FRAME]
        columns[to + col.FLOW_TTL * length] = table[f + K_TTL]
        columns[to + col.FLOW_RETRANSMISSIONS * length] = table[f + K_RETRANSMISSIONS]
        columns[to + col.FLOW_SYN_TIME * length] = table[f + K_SYN_TIME]
        columns[to + col.FLOW_SYNACK_TIME * length] = table[f + K_SYNACK_TIME]
        columns[to + col.FLOW_FRAGMENTS * length] = table[f + K_FRAGMENTS]
        columns[to + col.FLOW_VLAN * length] = table[f + K_VLAN]
        columns[to + col.FLOW_FIRST_SEQ * length] = table[f + K_FIRST_SEQ]
        columns[to + col.FLOW_SYNS * length] = table[f + K_SYNS]
        columns[to + col.FLOW_STRAYS * length] = table[f + K_STRAYS]
        columns[to + col.FLOW_OTHER_VNIS * length] = table[f + K_OTHER_VNIS]


@inline
def lowest_ttl(flows: Any, f: int) -> int:
    return ((flows[f + K_NUMBERS] >> LOW_SHIFT) & TTL_MASK) - 1


@inline
def highest_ttl(flows: Any, f: int) -> int:
    return (flows[f + K_NUMBERS] >> HIGH_SHIFT) - 1
