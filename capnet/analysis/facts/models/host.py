"""host: a process on the host's own network stack.

Told apart by: traffic of one card's own address with its own MAC, as it was sent (TTL initial); nothing rewritten,
nothing wrapped, no other stations behind the card, and nothing on the bridges that were listened to.
Looks alike: every process that runs on a host without Docker; packets cannot tell. So the confidence stays below one
half unless a bridge was listened to, by its name, and heard nothing, or Docker says so.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Model
from capnet.analysis.core.schema import FLOW_FIRST_FRAME, FLOW_POINT, FLOW_SMAC, FLOW_SRC_LO
from capnet.analysis.facts.layer2.model import own_ips
from capnet.analysis.facts.layer2.segments import segments
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.wire.addresses import address_value, mac_text


def judge(context: Context) -> list[Model]:
    found = segments(context)
    if nat_facts(context) or tunnel_facts(context):
        return []
    cards = [
        (point, mac, own_ips(found.at[point][mac])[0])
        for mac, points in sorted(found.homes.items())
        for point in points
        if context.points[point].role not in ("container", "veth", "overlay")
        and mac in found.at.get(point, {})
        and len(own_ips(found.at[point][mac])) == 1
    ]
    containers = _containers(context)
    hosts = {host for host, _ in containers}
    cards = [card for card in cards if not hosts or context.points[card[0]].name.split("/")[0] in hosts] or cards
    if not cards:
        return []
    point, mac, ip = min(cards)
    where = context.points[point].name
    because = [
        f"all that passes {where} is from or to the card's own address, {ip} with MAC {mac_text(mac)}, unchanged"
    ]
    confidence = 0.3
    silent = [context.points[each].name for each in sorted(found.silent)]
    if silent:
        because.append(f"{', '.join(silent[:3])} heard nothing of it")
        bridges = any(context.points[each].role == "bridge" for each in found.silent)
        confidence += 0.2 if bridges else 0.1  # a silent point is only known to be a bridge by its name
    if any(where in {hop.point for hop in path.hops} for path in path_facts(context)):
        because.append("the far end sees the same packets: no address, port or TTL was changed on the way")
        confidence += 0.05
    because.append("a process outside of any container looks the same")
    if containers:
        because[-1] = "Docker runs " + ", ".join(sorted(name for _, name in containers)) + " on the host's network"
        confidence = 0.95
    flows = context.flows
    rows = (
        (flows[:, FLOW_POINT] == point) & (flows[:, FLOW_SMAC] == mac) & (flows[:, FLOW_SRC_LO] == address_value(ip)[1])
    )
    evidence = [context.evidence(point, frame) for frame in sorted(flows[rows, FLOW_FIRST_FRAME].tolist())[:4]]
    return [Model("host", round(confidence, 2), because, evidence)]


def _containers(context: Context) -> list[tuple[str, str]]:
    containers = context.topology.containers if context.topology else []
    return [(each.host, each.name) for each in containers if each.network_mode == "host"]
