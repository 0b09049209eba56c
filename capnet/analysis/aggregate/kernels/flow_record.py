"""The record of a flow while a pass counts its packets, and how it becomes the columns of `core.schema`.

A record is four cache lines of int64. A pass waits for memory more than for anything else: a flow table is larger than
any cache, and each packet needs the record of its flow. So the first line is the key, which is only read, and the
second line is all that every packet changes. Small numbers share a word; those that may be -1 (none) are stored one
higher. Method: `flow_counters` fills records, `unpack` makes columns of them when the pass is over.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire import fields
from capnet.wire.octets import mix

# -- first line: the key, and what is written once
SRC_HI = 0
SRC_LO = 1
DST_HI = 2
DST_LO = 3
VIA_VNI = 4
PORTS = 5  # source port + 1 << 36 | destination port + 1 << 18 | kind + 1
POINT_PROTO = 6  # point << 16 | protocol + 1 << 7 | depth << 4 | kind of tunnel
KEY = 7
FIRST = 7

# -- second line
LAST = 8
PACKETS = 9
BYTES = 10
PAYLOAD = 11
SMAC_FLAGS = 12  # TCP flags << 49 | source MAC + 1
DMAC_CARRIES = 13  # kind of tunnel that it carries << 49 | destination MAC + 1
TTLS_SEQ = 14  # highest TTL + 1 << 42 | lowest TTL + 1 << 33 | next sequence number + 1
VNI_SIZE = 15  # VNI that it carries + 1 << 24 | largest IP packet

# -- seldom
INNER_BYTES = 16
INNER_LARGEST = 17
FIRST_DIGEST = 18
FIRST_FRAME = 19
TTL = 20
RETRANSMISSIONS = 21
SYN_TIME = 22
SYNACK_TIME = 23
FRAGMENTS = 24
VLAN = 25
FIRST_SEQ = 26
SYNS = 27
STRAYS = 28
OTHER_VNIS = 29
WIDTH = 32  # four cache lines

PORT_SHIFT = 18
PORT_MASK = (1 << PORT_SHIFT) - 1
MAC_SHIFT = 49
MAC_MASK = (1 << MAC_SHIFT) - 1
TTL_MASK = 511
TTL_MIN_SHIFT = 33
TTL_MAX_SHIFT = 42
SEQ_MASK = (1 << TTL_MIN_SHIFT) - 1
VNI_SHIFT = 24
SIZE_MASK = (1 << VNI_SHIFT) - 1

# Later fragments find their flow by the ports of the first fragment: its datagram and PORTS, for the last datagrams.
FRAGMENT_SLOTS = 256
FRAGMENT_WIDTH = 2


@inline
def packed_key(rows: Int64Array, r: int, base: int, key: Int64Array, at: int) -> None:
    """Write the key of the flow of the IP packet in row `r` to `key[at:]`."""
    key[at + SRC_HI] = rows[r + fields.SRC_HI]
    key[at + SRC_LO] = rows[r + fields.SRC_LO]
    key[at + DST_HI] = rows[r + fields.DST_HI]
    key[at + DST_LO] = rows[r + fields.DST_LO]
    key[at + VIA_VNI] = rows[r + fields.VIA_VNI]
    point_proto = ((rows[r + fields.POINT] + base) << 16) | ((rows[r + fields.PROTO] + 1) << 7)
    key[at + POINT_PROTO] = point_proto | (rows[r + fields.DEPTH] << 4) | rows[r + fields.VIA]
    if rows[r + fields.LAYERS] & (fields.LAYER_ICMP | fields.LAYER_ICMPV6):
        kind = rows[r + fields.ICMP_TYPE] * 256 + rows[r + fields.ICMP_CODE]
        if rows[r + fields.RELATED] >= 0:
            key[at + PORTS] = packed_ports(rows[r + fields.RELATED] >> 16, rows[r + fields.RELATED] & 0xFFFF, kind)
        else:
            key[at + PORTS] = packed_ports(rows[r + fields.ICMP_ID], rows[r + fields.ICMP_ID], kind)
    else:
        key[at + PORTS] = packed_ports(rows[r + fields.SPORT], rows[r + fields.DPORT], -1)


@inline
def packed_ports(sport: int, dport: int, kind: int) -> int:
    """Word PORTS of a key."""
    return ((sport + 1) << (2 * PORT_SHIFT)) | ((dport + 1) << PORT_SHIFT) | (kind + 1)


@inline
def fragment_ports(rows: Int64Array, r: int, key: Int64Array, at: int, fragments: Int64Array, slots: int) -> None:
    """Give the fragment in row `r` the ports of its first fragment, in the key at `key[at:]`.

    `fragments[slots:]`: FRAGMENT_SLOTS of the last first fragments. A later fragment that comes before its first one,
    or long after it, stays in a flow without ports.
    """
    datagram = mix(mix(key[at + POINT_PROTO], key[at + VIA_VNI]), rows[r + fields.IP_ID])
    datagram = mix(mix(datagram, key[at + SRC_HI]), key[at + SRC_LO])
    datagram = mix(mix(datagram, key[at + DST_HI]), key[at + DST_LO]) | 1
    slot = slots + (datagram >> 8) % FRAGMENT_SLOTS * FRAGMENT_WIDTH
    if rows[r + fields.FRAG_OFFSET] <= 0:
        fragments[slot] = datagram
        fragments[slot + 1] = key[at + PORTS]
    elif fragments[slot] == datagram:
        key[at + PORTS] = fragments[slot + 1]


@inline
def unpack_key(key: Int64Array, at: int, out: Int64Array, to: int, stride: int) -> None:
    """Write the key at `key[at:]` as columns of `core.schema`: column c to `out[to + c * stride]`."""
    point_proto, ports = key[at + POINT_PROTO], key[at + PORTS]
    out[to + schema.FLOW_POINT * stride] = point_proto >> 16
    out[to + schema.FLOW_VIA * stride] = point_proto & 15
    out[to + schema.FLOW_VIA_VNI * stride] = key[at + VIA_VNI]
    out[to + schema.FLOW_DEPTH * stride] = (point_proto >> 4) & 7
    out[to + schema.FLOW_PROTO * stride] = ((point_proto >> 7) & 511) - 1
    out[to + schema.FLOW_SRC_HI * stride] = key[at + SRC_HI]
    out[to + schema.FLOW_SRC_LO * stride] = key[at + SRC_LO]
    out[to + schema.FLOW_DST_HI * stride] = key[at + DST_HI]
    out[to + schema.FLOW_DST_LO * stride] = key[at + DST_LO]
    out[to + schema.FLOW_SPORT * stride] = (ports >> (2 * PORT_SHIFT)) - 1
    out[to + schema.FLOW_DPORT * stride] = ((ports >> PORT_SHIFT) & PORT_MASK) - 1
    out[to + schema.FLOW_KIND * stride] = (ports & PORT_MASK) - 1


@kernel
def unpack(table: Int64Array, start: int, stop: int, columns: Int64Array, length: int) -> None:
    """Write rows `start` to `stop` of a table as columns of `core.schema`, one after the other, `length` long each."""
    for to in range(start, stop):
        f = to * WIDTH
        packed, sizes = table[f + TTLS_SEQ], table[f + VNI_SIZE]
        unpack_key(table, f, columns, to, length)
        columns[to + schema.FLOW_LAST * length] = table[f + LAST]
        columns[to + schema.FLOW_PACKETS * length] = table[f + PACKETS]
        columns[to + schema.FLOW_BYTES * length] = table[f + BYTES]
        columns[to + schema.FLOW_PAYLOAD * length] = table[f + PAYLOAD]
        columns[to + schema.FLOW_SMAC * length] = (table[f + SMAC_FLAGS] & MAC_MASK) - 1
        columns[to + schema.FLOW_DMAC * length] = (table[f + DMAC_CARRIES] & MAC_MASK) - 1
        columns[to + schema.FLOW_TTL_MIN * length] = lowest_ttl(table, f)
        columns[to + schema.FLOW_TTL_MAX * length] = highest_ttl(table, f)
        columns[to + schema.FLOW_LARGEST_IP * length] = sizes & SIZE_MASK
        columns[to + schema.FLOW_TCP_FLAGS * length] = table[f + SMAC_FLAGS] >> MAC_SHIFT
        columns[to + schema.FLOW_NEXT_SEQ * length] = (packed & SEQ_MASK) - 1
        columns[to + schema.FLOW_CARRIES * length] = table[f + DMAC_CARRIES] >> MAC_SHIFT
        columns[to + schema.FLOW_CARRIES_VNI * length] = (sizes >> VNI_SHIFT) - 1
        columns[to + schema.FLOW_INNER_BYTES * length] = table[f + INNER_BYTES]
        columns[to + schema.FLOW_INNER_LARGEST * length] = table[f + INNER_LARGEST]
        columns[to + schema.FLOW_FIRST_DIGEST * length] = table[f + FIRST_DIGEST]
        columns[to + schema.FLOW_FIRST * length] = table[f + FIRST]
        columns[to + schema.FLOW_FIRST_FRAME * length] = table[f + FIRST_FRAME]
        columns[to + schema.FLOW_TTL * length] = table[f + TTL]
        columns[to + schema.FLOW_RETRANSMISSIONS * length] = table[f + RETRANSMISSIONS]
        columns[to + schema.FLOW_SYN_TIME * length] = table[f + SYN_TIME]
        columns[to + schema.FLOW_SYNACK_TIME * length] = table[f + SYNACK_TIME]
        columns[to + schema.FLOW_FRAGMENTS * length] = table[f + FRAGMENTS]
        columns[to + schema.FLOW_VLAN * length] = table[f + VLAN]
        columns[to + schema.FLOW_FIRST_SEQ * length] = table[f + FIRST_SEQ]
        columns[to + schema.FLOW_SYNS * length] = table[f + SYNS]
        columns[to + schema.FLOW_STRAYS * length] = table[f + STRAYS]
        columns[to + schema.FLOW_OTHER_VNIS * length] = table[f + OTHER_VNIS]


@inline
def lowest_ttl(flows: Int64Array, f: int) -> int:
    """Lowest TTL in the record at offset `f`."""
    return ((flows[f + TTLS_SEQ] >> TTL_MIN_SHIFT) & TTL_MASK) - 1


@inline
def highest_ttl(flows: Int64Array, f: int) -> int:
    """Highest TTL in the record at offset `f`."""
    return (flows[f + TTLS_SEQ] >> TTL_MAX_SHIFT) - 1
