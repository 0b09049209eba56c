"""The columns by which a SYN belongs to its flow: the same of both tables, in one order."""

from __future__ import annotations

from capnet.analysis.core import schema

FLOW_ENDS = [*schema.FLOW_PLACE, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
SYN_ENDS = [
    schema.SYN_POINT, schema.SYN_VIA, schema.SYN_VIA_VNI, schema.SYN_SRC_HI, schema.SYN_SRC_LO, schema.SYN_DST_HI,
    schema.SYN_DST_LO, schema.SYN_SPORT, schema.SYN_DPORT,
]  # fmt: skip
