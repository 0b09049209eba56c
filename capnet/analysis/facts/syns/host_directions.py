"""Whether the host that recorded SYNs received them or sent them, by the packet types of a cooked capture.

Source: packet(7), PACKET_HOST and PACKET_OUTGOING; a capture at `any` has them. Input: SYNs, flows. Limits: the SYNs
that the table of the pass keeps. A filter may have left out what the host sent on under other addresses.
"""

from __future__ import annotations

from typing import Literal

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.facts.syns.ends import FLOW_ENDS, SYN_ENDS
from capnet.wire.numbers import PACKET_HOST, PACKET_OUTGOING

Direction = Literal["received", "sent", ""]


def host_direction(context: Context, rows: FlowRows) -> Direction:
    """What the host of the points did with the SYNs of each of these flow rows, if it is the same for all of them.

    `sent`: they left it. `received`: they were for it, and it did not send them on at this point.
    """
    is_cooked = context.syns[:, schema.SYN_PACKET_TYPE] >= 0
    if not is_cooked.any():
        return ""
    syns, ends = context.syns[is_cooked], hash_of(context.flows, FLOW_ENDS, rows)
    types, keys = syns[:, schema.SYN_PACKET_TYPE], hash_of(syns, SYN_ENDS)
    was_sent, was_received = (is_among(ends, keys[types == each]) for each in (PACKET_OUTGOING, PACKET_HOST))
    if was_sent.all():
        return "sent"
    return "received" if was_received.all() and not was_sent.any() else ""
