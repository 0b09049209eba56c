"""Kernels of `packet_ids`: the flow row of every row of a block, and the packet id of every frame."""

from __future__ import annotations

from capnet.analysis.aggregate.kernels import flow_record
from capnet.analysis.aggregate.kernels.flow_record import fragment_ports, packed_key, unpack_key
from capnet.analysis.aggregate.kernels.hash_table import lookup
from capnet.analysis.core.schema import FLOW_KEY, FLOW_WIDTH
from capnet.analysis.correlate.duplicates import MAX_DUPLICATE_DELAY_NS
from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.fields import DEPTH, DIGEST, LAYER_FRAGMENT, LAYER_IP, LAYERS, TIME, WIDTH
from capnet.wire.octets import mix

# A table of recent packets: its number of slots, then the slots. This one's columns:
RECENT_KEY = 0
RECENT_RANK = 1  # number of the packet among the equal ones of its flow, from 0
RECENT_TIME = 2  # ns
RECENT_AGE = 3  # row at which it was last used; 0 = free
RECENT_WIDTH = 4
RECENT_PROBES = 4  # slots next to each other in which a key may be

# Scratch space of `find_flows`: a flow's key in columns, and packed; then the ports of first fragments.
_PACKED_KEY = FLOW_KEY
_FRAGMENTS = _PACKED_KEY + flow_record.KEY
SCRATCH_SIZE = _FRAGMENTS + flow_record.FRAGMENT_SLOTS * flow_record.FRAGMENT_WIDTH

_RECENT_SEED = 0x51ED27  # keys of the table of recent packets and ids must not be the same numbers
_ID_SEED = 0x3C6EF3


@inline
def slot_of(recent: Int64Array, width: int, age: int, key: int) -> int:
    """Offset in `recent` of `key` (never 0), or of the slot it may take: free, or unused for the longest time.

    `width`: columns of a slot, of which the first is the key; `age`: the column of its age.
    """
    start = (key >> 7) & (recent[0] - 1)
    best = 1 + start * width
    for probe in range(RECENT_PROBES):
        at = 1 + (start + probe) * width
        if recent[at] == key:
            return at
        if recent[at + age] < recent[best + age]:
            best = at
    return best


@kernel
def find_flows(
    rows: Int64Array,
    n: int,
    base: int,
    index: Int64Array,
    flows: Int64Array,
    key: Int64Array,
    flow_of: Int64Array,
) -> None:
    """Look up, never add: `flow_of[i]` = flow row of row i, -1 for what is not IP. `key`: SCRATCH_SIZE numbers."""
    for i in range(n):
        flow_of[i] = -1
        if rows[i * WIDTH + LAYERS] & LAYER_IP:
            packed_key(rows, i * WIDTH, base, key, _PACKED_KEY)
            if rows[i * WIDTH + LAYERS] & LAYER_FRAGMENT:
                fragment_ports(rows, i * WIDTH, key, _PACKED_KEY, key, _FRAGMENTS)
            unpack_key(key, _PACKED_KEY, key, 0, 1)
            row = lookup(index, flows, FLOW_WIDTH, FLOW_KEY, key)
            if row >= 0:
                flow_of[i] = row


@kernel
def identify(
    rows: Int64Array,
    n: int,
    flow_of: Int64Array,
    chain_of: Int64Array,
    has_duplicates: Int64Array,
    moved: Int64Array,
    mask: int,
    secret: int,
    recent: Int64Array,
    seen: int,
    ids: Int64Array,
    id_rows: Int64Array,
) -> None:
    """`ids` and `id_rows` of the rows of depth 0.

    `moved`: ranks by key, a hash table of `mask` + 1 slots; `seen`: rows before this block.
    """
    outermost = 0
    while outermost < n:
        following = outermost + 1
        while following < n and rows[following * WIDTH + DEPTH] > 0:
            following += 1
        i = following - 1
        while i > outermost and (flow_of[i] < 0 or rows[i * WIDTH + DIGEST] == 0):
            i -= 1
        id_rows[outermost] = i
        digest = rows[i * WIDTH + DIGEST]
        if flow_of[i] >= 0 and digest != 0:
            time = rows[i * WIDTH + TIME]
            key = mix(mix(_RECENT_SEED, flow_of[i]), digest) | 1
            at = slot_of(recent, RECENT_WIDTH, RECENT_AGE, key)
            if recent[at + RECENT_KEY] != key:
                recent[at + RECENT_KEY] = key
                recent[at + RECENT_RANK] = 0
            elif has_duplicates[flow_of[i]] == 0 or time - recent[at + RECENT_TIME] > MAX_DUPLICATE_DELAY_NS:
                recent[at + RECENT_RANK] += 1
            recent[at + RECENT_TIME] = time
            recent[at + RECENT_AGE] = seen + i + 1
            rank = recent[at + RECENT_RANK]
            if mask > 0:
                key = mix(mix(mix(secret, flow_of[i]), digest), rank) | 1  # as repeated_packets.rank_key
                slot = (key >> 7) & mask
                while moved[2 * slot] != 0 and moved[2 * slot] != key:
                    slot = (slot + 1) & mask
                if moved[2 * slot] == key:
                    rank = moved[2 * slot + 1]
            ids[outermost] = mix(mix(mix(_ID_SEED, chain_of[flow_of[i]]), digest), rank) | 1
        outermost = following
