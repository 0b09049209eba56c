"""Associations of SCTP that were asked for, and what came of each at the points that show it.

Input: chunks that open or abort (`core.payload.SctpChunks`), flows, flow chains. Output: `Association`s, one for each
flow with an INIT at each point, in order of first sight.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.payload import SctpChunks
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import SCTP, SCTP_ABORT, SCTP_INIT, SCTP_INIT_ACK

_KEY = [*schema.FLOW_PLACE, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]


class Association(NamedTuple):
    """What one point shows of an association that was asked for."""

    row: int  # of the client's flow
    asked: SctpChunks  # its INITs
    accepted: SctpChunks | None  # INIT ACKs of the server
    aborted: SctpChunks | None  # ABORTs of the server

    @property
    def is_refused(self) -> bool:
        """Did the server answer by ABORT alone?"""
        return self.aborted is not None and self.accepted is None


@derived
def associations(context: Context) -> list[Association]:
    """The associations that were asked for, as each point shows them."""
    flows = context.flows
    rows = np.flatnonzero(flows[:, schema.FLOW_PROTO] == SCTP)
    row_of = {tuple(key): row for key, row in zip(flows[rows[:, None], _KEY].tolist(), rows.tolist(), strict=True)}
    chunks = {(*_flow(of), of.kind): of for of in context.sctp}
    asked = []
    for of in context.sctp:
        back = of.point, of.via, of.via_vni, of.dst_hi, of.dst_lo, of.src_hi, of.src_lo, of.dport, of.sport
        if of.kind == SCTP_INIT and _flow(of) in row_of:
            answers = (chunks.get((*back, kind)) for kind in (SCTP_INIT_ACK, SCTP_ABORT))
            asked.append(Association(row_of[_flow(of)], of, *answers))
    return asked


def _flow(of: SctpChunks) -> tuple[int, ...]:
    """What the key of its flow holds."""
    return tuple(of[: len(_KEY)])
