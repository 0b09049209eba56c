"""none: a namespace with nothing but loopback.

Told apart by: traffic at loopback only, between loopback addresses, while every other interface that was captured has
no packets.
Looks alike: any host or container that talks to itself while nothing else happens. Absence proves little: without
other interfaces that were captured and silent, the confidence stays low.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Model
from capnet.analysis.facts.layer2.model import LOOPBACK_IP
from capnet.analysis.facts.layer2.segments import layer2_segments


def judge(context: Context) -> list[Model]:
    """At most one model."""
    segments = layer2_segments(context)
    loopback_points = [point for point in sorted(segments.loopback_points) if context.points[point].packets]
    other_points = [point for point in range(len(context.points)) if point not in segments.loopback_points]
    containers = context.topology.containers if context.topology else []
    unconnected = sorted(container.name for container in containers if container.network_mode == "none")
    is_silent = segments.silent_points.issuperset(other_points)
    is_loopback_only = all(conversation.ip == LOOPBACK_IP for conversation in segments.loopback_conversations)
    if not is_silent or not is_loopback_only or not (loopback_points or unconnected):
        return []
    because = []
    confidence = 0.3
    if loopback_points:
        names = ", ".join(context.points[point].name for point in loopback_points)
        because.append(f"all packets are at {names}, between loopback addresses")
    if other_points:
        names = ", ".join(context.points[point].name for point in other_points[:4])
        because.append(f"{names} listened and heard nothing of it")
        confidence = 0.8 if loopback_points else 0.3
    else:
        because.append("but nothing else was listened to: any process that talks to itself looks the same")
    if unconnected:
        because.append(f"Docker gave {', '.join(unconnected)} no network")
        confidence = 0.97 if other_points else 0.9
    return [Model("none", confidence, because, _evidence(context, loopback_points))]


def _evidence(context: Context, loopback_points: list[int]) -> list[Evidence]:
    flows = context.flows
    evidence = []
    for point in loopback_points:
        frames = sorted(flows[flows[:, schema.FLOW_POINT] == point, schema.FLOW_FIRST_FRAME].tolist())
        evidence += [context.evidence(point, frame) for frame in frames[:4]]
    return evidence[:MAX_EVIDENCE]
