"""SYN floods: one service, and SYNs of addresses that their sender makes up.

Input: unanswered services. Output: from how many addresses, for how long, and the MAC of their sender.
Method: hundreds of IPv4 sources with a few SYNs each, spread over all first octets. Clients of a service come from few
networks, and wait for an answer longer than who forges an address can.
"""

from __future__ import annotations

import math

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence
from capnet.analysis.facts.syns.unanswered_services import UnansweredService, unanswered_services
from capnet.quick_tuple import NamedTuple

MIN_SOURCES = 200
MAX_SYNS = 3  # of each source on average
MIN_NETWORKS = 50  # first octets


class SynFlood(NamedTuple):
    """Where a flood comes from."""

    service: UnansweredService
    sources: int
    seconds: int
    point: str
    mac: int  # of its first packet, ABSENT without Ethernet
    evidence: list[Evidence]


@derived
def syn_floods(context: Context) -> list[SynFlood]:
    """The floods, by the address and port that they are for."""
    return [flood for service in unanswered_services(context) if (flood := _flood(context, service))]


def _flood(context: Context, service: UnansweredService) -> SynFlood | None:
    if len(service.rows) < MIN_SOURCES or service.other_answer.kind == "before":
        return None
    flows = context.flows[service.rows]
    low = flows[:, schema.FLOW_SRC_LO]
    sources = len(distinct(low))
    is_spread = len(distinct(low >> 24 & 0xFF)) >= MIN_NETWORKS and not flows[:, schema.FLOW_SRC_HI].any()
    if sources < MIN_SOURCES or not is_spread or service.syns > MAX_SYNS * sources:
        return None
    span = int(flows[:, schema.FLOW_LAST].max() - flows[:, schema.FLOW_FIRST].min())
    return SynFlood(
        service,
        sources,
        math.ceil(span / 1e9),
        context.points[int(flows[0, schema.FLOW_POINT])].name,
        int(flows[0, schema.FLOW_SMAC]),
        context.first_frames(service.rows[:MAX_EVIDENCE]),
    )
