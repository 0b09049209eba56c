"""Looping packets: packets that pass one point again and again, each time with a smaller TTL.

Input: observations of flows whose TTL falls by MIN_FALLS or more. Output: `Loop`s, one per flow that has such packets,
at most MAX_FLOWS. Method: equal digests in one flow, each at most MAX_ROUND_NS after the one before, from a TTL that no
traceroute begins with, more often than there are routers. Between the same two MACs in one direction, a round takes two
routers at least, and so does the TTL fall: a host that shares its connection by Windows' NAT records what it sends
several times, each time with TTL - 1. Limits: a path with more than 32 routers looks the same.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import MAX_EVIDENCE
from capnet.analysis.core.schema import FlowRow
from capnet.analysis.fate.speakers import MAX_LINK_LOCAL_TTL, RECEIVED, SENT
from capnet.quick_tuple import NamedTuple

MIN_TTL = MAX_LINK_LOCAL_TTL + 1  # at the first pass: traceroute begins with 1 and ends at 30
MIN_FALLS = 3  # of the TTL: a packet that passes one host twice, or `any`, shows one or two
MIN_FALL_ONE_WAY = 2  # of the TTL in a round that comes from one MAC and goes to another: both routed the packet
MIN_PASSES_PER_ROUTER = 2  # a capture of several networks shows each router of a path once
MIN_PASSES_WITHOUT_MACS = 8  # the routers cannot be counted: more than a path has in one capture
MAX_ROUND_NS = 1_000_000_000  # between two passes: beyond, it is an equal packet sent again
MAX_FLOWS = 1000  # with loops, that are looked at one by one


class Loop(NamedTuple):
    """Looping packets of one flow at its point: how many, their largest and smallest TTL, frames of the first one."""

    row: int
    packets: int
    first_ttl: int
    last_ttl: int
    frames: list[int]


@derived
def looping_flows(context: Context) -> list[Loop]:
    """One for each flow with packets that pass its point again and again, at most MAX_FLOWS."""
    flows = context.flows
    lowest, highest = flows[:, schema.FLOW_TTL_MIN], flows[:, schema.FLOW_TTL_MAX]
    is_candidate = (highest >= MIN_TTL) & (highest - lowest >= MIN_FALLS)
    if not is_candidate.any():
        return []
    passes = context.observations[is_candidate[context.observations[:, schema.OBS_FLOW]]]
    order = [schema.OBS_SEQ, schema.OBS_TIME, schema.OBS_DIGEST, schema.OBS_FLOW]
    passes = passes[np.lexsort(passes[:, order].T)]
    flow, digest, time, ttl = passes[:, [schema.OBS_FLOW, schema.OBS_DIGEST, schema.OBS_TIME, schema.OBS_TTL]].T
    is_next_pass = np.zeros(len(passes), dtype=bool)
    is_next_pass[1:] = (flow[1:] == flow[:-1]) & (digest[1:] == digest[:-1]) & (ttl[1:] <= ttl[:-1])
    is_next_pass[1:] &= time[1:] - time[:-1] <= MAX_ROUND_NS
    is_fall = is_next_pass.copy()
    is_fall[1:] &= ttl[1:] < ttl[:-1]
    starts = np.flatnonzero(~is_next_pass)
    if not len(starts):
        return []
    falls = np.add.reduceat(is_fall.astype(np.int64), starts)
    stops = np.append(starts[1:], len(passes))
    is_loop = (falls >= MIN_FALLS) & (ttl[starts] >= MIN_TTL)
    starts, stops, falls = starts[is_loop], stops[is_loop], falls[is_loop]
    loops = []
    rows, first, counts = np.unique(flow[starts], return_index=True, return_counts=True)
    for row, begin, count in list(zip(rows.tolist(), first.tolist(), counts.tolist(), strict=True))[:MAX_FLOWS]:
        of_flow = slice(begin, begin + count)
        if int(falls[of_flow].max()) + 1 < _min_passes(context, flows[row]):
            continue
        longest = begin + int(np.argmax(falls[of_flow]))
        drop = int(ttl[starts[longest]] - ttl[stops[longest] - 1])
        if drop < MIN_FALL_ONE_WAY * int(falls[longest]) and _is_one_way(context, flows[row]):
            continue
        earliest = begin + int(np.argmin(time[starts[of_flow]]))
        frames = passes[starts[earliest] : stops[earliest], schema.OBS_FRAME][:MAX_EVIDENCE].tolist()
        ttl_first, ttl_last = int(ttl[starts[of_flow]].max()), int(ttl[stops[of_flow] - 1].min())
        loops.append(Loop(row, count, ttl_first, ttl_last, frames))
    return loops


def _min_passes(context: Context, flow: FlowRow) -> int:
    """How often a packet of this flow must pass: more often than there are routers, by the MACs that sent it."""
    senders = len(macs_of_loop(context, flow, SENT, min_ttls=1))
    return max(MIN_FALLS + 1, MIN_PASSES_PER_ROUTER * senders) if senders else MIN_PASSES_WITHOUT_MACS


def _is_one_way(context: Context, flow: FlowRow) -> bool:
    """Do the packets go from one MAC to another one only, and never back?"""
    senders, receivers = (macs_of_loop(context, flow, how, min_ttls=2) for how in (SENT, RECEIVED))
    return len(senders) == len(receivers) == 1 and senders != receivers


def macs_of_loop(context: Context, flow: FlowRow, how: int, min_ttls: int) -> set[int]:
    """MACs that sent packets of the flow's source, or received those to its destination, with so many TTLs."""
    table = context.stations
    hi, lo = schema.FLOW_SRC if how == SENT else schema.FLOW_DST
    place = [schema.STATION_POINT, schema.STATION_VIA, schema.STATION_VIA_VNI]
    is_there = (table[:, place] == [flow[column] for column in schema.FLOW_PLACE]).all(axis=1)
    rows = (table[:, schema.STATION_HOW] == how) & is_there
    rows &= (table[:, schema.STATION_IP_HI] == flow[hi]) & (table[:, schema.STATION_IP_LO] == flow[lo])
    rows &= table[:, schema.STATION_TTL_MAX] - table[:, schema.STATION_TTL_MIN] >= min_ttls - 1
    return {mac for mac in table[rows, schema.STATION_MAC].tolist() if mac > 0}
