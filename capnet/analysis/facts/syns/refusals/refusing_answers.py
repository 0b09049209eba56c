"""The RST that refuses a connection.

Input: flows, answers. Output: per flow with a SYN, the flow whose RST refuses it: its opposite direction at the same
point, with RST and no SYN-ACK. A client that acknowledges anything was accepted: the capture lacks the SYN-ACK.
A bridge shows SYNs behind DNAT and the RST translated back: the only lone RST to the client that acknowledges the SYN,
which is not sent again.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import combined_hash, hash_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import awaited_acknowledgment, first_acknowledgment, replies, reply_values
from capnet.analysis.core.schema import FlowMask, FlowRows, FlowTable, PerFlow
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_ACK, TCP_RST, TCP_SYN

MIN_NO_RETRY_NS = 1_200_000_000  # a SYN is sent again after 1 s (RFC 6298)
_CLIENT_END = schema.FLOW_SRC_END
_RECEIVER_END = schema.FLOW_DST_END


def are_connections(flows: FlowTable) -> FlowMask:
    """Per flow: does it ask for a TCP connection?"""
    mask: FlowMask = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    return mask


@derived
def refusing_answers(context: Context) -> PerFlow:
    """Per flow: the row of the RST that refuses it, -1 if it is not refused."""
    flows, answers = context.flows, replies(context)
    is_refused = are_connections(flows) & (answers >= 0) & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_ACK == 0)
    is_refused &= reply_values(context, schema.FLOW_SYNACK_TIME) < 0
    is_refused &= reply_values(context, schema.FLOW_TCP_FLAGS) & TCP_RST != 0
    refusing = np.where(is_refused, answers, -1)
    translated_back = _translated_back(context, answers)
    refusing[translated_back.asks] = translated_back.resets
    return refusing


class _TranslatedBack(NamedTuple):
    """SYNs and the RSTs that refuse them from another address, one entry each: flow rows."""

    asks: FlowRows
    resets: FlowRows


def _translated_back(context: Context, answers: PerFlow) -> _TranslatedBack:
    """SYNs alone, and RSTs alone to the same end, at one point, that acknowledge just one of them.

    A client to which a RST is not translated back does not take it: it sends its SYN again after a second.
    """
    flows = context.flows
    is_lone, flags = (flows[:, schema.FLOW_PROTO] == TCP) & (answers < 0), flows[:, schema.FLOW_TCP_FLAGS]
    asks = np.flatnonzero(is_lone & (flags & (TCP_SYN | TCP_RST | TCP_ACK) == TCP_SYN))
    resets = np.flatnonzero(is_lone & (flags & (TCP_SYN | TCP_RST | TCP_ACK) == TCP_RST | TCP_ACK))
    ends_ns = np.array([point.last or 0 for point in context.points] or [0])[flows[asks, schema.FLOW_POINT]]
    is_taken = (flows[asks, schema.FLOW_SYNS] == 1) & (ends_ns - flows[asks, schema.FLOW_FIRST] >= MIN_NO_RETRY_NS)
    asks, numbers = asks[is_taken], flows[:, schema.FLOW_FIRST_SEQ]
    sides = (
        (asks, [*schema.FLOW_PLACE, *_CLIENT_END], awaited_acknowledgment(numbers[asks])),
        (resets, [*schema.FLOW_PLACE, *_RECEIVER_END], first_acknowledgment(numbers[resets])),
    )
    keys, first, counts = zip(
        *(
            np.unique(combined_hash([hash_of(flows, columns, rows), of]), return_index=True, return_counts=True)
            for rows, columns, of in sides
        ),
        strict=True,
    )
    _, at_ask, at_reset = np.intersect1d(keys[0], keys[1], assume_unique=True, return_indices=True)
    is_one = (counts[0][at_ask] == 1) & (counts[1][at_reset] == 1)
    return _TranslatedBack(asks[first[0][at_ask[is_one]]], resets[first[1][at_reset[is_one]]])
