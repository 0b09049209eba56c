"""ipvlan-l2, ipvlan-l3: containers with addresses of their own behind the MAC of the host's card.

Told apart by: one MAC that speaks for several addresses, TTL still initial (nobody forwarded for them), at several
interfaces, each with an address of its own; between containers, source and destination MAC are the same.
L2: the addresses are of one network and the shared MAC claims them in ARP. L3: nobody resolves them by ARP, they may
be of several networks, and in the container's view everything is sent to its own MAC, also what is for other hosts.
Looks alike at the card alone: a host with several addresses; a gateway that does not lower the TTL.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import Evidence, Model
from capnet.analysis.core.schema import (
    ARP_FIRST_FRAME,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_SENDER_MAC,
    FLOW_FIRST_FRAME,
    FLOW_POINT,
    FLOW_SMAC,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
)
from capnet.analysis.facts.layer2.model import SharedMac, same_network
from capnet.analysis.facts.layer2.segments import segments
from capnet.wire.addresses import address_value, mac_text

MOST_ADDRESSES = 64  # behind one MAC: more are a gateway's


def judge(context: Context) -> list[Model]:
    best: dict[str, Model] = {}
    for shared in segments(context).shared:
        model = _judge(context, shared)
        if model and (model.model not in best or model.confidence > best[model.model].confidence):
            best[model.model] = model
    return list(best.values())


def _judge(context: Context, shared: SharedMac) -> Model | None:
    if len(shared.ips) > MOST_ADDRESSES:
        return None
    rows = shared.mirrored
    ends = {(source(context.flows[row]), destination(context.flows[row])) for row in rows}
    # Sent to its own MAC, but for an address that is not behind it: only a device without ARP does that.
    outward = sorted({dst for src, dst in ends if src in shared.ip_set and dst not in shared.ip_set})
    between = sorted({src for src, dst in ends if {src, dst} <= shared.ip_set}, key=address_value)
    several = not same_network(shared.ips)
    unnamed = [ip for ip in shared.ips if ip not in shared.named]
    apart = len(set(shared.interfaces.values())) > 1
    if several and not unnamed and not (apart or between):
        return None  # it claims addresses of several networks in ARP: their gateway
    l3 = bool(outward) or (several and bool(unnamed)) or (bool(between) and not set(between) & set(shared.named))
    mac, ips = mac_text(shared.mac), ", ".join(shared.ips[:6]) + (" …" if len(shared.ips) > 6 else "")
    because = [f"{mac} speaks for {ips}, and nobody forwarded for them: TTL is still initial"]
    if apart:
        where = " and ".join(f"{context.points[p].name} as {ip}" for p, ip in list(shared.interfaces.items())[:3])
        because.append(f"the same MAC is at {where}: each an interface with an address of its own")
    if between:
        because.append(f"{' and '.join(between[:4])} send to each other with {mac} at both ends")
    confidence = 0.35 + 0.4 * bool(between) + 0.3 * apart
    if l3:
        nets = "of several networks" if several else "of the same network"
        because.append(
            f"{', '.join(unnamed[:4])}, {nets}, {'is' if len(unnamed) == 1 else 'are'} never resolved by ARP"
        )
        if outward:
            because.append(
                f"packets for {', '.join(outward[:3])} are sent to that MAC as well: the interface has no ARP"
            )
            confidence += 0.25
    elif len(shared.named) > 1:
        because.append(f"the same MAC claims {', '.join(shared.named[:6])} in ARP, all of one network")
        confidence += 0.1
    else:
        confidence -= 0.1
    if not (apart or between or outward):
        because.append("but it was seen at one place only: a host with several addresses looks the same")
        confidence = min(confidence, 0.45)
    confidence = min(max(confidence, 0.0), 0.97)
    mode = "ipvlan-l3" if l3 else "ipvlan-l2"
    names = _networks(context, mode)
    if names:
        because.append(f"Docker has an {mode} network, {', '.join(names)}")
        confidence = 0.99
    return Model(mode, round(confidence, 2), because, _evidence(context, shared, rows))


def _networks(context: Context, mode: str) -> list[str]:
    if context.topology is None:
        return []
    wanted = mode.removeprefix("ipvlan-")
    return sorted(
        network.name
        for network in context.topology.networks
        if network.driver == "ipvlan" and network.options.get("ipvlan_mode", "l2") == wanted
    )


def _evidence(context: Context, shared: SharedMac, rows: list[int]) -> list[Evidence]:
    """A frame for each address behind the MAC, one where both MACs are the same, and its claims in ARP."""
    flows, arps = context.flows, context.arps
    found = [context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in rows[:2]]
    for ip in shared.ips[:4]:
        hi, lo = address_value(ip)
        for table, fields, frame, point in (
            (flows, ((FLOW_SMAC, shared.mac), (FLOW_SRC_HI, hi), (FLOW_SRC_LO, lo)), FLOW_FIRST_FRAME, FLOW_POINT),
            (arps, ((ARP_SENDER_MAC, shared.mac), (ARP_SENDER_LO, lo)), ARP_FIRST_FRAME, ARP_POINT),
        ):
            mine = np.flatnonzero(np.logical_and.reduce([table[:, column] == value for column, value in fields]))
            if len(mine):
                found.append(context.evidence(int(table[mine[0], point]), int(table[mine[0], frame])))
    return sorted(set(found))[:10]
