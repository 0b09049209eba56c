"""Counts, by VNI, what an outer flow carries besides the VNI of its first packet, which its record counts itself."""

from __future__ import annotations

from capnet.analysis.aggregate.kernels.hash_table import insert, lookup
from capnet.analysis.core import schema
from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields


@inline
def count_carried(
    rows: Int64Array, r: int, flow: int, index: Int64Array, carriers: Int64Array, key: Int64Array
) -> None:
    """Count the packet in row `r` of the outer flow `flow` in the carrier table."""
    key[schema.CARRIER_FLOW] = flow
    key[schema.CARRIER_KIND] = rows[r + fields.TUNNEL]
    key[schema.CARRIER_VNI] = rows[r + fields.VNI]
    row = lookup(index, carriers, schema.CARRIER_WIDTH, schema.CARRIER_KEY, key)
    if row < 0:
        row = insert(index, row, carriers, schema.CARRIER_WIDTH, schema.CARRIER_KEY, key)
        carriers[row * schema.CARRIER_WIDTH + schema.CARRIER_FIRST] = rows[r + fields.TIME]
        carriers[row * schema.CARRIER_WIDTH + schema.CARRIER_FIRST_FRAME] = rows[r + fields.FRAME]
    c = row * schema.CARRIER_WIDTH
    carriers[c + schema.CARRIER_LAST] = rows[r + fields.TIME]
    carriers[c + schema.CARRIER_FRAMES] += 1
    carriers[c + schema.CARRIER_BYTES] += rows[r + fields.WIRELEN]
    if rows[r + fields.LAYERS] & fields.LAYER_INSIDE:
        inner = r + fields.WIDTH
        largest = max(carriers[c + schema.CARRIER_LARGEST_INNER_IP], rows[inner + fields.IP_LENGTH])
        carriers[c + schema.CARRIER_INNER_BYTES] += rows[inner + fields.WIRELEN]
        carriers[c + schema.CARRIER_LARGEST_INNER_IP] = largest
