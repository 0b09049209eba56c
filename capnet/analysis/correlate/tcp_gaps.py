"""In which order did the octets of a TCP flow come, and which ones never did?

Wherever a flow's packets were all compared, its sequence numbers tell: octets that come after later ones have left a
gap for a while. Sent again, or only overtaken? Wireshark draws the line at 3 ms, and so do we.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capnet.analysis.core.arrays import among, distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import (
    FLOW_FIRST_SEQ,
    FLOW_PAYLOAD,
    FLOW_PROTO,
    FLOW_RETRANSMISSIONS,
    FLOW_TCP_FLAGS,
    OBS_BYTES,
    OBS_FLOW,
    OBS_FRAME,
    OBS_FROM,
    OBS_SEQ,
    OBS_TIME,
    USED_AGAIN,
)
from capnet.analysis.correlate.duplicates import duplicates
from capnet.wire.numbers import TCP

OVERTAKEN_NS = 3_000_000  # later than this is no reordering
WIDEST = 1 << 24  # octets in flight at most; a wider gap is another connection with the same ports
LONGEST = 1 << 31  # octets in a flow: beyond, its sequence numbers come round
MOST_FLOWS = 500  # looked at one by one


@dataclass
class Gaps:
    """What a flow misses. `late`: octets that came after later ones; `never`: that did not come."""

    flow: int
    late: int = 0
    never: int = 0
    overtaken: int = 0  # segments that came after later ones, but so soon that nobody had sent them again
    frame: int = 0  # the first one behind a gap


def gaps(context: Context, wanted: np.ndarray) -> list[Gaps]:
    """Of the flow rows that `wanted` marks those with gaps, in order of their rows, at most MOST_FLOWS.

    Nothing is said where only a sample of packets was compared, and of ports that were used again: another connection
    has other numbers.
    """
    flows = context.flows
    if context.sample_share < 1.0 or not len(context.observations):
        return []
    mine = wanted & (flows[:, FLOW_PROTO] == TCP) & (flows[:, FLOW_PAYLOAD] < LONGEST)
    mine &= flows[:, FLOW_TCP_FLAGS] & USED_AGAIN == 0
    seen = context.observations
    seen = seen[mine[seen[:, OBS_FLOW]] & (seen[:, OBS_FROM] >= 0) & (seen[:, OBS_BYTES] > 0)]
    seen = seen[np.lexsort((seen[:, OBS_SEQ], seen[:, OBS_FLOW]))]
    flow = seen[:, OBS_FLOW]
    # Turned so that half the circle of numbers lies on each side of where the flow began.
    begin = (flows[flow, FLOW_FIRST_SEQ] >> 32) + (1 << 31)
    start = (seen[:, OBS_FROM] - begin + (1 << 31)) % (1 << 32)
    stop = start + seen[:, OBS_BYTES]
    fresh = np.ones(len(seen), dtype=bool)
    fresh[1:] = flow[1:] != flow[:-1]
    # Each flow's numbers on a stretch of their own, so that one running maximum serves all.
    apart = (np.cumsum(fresh) - 1) << 33
    highest = np.maximum.accumulate(stop + apart)
    ahead = np.zeros(len(seen), dtype=np.int64)
    ahead[1:] = (start + apart)[1:] - highest[:-1]
    ahead[fresh] = 0
    strange = distinct(flow[ahead > WIDEST])
    holed = distinct(flow[ahead > 0])
    holed = holed[~among(holed, strange)]
    found = []
    for row in holed[:MOST_FLOWS].tolist():
        at, end = np.searchsorted(flow, [row, row + 1])
        found.append(_of_one(row, start[at:end].tolist(), stop[at:end].tolist(), seen[at:end]))
    return found


@derived
def sent_again(context: Context) -> np.ndarray:
    """Per flow row, TCP segments that were sent again: neither recorded twice nor only overtaken by later ones."""
    again = context.flows[:, FLOW_RETRANSMISSIONS].copy()
    if again.any():
        twice = duplicates(context)
        again[twice.flow] -= twice.count
        for each in gaps(context, again > 0):
            again[each.flow] -= each.overtaken
    return np.maximum(again, 0)


def _of_one(row: int, starts: list[int], stops: list[int], seen: np.ndarray) -> Gaps:
    result = Gaps(row)
    open_: list[tuple[int, int, int]] = []  # start, stop, time at which it was left open
    highest = stops[0]
    for start, stop, time, frame in zip(
        starts, stops, seen[:, OBS_TIME].tolist(), seen[:, OBS_FRAME].tolist(), strict=True
    ):
        if start > highest:
            open_.append((highest, start, time))
            result.frame = result.frame or frame
        elif start < highest and open_:
            left = []
            filled = 0  # octets that came before anybody can have sent them again
            for low, high, since in open_:
                inner, outer = max(low, start), min(high, stop)
                if inner >= outer:
                    left.append((low, high, since))
                    continue
                in_time = time - since <= OVERTAKEN_NS
                filled += (outer - inner) * in_time
                result.late += (outer - inner) * (not in_time)
                left += [(low, inner, since)] * (low < inner) + [(outer, high, since)] * (outer < high)
            open_ = left
            result.overtaken += filled == stop - start
        highest = max(highest, stop)
    result.never = sum(high - low for low, high, _ in open_)
    return result
