"""Which flows are one conversation at a point: forward and backward, how it ended, and of which application it is.

Forward is the direction of the first SYN, else of the first packet.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, replies
from capnet.analysis.core.schema import FlowMask, FlowRows, Values
from capnet.analysis.facts.volume import applications
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_FIN, TCP_RST

# Of TCP: unanswered = SYNs alone; midstream = the capture begins later. one-way = what comes back passes elsewhere, or
# nothing does. answered is of protocols that do not say how an exchange ends.
STATES = ("unanswered", "one-way", "answered", "refused", "open", "closing", "closed", "reset", "midstream")
(UNANSWERED, ONE_WAY, ANSWERED, REFUSED, OPEN, CLOSING, CLOSED, RESET, MIDSTREAM) = range(len(STATES))


class Pairs(NamedTuple):
    """The flow rows of conversations: forward, and backward or -1."""

    forward: FlowRows
    backward: FlowRows


def conversation_pairs(context: Context, chosen: FlowMask | None = None) -> Pairs:
    """Conversations in order of first sight; if flows are chosen, those with one of them."""
    pairs = _all_pairs(context)
    if chosen is None:
        return pairs
    is_chosen = chosen[pairs.forward] | (chosen[pairs.backward] & (pairs.backward >= 0))
    return Pairs(pairs.forward[is_chosen], pairs.backward[is_chosen])


@derived
def _all_pairs(context: Context) -> Pairs:
    flows, answers = context.flows, replies(context)
    rows = np.arange(len(flows))
    is_mutual = (answers >= 0) & (answers[answers] == rows)
    begins = ~is_mutual | (rows <= answers)
    begin_rows = rows[begins]
    answer_rows = np.where(is_mutual[begin_rows] & (answers[begin_rows] != begin_rows), answers[begin_rows], -1)
    has_syn, answer_has_syn = (
        (flows[side, schema.FLOW_SYNS] > 0) & (flows[side, schema.FLOW_SYNACK_TIME] < 0)
        for side in (begin_rows, answer_rows)
    )
    is_later = flows[answer_rows, schema.FLOW_FIRST] < flows[begin_rows, schema.FLOW_FIRST]
    is_swapped = (answer_rows >= 0) & ~has_syn & (answer_has_syn | is_later)
    return Pairs(np.where(is_swapped, answer_rows, begin_rows), np.where(is_swapped, begin_rows, answer_rows))


def conversation_states(context: Context, pairs: Pairs) -> Values:
    """Numbers of STATES."""
    has_answer = pairs.backward >= 0
    flows, answers = context.flows[pairs.forward], context.flows[pairs.backward]
    flags, answer_flags = (side[:, schema.FLOW_TCP_FLAGS] for side in (flows, answers))
    answer_flags = np.where(has_answer, answer_flags, 0)
    has_syn = flows[:, schema.FLOW_SYNS] > 0
    has_syn_ack = has_answer & (answers[:, schema.FLOW_SYNACK_TIME] >= 0)
    is_reset = (flags | answer_flags) & TCP_RST != 0
    fins = (flags & TCP_FIN != 0).astype(np.int64) + (answer_flags & TCP_FIN != 0)
    is_tcp = flows[:, schema.FLOW_PROTO] == TCP
    is_syn_alone = has_syn & (flows[:, schema.FLOW_PACKETS] <= flows[:, schema.FLOW_SYNS])
    return np.select(
        [
            ~is_tcp & has_answer, is_tcp & ~has_answer & is_syn_alone, ~has_answer,
            has_syn & ~has_syn_ack & (answer_flags & TCP_RST != 0),
            is_reset, fins == 2, fins == 1, has_syn & has_syn_ack,
        ],
        [ANSWERED, UNANSWERED, ONE_WAY, REFUSED, RESET, CLOSED, CLOSING, OPEN],
        MIDSTREAM,
    )  # fmt: skip


def application_numbers(context: Context, pairs: Pairs) -> Values:
    """Numbers of `applications.NAMES` by port: that of the other side, else of the side that opened it."""
    flows = context.flows[pairs.forward]
    has_ports = ~is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS)
    of_server, of_client = (
        applications.by_port(np.where(has_ports, flows[:, column], -1))
        for column in (schema.FLOW_DPORT, schema.FLOW_SPORT)
    )
    return np.where(of_server >= 0, of_server, of_client)
