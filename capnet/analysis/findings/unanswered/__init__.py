"""Findings that begin with a flow to one receiver that nothing answers: none where each of them has an answer."""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast, replies
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.numbers import TCP


def is_needed(context: Context) -> bool:
    """Is there a flow without an answer that is not multicast?

    Where findings ask more of an answer, so does this: a connection to a published port is answered at its own point,
    and datagrams between equal ports, as of Swarm's gossip, by datagrams between the same.
    """
    flows = context.flows
    proto, sport, dport = (flows[:, column] for column in (schema.FLOW_PROTO, schema.FLOW_SPORT, schema.FLOW_DPORT))
    is_done = is_answered(context) & ((replies(context) >= 0) | ((proto != TCP) & (sport != dport)))
    is_done |= are_multicast(flows[:, schema.FLOW_DST_HI], flows[:, schema.FLOW_DST_LO])
    return not bool(is_done.all())
