"""macvlan: containers with a MAC and an address of their own, straight on the network of the host's interface.

Told apart by: several stations with one address each behind one parent interface, their packets unchanged (MACs, TTL)
between their own interface and the parent; frames between them seen at the parent but not on the wire. The host itself
cannot reach them: what it broadcasts never arrives at them, its ARP goes unanswered.
Looks alike: a bridge with the interface as a port, where the host can reach them; a port that mirrors others' traffic.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Model
from capnet.analysis.facts.layer2.model import MacvlanParent
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.wire.addresses import address_value, mac_text

MIN_PARENT_CONFIDENCE = 0.3  # of 0 to 1: below, the parent is more likely a station's own interface
MAX_CHILDREN = 3  # named in the reasons and in the evidence


def judge(context: Context) -> list[Model]:
    """At most one model: of the parent with the highest confidence."""
    parents = layer2_segments(context).macvlan_parents
    parents = [parent for parent in parents if parent.confidence >= MIN_PARENT_CONFIDENCE]
    if not parents:
        return []
    parent = parents[0]
    because = _reasons(context, parent)
    confidence = parent.confidence
    networks = context.topology.networks if context.topology else []
    names = sorted(network.name for network in networks if network.driver == "macvlan")
    if names:
        because.append(f"Docker has a macvlan network, {', '.join(names)}")
        confidence = 0.99
    return [Model("macvlan", confidence, because, _evidence(context, parent))]


def _reasons(context: Context, parent: MacvlanParent) -> list[str]:
    point_name = context.points[parent.point].name
    stations = " and ".join(f"{child.ip} ({mac_text(child.mac)})" for child in parent.children[:MAX_CHILDREN])
    if len(parent.children) > MAX_CHILDREN:
        stations += f" and {len(parent.children) - MAX_CHILDREN} more"
    has = "have a MAC of their own" if len(parent.children) > 1 else "has a MAC of its own"
    if parent.is_seen_alone:
        because = [f"{stations} {has} on the network at {point_name}, and others reach them"]
    else:
        because = [f"{stations} {has} behind the card {point_name}, MACs and TTL unchanged"]
    if parent.child_frames and parent.keeps_child_frames:
        because.append(f"what they send each other passes {point_name}, but never the wire")
    host = parent.host_ip or (mac_text(parent.host_mac) if parent.host_mac is not None else None)
    if parent.has_unanswered_host:
        asks = "asks for them again and again" if parent.is_seen_alone else "asks for its own children by ARP"
        because.append(f"the host, {host}, {asks} and gets no answer")
    elif host:
        because.append(f"what the host, {host}, broadcasts at {point_name} does not reach them")
    else:
        because.append("but nothing of the host itself was heard: a bridge that has the card as a port looks the same")
    return because


def _evidence(context: Context, parent: MacvlanParent) -> list[Evidence]:
    """A frame of each child at the parent, frames between children, and the host's ARP requests."""
    flows, arps = context.flows, context.arps
    evidence = []
    for child in parent.children[:MAX_CHILDREN]:
        is_of_child = (flows[:, schema.FLOW_POINT] == parent.point) & (flows[:, schema.FLOW_SMAC] == child.mac)
        if is_of_child.any():
            frame = int(flows[is_of_child, schema.FLOW_FIRST_FRAME].min())
            evidence.append(context.evidence(parent.point, frame))
    evidence += parent.child_frames[:2]
    if parent.host_ip and parent.has_unanswered_host:
        is_of_host = arps[:, schema.ARP_SENDER_LO] == address_value(parent.host_ip)[1]
        is_of_host &= arps[:, schema.ARP_POINT] == parent.point
        for child in parent.children[:MAX_CHILDREN]:
            is_for_child = is_of_host & (arps[:, schema.ARP_TARGET_LO] == address_value(child.ip)[1])
            if is_for_child.any():
                frame = int(arps[is_for_child, schema.ARP_FIRST_FRAME].min())
                evidence.append(context.evidence(parent.point, frame))
    return sorted(set(evidence))[:MAX_EVIDENCE]
