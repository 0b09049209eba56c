"""Counts packets into flow records (`flow_record`), one packet at a time, in the order of the capture."""

from __future__ import annotations

from capnet.analysis.aggregate.kernels import flow_record as flow
from capnet.analysis.core import schema
from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers

# What `count_packet` returns of a packet, if anything:
OTHER_MACS = 1  # its MACs are not those of its flow
OTHER_VNI = 2  # it carries another VNI than its flow, or none


@inline
def begin_flow(rows: Int64Array, r: int, flows: Int64Array, f: int) -> None:
    """Write what the first packet of a flow says to the record at offset `f`, which has its key already."""
    flows[f + flow.FIRST] = rows[r + fields.TIME]
    flows[f + flow.LAST] = rows[r + fields.TIME]
    flows[f + flow.SMAC_FLAGS] = rows[r + fields.SMAC] + 1
    flows[f + flow.DMAC_CARRIES] = (rows[r + fields.TUNNEL] << flow.MAC_SHIFT) | (rows[r + fields.DMAC] + 1)
    ttl = rows[r + fields.TTL] + 1
    flows[f + flow.TTLS_SEQ] = (ttl << flow.TTL_MAX_SHIFT) | (ttl << flow.TTL_MIN_SHIFT)
    flows[f + flow.VNI_SIZE] = (rows[r + fields.VNI] + 1) << flow.VNI_SHIFT
    flows[f + flow.FIRST_DIGEST] = rows[r + fields.DIGEST]
    flows[f + flow.FIRST_FRAME] = rows[r + fields.FRAME]
    flows[f + flow.TTL] = rows[r + fields.TTL]
    flows[f + flow.SYN_TIME] = -1
    flows[f + flow.SYNACK_TIME] = -1
    flows[f + flow.VLAN] = rows[r + fields.VLAN]
    if rows[r + fields.VLAN2] >= 0:
        flows[f + flow.VLAN] |= (rows[r + fields.VLAN2] + 1) << 12
    if rows[r + fields.SEQ] >= 0 and rows[r + fields.ACK] >= 0:
        flows[f + flow.FIRST_SEQ] = ((rows[r + fields.SEQ] - 0x80000000) << 32) | rows[r + fields.ACK]


