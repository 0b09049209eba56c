"""The columns by which a SYN belongs to its flow: the same of both tables, in one order."""

from __future__ import annotations

from capnet.analysis.core import schema

FLOW_ENDS = [
    schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_VIA_VNI, schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_DST_HI,
    schema.FLOW_DST_LO, schema.FLOW_SPORT, schema.FLOW_DPORT,
]  # fmt: skip
SYN_ENDS = [
    schema.SYN_POINT, schema.SYN_VIA, schema.SYN_VIA_VNI, schema.SYN_SRC_HI, schema.SYN_SRC_LO, schema.SYN_DST_HI,
    schema.SYN_DST_LO, schema.SYN_SPORT, schema.SYN_DPORT,
]  # fmt: skip
