"""The reducers: what a pass does with each block of rows. Kernels only; `ledger.py` owns the tables they fill.

Each takes rows `0..n`, `base` (index of the capture's first point among all points), and a table's index, mask,
rows and scratch key; each returns the new number of rows of its table.
"""

from __future__ import annotations

from typing import Any

from capnet.analysis.aggregate.flow_record import (
    FRAGMENT,
    FRAGMENT_SLOTS,
    K_DST_HI,
    K_FIRST,
    K_FIRST_FRAME,
    K_INNER_BYTES,
    K_LAST,
    K_PACKETS,
    K_PLACE,
    K_SOURCE,
    K_SRC_HI,
    K_STRAYS,
    K_TARGET,
    K_VIA_VNI,
    KEY,
    MAC_MASK,
    OTHER_VNI,
    PACKED,
    STRAY,
    begin_flow,
    count_packet,
    fragment_ends,
    highest_ttl,
    lowest_ttl,
    packed_key,
)
from capnet.analysis.aggregate.hash_table import insert, insert_hashed, key_hash, lookup, lookup_hashed, row_of
from capnet.analysis.core.schema import (
    ARP_ETH_SOURCE,
    ARP_FIRST,
    ARP_FIRST_FRAME,
    ARP_KEY,
    ARP_LAST,
    ARP_OPERATION,
    ARP_PACKETS,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_SENDER_MAC,
    ARP_TARGET_LO,
    ARP_VIA,
    ARP_VIA_VNI,
    ARP_WIDTH,
    CARRIER_BYTES,
    CARRIER_FIRST,
    CARRIER_FIRST_FRAME,
    CARRIER_FLOW,
    CARRIER_FRAMES,
    CARRIER_INNER_BYTES,
    CARRIER_KEY,
    CARRIER_KIND,
    CARRIER_LARGEST_INNER_IP,
    CARRIER_LAST,
    CARRIER_VNI,
    CARRIER_WIDTH,
    OBS_BYTES,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_FRAME,
    OBS_FROM,
    OBS_LENGTH,
    OBS_SEQ,
    OBS_TIME,
    OBS_TTL,
    OBS_WIDTH,
    STATION_FIRST,
    STATION_FIRST_FRAME,
    STATION_HOW,
    STATION_IP_HI,
    STATION_IP_LO,
    STATION_KEY,
    STATION_LAST,
    STATION_MAC,
    STATION_PACKETS,
    STATION_POINT,
    STATION_TTL_MAX,
    STATION_TTL_MIN,
    STATION_VIA,
    STATION_VIA_VNI,
    STATION_WIDTH,
)
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.fields import (
    ABSENT,
    ARP_OP,
    ARP_SHA,
    DIGEST,
    DMAC,
    DST_HI,
    DST_LO,
    FRAG_OFFSET,
    FRAME,
    IP_ID,
    IP_LENGTH,
    LAYER_ARP,
    LAYER_FRAGMENT,
    LAYER_INSIDE,
    LAYER_IP,
    LAYER_IPV4,
    LAYER_TCP,
    LAYER_TUNNEL,
    LAYERS,
    PAYLOAD,
    POINT,
    PROTO,
    SEQ,
    SMAC,
    SRC_HI,
    SRC_LO,
    TCP_FLAGS,
    TIME,
    TTL,
    TUNNEL,
    VIA,
    VIA_VNI,
    VNI,
    WIDTH,
    WIRELEN,
)
from capnet.wire.numbers import TCP

# Rows of a chunk are looked up in rounds. A flow table is larger than any cache, and one round would wait for
# memory three times a packet; in rounds, the processor fetches for many packets at once.
CHUNK = 128
# Scratch space of `see_rows`: the chunk's keys, their hashes, the row each hash suggests, which rows they are ...
HASHES = CHUNK * KEY
GUESSES = HASHES + CHUNK
PICKED = GUESSES + CHUNK
TOUCHED = PICKED + CHUNK
# ... and the ports of the last first fragments seen, by which later ones find their flow.
FRAGMENTED = TOUCHED + 1
FLOW_SCRATCH = FRAGMENTED + FRAGMENT_SLOTS * FRAGMENT

# Instead of a hash:
NO_FLOW = -1  # not an IP packet
FRAGMENT_FLOW = -2  # its flow is known in order only

# How many rows each table has, beside the tables.
COUNT_FLOWS = 0
COUNT_STATIONS = 1
COUNT_CARRIERS = 2
COUNT_OBSERVED = 3


