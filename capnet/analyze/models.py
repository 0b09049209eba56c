"""Which of Docker's network models do these packets show?

Judged from packets first: tunnels, rewritten addresses, who shares a MAC with whom. Names of points and the topology
only strengthen what the packets say.
"""

from __future__ import annotations

from capnet.analyze.context import Context
from capnet.analyze.facts import Evidence, Model, Nat
from capnet.analyze.rows import is_private, plural

_BRIDGES = ("bridge", "veth")


def conclude(context: Context) -> list[Model]:
    """Models with what speaks for each, the most likely first; none at all where nothing points to a container."""
    found = [model for model in (_overlay(context), _bridge(context)) if model]
    return sorted(found, key=lambda model: (-model.confidence, model.model))


def _overlay(context: Context) -> Model | None:
    """Ethernet in VXLAN between two hosts: Swarm's overlay driver."""
    tunnels = [each for each in context.tunnel_facts if each.kind == "vxlan" and each.frames]
    if not tunnels:
        return None
    because = []
    confidence = 0.7
    for vni in sorted({each.vni for each in tunnels if each.vni is not None}):
        mine = [each for each in tunnels if each.vni == vni]
        ends = mine[0].vteps
        because.append(f"frames of VNI {vni} cross {mine[0].point} in VXLAN between {' and '.join(ends)}")
        if any(not each.one_way for each in mine):
            confidence = max(confidence, 0.9)
        if any(len(each.inner_ips) >= 2 for each in mine):
            confidence = max(confidence, 0.95)
    if any(each.network for each in tunnels):
        confidence = 0.99
        because.append(
            "Docker calls the network " + ", ".join(sorted({each.network for each in tunnels if each.network}))
        )
    return Model("overlay", confidence, because, _frames(tunnels[0].evidence))


def _bridge(context: Context) -> Model | None:
    """Containers on a Linux bridge behind the host's address: masquerade outward, DNAT inward."""
    translated = [each for each in context.nat_facts if _behind_a_host(each)]
    outward = [each for each in translated if "snat" in each.kind]
    inward = [each for each in translated if "dnat" in each.kind]
    neighbours = _bridged_neighbours(context)
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
    if neighbours:
        because.append(f"{' and '.join(neighbours)} talk to each other across a bridge, unchanged")
        confidence = min(confidence + 0.09, 0.99) if confidence else 0.6
    if not because:
        return None
    if any(each.kind == "vxlan" for each in context.tunnel_facts) and not (inward and neighbours):
        # docker_gwbridge gives overlay containers their way out; it is part of that model.
        because.append("but these containers also have an overlay network, whose way out this is")
        confidence = min(confidence, 0.4)
    evidence = [each for row in outward[:3] + inward[:3] for each in row.evidence[:2]]
    return Model("bridge", round(confidence, 2), because, _frames(evidence))


def _behind_a_host(row: Nat) -> bool:
    """A private address hidden or reached behind another one, as Docker's rules do; not an address of loopback."""
    inner = row.before.src if "snat" in row.kind else row.after.dst
    return is_private(inner)


def _bridged_neighbours(context: Context) -> list[str]:
    """Two containers that reach each other over a bridge or veth without a change of address or TTL."""
    roles = {point.name: point.role for point in context.points}
    for path in context.path_facts:
        hops = path.hops
        if any(hop.tunnel for hop in hops) or not any(roles.get(hop.point) in _BRIDGES for hop in hops):
            continue
        ends = {roles.get(hops[0].point), roles.get(hops[-1].point)}
        same = len({(hop.src, hop.dst, hop.ttl) for hop in hops}) == 1
        if same and ends <= {"container", "veth"} and hops[0].point != hops[-1].point and len(hops) >= 3:
            return sorted((path.flow.src, path.flow.dst))
    return []


def _frames(evidence: list[Evidence]) -> list[Evidence]:
    return sorted(set(evidence))[:10]
