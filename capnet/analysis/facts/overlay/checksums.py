"""Checksums of flows in tunnels: those of the carriers, and the flows' own, joined to the flow table.

Input: the table of the pass (`aggregate.payload.tunnel_checksums`). Output: one row per inner flow of the sample.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import first_equal, hash_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies, reply_values
from capnet.analysis.core.schema import FlowMask, FlowRows, Mask, TunnelChecksumTable, Values
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_ACK

_FLOW_KEY = [*schema.FLOW_PLACE, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]


class FlowChecksums(NamedTuple):
    """Arrays of one length, one entry per inner flow."""

    rows: FlowRows  # in the flow table
    counts: TunnelChecksumTable

    def verdicts(self, column: int) -> Values:
        """(n, 4) packets by verdict; `column`: CHECKSUM_OUTER or CHECKSUM_INNER."""
        return self.counts[:, column : column + schema.WRONG + 1]

    def all_bad(self, column: int) -> Values:
        """UNFILLED or WRONG where all packets have a checksum that is not right, the worst one; else RIGHT."""
        verdicts = self.verdicts(column)
        is_good = (verdicts[:, schema.RIGHT] > 0) | (verdicts[:, schema.NO_CHECKSUM] > 0)
        worst = np.where(verdicts[:, schema.WRONG] > 0, schema.WRONG, schema.UNFILLED)
        return np.where(is_good | (verdicts.sum(axis=1) == 0), schema.RIGHT, worst)

    def all_good(self, column: int) -> Mask:
        """Per entry: are there packets with a verdict, and is it RIGHT or NO_CHECKSUM for all of them?"""
        verdicts = self.verdicts(column)
        bad = verdicts[:, [schema.UNFILLED, schema.WRONG]].sum(axis=1)
        mask: Mask = (verdicts.sum(axis=1) > 0) & (bad == 0)
        return mask


@derived
def tunnel_checksums(context: Context) -> FlowChecksums:
    """The checksums of flows in tunnels, in order of the table of the pass."""
    return _of_flows(context, context.tunnel_checksums, np.flatnonzero(context.flows[:, schema.FLOW_VIA] > 0))


@derived
def plain_checksums(context: Context) -> FlowChecksums:
    """The checksums of TCP outside of tunnels, likewise."""
    is_plain = (context.flows[:, schema.FLOW_VIA] == 0) & (context.flows[:, schema.FLOW_PROTO] == TCP)
    return _of_flows(context, context.plain_checksums, np.flatnonzero(is_plain))


def _of_flows(context: Context, table: TunnelChecksumTable, inner: FlowRows) -> FlowChecksums:
    if not len(table) or not len(inner):
        return FlowChecksums(np.zeros(0, dtype=np.int64), table[:0])
    at = first_equal(hash_of(context.flows, _FLOW_KEY, inner), row_hash(table[:, : schema.CHECKSUM_KEY]))
    return FlowChecksums(inner[at[at >= 0]], table[at >= 0])


@derived
def is_accepted(context: Context) -> FlowMask:
    """Per flow row, did the receiver take its packets? It answered them, and a SYN-ACK with more than another SYN."""
    flows, answers = context.flows, replies(context)
    is_syn_ack = (answers >= 0) & (flows[:, schema.FLOW_SYNACK_TIME] >= 0)
    has_ack = reply_values(context, schema.FLOW_TCP_FLAGS) & TCP_ACK > 0
    mask: FlowMask = is_answered(context) & ~(is_syn_ack & ~has_ack)
    return mask
