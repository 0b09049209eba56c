"""container: two containers in one network namespace, with one MAC and one address between them.

Told apart by: an address that talks to itself over loopback, client and server both behind it, and that is a
container's elsewhere: translated behind a host, or bridged to a gateway.
Looks alike: one container that calls itself, a health check for instance; packets have no process number.
Calls to 127.0.0.1 alone say less: every namespace has that address, also the host's.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Model
from capnet.analysis.facts.layer2.model import LOOPBACK_IP, LoopbackConversation
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.nat.addresses import addresses_behind_nat
from capnet.analysis.facts.paths import path_facts
from capnet.topology import Container
from capnet.wire.addresses import mac_text


def judge(context: Context) -> list[Model]:
    """At most one model: of the conversation that says most."""
    conversations = layer2_segments(context).loopback_conversations
    if not conversations:
        return []
    inner_ips = _inner_ips(context)
    station_ips = {
        ip
        for speakers in layer2_segments(context).speakers.values()
        for speaker in speakers.values()
        for ip in speaker.own_ips
    }
    containers = context.topology.containers if context.topology else []
    sharing = [container for container in containers if container.shares_network_with]
    named = [conversation for conversation in conversations if conversation.ip != LOOPBACK_IP]
    of_container = next((conversation for conversation in named if conversation.ip in inner_ips), None)
    of_station = next((conversation for conversation in named if conversation.ip in station_ips), None)
    beside_container = next((conversation for conversation in conversations if _is_beside(context, conversation)), None)
    if of_container:
        return [_model(context, of_container, 0.85, sharing)]
    if of_station:
        return [_model(context, of_station, 0.45, sharing)]
    if beside_container and sharing:
        return [_model(context, beside_container, 0.8, sharing)]
    if beside_container and inner_ips:
        return [_model(context, beside_container, 0.4, sharing)]
    return []


@derived
def _inner_ips(context: Context) -> dict[str, int]:
    """Address → MAC of stations behind a host: translated, bridged, or a container's interface by its name."""
    inner_ips = set(addresses_behind_nat(context))
    for path in path_facts(context):
        # A path between two hosts has their two interfaces; one from a container has a veth and a bridge as well.
        forms = {(hop.src, hop.dst, hop.smac, hop.dmac, hop.ttl, hop.tunnel is None) for hop in path.hops}
        if len(forms) == 1 and len({hop.point for hop in path.hops}) > 2:
            inner_ips |= {path.flow.src, path.flow.dst}
    segments = layer2_segments(context)
    macs = {}
    for point, speakers in segments.speakers.items():
        is_container = context.points[point].role == "container"
        for mac, speaker in speakers.items():
            for ip in speaker.own_ips:
                if ip in inner_ips or (is_container and mac in segments.interface_points):
                    macs[ip] = mac
    return macs


def _is_beside(context: Context, conversation: LoopbackConversation) -> bool:
    """Is it at the loopback of a container of which another interface was captured, by the names of the points?"""
    name = context.points[conversation.point].name
    container = name.rpartition("/")[0]
    siblings = [point for point in context.points if point.name.rpartition("/")[0] == container and point.name != name]
    return bool(container) and container != host_of(name) and any(point.packets for point in siblings)


def _model(context: Context, conversation: LoopbackConversation, confidence: float, sharing: list[Container]) -> Model:
    """The model of one conversation; `sharing` are the containers that use another one's network, by the topology."""
    point_name = context.points[conversation.point].name
    because = [f"{conversation.ip} talks to itself at {point_name}: client and server are in one network namespace"]
    if conversation.ip == LOOPBACK_IP:
        because = [f"client and server talk over {LOOPBACK_IP} at {point_name}: both are in one network namespace"]
    evidence: list[Evidence] = []
    segments = layer2_segments(context)
    mac = _inner_ips(context).get(conversation.ip)
    if mac is not None:
        points = [point for point, speakers in segments.speakers.items() if mac in speakers]
        names = " and ".join(context.points[point].name for point in points[:2])
        because.append(f"to others, all of it is one MAC, {mac_text(mac)}, with one address, at {names}")
        flows = context.flows
        is_from_mac = (flows[:, schema.FLOW_SMAC] == mac) & is_one_of(flows[:, schema.FLOW_POINT], points)
        rows = np.flatnonzero(is_from_mac).tolist()[:3]
        evidence = [context.flow_evidence(row, int(flows[row, schema.FLOW_FIRST_FRAME])) for row in rows]
    else:
        because.append("but one container that calls itself looks the same")
    for container in sharing:
        because.append(f"Docker runs {container.name} in the network namespace of {container.shares_network_with}")
        confidence = 0.99
    evidence += [context.evidence(other.point, other.frame) for other in segments.loopback_conversations[:4]]
    return Model("container", confidence, because, sorted(set(evidence))[:MAX_EVIDENCE])
