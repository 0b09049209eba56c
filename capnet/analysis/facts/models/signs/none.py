"""none: a namespace with nothing but loopback.

Told apart by: traffic at loopback only, between loopback addresses, while every other interface that was captured has
no packets.
Looks alike: any host or container that talks to itself while nothing else happens. What was not captured cannot be said
to be silent: only the topology tells.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.layer2.model import LOOPBACK_IP
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.models.signs.sign import MAX_SIGN_FRAMES, Sign


def loopback_only(context: Context) -> Iterator[Sign]:
    """All packets are at loopback interfaces, between loopback addresses.

    Wrong when: it is any process that talks to itself while nothing else was captured.
    """
    points = _loopback_points(context)
    if points and is_loopback_only(context):
        names = several([context.points[point].name for point in points])
        yield Sign(
            Text(
                en="all packets are at {names}, between loopback addresses",
                zh="所有的包都在 {names}，在 loopback 地址之间",
            ).fill(names=names),
            loopback_frames(context),
        )


def silent_beside_loopback(context: Context) -> Iterator[Sign]:
    """Interfaces beside the loopback were captured, and have no packets."""
    silent = [context.points[point].name for point in _other_points(context)]
    if silent and _loopback_points(context) and is_loopback_only(context):
        yield Sign(
            Text(en="no packets on {points}", zh="{points} 上没有包").fill(points=", ".join(silent[:4])),
            loopback_frames(context),
        )


@derived
def is_loopback_only(context: Context) -> bool:
    """Is nothing but loopback addresses talking to themselves, at any point?"""
    segments = layer2_segments(context)
    is_silent = segments.silent_points.issuperset(_other_points(context))
    return is_silent and all(conversation.ip == LOOPBACK_IP for conversation in segments.loopback_conversations)


def loopback_frames(context: Context) -> list[Evidence]:
    """The first frames at each loopback point."""
    flows = context.flows
    evidence = []
    for point in _loopback_points(context):
        frames = sorted(flows[flows[:, schema.FLOW_POINT] == point, schema.FLOW_FIRST_FRAME].tolist())
        evidence += [context.evidence(point, frame) for frame in frames[:MAX_SIGN_FRAMES]]
    return evidence


def _loopback_points(context: Context) -> list[int]:
    points = sorted(layer2_segments(context).loopback_points)
    return [point for point in points if context.points[point].packets]


def _other_points(context: Context) -> list[int]:
    return [point for point in range(len(context.points)) if point not in layer2_segments(context).loopback_points]
