"""retransmissions: TCP sent data again.

Looks at: segments that end at or below what the same flow had already sent, at each point; the flow at the point that
saw most of them counts.
Says: how many flows and segments; packets were lost or late behind the first point that shows them.
Wrong when: segments overtook each other, or one point recorded packets twice (`duplicate-observation`).
"""

from __future__ import annotations

import numpy as np

from capnet.analyze.columns import FLOW_FIRST_FRAME, FLOW_POINT, FLOW_RETRANSMISSIONS
from capnet.analyze.context import Context
from capnet.analyze.copies import duplicates
from capnet.analyze.facts import Finding
from capnet.analyze.rows import plural


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    again = flows[:, FLOW_RETRANSMISSIONS].copy()
    if not again.any():
        return []
    twice = duplicates(context)
    again[twice.flow] = np.maximum(again[twice.flow] - twice.count, 0)
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
