"""The tunnel table of a pass: what outer flows carry, summed up by point, VNI, VTEPs and port."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import by_first_sight, row_hash
from capnet.analysis.core.schema import FlowRows, FlowTable, TunnelTable, Values

CarrierTable: TypeAlias = Annotated[np.ndarray, "(carriers, CARRIER_WIDTH)"]
Columns: TypeAlias = Annotated[np.ndarray, "(n, columns) int64"]

# How the values of rows with equal keys become one, column by column behind the key.
_FOLDS = (np.minimum, np.maximum, np.add, np.add, np.add, None, np.maximum)  # None: of the earliest row


def sum_tunnels(flows: FlowTable, carriers: CarrierTable) -> TunnelTable:
    """One row for each tunnel, in order of first sight. `carriers`: what flows carry besides their first VNI."""
    return _folded(np.concatenate([_first_vnis(flows, carriers), _other_vnis(flows, carriers)]))


def _first_vnis(flows: FlowTable, carriers: CarrierTable) -> TunnelTable:
    """What outer flows carry of the VNI of their first packet."""
    outer = np.flatnonzero(flows[:, schema.FLOW_CARRIES] > 0)
    carrier_bytes = np.zeros(len(flows), dtype=np.int64)
    np.add.at(carrier_bytes, carriers[:, schema.CARRIER_FLOW], carriers[:, schema.CARRIER_BYTES])
    return _tunnel_rows(
        flows,
        outer,
        network=_columns(flows, outer, schema.FLOW_CARRIES, schema.FLOW_CARRIES_VNI),
        span=_columns(flows, outer, schema.FLOW_FIRST, schema.FLOW_LAST),
        frames=flows[:, schema.FLOW_PACKETS][outer] - flows[:, schema.FLOW_OTHER_VNIS][outer],
        octets=flows[:, schema.FLOW_BYTES][outer] - carrier_bytes[outer],
        inside=_columns(flows, outer, schema.FLOW_INNER_BYTES, schema.FLOW_FIRST_FRAME, schema.FLOW_INNER_LARGEST),
    )


def _other_vnis(flows: FlowTable, carriers: CarrierTable) -> TunnelTable:
    """What outer flows carry of other VNIs."""
    carriers = carriers[carriers[:, schema.CARRIER_KIND] > 0]
    inside = [schema.CARRIER_INNER_BYTES, schema.CARRIER_FIRST_FRAME, schema.CARRIER_LARGEST_INNER_IP]
    return _tunnel_rows(
        flows,
        carriers[:, schema.CARRIER_FLOW],
        network=carriers[:, [schema.CARRIER_KIND, schema.CARRIER_VNI]],
        span=carriers[:, [schema.CARRIER_FIRST, schema.CARRIER_LAST]],
        frames=carriers[:, schema.CARRIER_FRAMES],
        octets=carriers[:, schema.CARRIER_BYTES],
        inside=carriers[:, inside],
    )


def _tunnel_rows(
    flows: FlowTable,
    outer: FlowRows,
    *,
    network: Columns,
    span: Columns,
    frames: Values,
    octets: Values,
    inside: Columns,
) -> TunnelTable:
    """A row of the tunnel table for each of the outer flows `outer`."""
    vteps = _columns(
        flows, outer, schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_DST_HI, schema.FLOW_DST_LO, schema.FLOW_DPORT
    )
    return np.column_stack([flows[:, schema.FLOW_POINT][outer], network, vteps, span, frames, octets, inside])


def _columns(table: FlowTable, rows: FlowRows, *columns: int) -> Columns:
    """A few columns of some rows; numpy would copy whole rows first."""
    return np.stack([table[rows, column] for column in columns], axis=1)


def _folded(rows: TunnelTable) -> TunnelTable:
    """One row for each distinct key, in order of first sight."""
    if not len(rows):
        return rows
    keys, first = schema.TUNNEL_KEY, schema.TUNNEL_FIRST
    hashes = row_hash(rows[:, :keys])  # sorting by a hash is several times faster than by all columns of a key
    order = np.lexsort((rows[:, first], hashes))
    rows, hashes = rows[order], hashes[order]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:, :keys] != rows[:-1, :keys]).any(axis=1)
    starts = np.flatnonzero(is_new)
    folded = rows[starts].copy()
    for column, fold in enumerate(_FOLDS, start=keys):
        if fold:
            folded[:, column] = fold.reduceat(rows[:, column], starts)
    return by_first_sight(folded, keys, first)
