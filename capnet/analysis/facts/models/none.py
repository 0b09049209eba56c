"""none: a namespace with nothing but loopback.

Told apart by: traffic at loopback only, between loopback addresses, while every other interface that was listened to
heard nothing of it.
Looks alike: any host or container that talks to itself while nothing else happens. Absence proves little: without
other interfaces that listened and heard nothing, the confidence stays low.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Model
from capnet.analysis.core.schema import FLOW_FIRST_FRAME, FLOW_POINT
from capnet.analysis.facts.layer2.segments import segments


def judge(context: Context) -> list[Model]:
    found = segments(context)
    inside = [point for point in sorted(found.loopbacks) if context.points[point].packets]
    others = [point for point in range(len(context.points)) if point not in found.loopbacks]
    loud = [point for point in others if point not in found.silent]
    boxes = [each for each in (context.topology.containers if context.topology else []) if each.network_mode == "none"]
    if loud or any(talk.ip != "127.0.0.1" for talk in found.talks) or not (inside or boxes):
        return []
    because = []
    confidence = 0.3
    evidence = []
    if inside:
        where = ", ".join(context.points[point].name for point in inside)
        because.append(f"all packets are at {where}, between loopback addresses")
        flows = context.flows
        for point in inside:
            frames = sorted(flows[flows[:, FLOW_POINT] == point, FLOW_FIRST_FRAME].tolist())
            evidence += [context.evidence(point, frame) for frame in frames[:4]]
    if others:
        names = ", ".join(context.points[point].name for point in others[:4])
        because.append(f"{names} listened and heard nothing of it")
        confidence = 0.8 if inside else 0.3
    else:
        because.append("but nothing else was listened to: any process that talks to itself looks the same")
    if boxes:
        because.append("Docker gave " + ", ".join(sorted(each.name for each in boxes)) + " no network")
        confidence = 0.97 if others else 0.9
    return [Model("none", confidence, because, evidence[:10])]
