"""SYN floods: one service, and SYNs of addresses that their sender makes up.

Input: an unanswered service. Output: from how many addresses, for how long, and the MAC of their sender, or None.
Method: hundreds of IPv4 sources with a few SYNs each, spread over all first octets. Clients of a service come from few
networks, and wait for an answer longer than who forges an address can.
"""

from __future__ import annotations

import math

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence
from capnet.analysis.facts.losses.unanswered_syns import UnansweredService
from capnet.quick_tuple import NamedTuple

MIN_SOURCES = 200
MAX_SYNS = 3  # of each source on average
MIN_NETWORKS = 50  # first octets


class SynFlood(NamedTuple):
    """Where a flood comes from."""

    sources: int
    seconds: int
    point: str
    mac: int  # of its first packet, ABSENT without Ethernet
    evidence: list[Evidence]


def syn_flood(context: Context, services: list[UnansweredService]) -> SynFlood | None:
    """The flood that these unanswered SYNs are, if they are for one service and of random addresses."""
    service = services[0]
    if len(services) > 1 or len(service.rows) < MIN_SOURCES or service.shown == "before":
        return None
    flows = context.flows[service.rows]
    low = flows[:, schema.FLOW_SRC_LO]
    sources = len(distinct(low))
    is_spread = len(distinct(low >> 24 & 0xFF)) >= MIN_NETWORKS and not flows[:, schema.FLOW_SRC_HI].any()
    if sources < MIN_SOURCES or not is_spread or service.syns > MAX_SYNS * sources:
        return None
    span = int(flows[:, schema.FLOW_LAST].max() - flows[:, schema.FLOW_FIRST].min())
    return SynFlood(
        sources,
        math.ceil(span / 1e9),
        context.points[int(flows[0, schema.FLOW_POINT])].name,
        int(flows[0, schema.FLOW_SMAC]),
        context.first_frames(service.rows[:MAX_EVIDENCE]),
    )
