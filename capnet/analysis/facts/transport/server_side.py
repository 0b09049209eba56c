"""Where a capture point is on the server's own link, so that what stays unanswered there was not lost on the way.

Output: a mask of flow rows. Method: the answers to a row have an initial TTL: no router passed them. And the point is
the interface of the MAC that the row is sent to (`fate.interface_points`); or the answers begin there and go on to
another point; or two MACs alone speak there, and the questions of one of them come from behind it, by their TTL.
Limits: needs one answered connection to the same address and port.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, are_multicast_macs, replies
from capnet.analysis.core.schema import FlowMask, Mask
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.interface_points import interface_points

SERVICE = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_DST_END]


@derived
def is_at_server(context: Context) -> FlowMask:
    """Per flow row: is it the last one of its chain, on the own link of the server that it is for?"""
    flows, answers, links = context.flows, replies(context), flow_links(context)
    has_answer = answers >= 0
    is_born = has_answer & is_one_of(flows[answers, schema.FLOW_TTL], INITIAL_TTLS)
    homes = [(mac, point) for mac, points in interface_points(context).items() for point in points]
    is_near = (links.before[answers] < 0) & (links.after[answers] >= 0)
    if homes:
        ends = hash_of(flows, [schema.FLOW_DMAC, schema.FLOW_POINT])
        is_near |= is_among(ends, row_hash(np.array(homes, dtype=np.int64)))
    is_near |= (
        ~is_one_of(flows[:, schema.FLOW_TTL], INITIAL_TTLS) & _has_two_stations(context)[flows[:, schema.FLOW_POINT]]
    )
    services = hash_of(flows, SERVICE)
    # A host's own card is also where packets for its containers arrive: their answers have been routed.
    mask: FlowMask = is_among(services, services[is_born & is_near]) & (links.after < 0)
    return mask & ~is_among(services, services[has_answer & ~(is_born & is_near)])


def _has_two_stations(context: Context) -> Mask:
    """Per point: do all unicast packets outside of tunnels go between the same two MACs?"""
    flows = context.flows
    macs = flows[:, [schema.FLOW_SMAC, schema.FLOW_DMAC]]
    is_unicast = (macs > 0).all(axis=1) & ~are_multicast_macs(macs[:, 1]) & (flows[:, schema.FLOW_VIA] == 0)
    points = flows[is_unicast, schema.FLOW_POINT]
    pairs = row_hash(np.sort(macs[is_unicast], axis=1))
    has_two = np.zeros(max(len(context.points), 1), dtype=bool)
    for point in range(len(context.points)):
        of_point = pairs[points == point]
        has_two[point] = bool(len(of_point)) and bool((of_point == of_point[0]).all())
    return has_two
