"""When a frame passed a bridge, which is not always when the bridge's own capture says.

Method: listening at a bridge makes it promiscuous. What is heard there is a duplicate that Linux passes up after the
frame has gone out of its port (net/bridge/br_input.c: br_handle_frame_finish forwards first). By its time stamp, a
frame would leave through a veth or a VXLAN device before it reached the bridge. Such a duplicate is given the time of
the port that the frame came in by.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import FlowMask, FlowRows, Observations, PerFlow
from capnet.analysis.correlate.order.own_ends import own_ends

# One bridged flow has the same values of these at every port of the bridge.
_BRIDGED_COLUMNS = [
    schema.FLOW_VIA, schema.FLOW_DEPTH, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT,
    schema.FLOW_DPORT, schema.FLOW_KIND, schema.FLOW_TTL,
]  # fmt: skip


def correct_bridge_times(context: Context, observations: Observations) -> Observations:
    """The observations, late ones at bridges moved to 1 ns behind their ingress port's; a copy if any moved."""
    ingress = _ingress_flows(context)
    if not (ingress >= 0).any():
        return observations
    at_bridge = np.flatnonzero(ingress[observations[:, schema.OBS_FLOW]] >= 0)
    if not len(at_bridge):
        return observations
    keys = row_hash(observations[:, [schema.OBS_DIGEST, schema.OBS_FLOW]])
    order = np.argsort(keys, kind="stable")
    wanted = observations[at_bridge][:, [schema.OBS_DIGEST, schema.OBS_FLOW]]
    wanted[:, 1] = ingress[wanted[:, 1]]
    at_port = order[np.minimum(np.searchsorted(keys[order], row_hash(wanted)), len(order) - 1)]
    is_same = (observations[at_port][:, [schema.OBS_DIGEST, schema.OBS_FLOW]] == wanted).all(axis=1)
    # Of a repeated digest the first packet at the port is taken. What the bridge did not see later stays as it is.
    is_late = is_same & (observations[at_port, schema.OBS_TIME] < observations[at_bridge, schema.OBS_TIME])
    observations = observations.copy()
    observations[at_bridge[is_late], schema.OBS_TIME] = observations[at_port[is_late], schema.OBS_TIME] + 1
    return observations


def is_at_bridge(context: Context) -> FlowMask:
    """Flow rows that were seen at a bridge."""
    is_bridge = [point.role == "bridge" or point.name.rpartition("/")[2] == "br0" for point in context.points]
    return np.array(is_bridge or [False])[context.flows[:, schema.FLOW_POINT]]


def _ingress_flows(context: Context) -> PerFlow:
    """For each flow row at a bridge that other ports saw earlier, the row at its ingress port; else -1."""
    flows = context.flows
    ingress = np.full(len(flows), -1)
    bridge_rows: FlowRows = np.flatnonzero(is_at_bridge(context))
    if not len(bridge_rows):
        return ingress
    macs = own_ends(context).macs
    hosts = [host_of(point.name) or "" for point in context.points]
    host_numbers = {name: number for number, name in enumerate(sorted(set(hosts)))}
    host = np.array([host_numbers[name] for name in hosts])[flows[:, schema.FLOW_POINT]]
    keys = row_hash(np.column_stack([flows[:, _BRIDGED_COLUMNS], host]))
    first_ns = flows[:, schema.FLOW_FIRST]
    order = np.lexsort((first_ns, keys))
    sorted_keys = keys[order]
    starts = np.searchsorted(sorted_keys, keys[bridge_rows])
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    places = places[bridge_rows]
    may_be_late = places - starts > 1  # behind a single port, the bridge comes next
    columns = (values[may_be_late].tolist() for values in (bridge_rows, starts, places))
    for row, start, place in zip(*columns, strict=True):
        earlier = [other for other in order[start:place].tolist() if first_ns[other] < first_ns[row]]
        first_points = flows[earlier[:2], schema.FLOW_POINT].tolist()
        roles = [context.points[point].role for point in first_points]
        # A frame comes in from a container's end of a veth and then its host end, or from one port.
        is_one_veth = len({macs[point] for point in first_points} - {-1}) < 2
        ingress_hops = 2 if roles == ["container", "veth"] and is_one_veth else 1
        if len(earlier) > ingress_hops:
            ingress[row] = earlier[ingress_hops - 1]
    return ingress
