"""Which repetition is which, when one of them was lost on the way?

Equal packets (a retry, a keep-alive, a beacon without IP identification) are told apart by their order: the second here
is the second there. That holds as long as every hop saw as many. Where one saw fewer, times decide: what arrives is the
last that had been sent by then. `trace.packet_ids` names packets by what is found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from capnet.analysis.aggregate import hash_table
from capnet.analysis.core.arrays import among, by_digest, in_company
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import OBS_DIGEST, OBS_FLOW, OBS_SEQ, OBS_TIME
from capnet.analysis.correlate.bridge_order import correct_bridge_times
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.correlate.flow_links import Links
from capnet.wire.octets import mix

MOST_REPEATED = 1 << 18  # observations looked at one by one; more repetitions than that keep their order


def rank_key(flow: int, digest: int, rank: int) -> int:
    """Never 0. With a secret in it, as the hashes of `aggregate.hash_table`: keys end up in a hash table."""
    return mix(mix(mix(int(hash_table.SECRET[0]), flow), digest), rank) | 1


def places(context: Context, found: Links, trail: np.ndarray, copied: np.ndarray, within_ns: int) -> dict[int, int]:
    """`rank_key` of a flow row, a digest and its how-manieth packet there → its how-manieth packet on the whole trail.

    Without what is the same. `trail`: first flow row of each flow's trail; `copied`: flows of which a point recorded
    packets twice within `within_ns`.
    """
    seen = _repeated(context, trail)
    moved: dict[int, int] = {}
    for group in _groups(seen, trail):
        hops = {flow: _times(rows, bool(copied[flow]), within_ns) for flow, rows in group}
        if len({len(times) for times in hops.values()}) == 1:
            continue
        digest = int(group[0][1][0, OBS_DIGEST])
        known: list[tuple[int, int]] = []  # (time at the last hop that had it, place) of each packet, by time
        for flow in _in_order(found, hops):
            times = hops[flow]
            taken = _aligned(known, times)
            for rank, (time, which) in enumerate(zip(times, taken, strict=True)):
                place = len(known) if which is None else known[which][1]
                if which is None:
                    known.append((time, place))
                else:
                    known[which] = time, place
                if place != rank:
                    moved[rank_key(flow, digest, rank)] = place
            known.sort()
    return moved


def _repeated(context: Context, trail: np.ndarray) -> np.ndarray:
    """The observations of digests that some flow shows more than once, of flows that were followed, under one clock."""
    seen = correct_bridge_times(context, context.observations)
    seen = seen[np.bincount(trail, minlength=len(trail))[trail][seen[:, OBS_FLOW]] > 1]
    seen = seen[by_digest(seen[:, OBS_DIGEST], seen[:, OBS_FLOW], seen[:, OBS_TIME], seen[:, OBS_SEQ])]
    seen = seen[in_company(seen[:, OBS_DIGEST])]
    again = np.zeros(len(seen), dtype=bool)
    again[1:] = (seen[1:, OBS_DIGEST] == seen[:-1, OBS_DIGEST]) & (seen[1:, OBS_FLOW] == seen[:-1, OBS_FLOW])
    seen = seen[among(seen[:, OBS_DIGEST], seen[again, OBS_DIGEST])]
    if len(seen) > MOST_REPEATED:
        return seen[:0]
    known = clocks(context)
    seen[:, OBS_TIME] = known.observation_times(context, seen)
    return seen


def _groups(seen: np.ndarray, trail: np.ndarray) -> Iterator[list[tuple[int, np.ndarray]]]:
    """(flow row, its observations by time) of each trail and digest."""
    order = np.lexsort((seen[:, OBS_TIME], seen[:, OBS_FLOW], trail[seen[:, OBS_FLOW]], seen[:, OBS_DIGEST]))
    seen = seen[order]
    fresh = np.ones(len(seen) + 1, dtype=bool)
    fresh[1:-1] = seen[1:, OBS_FLOW] != seen[:-1, OBS_FLOW]
    fresh[1:-1] |= seen[1:, OBS_DIGEST] != seen[:-1, OBS_DIGEST]
    starts = np.flatnonzero(fresh).tolist()
    group: list[tuple[int, np.ndarray]] = []
    last = None
    for start, stop in pairwise(starts):
        flow = int(seen[start, OBS_FLOW])
        key = int(trail[flow]), int(seen[start, OBS_DIGEST])
        if key != last and group:
            yield group
            group = []
        last = key
        group.append((flow, seen[start:stop]))
    if group:
        yield group


def _times(rows: np.ndarray, copied: bool, within_ns: int) -> list[int]:
    """Times of the packets of one flow and digest, copies that the capture made left out."""
    times: list[int] = []
    before = None
    for time in rows[:, OBS_TIME].tolist():
        if not (copied and before is not None and time - before <= within_ns):
            times.append(time)
        before = time
    return times


def _in_order(found: Links, hops: dict[int, list[int]]) -> list[int]:
    """Flow rows of one trail, the first hop first."""

    def depth(flow: int) -> int:
        steps = 0
        while found.before[flow] >= 0:
            flow = int(found.source[found.before[flow]])
            steps += 1
        return steps

    return sorted(hops, key=depth)


def _aligned(known: list[tuple[int, int]], times: list[int]) -> list[int | None]:
    """For each time, the index of the last packet that was seen by then and that no later time takes; None without."""
    taken: list[int | None] = []
    at = len(known) - 1
    for time in reversed(times):
        while at >= 0 and known[at][0] > time:
            at -= 1
        taken.append(at if at >= 0 else None)
        at -= at >= 0
    return taken[::-1]
