"""offload-oversize-frames: packets larger than any MTU on their way.

Looks at: the largest IP packet of each flow, at points other than loopback.
Says: that segmentation offload (GSO, GRO) leaves cutting to a later point; the network is no jumbo network.
Wrong when: the MTU really is above 9216 bytes.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_FIRST_FRAME, FLOW_LARGEST_IP, FLOW_POINT
from capnet.analysis.core.wording import plural

LARGEST_MTU = 9216  # what jumbo frames reach at most on usual cards


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    large = [
        row
        for row in (flows[:, FLOW_LARGEST_IP] > LARGEST_MTU).nonzero()[0].tolist()
        if context.points[flows[row, FLOW_POINT]].role != "loopback"
    ]
    if not large:
        return []
    largest = int(flows[large, FLOW_LARGEST_IP].max())
    points = sorted({context.points[flows[row, FLOW_POINT]].name for row in large})
    return [
        Finding(
            "offload-oversize-frames",
            "info",
            f"IP packets of up to {largest} bytes at {plural(len(points), 'point')}: "
            "segmentation offload, not the network's MTU",
            "nothing to fix; `ethtool -K IFACE gso off tso off gro off` shows packets as the wire has them",
            {"largest": largest, "points": points},
            sorted(context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in large)[:10],
        )
    ]
