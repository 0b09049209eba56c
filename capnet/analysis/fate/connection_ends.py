"""Where connections end and where they are opened: whether one station does both.

Input: flow rows that open connections, each where it was seen first. Output: `ConnectionEnds`, which compares pairs.
Method: a station that opens a connection, or answers one, sends with an initial TTL. It is the same one if the second
connection has the MAC that the first one was sent to, or if the first one ended at a host (at its card, bridge or
loopback) and the second comes from that host's own address on a bridge.
Limits: a bridge's own address is known by its place, the first of a subnet, as Docker, podman and CNI give it.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, host_of, replies
from capnet.analysis.core.schema import FlowRows, Mask, PerFlow, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.quick_tuple import NamedTuple

MAX_DOUBLINGS = 6  # of pointers along links: 64 hops
HOST_ROLES = ("parent", "bridge", "loopback", "unknown")  # of points where the end may be the host itself


BRIDGE_ROLES = ("bridge", "veth", "container")  # of points where a bridge's own address is a neighbour


class ConnectionEnds(NamedTuple):
    """One entry for each connection."""

    last: FlowRows  # the opening flow at its last hop
    answer: FlowRows  # the answer where it was seen first
    source_mac: Values  # of the first packet where it was seen first; absent without Ethernet
    last_mac: Values  # that it was sent to at its last hop
    is_opened: Mask  # where it was seen first, the source had just sent it
    is_answered: Mask  # where the answer was seen first, the destination had just sent it
    opening_host: Values  # number of the host of the first hop; hosts without a name are one
    ending_host: Values  # of the last hop
    ends_at_host: Mask  # the last hop is a point where the host itself may be the end
    is_of_bridge: Mask  # it comes from the bridge's own address

    def meet(self, first: Values, second: Values) -> Mask:
        """For each pair of connections: does the station that the first one ended at open the second one?"""
        has_mac = (self.last_mac[first] > 0) & (self.last_mac[first] != self.source_mac[first])
        is_same_mac = has_mac & (self.last_mac[first] == self.source_mac[second])
        is_same_host = self.ends_at_host[first] & self.is_of_bridge[second]
        is_same_host &= self.ending_host[first] == self.opening_host[second]
        result: Mask = (is_same_mac | is_same_host) & self.is_answered[first] & self.is_opened[second]
        return result


def connection_ends(context: Context, rows: FlowRows) -> ConnectionEnds:
    """The ends of answered connections; `rows`: their opening flows, at their first hops."""
    flows, answers = context.flows, replies(context)
    links = flow_links(context)
    last = _pointers(links.after, links.target, len(flows))[rows]
    answer = np.where(answers[last] >= 0, answers[last], answers[rows])
    answer = _pointers(links.before, links.source, len(flows))[answer]
    points = flows[:, schema.FLOW_POINT]
    names = [host_of(point.name) or "" for point in context.points]
    host_of_point = np.array([names.index(name) for name in names] or [0], dtype=np.int64)
    roles = [point.role for point in context.points] or [""]
    is_at_bridge = np.array([role in BRIDGE_ROLES for role in roles])
    return ConnectionEnds(
        last=last,
        answer=answer,
        source_mac=flows[:, schema.FLOW_SMAC][rows],
        last_mac=flows[:, schema.FLOW_DMAC][last],
        is_opened=is_one_of(flows[:, schema.FLOW_TTL][rows], INITIAL_TTLS),
        is_answered=is_one_of(flows[:, schema.FLOW_TTL][answer], INITIAL_TTLS),
        opening_host=host_of_point[points[rows]],
        ending_host=host_of_point[points[last]],
        ends_at_host=np.array([role in HOST_ROLES for role in roles])[points[last]],
        is_of_bridge=is_at_bridge[points[rows]] & (flows[:, schema.FLOW_SRC_LO][rows] & 0xFF == 1),
    )


def _pointers(links: PerFlow, ends: FlowRows, flow_count: int) -> PerFlow:
    """For each flow row the last one that links lead to; `links`: the link of each flow, `ends`: what it leads to."""
    pointers = np.arange(flow_count)
    has_link = links >= 0
    pointers[has_link] = ends[links[has_link]]
    for _ in range(MAX_DOUBLINGS):
        pointers = pointers[pointers]
    return pointers
