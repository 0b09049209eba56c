"""ipvlan-l2, ipvlan-l3: containers with addresses of their own behind the MAC of the host's interface.

Told apart by: one MAC that speaks for several addresses, TTL still initial (no router between), at several
interfaces, each with an address of its own. Between containers, source and destination MAC are the same.
L2: the addresses are of one network and the shared MAC claims them in ARP. L3: ARP never resolves them, they may be of
several networks, and a container sends everything to its own MAC, also what is for other hosts.
Looks alike at the parent alone: a host with several addresses; a gateway that does not lower the TTL.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Model
from capnet.analysis.facts.layer2.model import SharedMac, same_network
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.wire.addresses import address_value, mac_text

MAX_ADDRESSES = 64  # behind one MAC: more are a gateway's


def judge(context: Context) -> list[Model]:
    """At most one model per mode: of the MAC that says most."""
    best: dict[str, Model] = {}
    for shared in layer2_segments(context).shared_macs:
        model = _model(context, shared)
        if model and (model.model not in best or model.confidence > best[model.model].confidence):
            best[model.model] = model
    return list(best.values())


class _Signs(NamedTuple):
    """What was seen of one shared MAC."""

    neighbours: list[str]  # addresses behind the MAC that send to others behind it, both MACs the same
    sent_out: list[str]  # addresses beyond it whose packets are sent to the MAC itself: there is no ARP
    unclaimed: list[str]  # its addresses that it never claimed in ARP
    has_several_networks: bool
    has_several_interfaces: bool

    @property
    def is_l3(self) -> bool:
        """Is there no ARP?"""
        neighbours_have_arp = any(ip not in self.unclaimed for ip in self.neighbours)
        return bool(
            self.sent_out
            or (self.has_several_networks and self.unclaimed)
            or (self.neighbours and not neighbours_have_arp)
        )


def _signs(context: Context, shared: SharedMac) -> _Signs:
    flows = context.flows
    ends = {(source(flows[row]), destination(flows[row])) for row in shared.self_flows}
    inside = shared.ip_set
    return _Signs(
        neighbours=sorted({src for src, dst in ends if {src, dst} <= inside}, key=address_value),
        sent_out=sorted({dst for src, dst in ends if src in inside and dst not in inside}),
        unclaimed=[ip for ip in shared.ips if ip not in shared.claimed],
        has_several_networks=not same_network(shared.ips),
        has_several_interfaces=len(set(shared.interfaces.values())) > 1,
    )


def _model(context: Context, shared: SharedMac) -> Model | None:
    if len(shared.ips) > MAX_ADDRESSES:
        return None
    signs = _signs(context, shared)
    has_proof = signs.has_several_interfaces or bool(signs.neighbours)
    if signs.has_several_networks and not signs.unclaimed and not has_proof:
        return None  # it claims addresses of several networks in ARP: their gateway
    because = _reasons(context, shared, signs)
    confidence = 0.35 + 0.4 * bool(signs.neighbours) + 0.3 * signs.has_several_interfaces
    if signs.is_l3:
        confidence += 0.25 * bool(signs.sent_out)
    else:
        confidence += 0.1 if len(shared.claimed) > 1 else -0.1
    if not (has_proof or signs.sent_out):
        confidence = min(confidence, 0.45)
    confidence = min(max(confidence, 0.0), 0.97)
    mode = "ipvlan-l3" if signs.is_l3 else "ipvlan-l2"
    names = _docker_networks(context, mode.removeprefix("ipvlan-"))
    if names:
        because.append(f"Docker has an {mode} network, {', '.join(names)}")
        confidence = 0.99
    return Model(mode, round(confidence, 2), because, _evidence(context, shared))


def _reasons(context: Context, shared: SharedMac, signs: _Signs) -> list[str]:
    mac, ips = mac_text(shared.mac), ", ".join(shared.ips[:6]) + (" …" if len(shared.ips) > 6 else "")
    because = [f"{mac} speaks for {ips}, and nobody forwarded for them: TTL is still initial"]
    if signs.has_several_interfaces:
        interfaces = [f"{context.points[point].name} as {ip}" for point, ip in list(shared.interfaces.items())[:3]]
        because.append(f"the same MAC is at {' and '.join(interfaces)}: each an interface with an address of its own")
    if signs.neighbours:
        because.append(f"{' and '.join(signs.neighbours[:4])} send to each other with {mac} at both ends")
    if signs.is_l3:
        networks = "of several networks" if signs.has_several_networks else "of the same network"
        verb = "is" if len(signs.unclaimed) == 1 else "are"
        because.append(f"{', '.join(signs.unclaimed[:4])}, {networks}, {verb} never resolved by ARP")
        if signs.sent_out:
            targets = ", ".join(signs.sent_out[:3])
            because.append(f"packets for {targets} are sent to that MAC as well: the interface has no ARP")
    elif len(shared.claimed) > 1:
        because.append(f"the same MAC claims {', '.join(shared.claimed[:6])} in ARP, all of one network")
    if not (signs.has_several_interfaces or signs.neighbours or signs.sent_out):
        because.append("but it was seen at one place only: a host with several addresses looks the same")
    return because


def _docker_networks(context: Context, mode: str) -> list[str]:
    """Names of the topology's ipvlan networks of a mode, `l2` or `l3`."""
    networks = context.topology.networks if context.topology else []
    return sorted(
        network.name
        for network in networks
        if network.driver == "ipvlan" and network.options.get("ipvlan_mode", "l2") == mode
    )


def _evidence(context: Context, shared: SharedMac) -> list[Evidence]:
    """Frames with the MAC at both ends, then for each address its first frame and its first claim in ARP."""
    flows, arps = context.flows, context.arps
    frames = flows[:, schema.FLOW_FIRST_FRAME]
    evidence = [context.flow_evidence(row, int(frames[row])) for row in shared.self_flows[:2]]
    is_from_mac = flows[:, schema.FLOW_SMAC] == shared.mac
    is_claim = arps[:, schema.ARP_SENDER_MAC] == shared.mac
    for ip in shared.ips[:4]:
        hi, lo = address_value(ip)
        is_from_ip = (flows[:, schema.FLOW_SRC_HI] == hi) & (flows[:, schema.FLOW_SRC_LO] == lo)
        for row in np.flatnonzero(is_from_mac & is_from_ip)[:1].tolist():
            evidence.append(context.flow_evidence(row, int(frames[row])))
        for row in np.flatnonzero(is_claim & (arps[:, schema.ARP_SENDER_LO] == lo))[:1]:
            point, frame = arps[row, [schema.ARP_POINT, schema.ARP_FIRST_FRAME]].tolist()
            evidence.append(context.evidence(point, frame))
    return sorted(set(evidence))[:MAX_EVIDENCE]
