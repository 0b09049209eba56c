"""Between which points packets of given flows are lost, for findings that say why.

Input: flow rows, and what is missing at the next hop (`fate.hop_loss`). Output: one `LossPlace` per pair of points.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FLOW_POINT, FlowRows
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.hop_loss import lost_packets
from capnet.quick_tuple import NamedTuple


class LossPlace(NamedTuple):
    """Names of two points, and how many of how many packets passed the first one and did not reach the second."""

    before: str
    after: str
    lost: int
    packets: int


def loss_places(context: Context, rows: FlowRows) -> list[LossPlace]:
    """Where packets of these flows are lost, most packets first."""
    links = flow_links(context)
    numbers = np.flatnonzero(is_among(links.source, rows) & ((links.missing > 0) | (links.missing_bytes > 0)))
    counts: dict[tuple[str, str], list[int]] = {}
    for link in numbers.tolist():
        if lost := lost_packets(context, links, link):
            ends = links.source[link], links.target[link]
            before, after = (context.points[int(context.flows[row, FLOW_POINT])].name for row in ends)
            count = counts.setdefault((before, after), [0, 0])
            count[0] += lost
            count[1] += int(packets_without_duplicates(context)[links.source[link]])
    return sorted((LossPlace(*points, *count) for points, count in counts.items()), key=lambda place: -place.lost)
