"""Datagrams that a program of the host takes and sends on itself, as docker-proxy does for a published UDP port.

Input: flow rows, the points where they are due, flow links. Output: for each whether the host relays it. Method: a flow
to the same service went on there, rewritten; from the same MAC, and so from the host, come datagrams to the rewritten
service that came from nowhere else. Limits: UDP; a TCP proxy answers the SYN, so that nothing stops.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.wire.numbers import UDP

_SERVICE = [schema.FLOW_PROTO, *schema.FLOW_DST_END]
_FROM_HOST = [schema.FLOW_POINT, schema.FLOW_SMAC, *_SERVICE]


def own_flows(context: Context) -> FlowRows:
    """UDP flows that no point shows earlier: they begin at their point, as far as the capture tells."""
    is_own = (flow_links(context).before < 0) & (context.flows[:, schema.FLOW_PROTO] == UDP)
    return np.flatnonzero(is_own & (context.flows[:, schema.FLOW_SMAC] > 0))


def relays(context: Context, inside: int) -> FlowRows:
    """Flows of the host itself to the service that `inside`, a translated flow, goes to."""
    rows = own_flows(context)
    wanted = hash_of(context.flows, _FROM_HOST, np.array([inside]))
    return rows[hash_of(context.flows, _FROM_HOST, rows) == wanted[0]]


def is_relayed(context: Context, rows: FlowRows, due: Values) -> Mask:
    """Does the host send datagrams of its own to where others' datagrams for the same service go at the due point?"""
    flows, links = context.flows, flow_links(context)
    is_udp = flows[rows, schema.FLOW_PROTO] == UDP
    if not is_udp.any() or not len(links.source):
        return np.zeros(len(rows), dtype=bool)
    begun = hash_of(flows, _FROM_HOST, own_flows(context))
    is_shared = is_among(hash_of(flows, _FROM_HOST, links.target), begun)
    due_of_link = flows[links.target, schema.FLOW_POINT]
    shared = np.column_stack((due_of_link, flows[links.source[:, None], _SERVICE]))[is_shared]
    wanted = np.column_stack((due, flows[rows[:, None], _SERVICE]))
    return is_udp & is_among(row_hash(wanted), row_hash(shared))
