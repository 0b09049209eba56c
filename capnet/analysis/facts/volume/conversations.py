"""Conversations of a report: the largest at each point, with how they ended."""

from __future__ import annotations

from operator import itemgetter

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.volume import Conversation
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, echo_id, ports, proto_name, source, vlan_tags
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments
from capnet.analysis.facts.flows import round_trip
from capnet.analysis.facts.volume import applications
from capnet.analysis.facts.volume.pairs import (
    STATES,
    Pairs,
    application_numbers,
    conversation_pairs,
    conversation_states,
)

MAX_CONVERSATIONS = 100  # in a report: the largest by bytes; `capnet export --table conversations` has all

_summed = itemgetter(schema.FLOW_PACKETS, schema.FLOW_BYTES, schema.FLOW_FIRST, schema.FLOW_LAST)


@derived
def conversation_facts(context: Context) -> list[Conversation]:
    """The MAX_CONVERSATIONS with the most bytes."""
    pairs = conversation_pairs(context)
    sizes = context.flows[:, schema.FLOW_BYTES][pairs.forward]
    sizes = sizes + np.where(pairs.backward >= 0, context.flows[:, schema.FLOW_BYTES][pairs.backward], 0)
    largest = np.arange(len(sizes))
    if len(sizes) > MAX_CONVERSATIONS:  # sort the largest only
        largest = np.flatnonzero(sizes >= np.partition(sizes, -MAX_CONVERSATIONS)[-MAX_CONVERSATIONS])
    largest = largest[np.lexsort((pairs.forward[largest], -sizes[largest]))][:MAX_CONVERSATIONS]
    pairs = Pairs(pairs.forward[largest], pairs.backward[largest])
    states = conversation_states(context, pairs).tolist()
    names = application_numbers(context, pairs).tolist()
    return [
        _conversation(context, forward, backward, STATES[state], applications.NAMES[name] if name >= 0 else None)
        for forward, backward, state, name in zip(
            pairs.forward.tolist(), pairs.backward.tolist(), states, names, strict=True
        )
    ]


def _conversation(context: Context, row: int, answer: int, state: str, application: str | None) -> Conversation:
    flow = context.flows[row].tolist()
    packets, size, first, last = _summed(flow)
    packets_back, size_back, first_back, last_back = (
        _summed(context.flows[answer].tolist()) if answer >= 0 else (0, 0, first, last)
    )
    first, last, size = min(first, first_back), max(last, last_back), size + size_back
    retransmissions = retransmitted_segments(context)
    sport, dport = ports(flow)
    return Conversation(
        point=context.points[flow[schema.FLOW_POINT]].name,
        proto=proto_name(int(flow[schema.FLOW_PROTO])),
        src=source(flow),
        sport=sport,
        dst=destination(flow),
        dport=dport,
        application=application,
        state=state,
        packets=packets + packets_back,
        bytes=size,
        packets_back=packets_back,
        bytes_back=size_back,
        first=first,
        last=last,
        duration_us=(last - first) / 1000,
        bits_per_second=round(8e9 * size / (last - first), 1) if last > first else None,
        retransmissions=int(retransmissions[row]) + (int(retransmissions[answer]) if answer >= 0 else 0),
        rtt_us=round_trip(context, row),
        vni=int(flow[schema.FLOW_VIA_VNI]) if flow[schema.FLOW_VIA] and flow[schema.FLOW_VIA_VNI] >= 0 else None,
        id=echo_id(flow),
        vlan=vlan_tags(flow),
    )
