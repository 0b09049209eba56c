"""duplicate-observation: one point recorded the same packet twice.

Looks at: equal digests in one flow at one point within a millisecond.
Says: how many packets are there twice; they were captured twice, not sent twice.
Wrong when: a host really sends two identical packets, same IP identification included, within a millisecond.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.schema import FLOW_POINT
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.duplicates import duplicates


def diagnose(context: Context) -> list[Finding]:
    found = duplicates(context)
    counts: dict[int, int] = {}
    evidence: dict[int, list[Evidence]] = {}
    for i in range(len(found.flow_rows)):
        point = int(context.flows[found.flow_rows[i], FLOW_POINT])
        counts[point] = counts.get(point, 0) + int(found.counts[i])
        evidence.setdefault(point, []).extend(context.evidence(point, int(frame)) for frame in found.frames[i])
    return [
        Finding(
            "duplicate-observation",
            "info",
            f"{context.points[point].name} recorded {plural(counts[point], 'packet')} twice",
            "nothing to fix: an `any` capture or a promiscuous bridge sees some packets twice",
            {"point": context.points[point].name, "packets": counts[point]},
            sorted(evidence[point])[:10],
        )
        for point in sorted(counts)
    ]
