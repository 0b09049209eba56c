"""sequence-gap: octets of a TCP connection are missing at the first point that saw it.

Looks at: the sequence numbers of each flow where it was seen first, when every packet was compared. A packet that was
dropped before the tap (a queue, a policer) is in no capture, not even at its sender's own card: it is only a gap.
Says: at which point, in how many flows, how many octets came late, after later ones, and how many never.
Wrong when: segments overtook each other by more than 3 ms, or another way that was not captured carried them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capnet.analyze.arrays import among, distinct
from capnet.analyze.columns import (
    FLOW_FIRST_SEQ,
    FLOW_PAYLOAD,
    FLOW_POINT,
    FLOW_PROTO,
    OBS_BYTES,
    OBS_FLOW,
    OBS_FRAME,
    OBS_FROM,
    OBS_SEQ,
    OBS_TIME,
)
from capnet.analyze.context import Context
from capnet.analyze.facts import Finding
from capnet.analyze.identity import links
from capnet.analyze.rows import TCP, plural

OVERTAKEN_NS = 3_000_000  # later than this is no reordering: where Wireshark draws the line, too
WIDEST = 1 << 24  # octets in flight at most; a wider gap is another connection with the same ports
LONGEST = 1 << 31  # octets in a flow: beyond, its sequence numbers come round
MOST_FLOWS = 500  # looked at one by one


@dataclass
class _Gaps:
    """What a flow misses. `late`: octets that came after later ones; `never`: that did not come."""

    flow: int
    late: int = 0
    never: int = 0
    frame: int = 0  # the first one behind a gap


def diagnose(context: Context) -> list[Finding]:
    by_point: dict[int, list[_Gaps]] = {}
    for gaps in _gaps(context):
        by_point.setdefault(int(context.flows[gaps.flow, FLOW_POINT]), []).append(gaps)
    findings = []
    for point, found in sorted(by_point.items()):
        late, never = sum(each.late for each in found), sum(each.never for each in found)
        name, dropped = context.points[point].name, context.points[point].dropped
        says = [f"{plural(late, 'octet')} came after later ones"] if late else []
        says += [f"{plural(never, 'octet')} did not come"] if never else []
        findings.append(
            Finding(
                "sequence-gap",
                "warning" if late else "info",
                f"{plural(len(found), 'TCP flow')} had gaps at {name}, where seen first: {', '.join(says)}",
                "look before this point: queues (`tc -s qdisc`), policers and filters drop packets that no capture "
                "shows" + ("; the capture there dropped packets itself" if dropped else ""),
                {"point": name, "flows": len(found), "late": late, "never": never, "captures_dropped": dropped},
                [context.flow_evidence(each.flow, each.frame) for each in found][:10],
            )
        )
    return findings


def _gaps(context: Context) -> list[_Gaps]:
    """The flows with gaps, by time of their first packet."""
    flows = context.flows
    if context.sample_share < 1.0 or not len(context.observations):
        return []
    first = (links(context).before < 0) & (flows[:, FLOW_PROTO] == TCP) & (flows[:, FLOW_PAYLOAD] < LONGEST)
    seen = context.observations
    seen = seen[first[seen[:, OBS_FLOW]] & (seen[:, OBS_FROM] >= 0) & (seen[:, OBS_BYTES] > 0)]
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
        gaps = _of_one(row, start[at:end].tolist(), stop[at:end].tolist(), seen[at:end])
        if gaps.late or gaps.never:
            found.append(gaps)
    return found


def _of_one(row: int, starts: list[int], stops: list[int], seen: np.ndarray) -> _Gaps:
    result = _Gaps(row)
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
            for low, high, since in open_:
                inner, outer = max(low, start), min(high, stop)
                if inner >= outer:
                    left.append((low, high, since))
                    continue
                result.late += (outer - inner) * (time - since > OVERTAKEN_NS)
                left += [(low, inner, since)] * (low < inner) + [(outer, high, since)] * (outer < high)
            open_ = left
        highest = max(highest, stop)
    result.never = sum(high - low for low, high, _ in open_)
    return result