@kernel
def hash_flows(rows: Any, n: int, base: int, secret: Any, key: Any, hashes: Any) -> None:
    """The hash of each row's flow, for `see_rows`; unlike that, in any order."""
    for i in range(n):
        layers = rows[i * WIDTH + LAYERS]
        if layers & LAYER_IP == 0:
            hashes[i] = NO_FLOW
        elif layers & LAYER_FRAGMENT:
            hashes[i] = FRAGMENT_FLOW
        else:
            packed_key(rows, i * WIDTH, base, key, 0)
            hashes[i] = key_hash(key, 0, KEY, secret, 0)


@kernel
def see_rows(
    rows: Any, n: int, base: int, hashes: Any, seen: int, sample: int,
    index: Any, mask: int, flows: Any, scratch: Any,
    station_index: Any, station_mask: int, stations: Any, station_key: Any,
    carrier_index: Any, carrier_mask: int, carriers: Any, carrier_key: Any,
    observations: Any, counts: Any,
) -> None:  # fmt: skip
    """Count every IP packet in its flow, and the stations that send anything else.

    `hashes`: by `hash_flows`. `seen`: rows before this block. `sample`: see `observe`. `counts`: rows of each table,
    COUNT_.
    """
    touched = 0
    count = counts[COUNT_FLOWS]
    i = 0
    while i < n:
        c = 0
        while i < n and c < CHUNK:
            hashed = hashes[i]
            r = i * WIDTH
            if hashed == NO_FLOW:
                if rows[r + SMAC] >= 0 and rows[r + LAYERS] & LAYER_ARP == 0:
                    counts[COUNT_STATIONS] = count_station(
                        rows, r, base, rows[r + SMAC], 0, 0, 0,
                        station_index, station_mask, stations, station_key, counts[COUNT_STATIONS],
                    )  # fmt: skip
            else:
                packed_key(rows, r, base, scratch, c * KEY)
                if hashed == FRAGMENT_FLOW:
                    fragment_ends(rows, r, scratch, c * KEY, scratch, FRAGMENTED)
                    hashed = key_hash(scratch, c * KEY, KEY, index, mask + 1)
                scratch[HASHES + c] = hashed
                scratch[PICKED + c] = i
                c += 1
            i += 1
        for k in range(c):
            scratch[GUESSES + k] = index[scratch[HASHES + k] & mask]
        for k in range(c):
            guess = scratch[GUESSES + k]
            if guess:
                at = row_of(guess) * PACKED
                touched ^= flows[at] ^ flows[at + K_LAST]
                if rows[scratch[PICKED + k] * WIDTH + LAYERS] & LAYER_TUNNEL:
                    touched ^= flows[at + K_INNER_BYTES]
        for k in range(c):
            picked = scratch[PICKED + k]
            r = picked * WIDTH
            row = lookup_hashed(index, mask, flows, PACKED, KEY, scratch, k * KEY, scratch[HASHES + k])
            if row < 0:
                row = insert_hashed(index, row, flows, PACKED, KEY, scratch, k * KEY, scratch[HASHES + k], count)
                count += 1
                begin_flow(rows, r, flows, row * PACKED)
            layers = rows[r + LAYERS]
            unusual = count_packet(rows, r, layers, flows, row * PACKED)
            if unusual & STRAY:
                counts[COUNT_STATIONS] = count_stray(
                    rows, r, base, station_index, station_mask, stations, station_key, counts[COUNT_STATIONS]
                )
            if unusual & OTHER_VNI:
                counts[COUNT_CARRIERS] = count_carried(
                    rows, r, row, carrier_index, carrier_mask, carriers, carrier_key, counts[COUNT_CARRIERS]
                )
            digest = rows[r + DIGEST]
            if digest != 0 and (digest >> 8) & sample == 0:
                observe(rows, r, row, seen + picked, observations, counts[COUNT_OBSERVED] * OBS_WIDTH)
                counts[COUNT_OBSERVED] += 1
    counts[COUNT_FLOWS] = count
    scratch[TOUCHED] = touched  # keeps the second round from being optimised away


@inline
def count_stray(rows: Any, r: int, base: int, index: Any, mask: int, stations: Any, key: Any, count: int) -> int:
    """Count the MAC and IP pairs of a packet whose MACs are not those of its flow; returns the number of stations.

    The others are summed up from flows when the pass is over, which saves two look-ups a packet.
    """
    if rows[r + SMAC] < 0:
        return count
    count = count_station(
        rows, r, base, rows[r + SMAC], rows[r + SRC_HI], rows[r + SRC_LO], 0, index, mask, stations, key, count
    )
    if rows[r + DMAC] >= 0:
        count = count_station(
            rows, r, base, rows[r + DMAC], rows[r + DST_HI], rows[r + DST_LO], 2, index, mask, stations, key, count
        )
    return count


