"""Connections that clients open to an address that a message names, and what becomes of them.

Input: flows, answers, ICMP errors. Output: rows of the flow table, and an outcome for each. A connection counts at the
first point that shows it.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, is_syn_retried, replies, source
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.icmp_errors import icmp_errors
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.verdict.given_up import are_given_up
from capnet.wire.numbers import TCP, TCP_RST

ACCEPTED, REFUSED, UNANSWERED, UNREACHABLE = "accepted", "refused", "unanswered", "unreachable"
MAX_FLOWS = 10_000  # each is looked at one by one


def attempts_by_client(context: Context, wanted: Collection[int]) -> dict[tuple[int, str, int], list[int]]:
    """Point, client and port → the connections to it that begin with a SYN, in order of the flow table."""
    flows, ports = context.flows, np.array(list(wanted), dtype=np.int64)
    is_new = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0) & (flow_links(context).before < 0)
    rows = np.flatnonzero(is_new & is_among(flows[:, schema.FLOW_DPORT], ports))[:MAX_FLOWS]
    by_client: dict[tuple[int, str, int], list[int]] = {}
    for row in rows.tolist():
        flow = flows[row]
        key = int(flow[schema.FLOW_POINT]), source(flow), int(flow[schema.FLOW_DPORT])
        by_client.setdefault(key, []).append(row)
    return by_client


def outcome(context: Context, row: int) -> str:
    """What became of a connection: ACCEPTED, REFUSED, UNANSWERED, or "" where nothing shows it.

    UNANSWERED needs the client to miss the answer: its SYN comes again, or the client does (`fate.verdict.given_up`).
    After one SYN alone it may have got the answer by a way that is not captured, or have gone. An ICMP error ends the
    waiting as well.
    """
    flows, reply = context.flows, int(replies(context)[row])
    if reply >= 0 and flows[reply, schema.FLOW_SYNACK_TIME] >= 0:
        return ACCEPTED
    if reply >= 0 and flows[reply, schema.FLOW_TCP_FLAGS] & TCP_RST:
        return REFUSED
    if is_answered(context)[row]:
        return ""
    is_missed = is_syn_retried(flows)[row] or are_given_up(context)[row]
    return UNANSWERED if is_missed or is_unreachable(context, row) else ""


def is_unreachable(context: Context, row: int) -> bool:
    """Does an ICMP error answer a connection?"""
    flow = context.flows[row]
    ends = source(flow), int(flow[schema.FLOW_SPORT]), destination(flow), int(flow[schema.FLOW_DPORT])
    return ends in _quoted(context)


@derived
def _quoted(context: Context) -> set[tuple[str, int, str, int]]:
    """Addresses and ports of the TCP packets that ICMP errors quote."""
    quoted = [error.quoted for error in icmp_errors(context) if error.quoted.proto == TCP]
    return {(of.src, of.sport, of.dst, of.dport) for of in quoted}
