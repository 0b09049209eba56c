"""mtu-blackhole: large packets vanish between two points where small ones get through.

Looks at: the lengths of the packets of one flow that are missing at the next hop against those that arrived there.
Every missing one must be larger than every one that arrived, and there must be several of both.
Says: between which points, above which length, and whether anybody said so ("fragmentation needed").
Wrong when: loss hit large packets only by chance; the more packets, the less likely.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.schema import (
    FLOW_KIND,
    FLOW_LARGEST_IP,
    FLOW_PAYLOAD,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_RETRANSMISSIONS,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_FRAME,
    OBS_LENGTH,
)
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.link_building import flow_links
from capnet.wire.numbers import ICMP, ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE, TCP

FRAGMENTATION_NEEDED = ICMP_UNREACHABLE * 256 + ICMP_FRAGMENTATION_NEEDED
LARGEST_MTU = 9216  # above it, segmentation offload is at work
FEWEST = 2  # packets lost, and packets that got through


def diagnose(context: Context) -> list[Finding]:
    flows, found = context.flows, flow_links(context)
    by_place: dict[tuple[int, int], list[tuple[int, int, int, list[Evidence]]]] = {}
    for link in np.flatnonzero(found.missing >= FEWEST).tolist():
        one, two = int(found.source[link]), int(found.target[link])
        if flows[one, FLOW_LARGEST_IP] <= flows[two, FLOW_LARGEST_IP] or not _really_missing(context, one, two):
            continue
        lost = _lost(context, one, two)
        if lost:
            place = int(flows[one, FLOW_POINT]), int(flows[two, FLOW_POINT])
            by_place.setdefault(place, []).append((*lost, _evidence(context, one, two)))
    told = sorted({source(flows[row]) for row in np.flatnonzero(_needed(flows)).tolist()})
    findings = []
    for (before, after), cases in sorted(by_place.items()):
        passes, fails, count = max(c[0] for c in cases), min(c[1] for c in cases), sum(c[2] for c in cases)
        if passes >= fails:
            continue
        names = context.points[before].name, context.points[after].name
        said = f"{', '.join(told)} said so by ICMP" if told else "and nobody says so by ICMP"
        findings.append(
            Finding(
                "mtu-blackhole",
                "error",
                f"{plural(count, 'packet')} of {fails} bytes and more never got from {names[0]} to {names[1]}, up to "
                f"{passes} bytes did; {said}",
                f"lower the MTU of the sending interface to {passes} or less, or raise that of the link between them",
                {"from": names[0], "to": names[1], "passes": passes, "fails": fails, "packets": count, "told_by": told},
                sorted(frame for case in cases for frame in case[3])[:10],
            )
        )
    return findings


def _really_missing(context: Context, one: int, two: int) -> bool:
    """TCP is cut differently from point to point: it counts where octets are missing and were sent again."""
    flows = context.flows
    if flows[one, FLOW_PROTO] != TCP:
        return True
    again = flows[one, FLOW_RETRANSMISSIONS] > flows[two, FLOW_RETRANSMISSIONS]
    small = flows[one, FLOW_LARGEST_IP] <= LARGEST_MTU
    return bool(again and small and flows[one, FLOW_PAYLOAD] > flows[two, FLOW_PAYLOAD])


def _lost(context: Context, one: int, two: int) -> tuple[int, int, int] | None:
    """(largest that arrived, smallest that did not, how many did not) of the packets of flow `one` at `two`."""
    seen = context.observations
    mine = seen[seen[:, OBS_FLOW] == one]
    there = among(mine[:, OBS_DIGEST], seen[seen[:, OBS_FLOW] == two, OBS_DIGEST])
    arrived, missing = mine[there, OBS_LENGTH], mine[~there, OBS_LENGTH]
    if len(arrived) < FEWEST or len(missing) < FEWEST or missing.min() <= arrived.max():
        return None
    return int(arrived.max()), int(missing.min()), len(missing)


def _evidence(context: Context, one: int, two: int) -> list[Evidence]:
    """The first packets that were lost."""
    seen = context.observations
    mine = seen[seen[:, OBS_FLOW] == one]
    there = among(mine[:, OBS_DIGEST], seen[seen[:, OBS_FLOW] == two, OBS_DIGEST])
    return [context.flow_evidence(one, int(frame)) for frame in np.sort(mine[~there, OBS_FRAME])[:3]]


def _needed(flows: np.ndarray) -> np.ndarray:
    return (flows[:, FLOW_PROTO] == ICMP) & (flows[:, FLOW_KIND] == FRAGMENTATION_NEEDED)
