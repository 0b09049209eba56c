"""packet-loss: packets of a flow are missing at the next point on their way.

Looks at: packets of each hop that are not at the next one, while that point was listening (`correlate.loss`): by
digest, and by octets where offload or fragmentation cut them differently.
Says: between which two points, how many of how many packets, and of how many flows.
Wrong when: the capture itself dropped packets (`capture-dropped-packets`), or the flow went on by two ways and only one
of them was captured.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.schema import FLOW_POINT
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.hop_loss import lost_packets
from capnet.analysis.facts.tunnels import carrier_flows


def diagnose(context: Context) -> list[Finding]:
    found = flow_links(context)
    flows = context.flows
    carrying = carrier_flows(context)
    places: dict[tuple[int, int], list[int]] = {}
    for link in np.flatnonzero((found.missing > 0) | (found.missing_bytes > 0)).tolist():
        row = flows[found.source[link]]
        if not carrying[found.source[link]] and lost_packets(context, found, link):
            place = int(row[FLOW_POINT]), int(flows[found.target[link], FLOW_POINT])
            places.setdefault(place, []).append(link)
    return [_finding(context, place, places[place]) for place in sorted(places)]


def _finding(context: Context, place: tuple[int, int], gone: list[int]) -> Finding:
    found = flow_links(context)
    here, there = (context.points[point] for point in place)
    count = sum(lost_packets(context, found, link) or 0 for link in gone)
    packets = sum(int(packets_without_duplicates(context)[found.source[link]]) for link in gone)
    evidence: list[Evidence] = [context.flow_evidence(found.source[link], int(found.frames[link, 0])) for link in gone]
    facts: dict[str, object] = {
        "after": here.name,
        "before": there.name,
        "lost": count,
        "packets": packets,
        "flows": len(gone),
        "bytes": sum(max(int(found.missing_bytes[link]), 0) for link in gone),
        "captures_dropped": there.dropped,
    }
    return Finding(
        "packet-loss",
        "warning",
        f"{count} of {plural(packets, 'packet')} in {plural(len(gone), 'flow')} passed {here.name} and did not reach "
        f"{there.name}",
        f"look at what lies between {here.name} and {there.name}: filters, queues, MTU"
        + ("; the capture there dropped packets itself" if there.dropped else ""),
        facts,
        sorted(evidence)[:10],
    )
