"""SYNs with signatures by TCP MD5 (RFC 2385), which BGP sessions with a password have.

A server that has no password for the client, or another one, drops them without an answer, as one with a password
drops SYNs without a signature. Input: the table of SYNs, flows. Output: which ends of unanswered SYNs sign.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import first_equal, hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowRows, PerFlow
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.wire.fields import ABSENT
from capnet.wire.numbers import TCP

# Who signs: the client alone, and the server's own SYNs to it are not signed; the server alone; both; the client, and
# the capture has no SYN of the server.
Signers = Literal["client", "server", "both", "client at least"]

_FLOW = [*schema.FLOW_PLACE, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
_SYN = [
    schema.SYN_POINT, schema.SYN_VIA, schema.SYN_VIA_VNI, schema.SYN_SRC_HI, schema.SYN_SRC_LO, schema.SYN_DST_HI,
    schema.SYN_DST_LO, schema.SYN_SPORT, schema.SYN_DPORT,
]  # fmt: skip


@derived
def first_syns(context: Context) -> PerFlow:
    """Per flow, the row of its first SYN in the table of SYNs, -1 if it has none."""
    is_tcp = np.flatnonzero(context.flows[:, schema.FLOW_PROTO] == TCP)
    wanted = hash_of(context.flows, _FLOW, is_tcp).view(np.int64)
    syn_of: PerFlow = np.full(len(context.flows), ABSENT)
    syn_of[is_tcp] = first_equal(row_hash(context.syns[:, _SYN]).view(np.int64), wanted)
    return syn_of


def signers(context: Context, rows: FlowRows | list[int], port: int) -> Signers | None:
    """Which end signs, of SYNs to a port that nothing answers; None where neither does, or some SYNs differ."""
    if not (context.syns[:, schema.SYN_SIGNED] > 0).any():
        return None
    own = _signed(context, rows)
    back = _signed(context, opposite_rows(context, rows, port))
    if own == {1}:
        if len(back) > 1:
            return None
        return "client at least" if not back else "both" if back == {1} else "client" if back == {0} else None
    return "server" if own == {0} and back == {1} else None


def opposite_rows(context: Context, rows: FlowRows | list[int], port: int) -> list[int]:
    """Flows with SYNs to the same port between the same hosts, in the other direction."""
    flows = context.flows
    is_asked = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    asked = np.flatnonzero(is_asked & (flows[:, schema.FLOW_DPORT] == port))
    wanted = hash_of(flows, schema.FLOW_OPPOSITE_ADDRESSES, np.asarray(rows, dtype=np.int64))
    opposite: list[int] = asked[is_among(hash_of(flows, schema.FLOW_ADDRESSES, asked), wanted)].tolist()
    return opposite


def _signed(context: Context, rows: Collection[int] | FlowRows) -> set[int]:
    """The values of SYN_SIGNED of the first SYNs of these flows."""
    syn_rows = first_syns(context)[np.asarray(rows, dtype=np.int64)]
    return set(context.syns[syn_rows[syn_rows >= 0], schema.SYN_SIGNED].tolist())


def without_mirrored(context: Context, groups: Sequence[ServiceGroup]) -> list[ServiceGroup]:
    """The groups without those that are the other direction of one before or after them, told with its signatures."""
    kept: list[ServiceGroup] = []
    pairs: set[tuple[str, str, int]] = set()
    order: list[Signers | None] = ["client", "client at least", "both", "server", None]
    signing = {id(group): signers_of(context, group) for group in groups}
    for group in sorted(groups, key=lambda group: order.index(signing[id(group)])):
        ends = {(group.first.address, client, group.first.port) for client in group.clients}
        if signing[id(group)] in ("both", "server") and ends <= {(pair[1], pair[0], pair[2]) for pair in pairs}:
            continue
        kept.append(group)
        if signing[id(group)]:
            pairs |= ends
    return [group for group in groups if group in kept]


def signers_of(context: Context, group: ServiceGroup) -> Signers | None:
    """Which end signs the SYNs of a group that is one service."""
    return signers(context, group.first.rows, group.first.port) if len(group.services) == 1 else None
