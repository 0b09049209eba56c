"""Which flows are one conversation at a point: forward and backward, how it ended, and of which application it is.

Forward is the direction of the first SYN, else towards who sends a SYN-ACK, else of the first packet.
All is of one point: what comes back may pass another one.
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

# Of TCP: unanswered = SYNs alone; refused = SYNs alone, and RST; midstream = without a whole handshake, as in a capture
# that begins later. one-way = what comes back passes elsewhere, or nothing does. answered is of protocols that do not
# say how an exchange ends.
STATES = ("unanswered", "one-way", "answered", "refused", "open", "closing", "closed", "reset", "midstream")
(UNANSWERED, ONE_WAY, ANSWERED, REFUSED, OPEN, CLOSING, CLOSED, RESET, MIDSTREAM) = range(len(STATES))

ACCEPTS, OPENS = -1, 1  # parts of a handshake: sends SYN-ACK, sends SYN
FIRST_EPHEMERAL = 32768  # Linux gives clients ports from here on (net.ipv4.ip_local_port_range)


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
    opens, answer_opens = (_handshake_part(context, side) for side in (begin_rows, answer_rows))
    is_later = flows[:, schema.FLOW_FIRST][answer_rows] < flows[:, schema.FLOW_FIRST][begin_rows]
    is_swapped = (answer_rows >= 0) & ((answer_opens > opens) | (answer_opens == opens) & (opens < OPENS) & is_later)
    return Pairs(np.where(is_swapped, answer_rows, begin_rows), np.where(is_swapped, begin_rows, answer_rows))


def _handshake_part(context: Context, rows: FlowRows) -> Values:
    """What each flow does in the handshake: ACCEPTS, OPENS, or 0."""
    accepts = context.flows[:, schema.FLOW_SYNACK_TIME][rows] >= 0
    opens = (context.flows[:, schema.FLOW_SYNS][rows] > 0) & ~accepts
    return np.where(opens, OPENS, np.where(accepts, ACCEPTS, 0))


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
            is_syn_alone & ~has_syn_ack & (answer_flags & TCP_RST != 0),
            is_reset, fins == 2, fins == 1, has_syn & has_syn_ack,
        ],
        [ANSWERED, UNANSWERED, ONE_WAY, REFUSED, RESET, CLOSED, CLOSING, OPEN],
        MIDSTREAM,
    )  # fmt: skip


def application_numbers(context: Context, pairs: Pairs) -> Values:
    """Numbers of `applications.NAMES` by port: of TCP with a handshake, that of the side that did not open it.

    Of others the lower port that has a name: the first packet may be an answer. A port from FIRST_EPHEMERAL on is then
    that of a server only where both sides use it.
    """
    proto, sport, dport = (
        context.flows[:, column][pairs.forward] for column in (schema.FLOW_PROTO, schema.FLOW_SPORT, schema.FLOW_DPORT)
    )
    has_ports = ~is_one_of(proto, ICMP_PROTOCOLS)
    client, server = (np.where(has_ports, port, -1) for port in (sport, dport))
    lower, higher = (
        applications.by_port(np.where((port < FIRST_EPHEMERAL) | (client == server), port, -1))
        for port in (np.minimum(client, server), np.maximum(client, server))
    )
    is_opened = (proto == TCP) & (_handshake_part(context, pairs.forward) == OPENS)
    is_opened |= (pairs.backward >= 0) & (_handshake_part(context, pairs.backward) == ACCEPTS)
    return np.where(is_opened, applications.by_port(server), np.where(lower >= 0, lower, higher))
