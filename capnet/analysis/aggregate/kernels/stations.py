"""Counts stations: one MAC speaking for one IP address at one point.

During the pass only frames that no flow record stands for are counted. All others are summed up from flow records when
the pass is over (`add_flow_sides`), which saves two look-ups a packet.
"""

from __future__ import annotations

from capnet.analysis.aggregate.kernels import flow_record as flow
from capnet.analysis.aggregate.kernels.flow_record import highest_ttl, lowest_ttl
from capnet.analysis.aggregate.kernels.hash_table import insert, lookup
from capnet.analysis.core import schema
from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire import fields

# How a station came to be known, column STATION_HOW:
SENDS = 0
IN_ARP = 1
RECEIVES = 2


@inline
def count_silent_station(
    rows: Int64Array, r: int, base: int, index: Int64Array, stations: Int64Array, key: Int64Array
) -> None:
    """Count the sender of row `r`, a frame that is neither IP nor ARP."""
    if rows[r + fields.SMAC] >= 0 and rows[r + fields.LAYERS] & fields.LAYER_ARP == 0:
        station_key(rows, r, base, rows[r + fields.SMAC], SENDS, key)
        count_station(rows, r, index, stations, key)


@inline
def count_stray(rows: Int64Array, r: int, base: int, index: Int64Array, stations: Int64Array, key: Int64Array) -> None:
    """Count both stations of the packet in row `r`, whose MACs are not those of its flow."""
    if rows[r + fields.SMAC] < 0:
        return
    station_key(rows, r, base, rows[r + fields.SMAC], SENDS, key)
    key[schema.STATION_IP_HI] = rows[r + fields.SRC_HI]
    key[schema.STATION_IP_LO] = rows[r + fields.SRC_LO]
    count_station(rows, r, index, stations, key)
    if rows[r + fields.DMAC] >= 0:
        station_key(rows, r, base, rows[r + fields.DMAC], RECEIVES, key)
        key[schema.STATION_IP_HI] = rows[r + fields.DST_HI]
        key[schema.STATION_IP_LO] = rows[r + fields.DST_LO]
        count_station(rows, r, index, stations, key)


@inline
def station_key(rows: Int64Array, r: int, base: int, mac: int, how: int, key: Int64Array) -> None:
    """Write the key of a station without an IP address."""
    key[schema.STATION_POINT] = rows[r + fields.POINT] + base
    key[schema.STATION_VIA] = rows[r + fields.VIA]
    key[schema.STATION_VIA_VNI] = rows[r + fields.VIA_VNI]
    key[schema.STATION_MAC] = mac
    key[schema.STATION_IP_HI] = 0
    key[schema.STATION_IP_LO] = 0
    key[schema.STATION_HOW] = how


@inline
def count_station(rows: Int64Array, r: int, index: Int64Array, stations: Int64Array, key: Int64Array) -> None:
    """Count the frame in row `r` in the station `key`."""
    time = rows[r + fields.TIME]
    ttl = max(rows[r + fields.TTL], 0)
    add_station(time, time, 1, rows[r + fields.FRAME], ttl, ttl, index, stations, key)


@kernel
def add_stations(rows: Int64Array, n: int, index: Int64Array, stations: Int64Array, key: Int64Array) -> None:
    """Add up `n` rows of station tables."""
    for i in range(n):
        r = i * schema.STATION_WIDTH
        for k in range(schema.STATION_KEY):
            key[k] = rows[r + k]
        add_station(
            rows[r + schema.STATION_FIRST], rows[r + schema.STATION_LAST], rows[r + schema.STATION_PACKETS],
            rows[r + schema.STATION_FIRST_FRAME], rows[r + schema.STATION_TTL_MIN], rows[r + schema.STATION_TTL_MAX],
            index, stations, key,
        )  # fmt: skip


@kernel
def add_flow_sides(
    flows: Int64Array,
    start: int,
    stop: int,
    receiving: int,
    index: Int64Array,
    stations: Int64Array,
    key: Int64Array,
) -> None:
    """Add up one side of the flow records `start` to `stop`: the senders, or the receivers."""
    for i in range(start, stop):
        f = i * flow.WIDTH
        mac = (flows[f + (flow.DMAC_CARRIES if receiving else flow.SMAC_FLAGS)] & flow.MAC_MASK) - 1
        if mac < 0:
            continue
        address = f + (flow.DST_HI if receiving else flow.SRC_HI)
        point_proto = flows[f + flow.POINT_PROTO]
        key[schema.STATION_POINT] = point_proto >> 16
        key[schema.STATION_VIA] = point_proto & 15
        key[schema.STATION_VIA_VNI] = flows[f + flow.VIA_VNI]
        key[schema.STATION_MAC] = mac
        key[schema.STATION_IP_HI] = flows[address]
        key[schema.STATION_IP_LO] = flows[address + 1]
        key[schema.STATION_HOW] = RECEIVES if receiving else SENDS
        add_station(
            flows[f + flow.FIRST], flows[f + flow.LAST], flows[f + flow.PACKETS] - flows[f + flow.STRAYS],
            flows[f + flow.FIRST_FRAME], lowest_ttl(flows, f), highest_ttl(flows, f), index, stations, key,
        )  # fmt: skip


@inline
def add_station(
    first: int, last: int, packets: int, frame: int, ttl_min: int, ttl_max: int,
    index: Int64Array, stations: Int64Array, key: Int64Array,
) -> None:  # fmt: skip
    """Add packets to the station `key`, in any order of time."""
    row = lookup(index, stations, schema.STATION_WIDTH, schema.STATION_KEY, key)
    if row < 0:
        row = insert(index, row, stations, schema.STATION_WIDTH, schema.STATION_KEY, key)
        s = row * schema.STATION_WIDTH
        stations[s + schema.STATION_FIRST] = first
        stations[s + schema.STATION_LAST] = last
        stations[s + schema.STATION_FIRST_FRAME] = frame
        stations[s + schema.STATION_TTL_MIN] = ttl_min
        stations[s + schema.STATION_TTL_MAX] = ttl_max
    s = row * schema.STATION_WIDTH
    earliest = stations[s + schema.STATION_FIRST]
    if first < earliest or (first == earliest and frame < stations[s + schema.STATION_FIRST_FRAME]):
        stations[s + schema.STATION_FIRST] = first
        stations[s + schema.STATION_FIRST_FRAME] = frame
    stations[s + schema.STATION_LAST] = max(stations[s + schema.STATION_LAST], last)
    stations[s + schema.STATION_PACKETS] += packets
    stations[s + schema.STATION_TTL_MIN] = min(stations[s + schema.STATION_TTL_MIN], ttl_min)
    stations[s + schema.STATION_TTL_MAX] = max(stations[s + schema.STATION_TTL_MAX], ttl_max)
