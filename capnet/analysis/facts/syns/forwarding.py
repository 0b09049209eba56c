"""Which host forwards flows, and to which next hop.

Input: last hops of flows. Output: the own addresses of the host that forwards and of the one that it forwards to.
Method: the MACs of the last hops, whose owners other packets show. A host forwards what has lost a hop, or what is from
an address that its MAC only passes on. Limits: hosts of which the capture shows one address each.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, destination, source
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple

_WAY = [*schema.FLOW_PLACE, schema.FLOW_SMAC, schema.FLOW_DMAC]


class Forwarding(NamedTuple):
    """The own addresses of two hosts of one link."""

    router: str
    next_hop: str


def forwarding_of(context: Context, last_rows: list[int]) -> Forwarding | None:
    """Who forwards these flows to whom, if the MACs of their last hops tell it and the receiver is not asked itself."""
    flows = context.flows
    hops = {tuple(hop) for hop in flows[np.array(last_rows, dtype=np.int64)][:, _WAY].tolist()}
    if len(hops) != 1:
        return None
    ((point, via, _, smac, dmac),) = hops
    sender, receiver = (speakers(context, point, outside_tunnels=True).get(mac) for mac in (smac, dmac))
    if via or sender is None or receiver is None or len(sender.own_ips) != 1 or len(receiver.own_ips) != 1:
        return None
    are_passed_on = all(
        flows[row, schema.FLOW_TTL] not in INITIAL_TTLS or source(flows[row]) in sender.forwarded for row in last_rows
    )
    is_asked = any(destination(flows[row]) in {*receiver.own, *receiver.claimed} for row in last_rows)
    return Forwarding(sender.own_ips[0], receiver.own_ips[0]) if are_passed_on and not is_asked else None
