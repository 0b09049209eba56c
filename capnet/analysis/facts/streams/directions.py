"""The flows of what the pass read in payload: directions of connections, at their point and in their tunnel.

Input: entries of `core.payload` that begin with the columns DIRECTION of the flow table. Output: flow rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import first_equal, hash_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowRows

DIRECTION = [*schema.FLOW_PLACE, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
_WIDTH = len(DIRECTION)


def rows_of_directions(context: Context, entries: Sequence[tuple[object, ...]], proto: int) -> FlowRows:
    """For each entry, the row of its flow of this protocol, -1 if the flow table has none."""
    flows = context.flows
    rows = np.flatnonzero(flows[:, schema.FLOW_PROTO] == proto)
    if not entries or not len(rows):
        return np.full(len(entries), -1)
    wanted = row_hash(np.array([entry[:_WIDTH] for entry in entries], dtype=np.int64))
    position = first_equal(hash_of(flows, DIRECTION, rows).view(np.int64), wanted.view(np.int64))
    return np.where(position >= 0, rows[position], -1)