@inline
def count_packet(rows: Int64Array, r: int, layers: int, flows: Int64Array, f: int) -> int:
    """Add row `r` to the record at offset `f`. Returns what a record cannot hold of it: OTHER_MACS, OTHER_VNI."""
    unusual = 0
    flows[f + flow.PACKETS] += 1
    flows[f + flow.BYTES] += rows[r + fields.WIRELEN]
    flows[f + flow.LAST] = max(flows[f + flow.LAST], rows[r + fields.TIME])
    payload = max(rows[r + fields.PAYLOAD], 0)
    if layers & fields.LAYER_FRAGMENT and rows[r + fields.FRAG_OFFSET] > 0 and rows[r + fields.PROTO] == numbers.UDP:
        payload = 0  # the first fragment's header has told the length of the whole datagram
    flows[f + flow.PAYLOAD] += payload
    packed = flows[f + flow.TTLS_SEQ]
    ttl = rows[r + fields.TTL] + 1
    ttl_min, ttl_max = (packed >> flow.TTL_MIN_SHIFT) & flow.TTL_MASK, packed >> flow.TTL_MAX_SHIFT
    if ttl != ttl_min or ttl != ttl_max:
        ttls = (max(ttl, ttl_max) << flow.TTL_MAX_SHIFT) | (min(ttl, ttl_min) << flow.TTL_MIN_SHIFT)
        flows[f + flow.TTLS_SEQ] = ttls | (packed & flow.SEQ_MASK)
    packed = flows[f + flow.VNI_SIZE]
    size, vni = packed & flow.SIZE_MASK, packed >> flow.VNI_SHIFT
    # A length field beyond the frame lies: what segmentation offload hands over is as long as it says.
    if size < rows[r + fields.IP_LENGTH] <= rows[r + fields.WIRELEN]:
        flows[f + flow.VNI_SIZE] = (packed - size) | min(rows[r + fields.IP_LENGTH], flow.SIZE_MASK)
    if layers & fields.LAYER_FRAGMENT:
        flows[f + flow.FRAGMENTS] += 1
    smac, dmac = flows[f + flow.SMAC_FLAGS] & flow.MAC_MASK, flows[f + flow.DMAC_CARRIES] & flow.MAC_MASK
    carries = flows[f + flow.DMAC_CARRIES] >> flow.MAC_SHIFT
    if rows[r + fields.SMAC] + 1 != smac or rows[r + fields.DMAC] + 1 != dmac:
        flows[f + flow.STRAYS] += 1
        unusual = OTHER_MACS
    if layers & fields.LAYER_TUNNEL:
        if rows[r + fields.TUNNEL] == carries and rows[r + fields.VNI] + 1 == vni:
            if layers & fields.LAYER_INSIDE:
                inner = r + fields.WIDTH
                flows[f + flow.INNER_BYTES] += rows[inner + fields.WIRELEN]
                flows[f + flow.INNER_LARGEST] = max(flows[f + flow.INNER_LARGEST], rows[inner + fields.IP_LENGTH])
        else:
            flows[f + flow.OTHER_VNIS] += 1
            unusual |= OTHER_VNI
    elif layers & fields.LAYER_UDP and carries:
        unusual |= OTHER_VNI
        flows[f + flow.OTHER_VNIS] += 1  # on a tunnel's port, but none: IKE beside ESP, say
    if layers & fields.LAYER_TCP and rows[r + fields.TCP_FLAGS] >= 0:
        count_segment(rows, r, payload, flows, f)
    return unusual


@inline
def count_segment(rows: Int64Array, r: int, payload: int, flows: Int64Array, f: int) -> None:
    """Count TCP: sequence numbers (RFC 9293 section 3.4: modulo 2**32) and the times of the handshake."""
    flags = rows[r + fields.TCP_FLAGS]
    flows[f + flow.SMAC_FLAGS] |= flags << flow.MAC_SHIFT
    if flags & numbers.TCP_SYN_ACK == numbers.TCP_SYN:
        flows[f + flow.SYN_TIME] = rows[r + fields.TIME]
        flows[f + flow.SYNS] += 1
    elif flags & numbers.TCP_SYN_ACK == numbers.TCP_SYN_ACK and flows[f + flow.SYNACK_TIME] < 0:
        flows[f + flow.SYNACK_TIME] = rows[r + fields.TIME]
    length = payload
    if flags & (numbers.TCP_SYN | numbers.TCP_FIN):
        length += 1
    following = (rows[r + fields.SEQ] + length) & 0xFFFFFFFF
    packed = flows[f + flow.TTLS_SEQ]
    expected = (packed & flow.SEQ_MASK) - 1
    ahead = (following - expected) & 0xFFFFFFFF
    is_reused = False
    first_seq = (flows[f + flow.FIRST_SEQ] >> 32) + 0x80000000
    if flags & numbers.TCP_SYN and ahead and rows[r + fields.SEQ] != first_seq:
        is_reused = True  # another connection uses the same ports
        flows[f + flow.SMAC_FLAGS] |= schema.USED_AGAIN << flow.MAC_SHIFT
    if is_reused or expected < 0 or 0 < ahead < 0x80000000:
        flows[f + flow.TTLS_SEQ] = (packed - (packed & flow.SEQ_MASK)) | (following + 1)
    elif length > 0 and not (payload <= 1 and ahead == 0 and flags & (numbers.TCP_SYN | numbers.TCP_FIN) == 0):
        # A keep-alive repeats the last byte at most (RFC 9293 section 3.8.4); all else was sent before.
        flows[f + flow.RETRANSMISSIONS] += 1
