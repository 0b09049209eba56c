"""retransmissions: TCP sent data again.

Looks at: segments that end at or below what the same flow had already sent, at each point; the flow at the point that
saw most of them counts.
Says: how many flows and segments; packets were lost or late behind the first point that shows them.
Segments that came out of order within 3 ms, or that one point recorded twice (`duplicate-observation`), do not count.
Wrong when: segments overtook each other by more, or only a sample of packets was compared and they overtook at all.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_FIRST_FRAME, FLOW_POINT
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments


def diagnose(context: Context) -> list[Finding]:
    flows, again = context.flows, retransmitted_segments(context)
    rows = again.nonzero()[0].tolist()
    if not rows:
        return []
    per_point: dict[str, int] = {}
    for row in rows:
        name = context.points[flows[row, FLOW_POINT]].name
        per_point[name] = per_point.get(name, 0) + int(again[row])
    worst = max(sorted(per_point), key=lambda name: per_point[name])
    return [
        Finding(
            "retransmissions",
            "warning",
            f"TCP sent {plural(per_point[worst], 'segment')} again at {worst}",
            "look for the hop behind which packets are missing (PATHS), or for a receiver that is too slow",
            {"segments": per_point},
            sorted(context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in rows)[:10],
        )
    ]
