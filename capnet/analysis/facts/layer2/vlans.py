"""VLANs: the tags with which stations and points see frames, as of the first packet of each flow; links of a point.

Source: IEEE 802.1Q and 802.1ad. Limits: frames without IP (ARP) are in no flow.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct_rows
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import vlan_ids
from capnet.analysis.core.results import Point
from capnet.analysis.core.schema import Mask
from capnet.analysis.correlate.duplicates import duplicates

MAX_VLANS = 64  # that are listed of one point: a trunk may carry 4094


def vlans_of_macs(context: Context) -> dict[int, list[int]]:
    """MAC → VLAN ids of most of its tagged packets, the outermost first."""
    flows = context.flows[context.flows[:, schema.FLOW_VLAN] >= 0]
    if not len(flows):
        return {}
    macs = np.concatenate([flows[:, schema.FLOW_SMAC], flows[:, schema.FLOW_DMAC]])
    pairs = np.stack([macs, np.tile(flows[:, schema.FLOW_VLAN], 2)], axis=1)
    seen, group = np.unique(pairs, axis=0, return_inverse=True)
    packets = np.bincount(group.reshape(-1), weights=np.tile(flows[:, schema.FLOW_PACKETS], 2))
    order = np.argsort(packets, kind="stable")
    return {mac: vlan_ids(vlan) for mac, vlan in seen[order].tolist()}  # the last of a MAC has the most packets


@derived
def shows_several_links(context: Context) -> Mask:
    """Per point: does it show several VLANs, or packets before and behind a router, as a mirror of several ports does?

    There a station has other MACs on each link, and what goes to two MACs need not go by two gateways. The host of a
    bridge that is listened at routes copies of what it bridges: that is one link.
    """
    flows, points = context.flows, context.flows[:, schema.FLOW_POINT]
    pairs = distinct_rows(np.column_stack([points, flows[:, schema.FLOW_VLAN]]))
    several: Mask = np.bincount(pairs[:, 0], minlength=max(len(context.points), 1)) > 1
    twice = duplicates(context)
    several[points[twice.flow_rows[twice.ttl_deltas == -1]]] = True
    is_bridge = np.array([point.role == "bridge" for point in context.points] or [False])
    return several & ~is_bridge


def points_with_vlans(context: Context) -> list[Point]:
    """The points, with the outermost VLAN ids of their frames."""
    flows = context.flows
    is_tagged = flows[:, schema.FLOW_VLAN] >= 0
    if not is_tagged.any():
        return context.points
    rows = np.flatnonzero(is_tagged)
    tagged = distinct_rows(np.column_stack([flows[rows, schema.FLOW_POINT], flows[rows, schema.FLOW_VLAN]]))
    vlans: dict[int, set[int]] = {}
    for point, vlan in tagged.tolist():
        vlans.setdefault(point, set()).add(vlan_ids(vlan)[0])
    return [
        replace(point, vlans=sorted(vlans[number])[:MAX_VLANS]) if number in vlans else point
        for number, point in enumerate(context.points)
    ]
