"""Limits on the rows that later steps examine one by one.

A flood of invented addresses must not cost minutes, nor hide real ones. Flows are compared in arrays, however many
there are. Stations, ARP pairs and tunnels are few in any network, and steps examine them in Python. Of too many, those
with the most packets are kept, and the finding `not-all-looked-at` reports it.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of, row_hash
from capnet.analysis.core.schema import ArpTable, StationTable, TunnelTable, Values
from capnet.wire.protocols import TUNNEL_KINDS

# More than any network has that one capture shows; what is done for each row is plain Python.
MAX_STATIONS = 1 << 14  # rows of the station table
MAX_ARPS = 1 << 14  # rows of the ARP table
MAX_TUNNELS = 1 << 9  # rows of the tunnel table
MAX_ADDRESSES_INSIDE = 1 << 8  # MAC addresses, and IP addresses, that are listed of one network inside tunnels
MAX_HALF_TRANSLATIONS = 1 << 14  # translations that only the two directions of a connection show

_ENCRYPTED = [kind.number for kind in TUNNEL_KINDS if kind.is_encrypted]

Groups: TypeAlias = Annotated[np.ndarray, "(rows,) hashes: rows of one group have the same"]


def limit_stations(table: StationTable) -> StationTable:
    """Rows of the station table, at most MAX_STATIONS: of each MAC the same number, those with the most packets.

    So one MAC with invented addresses displaces no other MAC. Of MACs with equal numbers, the busiest are kept.
    """
    if len(table) <= MAX_STATIONS:
        return table
    mac = [schema.STATION_POINT, schema.STATION_VIA, schema.STATION_MAC]
    macs = row_hash(table[:, mac])
    groups = row_hash(table[:, [*mac, schema.STATION_HOW]])
    packets = table[:, schema.STATION_PACKETS]
    order = np.lexsort((-packets, groups))  # stable: of the same number of packets, the first seen
    ranks = np.empty(len(table), dtype=np.int64)
    ranks[order] = _rank_among_equals(groups[order])
    kept = np.lexsort((-packets, -_group_sums(macs, packets), ranks))[:MAX_STATIONS]
    return table[np.sort(kept)]


def limit_arps(table: ArpTable) -> ArpTable:
    """Rows of the ARP table, at most MAX_ARPS: requests never without their replies, those with the most packets."""
    if len(table) <= MAX_ARPS:
        return table
    ends = np.sort(table[:, [schema.ARP_SENDER_LO, schema.ARP_TARGET_LO]], axis=1)
    return _largest_groups(table, row_hash(ends), schema.ARP_PACKETS, MAX_ARPS)


def limit_tunnels(table: TunnelTable) -> TunnelTable:
    """Rows of the tunnel table, at most MAX_TUNNELS: both directions or none, those with the most frames."""
    if len(table) <= MAX_TUNNELS:
        return table
    network = table[:, [schema.TUNNEL_POINT, schema.TUNNEL_KIND, schema.TUNNEL_VNI]]
    network[is_one_of(network[:, 1], _ENCRYPTED), 2] = 0  # an SPI or index, another one in each direction
    source = [schema.TUNNEL_SRC_HI, schema.TUNNEL_SRC_LO]
    destination = [schema.TUNNEL_DST_HI, schema.TUNNEL_DST_LO]
    directions = (source + destination, destination + source)
    hashes = (row_hash(np.hstack([network, table[:, columns]])) for columns in directions)
    return _largest_groups(table, np.minimum(*hashes), schema.TUNNEL_FRAMES, MAX_TUNNELS)


def _group_sums(groups: Groups, values: Values) -> Annotated[np.ndarray, "(rows,) float"]:
    """Per row: the sum of the values of its group."""
    _, group = np.unique(groups, return_inverse=True)
    group = group.reshape(-1)
    return np.bincount(group, weights=values)[group]


def _largest_groups(table: np.ndarray, groups: Groups, packets: int, limit: int) -> np.ndarray:
    """Rows of whole groups, at most `limit`: those whose sum of column `packets` is the largest, then the first.

    Of a group that is larger than that itself, the first rows.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    sums = np.zeros(len(first), dtype=np.int64)
    np.add.at(sums, group, table[:, packets])
    order = np.lexsort((first, -sums))
    sizes = np.bincount(group, minlength=len(first))[order]
    if sizes[0] > limit:
        return table[group == order[0]][:limit]
    is_kept = np.zeros(len(first), dtype=bool)
    is_kept[order] = np.cumsum(sizes) <= limit
    return table[is_kept[group]]


def _rank_among_equals(groups: Groups) -> Values:
    """Of sorted values, the number of each among its equals."""
    is_new = np.ones(len(groups), dtype=bool)
    is_new[1:] = groups[1:] != groups[:-1]
    starts = np.flatnonzero(is_new)
    return np.arange(len(groups)) - np.repeat(starts, np.diff([*starts.tolist(), len(groups)]))
