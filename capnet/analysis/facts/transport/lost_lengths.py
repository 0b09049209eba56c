"""Lengths of packets that are lost between two points, where each is larger than all that arrive.

Input: flow links, observations. Output: `LostLengths`, one for each flow with several packets of both kinds. TCP counts
where octets are missing and were sent again, because offload cuts segments differently at each point.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import FlowTable
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.analysis.fate.hop_loss import lost_packets
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

MAX_MTU = 9216  # bytes: larger packets are offload segments
MIN_PACKETS = 2  # lost, and passed
MIN_LOST = 500  # bytes: IPv4 hosts take 576 (RFC 791), so what loses smaller packets looks at their content
MAX_FRAMES_OF_FLOW = 3  # lost packets of one flow that are evidence


class LostLengths(NamedTuple):
    """Of one flow between two points: lengths of IP packets in bytes, how many were lost, the first of them."""

    flow: int  # row at the point before
    points: tuple[int, int]  # before and after
    largest_passed: int
    smallest_lost: int
    lost: int
    evidence: list[Evidence]


@derived
def lost_lengths(context: Context) -> list[LostLengths]:
    """The flows of which only larger packets are missing at the next point, in order of their links."""
    flows, links = context.flows, flow_links(context)
    lost = []
    for link in np.flatnonzero(links.missing >= MIN_PACKETS).tolist():
        before, after = int(links.source[link]), int(links.target[link])
        is_larger = flows[before, schema.FLOW_LARGEST_IP] > flows[after, schema.FLOW_LARGEST_IP]
        is_lost = (lost_packets(context, links, link) or 0) >= MIN_PACKETS
        if is_larger and is_lost and _is_missing(flows, before, after):
            of_flow = _lost_lengths(context, before, after)
            if of_flow:
                lost.append(of_flow)
    return lost


@derived
def lengths_between(context: Context) -> dict[tuple[int, int], list[LostLengths]]:
    """`lost_lengths` by their two points, where a length parts what all these flows lose from what passes.

    A tunnel's packets are lost with what is inside: one length, and one count.
    """
    by_points: dict[tuple[int, int], list[LostLengths]] = {}
    for of_flow in lost_lengths(context):
        by_points.setdefault(of_flow.points, []).append(of_flow)
    parted = {}
    for points, of_both in sorted(by_points.items()):
        of_points = [each for each in of_both if not context.flows[each.flow, schema.FLOW_CARRIES]] or of_both
        if max(each.largest_passed for each in of_points) < min(each.smallest_lost for each in of_points):
            parted[points] = of_points
    return parted


def _is_missing(flows: FlowTable, before: int, after: int) -> bool:
    """Are packets missing that are not only cut differently at the second point?"""
    if flows[before, schema.FLOW_PROTO] != TCP:
        return True
    is_repeated = flows[before, schema.FLOW_RETRANSMISSIONS] > flows[after, schema.FLOW_RETRANSMISSIONS]
    is_unsegmented = flows[before, schema.FLOW_LARGEST_IP] <= MAX_MTU
    return bool(
        is_repeated and is_unsegmented and flows[before, schema.FLOW_PAYLOAD] > flows[after, schema.FLOW_PAYLOAD]
    )


def _lost_lengths(context: Context, before: int, after: int) -> LostLengths | None:
    """Packets of flow row `before` that flow row `after` lacks; None unless each is larger than all that passed."""
    sent, received = observations_of(context, before), observations_of(context, after)[:, schema.OBS_DIGEST]
    arrived = is_among(sent[:, schema.OBS_DIGEST], received)
    passed, lost = sent[arrived, schema.OBS_LENGTH], sent[~arrived, schema.OBS_LENGTH]
    if len(passed) < MIN_PACKETS or len(lost) < MIN_PACKETS or lost.min() <= max(passed.max(), MIN_LOST):
        return None
    frames = np.sort(sent[~arrived, schema.OBS_FRAME])[:MAX_FRAMES_OF_FLOW].tolist()
    evidence = [context.flow_evidence(before, frame) for frame in frames]
    points = int(context.flows[before, schema.FLOW_POINT]), int(context.flows[after, schema.FLOW_POINT])
    return LostLengths(before, points, int(passed.max()), int(lost.min()), len(lost), evidence)
