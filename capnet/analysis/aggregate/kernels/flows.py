"""The pass over rows: every IP packet is counted in its flow, and what a flow cannot hold in other tables.

Rows are counted in chunks, and each chunk in rounds. A flow table is larger than any cache, and a packet alone would
wait for memory three times: for its slot, for its key, for its counters. In rounds, the processor fetches for many
packets at once.
"""

from __future__ import annotations

from capnet.analysis.aggregate.kernels import flow_record as flow
from capnet.analysis.aggregate.kernels import hash_table, observations
from capnet.analysis.aggregate.kernels.carriers import count_carried
from capnet.analysis.aggregate.kernels.flow_counters import OTHER_MACS, OTHER_VNI, begin_flow, count_packet
from capnet.analysis.aggregate.kernels.flow_record import fragment_ports, packed_key
from capnet.analysis.aggregate.kernels.hash_table import insert_hashed, key_hash, lookup_hashed, row_of
from capnet.analysis.aggregate.kernels.observations import observe
from capnet.analysis.aggregate.kernels.stations import count_silent_station, count_stray
from capnet.analysis.core import schema
from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire import fields

CHUNK = 128  # packets a round: what they touch fits the first cache

# Scratch space of the flow table: the keys of a chunk, their hashes, the slots of these, and the packets' rows;
HASHES = CHUNK * flow.KEY
SLOTS = HASHES + CHUNK
PICKED = SLOTS + CHUNK
# how many packets the chunk has; a sum that keeps the second round from being optimised away;
GATHERED = PICKED + CHUNK
TOUCHED = GATHERED + 1
# and the ports of the last first fragments.
FRAGMENTS = TOUCHED + 1
FLOW_SCRATCH = FRAGMENTS + flow.FRAGMENT_SLOTS * flow.FRAGMENT_WIDTH

# Instead of a hash:
NO_FLOW = -1  # not an IP packet
FRAGMENT_FLOW = -2  # its flow is known in order only


@kernel
def hash_flows(rows: Int64Array, n: int, base: int, secret: Int64Array, key: Int64Array, hashes: Int64Array) -> None:
    """Write the hash of each row's flow, for `count_rows`; unlike that, in any order."""
    for i in range(n):
        layers = rows[i * fields.WIDTH + fields.LAYERS]
        if layers & fields.LAYER_IP == 0:
            hashes[i] = NO_FLOW
        elif layers & fields.LAYER_FRAGMENT:
            hashes[i] = FRAGMENT_FLOW
        else:
            packed_key(rows, i * fields.WIDTH, base, key, 0)
            hashes[i] = key_hash(key, 0, flow.KEY, secret, 0)


@kernel
def count_rows(
    rows: Int64Array, n: int, base: int, hashes: Int64Array,
    index: Int64Array, flows: Int64Array, chunk: Int64Array,
    station_index: Int64Array, stations: Int64Array, station_key: Int64Array,
    carrier_index: Int64Array, carriers: Int64Array, carrier_key: Int64Array,
    sampled: Int64Array, sample: Int64Array,
) -> None:  # fmt: skip
    """Count rows `0..n` of a capture whose first point is number `base`: IP packets, and stations that send others.

    `hashes`: by `hash_flows`. Then three tables, each with its index and scratch space. `sampled`: observations;
    `sample`: the columns of `observations`.
    """
    mask, excluded = index[hash_table.MASK], sample[observations.EXCLUDED]  # kept in registers
    first = 0
    while first < n:
        first = gather(rows, n, first, base, hashes, index, chunk, station_index, stations, station_key)
        fetch(rows, index, flows, chunk)
        for k in range(chunk[GATHERED]):
            i = chunk[PICKED + k]
            r = i * fields.WIDTH
            hashed = chunk[HASHES + k]
            row = lookup_hashed(index, mask, flows, flow.WIDTH, flow.KEY, chunk, k * flow.KEY, hashed)
            if row < 0:
                row = insert_hashed(index, row, flows, flow.WIDTH, flow.KEY, chunk, k * flow.KEY, hashed)
                begin_flow(rows, r, flows, row * flow.WIDTH)
            unusual = count_packet(rows, r, rows[r + fields.LAYERS], flows, row * flow.WIDTH)
            if unusual & OTHER_MACS:
                count_stray(rows, r, base, station_index, stations, station_key)
            if unusual & OTHER_VNI:
                count_carried(rows, r, row, carrier_index, carriers, carrier_key)
            digest = rows[r + fields.DIGEST]
            if digest != 0 and (digest >> 8) & excluded == 0:
                number = sample[observations.ROWS_BEFORE] + i
                observe(rows, r, row, number, sampled, sample[observations.COUNT] * schema.OBS_WIDTH)
                sample[observations.COUNT] += 1
    sample[observations.ROWS_BEFORE] += n


@inline
def gather(
    rows: Int64Array, n: int, first: int, base: int, hashes: Int64Array, index: Int64Array, chunk: Int64Array,
    station_index: Int64Array, stations: Int64Array, station_key: Int64Array,
) -> int:  # fmt: skip
    """First round: the keys and hashes of the next packets, from row `first` on; returns the row behind them."""
    i = first
    c = 0
    while i < n and c < CHUNK:
        hashed = hashes[i]
        r = i * fields.WIDTH
        if hashed == NO_FLOW:
            count_silent_station(rows, r, base, station_index, stations, station_key)
        else:
            packed_key(rows, r, base, chunk, c * flow.KEY)
            if hashed == FRAGMENT_FLOW:
                fragment_ports(rows, r, chunk, c * flow.KEY, chunk, FRAGMENTS)
                hashed = key_hash(chunk, c * flow.KEY, flow.KEY, index, hash_table.SECRET)
            chunk[HASHES + c] = hashed
            chunk[PICKED + c] = i
            c += 1
        i += 1
    chunk[GATHERED] = c
    return i


@inline
def fetch(rows: Int64Array, index: Int64Array, flows: Int64Array, chunk: Int64Array) -> None:
    """Second round: read the slot of each packet, then the lines of the record that it suggests, and use neither."""
    mask = index[hash_table.MASK]
    for k in range(chunk[GATHERED]):
        chunk[SLOTS + k] = index[hash_table.SLOTS + (chunk[HASHES + k] & mask)]
    touched = 0
    for k in range(chunk[GATHERED]):
        entry = chunk[SLOTS + k]
        if entry:
            at = row_of(entry) * flow.WIDTH
            touched ^= flows[at] ^ flows[at + flow.LAST]
            if rows[chunk[PICKED + k] * fields.WIDTH + fields.LAYERS] & fields.LAYER_TUNNEL:
                touched ^= flows[at + flow.INNER_BYTES]
    chunk[TOUCHED] ^= touched
