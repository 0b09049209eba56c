"""Conversations: the flow chains of one exchange, forward and backward.

A flow chain is one direction of a connection at all its hops. Two chains belong together if a flow of one answers a
flow of the other at one point. A direction that was captured in parts has several chains.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FlowMask, FlowRows, PerFlow
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.swarm_traffic import swarm_flows
from capnet.analysis.facts.tunnels import carrier_flows
from capnet.quick_tuple import NamedTuple


class ChainPair(NamedTuple):
    """The first flow rows of its flow chains, by direction, each by time of the first packet."""

    forward: list[int]
    backward: list[int]


def conversations(context: Context, chosen: FlowMask | None = None, most: int = 10) -> tuple[list[ChainPair], int]:
    """The `most` conversations with the most packets that have a chosen flow, and the number of all that have one.

    Carriers of tunnels are left out unless nothing else is chosen. If `chosen` is None, Swarm's own traffic and flows
    that were seen at one point only are left out likewise.
    """
    flows = context.flows
    chains = flow_chains(flow_links(context), len(flows))
    is_shown = np.ones(len(flows), dtype=bool) if chosen is None else chosen
    is_shown = _unless_empty(is_shown & ~carrier_flows(context), is_shown)
    if chosen is None:
        is_shown = _unless_empty(is_shown & ~swarm_flows(context), is_shown)
        is_seen_once = np.bincount(chains, minlength=len(flows))[chains] == 1
        is_shown = _unless_empty(is_shown & ~is_seen_once, is_shown)
    answers = replies(context)
    conversation_of = _conversation_of(chains, answers)
    shown = distinct(conversation_of[is_shown])
    if not len(shown):
        return [], 0
    busiest = _busiest(context, conversation_of, shown)[:most]
    rows_in_order = np.argsort(conversation_of, kind="stable")
    starts = np.searchsorted(conversation_of[rows_in_order], busiest)
    ends = np.searchsorted(conversation_of[rows_in_order], busiest, side="right")
    return [
        _conversation(context, rows_in_order[start:end], chains, answers)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ], len(shown)


def _unless_empty(mask: FlowMask, otherwise: FlowMask) -> FlowMask:
    return mask if mask.any() else otherwise


def _conversation_of(chains: PerFlow, answers: PerFlow) -> PerFlow:
    """For each flow: its conversation, as the lowest row with which one of its chains begins."""
    answered = np.flatnonzero(answers >= 0)
    chain, answering_chain = chains[answered], chains[answers[answered]]
    lowest = chains.copy()
    while True:
        lower = lowest.copy()
        np.minimum.at(lower, chain, lowest[answering_chain])
        np.minimum.at(lower, answering_chain, lowest[chain])
        lower = np.minimum(lower, lower[lower])
        if (lower == lowest).all():
            return lowest[chains]
        lowest = lower


def _busiest(context: Context, conversation_of: PerFlow, shown: FlowRows) -> FlowRows:
    """The shown conversations by the packets of their busiest flow, then by time."""
    flows = context.flows
    packets = np.zeros(len(flows), dtype=np.int64)
    np.maximum.at(packets, conversation_of, flows[:, schema.FLOW_PACKETS])
    first = np.full(len(flows), np.iinfo(np.int64).max)
    np.minimum.at(first, conversation_of, flows[:, schema.FLOW_FIRST])
    return shown[np.lexsort((shown, first[shown], -packets[shown]))]


def _conversation(context: Context, rows: FlowRows, chains: PerFlow, answers: PerFlow) -> ChainPair:
    """The conversation of these flows: what answers the first chain is backward, what answers that is forward."""
    flows = context.flows
    starts = distinct(chains[rows]).tolist()
    answering: dict[int, set[int]] = {start: set() for start in starts}
    for row in rows[answers[rows] >= 0].tolist():
        chain, answering_chain = int(chains[row]), int(chains[answers[row]])
        answering[chain].add(answering_chain)
        answering[answering_chain].add(chain)
    with_syn = {int(chains[row]) for row in rows.tolist() if flows[row, schema.FLOW_SYN_TIME] >= 0}

    def order(start: int) -> tuple[bool, int, int]:
        return start not in with_syn, int(flows[start, schema.FLOW_FIRST]), start

    starts.sort(key=order)
    is_backward = {starts[0]: False}
    open_starts = [starts[0]]
    while open_starts:
        start = open_starts.pop()
        for other in answering[start]:
            if other not in is_backward:
                is_backward[other] = not is_backward[start]
                open_starts.append(other)
    return ChainPair(
        [start for start in starts if not is_backward.get(start, False)],
        [start for start in starts if is_backward.get(start, False)],
    )
