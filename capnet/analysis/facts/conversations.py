"""Which trails are the two directions of one conversation, and in which order are they told?

A trail (`trace.packet_ids`) is one direction of a flow at all its hops. Two trails belong together when somewhere one
answers the other; a direction that was seen in pieces is several trails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FLOW_FIRST, FLOW_PACKETS, FLOW_SYN_TIME
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.swarm_traffic import swarms_own
from capnet.analysis.facts.tunnels import carrier_flows


@dataclass(frozen=True)
class Conversation:
    """Flow rows with which its trails begin, the way there and the way back, each by time of its first packet."""

    there: list[int]
    back: list[int]


def conversations(context: Context, wanted: np.ndarray | None = None, most: int = 10) -> tuple[list[Conversation], int]:
    """The first `most` conversations of the flow rows that `wanted` marks, most packets first, and how many there are.

    The outside of tunnels only where nothing else is wanted; with `wanted` None, so it is with Swarm's own traffic, and
    with what was seen at one point only.
    """
    flows = context.flows
    found = flow_links(context)
    trail = flow_chains(found, len(flows))
    rows = np.ones(len(flows), dtype=bool) if wanted is None else wanted
    rows = _unless_all(rows, carrier_flows(context))
    if wanted is None:
        rows = _unless_all(rows, swarms_own(context))
        rows = _unless_all(rows, np.bincount(trail, minlength=len(flows))[trail] == 1)
    answers = replies(context)
    member = _members(trail, answers)
    groups = distinct(member[rows])
    total = len(groups)
    if not total:
        return [], 0
    packets = np.zeros(len(flows), dtype=np.int64)
    np.maximum.at(packets, member, flows[:, FLOW_PACKETS])
    first = np.full(len(flows), np.iinfo(np.int64).max)
    np.minimum.at(first, member, flows[:, FLOW_FIRST])
    groups = groups[np.lexsort((groups, first[groups], -packets[groups]))][:most]
    by_group = np.argsort(member, kind="stable")
    sorted_members = member[by_group]
    starts = np.searchsorted(sorted_members, groups)
    ends = np.searchsorted(sorted_members, groups, side="right")
    shown = [
        _conversation(context, by_group[start:end], trail, answers)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return shown, total


def _unless_all(rows: np.ndarray, without: Any) -> np.ndarray:
    left: np.ndarray = rows & ~without
    return left if left.any() else rows


def _members(trail: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Per flow row: a number for its conversation, the lowest row with which one of its trails begins."""
    answered = np.flatnonzero(answers >= 0)
    one, two = trail[answered], trail[answers[answered]]
    member = trail.copy()
    while True:
        lowest = member.copy()
        np.minimum.at(lowest, one, member[two])
        np.minimum.at(lowest, two, member[one])
        lowest = np.minimum(lowest, lowest[lowest])
        if (lowest == member).all():
            return member[trail]
        member = lowest


def _conversation(context: Context, rows: np.ndarray, trail: np.ndarray, answers: np.ndarray) -> Conversation:
    """Directions by parity: what answers the first trail goes back, what answers that goes there."""
    flows = context.flows
    begins = distinct(trail[rows]).tolist()
    beside: dict[int, set[int]] = {start: set() for start in begins}
    for row in rows[answers[rows] >= 0].tolist():
        one, two = int(trail[row]), int(trail[answers[row]])
        beside[one].add(two)
        beside[two].add(one)
    opened = {int(trail[row]) for row in rows.tolist() if flows[row, FLOW_SYN_TIME] >= 0}

    def order(start: int) -> tuple[bool, int, int]:
        return start not in opened, int(flows[start, FLOW_FIRST]), start

    begins.sort(key=order)
    way = {begins[0]: 0}
    waiting = [begins[0]]
    while waiting:
        start = waiting.pop()
        for other in beside[start]:
            if other not in way:
                way[other] = 1 - way[start]
                waiting.append(other)
    return Conversation(
        [start for start in begins if way.get(start, 0) == 0], [start for start in begins if way.get(start, 0) == 1]
    )
