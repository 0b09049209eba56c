"""Flows: addresses, ports, volume and round-trip time of the largest flows at each point."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, echo_id, ports, proto_name, replies, source, vlan_tags
from capnet.analysis.core.results import Flow, Flows
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments

MAX_FLOWS = 100  # in a report: the largest by bytes


@derived
def flow_facts(context: Context) -> Flows:
    """The number of flows, and the MAX_FLOWS with the most bytes."""
    return Flows(len(context.flows), list(largest_flows(context, MAX_FLOWS)))


def largest_flows(context: Context, most: int) -> Iterator[Flow]:
    """Flows, that with the most bytes first, `most` of them or all that there are; one is made at a time."""
    flows = context.flows
    sizes = flows[:, schema.FLOW_BYTES]
    rows = np.arange(len(flows))
    if len(flows) > most:  # sort the largest only, of hundreds of thousands
        rows = np.flatnonzero(sizes >= np.partition(sizes, -most)[-most])
    order = np.lexsort((flows[rows, schema.FLOW_FIRST_FRAME], flows[rows, schema.FLOW_FIRST], -sizes[rows]))
    return (flow_fact(context, row) for row in rows[order][:most].tolist())


def flow_fact(context: Context, row: int) -> Flow:
    """What a report says of the flow in a row of the flow table."""
    flow = context.flows[row].tolist()
    sport, dport = ports(flow)
    return Flow(
        point=context.points[flow[schema.FLOW_POINT]].name,
        proto=proto_name(int(flow[schema.FLOW_PROTO])),
        src=source(flow),
        sport=sport,
        dst=destination(flow),
        dport=dport,
        depth=int(flow[schema.FLOW_DEPTH]),
        packets=int(flow[schema.FLOW_PACKETS]),
        bytes=int(flow[schema.FLOW_BYTES]),
        first=int(flow[schema.FLOW_FIRST]),
        last=int(flow[schema.FLOW_LAST]),
        retransmissions=int(retransmitted_segments(context)[row]),
        rtt_us=round_trip(context, row),
        vni=int(flow[schema.FLOW_VIA_VNI]) if flow[schema.FLOW_VIA] and flow[schema.FLOW_VIA_VNI] >= 0 else None,
        id=echo_id(flow),
        vlan=vlan_tags(flow),
    )


def round_trip(context: Context, row: int) -> float | None:
    """Microseconds from the last SYN to the first SYN-ACK of the reply, at the same point and in the same tunnel."""
    flows = context.flows
    syn_time = int(flows[row, schema.FLOW_SYN_TIME])
    reply = int(replies(context)[row])
    if syn_time < 0 or reply < 0 or flows[reply, schema.FLOW_SYNACK_TIME] < syn_time:
        return None
    return float(flows[reply, schema.FLOW_SYNACK_TIME] - syn_time) / 1000
