"""How many addresses are looked at one by one: a flood of invented ones must not cost minutes, nor hide the others.

Flows are concluded from in arrays, however many there are. Stations, ARP pairs and tunnels are few in any network and
are looked at one by one; of too many, those that say most are kept, and a finding (`not-all-looked-at`) says so.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.schema import (
    ARP_PACKETS,
    ARP_SENDER_LO,
    ARP_TARGET_LO,
    STATION_HOW,
    STATION_MAC,
    STATION_PACKETS,
    STATION_POINT,
    STATION_VIA,
    TUNNEL_DST_HI,
    TUNNEL_DST_LO,
    TUNNEL_FRAMES,
    TUNNEL_KIND,
    TUNNEL_POINT,
    TUNNEL_SRC_HI,
    TUNNEL_SRC_LO,
    TUNNEL_VNI,
)
from capnet.wire.protocols.ipsec import TUNNEL_ESP

MOST = 1 << 14  # rows of the station table, and of the ARP table
MOST_TUNNELS = 1 << 9
MOST_INSIDE = 1 << 8  # MAC addresses, and IP addresses, that are listed of one network inside tunnels


def some_stations(table: np.ndarray) -> np.ndarray:
    """Rows of the station table, at most so many: of each MAC the same number, those with the most packets.

    So one MAC that speaks for everybody takes nothing from the others; of as many each, the busiest MACs are kept.
    """
    if len(table) <= MOST:
        return table
    mac = row_hash(table[:, [STATION_POINT, STATION_VIA, STATION_MAC]])
    group = row_hash(table[:, [STATION_POINT, STATION_VIA, STATION_MAC, STATION_HOW]])
    packets = table[:, STATION_PACKETS]
    order = np.lexsort((-packets, group))  # stable: of the same number of packets, the first seen
    rank = np.empty(len(table), dtype=np.int64)
    rank[order] = _within(group[order])
    return table[np.sort(np.lexsort((-packets, -_sums(mac, packets), rank))[:MOST])]


def _sums(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Per value: the sum of all in its group."""
    _, of = np.unique(group, return_inverse=True)
    return np.bincount(of.reshape(-1), weights=values)[of.reshape(-1)]


def some_arps(table: np.ndarray) -> np.ndarray:
    """Rows of the ARP table, at most so many: questions never without their answers, those with the most packets."""
    if len(table) <= MOST:
        return table
    ends = np.sort(table[:, [ARP_SENDER_LO, ARP_TARGET_LO]], axis=1)
    return _groups(table, row_hash(ends), ARP_PACKETS, MOST)


def some_tunnels(table: np.ndarray) -> np.ndarray:
    """Rows of the tunnel table, at most so many: both directions of a tunnel or none, those with the most frames."""
    if len(table) <= MOST_TUNNELS:
        return table
    network = table[:, [TUNNEL_POINT, TUNNEL_KIND, TUNNEL_VNI]]
    network[network[:, 1] == TUNNEL_ESP, 2] = 0  # an SPI, another one in each direction
    ends = [TUNNEL_SRC_HI, TUNNEL_SRC_LO, TUNNEL_DST_HI, TUNNEL_DST_LO]
    ways = (row_hash(np.hstack([network, table[:, way]])) for way in (ends, ends[2:] + ends[:2]))
    return _groups(table, np.minimum(*ways), TUNNEL_FRAMES, MOST_TUNNELS)


def _groups(table: np.ndarray, group: np.ndarray, packets: int, most: int) -> np.ndarray:
    """Rows of whole groups, at most so many: those whose sum of column `packets` is the largest, then the first.

    Of a group that is larger than that itself, the first ones.
    """
    _, first, of = np.unique(group, return_index=True, return_inverse=True)
    of = of.reshape(-1)
    sums = np.zeros(len(first), dtype=np.int64)
    np.add.at(sums, of, table[:, packets])
    order = np.lexsort((first, -sums))
    size = np.bincount(of, minlength=len(first))[order]
    if size[0] > most:
        return table[of == order[0]][:most]
    kept = np.zeros(len(first), dtype=bool)
    kept[order] = np.cumsum(size) <= most
    return table[kept[of]]


def _within(group: np.ndarray) -> np.ndarray:
    """Of sorted values, the number of each among its equals."""
    new = np.ones(len(group), dtype=bool)
    new[1:] = group[1:] != group[:-1]
    starts = np.flatnonzero(new)
    return np.arange(len(group)) - np.repeat(starts, np.diff([*starts.tolist(), len(group)]))
