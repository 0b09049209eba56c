"""container: two containers in one network namespace, with one MAC and one address between them.

Told apart by: an address that talks to itself over loopback, client and server both behind it, and that is a
container's elsewhere: translated behind a host, or bridged to a gateway.
Looks alike: one container that calls itself, a health check for instance; packets have no process number.
Calls to 127.0.0.1 alone say less: every namespace has that address, also the host's.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import Evidence, Model
from capnet.analysis.core.schema import FLOW_FIRST_FRAME, FLOW_POINT, FLOW_SMAC
from capnet.analysis.facts.layer2.model import LOCAL, Talk, own_ips
from capnet.analysis.facts.layer2.segments import segments
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from capnet.topology import Container
from capnet.wire.addresses import mac_text


def judge(context: Context) -> list[Model]:
    found = segments(context)
    if not found.talks:
        return []
    own = [talk for talk in found.talks if talk.ip != LOCAL]
    inner = _inner(context)
    best = next((talk for talk in own if talk.ip in inner), None)
    sharing = [each for each in (context.topology.containers if context.topology else []) if each.shares_network_with]
    if best:
        return [_model(context, best, 0.85, sharing)]
    known = {ip for here in found.at.values() for each in here.values() for ip in own_ips(each)}
    elsewhere = next((talk for talk in own if talk.ip in known), None)
    if elsewhere:
        return [_model(context, elsewhere, 0.45, sharing)]
    beside = next((talk for talk in found.talks if _beside(context, talk)), None)
    if beside and sharing:
        return [_model(context, beside, 0.8, sharing)]
    if beside and inner:
        return [_model(context, beside, 0.4, sharing)]
    return []


def _inner(context: Context) -> dict[str, int]:
    """Address → MAC of stations behind a host: translated, bridged, or a container's interface by its name."""
    translated = {row.before.src for row in nat_facts(context) if "snat" in row.kind}
    translated |= {row.after.dst for row in nat_facts(context) if "dnat" in row.kind}
    for path in path_facts(context):
        # A station on the wire is seen at its card and at the far end; a container also between its veth and a bridge.
        hops = {(hop.src, hop.dst, hop.smac, hop.dmac, hop.ttl, hop.tunnel is None) for hop in path.hops}
        if len(hops) == 1 and len({hop.point for hop in path.hops}) > 2:
            translated |= {path.flow.src, path.flow.dst}
    found = {}
    for point, here in segments(context).at.items():
        named = context.points[point].role == "container"
        for mac, speaker in here.items():
            for ip in own_ips(speaker):
                if ip in translated or (named and mac in segments(context).homes):
                    found[ip] = mac
    return found


def _beside(context: Context, talk: Talk) -> bool:
    """Is the loopback of this talk that of a container which was captured at another interface, by their names?"""
    name = context.points[talk.point].name
    folder = name.rpartition("/")[0]
    others = [point for point in context.points if point.name.rpartition("/")[0] == folder and point.name != name]
    return bool(folder) and folder != host_of(name) and any(point.packets for point in others)


def _model(context: Context, talk: Talk, confidence: float, sharing: list[Container]) -> Model:
    where = context.points[talk.point].name
    evidence: list[Evidence] = []
    because = [f"{talk.ip} talks to itself at {where}: client and server are in one network namespace"]
    if talk.ip == LOCAL:
        because = [f"client and server talk over {LOCAL} at {where}: both are in one network namespace"]
    mac = _inner(context).get(talk.ip)
    if mac is not None:
        outside = [point for point, here in segments(context).at.items() if mac in here]
        names = " and ".join(context.points[point].name for point in outside[:2])
        because.append(f"to others, all of it is one MAC, {mac_text(mac)}, with one address, at {names}")
        flows = context.flows
        rows = np.flatnonzero((flows[:, FLOW_SMAC] == mac) & one_of(flows[:, FLOW_POINT], outside))
        evidence = [context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in rows.tolist()[:3]]
    else:
        because.append("but one container that calls itself looks the same")
    for box in sharing:
        because.append(f"Docker runs {box.name} in the network namespace of {box.shares_network_with}")
        confidence = 0.99
    evidence += [context.evidence(each.point, each.frame) for each in segments(context).talks[:4]]
    return Model("container", confidence, because, sorted(set(evidence))[:10])
