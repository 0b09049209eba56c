"""Flows: who talked to whom, how much, and with what round-trip time, at each point."""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema as col
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, echo_id, ports, proto_name, replies, source
from capnet.analysis.core.results import Flow, Flows
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments

TOP = 100


def flow_facts(context: Context) -> Flows:
    """The flows with most bytes, at most `TOP`, and how many there were in all."""
    flows = context.flows
    size = flows[:, col.FLOW_BYTES]
    large = np.arange(len(flows))
    if len(flows) > TOP:  # of hundreds of thousands, only these need an order
        large = np.flatnonzero(size >= np.partition(size, -TOP)[-TOP])
    busiest = large[np.lexsort((flows[large, col.FLOW_FIRST_FRAME], flows[large, col.FLOW_FIRST], -size[large]))[:TOP]]
    return Flows(len(flows), [_fact(context, row) for row in busiest.tolist()])


def _fact(context: Context, row: int) -> Flow:
    flow = context.flows[row]
    sport, dport = ports(flow)
    return Flow(
        point=context.points[flow[col.FLOW_POINT]].name,
        proto=proto_name(int(flow[col.FLOW_PROTO])),
        src=source(flow),
        sport=sport,
        dst=destination(flow),
        dport=dport,
        depth=int(flow[col.FLOW_DEPTH]),
        packets=int(flow[col.FLOW_PACKETS]),
        bytes=int(flow[col.FLOW_BYTES]),
        first=int(flow[col.FLOW_FIRST]),
        last=int(flow[col.FLOW_LAST]),
        retransmissions=int(retransmitted_segments(context)[row]),
        rtt_us=_round_trip(context, row),
        vni=int(flow[col.FLOW_VIA_VNI]) if flow[col.FLOW_VIA] and flow[col.FLOW_VIA_VNI] >= 0 else None,
        id=echo_id(flow),
    )


def _round_trip(context: Context, row: int) -> float | None:
    """µs from the last SYN to the first SYN-ACK the other way, at the same point and in the same tunnel."""
    asked = int(context.flows[row, col.FLOW_SYN_TIME])
    back = int(replies(context)[row])
    if asked < 0 or back < 0 or context.flows[back, col.FLOW_SYNACK_TIME] < asked:
        return None
    return float(context.flows[back, col.FLOW_SYNACK_TIME] - asked) / 1000
