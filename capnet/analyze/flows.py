"""Flows: who talked to whom, how much, and with what round-trip time, at each point."""

from __future__ import annotations

import numpy as np

from capnet.analyze import columns as col
from capnet.analyze.context import Context
from capnet.analyze.facts import Flow, Flows
from capnet.analyze.rows import destination, echo_id, ports, proto_name, source

TOP = 100


def conclude(context: Context) -> Flows:
    """The flows with most bytes, at most `TOP`, and how many there were in all."""
    flows = context.flows
    busiest = np.lexsort((flows[:, col.FLOW_FIRST_FRAME], flows[:, col.FLOW_FIRST], -flows[:, col.FLOW_BYTES]))[:TOP]
    return Flows(len(flows), [_fact(context, flows[row]) for row in busiest])


def _fact(context: Context, flow: np.ndarray) -> Flow:
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
        retransmissions=int(flow[col.FLOW_RETRANSMISSIONS]),
        rtt_us=_round_trip(context, flow),
        vni=int(flow[col.FLOW_VIA_VNI]) if flow[col.FLOW_VIA] else None,
        id=echo_id(flow),
    )


def _round_trip(context: Context, flow: np.ndarray) -> float | None:
    """µs from the last SYN to the first SYN-ACK the other way, at the same point and in the same tunnel."""
    if flow[col.FLOW_SYN_TIME] < 0:
        return None
    mirrored = flow[: col.FLOW_KEY].copy()
    mirrored[[col.FLOW_SRC_HI, col.FLOW_SRC_LO]] = flow[[col.FLOW_DST_HI, col.FLOW_DST_LO]]
    mirrored[[col.FLOW_DST_HI, col.FLOW_DST_LO]] = flow[[col.FLOW_SRC_HI, col.FLOW_SRC_LO]]
    mirrored[[col.FLOW_SPORT, col.FLOW_DPORT]] = flow[[col.FLOW_DPORT, col.FLOW_SPORT]]
    # The ports single out a few rows, far cheaper than comparing whole keys with all of them.
    ports_match = (context.flows[:, col.FLOW_SPORT] == mirrored[col.FLOW_SPORT]) & (
        context.flows[:, col.FLOW_DPORT] == mirrored[col.FLOW_DPORT]
    )
    back = context.flows[ports_match]
    back = back[(back[:, : col.FLOW_KEY] == mirrored).all(axis=1)]
    if not len(back) or back[0, col.FLOW_SYNACK_TIME] < flow[col.FLOW_SYN_TIME]:
        return None
    return float(back[0, col.FLOW_SYNACK_TIME] - flow[col.FLOW_SYN_TIME]) / 1000
