"""Clients that try many ports of a server, or many addresses: what does not answer them is not at fault.

Input: flows. Output: masks of flow rows. Method: distinct values per key, by sorting.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowMask, Values

MAX_SINGLE_PORTS = 5  # of one address: more are a scan, which is one finding
MAX_ADDRESSES = 20  # of one client that do not accept: more are a scan

CLIENT = [schema.FLOW_POINT, schema.FLOW_SRC_HI, schema.FLOW_SRC_LO]
_SERVER = [schema.FLOW_POINT, schema.FLOW_DST_HI, schema.FLOW_DST_LO]


def is_of_scan(context: Context, is_new: FlowMask, is_closed: FlowMask) -> FlowMask:
    """Per flow: does its client try many ports of its server, or many addresses that do not accept?

    `is_new`: flows with a SYN. `is_closed`: those of them that were not accepted.
    """
    flows = context.flows
    clients = hash_of(flows, CLIENT).astype(np.int64)
    pairs = row_hash(np.column_stack((clients, flows[:, _SERVER]))).astype(np.int64)
    is_scan = np.zeros(len(flows), dtype=bool)
    for chosen, keys, tried, limit in (
        (is_new, pairs, flows[:, schema.FLOW_DPORT], MAX_SINGLE_PORTS),
        (is_closed, clients, hash_of(flows, _SERVER).astype(np.int64), MAX_ADDRESSES),
    ):
        is_scan |= chosen & is_among(keys, _with_many(keys[chosen], tried[chosen], limit))
    return is_scan


def _with_many(keys: Values, values: Values, limit: int) -> Values:
    """The keys that have more than `limit` different values."""
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    is_new = np.ones(len(keys), dtype=bool)
    is_new[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
    keys = keys[is_new]
    return distinct(keys[limit:][keys[limit:] == keys[:-limit]])
