"""bridge: containers on a Linux bridge behind the host's address: masquerade outward, DNAT inward.

Told apart by: packets whose private source becomes the host's address, or whose destination becomes a private one,
with one router (TTL - 1) between; and neighbours that reach each other over veths unchanged.
Looks alike: any NAT router that is captured on both sides; there the way through takes longer than inside one kernel.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_private
from capnet.analysis.core.results import Evidence, Model, Nat
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.layer2.segments import segments
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.proxies import proxy_facts

_BRIDGES = ("bridge", "veth")
WITHIN_A_HOST_US = 1000.0


def judge(context: Context) -> list[Model]:
    translated = [each for each in nat_facts(context) if _behind_a_host(each)]
    outward = [each for each in translated if "snat" in each.kind]
    inward = [each for each in translated if "dnat" in each.kind]
    neighbours, crossing = _bridged_neighbours(context)
    because = []
    confidence = 0.0
    if outward:
        hosts = sorted({each.after.src for each in outward})
        because.append(f"{plural(len(outward), 'connection')} left as {', '.join(hosts)} (masquerade)")
        confidence = 0.8
    if inward:
        targets = sorted({f"{each.after.dst}:{each.after.dport}" for each in inward if each.after.dport})
        because.append(
            f"{plural(len(inward), 'connection')} reached {', '.join(targets)} through a published port (DNAT)"
        )
        confidence = max(confidence, 0.8)
    if outward and inward:
        confidence = 0.9
    if translated and not any(_in_one_kernel(each) for each in translated):
        because.append("but the translation is so slow that a router beside the host may do it")
        confidence = 0.45
    carried, frames = _carried_on(context)
    if carried:
        because.append(carried)
        confidence = max(confidence, 0.8)
    if neighbours:
        because.append(f"{' and '.join(neighbours)} talk to each other across a bridge, unchanged")
        # Five places in a row without names may also be a child, its VLAN interface and two cards.
        alone = 0.6 if any(point.role in _BRIDGES for point in context.points) else 0.45
        confidence = min(confidence + 0.09, 0.99) if confidence else alone
    if not because:
        return []
    evidence = [each for row in outward[:3] + inward[:3] for each in row.evidence[:2]] or frames + crossing
    return [Model("bridge", round(confidence, 2), because, sorted(set(evidence))[:10])]


def _behind_a_host(row: Nat) -> bool:
    """A private address hidden or reached behind another one, as Docker's rules do; not an address of loopback."""
    inner = row.before.src if "snat" in row.kind else row.after.dst
    return is_private(inner)


def _carried_on(context: Context) -> tuple[str, list[Evidence]]:
    """docker-proxy: it takes a connection to the host's address and opens another one from the bridge's address."""
    gateways = {
        (ip, mac): point
        for point, here in segments(context).at.items()
        for mac, each in here.items()
        for ip in each.named
    }
    for proxy in proxy_facts(context):
        client, server = proxy.client_side, proxy.server_side
        for (ip, mac), point in gateways.items():
            spoken = segments(context).at[point][mac].own
            if ip == server.src and client.dst in spoken and same_network([ip, server.dst]):
                says = f"{ip}, the gateway of {server.dst}, carries on what is sent to {client.dst}: a userland proxy"
                return says, proxy.evidence
    return "", []


def _in_one_kernel(row: Nat) -> bool:
    return row.latency_us is None or row.latency_us.min < WITHIN_A_HOST_US


def _bridged_neighbours(context: Context) -> tuple[list[str], list[Evidence]]:
    """Two containers that reach each other over a bridge or veths without a change of address, MAC or TTL."""
    roles = {point.name: point.role for point in context.points}
    for path in path_facts(context):
        hops = path.hops
        if any(hop.tunnel for hop in hops) or len({hop.point for hop in hops}) < 3:
            continue
        same = len({(hop.src, hop.dst, hop.smac, hop.dmac, hop.ttl) for hop in hops}) == 1
        if not same or hops[0].smac is None:
            continue
        ends = {roles[hops[0].point], roles[hops[-1].point]}
        named = ends <= {"container", "veth"} and any(roles[hop.point] in _BRIDGES for hop in hops)
        # Without names: container, veth, bridge, veth, container. A macvlan child has no veth between it and the card.
        unnamed = ends == {"unknown"} and len(hops) >= 5
        if named or unnamed:
            return sorted((path.flow.src, path.flow.dst)), path.evidence
    return [], []