@inline
def count_station(
    rows: Any, r: int, base: int, mac: int, hi: int, lo: int, how: int,
    index: Any, mask: int, stations: Any, key: Any, count: int,
) -> int:  # fmt: skip
    key[STATION_POINT] = rows[r + POINT] + base
    key[STATION_VIA] = rows[r + VIA]
    key[STATION_VIA_VNI] = rows[r + VIA_VNI]
    key[STATION_MAC] = mac
    key[STATION_IP_HI] = hi
    key[STATION_IP_LO] = lo
    key[STATION_HOW] = how
    time = rows[r + TIME]
    ttl = rows[r + TTL]
    return add_station(time, time, 1, rows[r + FRAME], max(ttl, 0), max(ttl, 0), index, mask, stations, key, count)


@kernel
def add_stations(rows: Any, n: int, index: Any, mask: int, stations: Any, key: Any, count: int) -> int:
    """Add up `n` rows of station tables."""
    for i in range(n):
        r = i * STATION_WIDTH
        for k in range(STATION_KEY):
            key[k] = rows[r + k]
        count = add_station(
            rows[r + STATION_FIRST], rows[r + STATION_LAST], rows[r + STATION_PACKETS], rows[r + STATION_FIRST_FRAME],
            rows[r + STATION_TTL_MIN], rows[r + STATION_TTL_MAX], index, mask, stations, key, count,
        )  # fmt: skip
    return count


@kernel
def add_flow_sides(
    flows: Any, start: int, stop: int, receiving: int, index: Any, mask: int, stations: Any, key: Any, count: int
) -> int:
    """Add up one side of the flows `start` to `stop`: those that send, or the receiving ones."""
    for i in range(start, stop):
        f = i * PACKED
        mac = (flows[f + (K_TARGET if receiving else K_SOURCE)] & MAC_MASK) - 1
        if mac < 0:
            continue
        address = f + (K_DST_HI if receiving else K_SRC_HI)
        place = flows[f + K_PLACE]
        key[STATION_POINT] = place >> 16
        key[STATION_VIA] = place & 15
        key[STATION_VIA_VNI] = flows[f + K_VIA_VNI]
        key[STATION_MAC] = mac
        key[STATION_IP_HI] = flows[address]
        key[STATION_IP_LO] = flows[address + 1]
        key[STATION_HOW] = 2 if receiving else 0
        count = add_station(
            flows[f + K_FIRST], flows[f + K_LAST], flows[f + K_PACKETS] - flows[f + K_STRAYS],
            flows[f + K_FIRST_FRAME], lowest_ttl(flows, f), highest_ttl(flows, f),
            index, mask, stations, key, count,
        )  # fmt: skip
    return count


@inline
def add_station(
    first: int, last: int, packets: int, frame: int, ttl_min: int, ttl_max: int,
    index: Any, mask: int, stations: Any, key: Any, count: int,
) -> int:  # fmt: skip
    """Add to the station `key`, in any order; returns the number of stations."""
    row = lookup(index, mask, stations, STATION_WIDTH, STATION_KEY, key)
    if row < 0:
        row = insert(index, mask, row, stations, STATION_WIDTH, STATION_KEY, key, count)
        count += 1
        s = row * STATION_WIDTH
        stations[s + STATION_FIRST] = first
        stations[s + STATION_LAST] = last
        stations[s + STATION_FIRST_FRAME] = frame
        stations[s + STATION_TTL_MIN] = ttl_min
        stations[s + STATION_TTL_MAX] = ttl_max
    s = row * STATION_WIDTH
    earliest = stations[s + STATION_FIRST]
    if first < earliest or (first == earliest and frame < stations[s + STATION_FIRST_FRAME]):
        stations[s + STATION_FIRST] = first
        stations[s + STATION_FIRST_FRAME] = frame
    stations[s + STATION_LAST] = max(stations[s + STATION_LAST], last)
    stations[s + STATION_PACKETS] += packets
    stations[s + STATION_TTL_MIN] = min(stations[s + STATION_TTL_MIN], ttl_min)
    stations[s + STATION_TTL_MAX] = max(stations[s + STATION_TTL_MAX], ttl_max)
    return count


