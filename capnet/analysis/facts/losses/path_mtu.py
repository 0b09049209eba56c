"""Flows whose sender learned the MTU of the path: a router refused large packets, and the sender went on.

Path MTU discovery (RFC 1191, RFC 8201) loses packets on purpose and sends their octets again in smaller ones.

Input: the ICMP error table, flows. Output: one bool per flow row. Method: a message "fragmentation needed" or "packet
too big" quotes the flow at its point, and the flow has packets after the last of them.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.fate.next_points import chain_of
from capnet.wire.numbers import ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE, ICMPV6_PACKET_TOO_BIG

_QUOTED = [
    schema.ICMP_POINT, schema.ICMP_QUOTED_PROTO, schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO,
    schema.ICMP_QUOTED_DST_HI, schema.ICMP_QUOTED_DST_LO, schema.ICMP_QUOTED_SPORT, schema.ICMP_QUOTED_DPORT,
]  # fmt: skip
_FLOW = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]


@derived
def learned_path_mtu(context: Context) -> FlowMask:
    """Flows that went on after they were told the MTU of the path."""
    flows, table = context.flows, context.icmp_errors
    is_v6, kind, code = table[:, schema.ICMP_IS_V6] > 0, table[:, schema.ICMP_TYPE], table[:, schema.ICMP_CODE]
    is_needed = (kind == ICMP_UNREACHABLE) & (code == ICMP_FRAGMENTATION_NEEDED)
    messages = table[np.where(is_v6, kind == ICMPV6_PACKET_TOO_BIG, is_needed)]
    if not len(messages) or not len(flows):
        return np.zeros(len(flows), dtype=bool)
    quoted, last = row_hash(messages[:, _QUOTED]), messages[:, schema.ICMP_LAST]
    order = np.lexsort((-last, quoted))
    quoted, last = quoted[order], last[order]
    keys = row_hash(flows[:, _FLOW])
    at = np.minimum(np.searchsorted(quoted, keys), len(quoted) - 1)
    learned = (quoted[at] == keys) & (flows[:, schema.FLOW_LAST] > last[at])
    chain = chain_of(context)
    by_chain = np.zeros(len(flows), dtype=bool)
    by_chain[chain[learned]] = True
    return by_chain[chain]
