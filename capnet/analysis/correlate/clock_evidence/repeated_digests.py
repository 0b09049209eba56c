"""Digests that several packets have: they do not tell which packet was seen where.

Input: observations, and a number for the digest of each.
Output: for each of these numbers, whether different packets have that digest.
Method: a flow that repeats a digest repeats a packet; a point that shows a digest in other flows, at other times, shows
other packets. NAT and bridges show one packet as several flows within a moment.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import are_repeated, hash_of, order_in_groups
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import Mask, Observations, Values

MAX_PASSAGE_NS = 1_000_000  # from the first to the last sight of one packet at one point, as before and behind NAT


def is_repeated_digest(context: Context, observations: Observations, group: Values) -> Mask:
    """For each digest, numbered by `group`: do several packets have it? Then it does not tell packets apart.

    They are packets of one flow, or of flows that one point shows at different times: the resets of a scanner, which
    starts each connection with the same sequence number, have one digest.
    """
    flow = observations[:, schema.OBS_FLOW]
    is_repeated = np.zeros(group[-1] + 1, dtype=bool)
    is_repeated[group[are_repeated(hash_of(observations, [schema.OBS_DIGEST, schema.OBS_FLOW]))]] = True
    at_point = group * len(context.points) + context.flows[flow, schema.FLOW_POINT]
    order = order_in_groups(group, at_point, observations[:, schema.OBS_TIME])
    at_point, times_ns = at_point[order], observations[order, schema.OBS_TIME]
    is_late = (at_point[1:] == at_point[:-1]) & (np.diff(times_ns) > MAX_PASSAGE_NS)
    is_repeated[group[order[1:][is_late]]] = True
    return is_repeated