@kernel
def see_arps(rows: Any, n: int, base: int, index: Any, mask: int, arps: Any, key: Any, count: int) -> int:
    """Count who asked for whom and who answered."""
    for i in range(n):
        r = i * WIDTH
        if rows[r + LAYERS] & LAYER_ARP == 0:
            continue
        key[ARP_POINT] = rows[r + POINT] + base
        key[ARP_VIA] = rows[r + VIA]
        key[ARP_VIA_VNI] = rows[r + VIA_VNI]
        key[ARP_OPERATION] = rows[r + ARP_OP]
        key[ARP_SENDER_MAC] = rows[r + ARP_SHA]
        key[ARP_SENDER_LO] = rows[r + SRC_LO]
        key[ARP_TARGET_LO] = rows[r + DST_LO]
        row = lookup(index, mask, arps, ARP_WIDTH, ARP_KEY, key)
        if row < 0:
            row = insert(index, mask, row, arps, ARP_WIDTH, ARP_KEY, key, count)
            count += 1
            arps[row * ARP_WIDTH + ARP_FIRST] = rows[r + TIME]
            arps[row * ARP_WIDTH + ARP_FIRST_FRAME] = rows[r + FRAME]
            arps[row * ARP_WIDTH + ARP_ETH_SOURCE] = rows[r + SMAC]
        arps[row * ARP_WIDTH + ARP_LAST] = rows[r + TIME]
        arps[row * ARP_WIDTH + ARP_PACKETS] += 1
    return count


@inline
def count_carried(rows: Any, r: int, flow: int, index: Any, mask: int, carriers: Any, key: Any, count: int) -> int:
    """Count, by VNI, what an outer flow carries besides its first VNI (`count_packet` has counted that)."""
    key[CARRIER_FLOW] = flow
    key[CARRIER_KIND] = rows[r + TUNNEL]
    key[CARRIER_VNI] = rows[r + VNI]
    row = lookup(index, mask, carriers, CARRIER_WIDTH, CARRIER_KEY, key)
    if row < 0:
        row = insert(index, mask, row, carriers, CARRIER_WIDTH, CARRIER_KEY, key, count)
        count += 1
        carriers[row * CARRIER_WIDTH + CARRIER_FIRST] = rows[r + TIME]
        carriers[row * CARRIER_WIDTH + CARRIER_FIRST_FRAME] = rows[r + FRAME]
    c = row * CARRIER_WIDTH
    carriers[c + CARRIER_LAST] = rows[r + TIME]
    carriers[c + CARRIER_FRAMES] += 1
    carriers[c + CARRIER_BYTES] += rows[r + WIRELEN]
    if rows[r + LAYERS] & LAYER_INSIDE:
        inner = r + WIDTH
        carriers[c + CARRIER_INNER_BYTES] += rows[inner + WIRELEN]
        carriers[c + CARRIER_LARGEST_INNER_IP] = max(carriers[c + CARRIER_LARGEST_INNER_IP], rows[inner + IP_LENGTH])
    return count


@inline
def observe(rows: Any, r: int, flow: int, number: int, observations: Any, o: int) -> None:
    """Write the packet in row `r` down at `observations[o:]`: one whose digest has no bit in common with `sample`.

    The same digests are chosen at every point, whatever else passes there (trajectory sampling; hash-based selection,
    RFC 5475 section 6.2). `number`: of the row, in the whole input.
    """
    observations[o + OBS_DIGEST] = rows[r + DIGEST]
    observations[o + OBS_TIME] = rows[r + TIME]
    observations[o + OBS_FLOW] = flow
    observations[o + OBS_FRAME] = rows[r + FRAME]
    observations[o + OBS_TTL] = rows[r + TTL]
    observations[o + OBS_LENGTH] = rows[r + IP_LENGTH]
    observations[o + OBS_SEQ] = number
    if rows[r + LAYERS] & LAYER_TCP:
        flags = rows[r + TCP_FLAGS]
        observations[o + OBS_FROM] = rows[r + SEQ]
        observations[o + OBS_BYTES] = rows[r + PAYLOAD] + (flags >> 1 & 1) + (flags & 1)
    elif rows[r + PROTO] == TCP:
        observations[o + OBS_FROM] = ABSENT
        observations[o + OBS_BYTES] = 0
    else:
        observations[o + OBS_FROM] = (rows[r + IP_ID] & 0xFFFF) << 16 | max(rows[r + FRAG_OFFSET], 0)
        observations[o + OBS_BYTES] = ip_payload(rows, r)


@inline
def ip_payload(rows: Any, r: int) -> int:
    """Octets behind the IP header of row `r`, whatever they are."""
    if rows[r + FRAG_OFFSET] > 0:
        return max(rows[r + PAYLOAD], 0)
    if rows[r + LAYERS] & LAYER_IPV4:
        return rows[r + IP_LENGTH] - 20
    return rows[r + IP_LENGTH] - 40
