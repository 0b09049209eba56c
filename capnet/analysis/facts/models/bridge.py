"""bridge: containers on a Linux bridge behind the host's address, masquerade outward, DNAT inward.

Told apart by: packets whose private source becomes the host's address, or whose destination becomes a private one,
with one router (TTL - 1) between; and neighbours that reach each other over veths unchanged.
Looks alike: any NAT router that is captured on both sides. There, the packets take longer than inside one kernel.
"""

from __future__ import annotations

from typing import NamedTuple

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_private
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Model, Nat
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.proxies import proxy_facts

MAX_KERNEL_DELAY_US = 1000.0  # a packet passes the bridge and NAT of one kernel in microseconds, seldom in 1 ms
MIN_BRIDGED_HOPS = 5  # container, veth, bridge, veth, container; a macvlan child has no veth before the parent
_BRIDGE_ROLES = {"bridge", "veth"}


class _Sign(NamedTuple):
    """A reason for the model, with its frames."""

    because: str
    evidence: list[Evidence]
    confidence: float  # where nothing else speaks for the model


def judge(context: Context) -> list[Model]:
    """At most one model."""
    translations = [row for row in nat_facts(context) if _hides_a_private_address(row)]
    outward = [row for row in translations if "snat" in row.kind]
    inward = [row for row in translations if "dnat" in row.kind]
    because = []
    confidence = 0.0
    if outward:
        hosts = sorted({row.after.src for row in outward})
        because.append(f"{plural(len(outward), 'connection')} left as {', '.join(hosts)} (masquerade)")
        confidence = 0.8
    if inward:
        servers = sorted({f"{row.after.dst}:{row.after.dport}" for row in inward if row.after.dport})
        connections = plural(len(inward), "connection")
        because.append(f"{connections} reached {', '.join(servers)} through a published port (DNAT)")
        confidence = max(confidence, 0.8)
    if outward and inward:
        confidence = 0.9
    if translations and not any(_is_in_one_kernel(row) for row in translations):
        because.append("but the translation is so slow that a router beside the host may do it")
        confidence = 0.45
    proxied = _userland_proxy(context)
    if proxied:
        because.append(proxied.because)
        confidence = max(confidence, proxied.confidence)
    neighbours = _bridged_neighbours(context)
    if neighbours:
        because.append(neighbours.because)
        confidence = min(confidence + 0.09, 0.99) if confidence else neighbours.confidence
    if not because:
        return []
    evidence = [frame for row in outward[:3] + inward[:3] for frame in row.evidence[:2]]
    evidence = evidence or [frame for sign in (proxied, neighbours) if sign for frame in sign.evidence]
    return [Model("bridge", round(confidence, 2), because, sorted(set(evidence))[:MAX_EVIDENCE])]


def _hides_a_private_address(row: Nat) -> bool:
    """Does another address stand for a private one, as Docker's rules have it? Loopback addresses are not private."""
    return is_private(row.before.src if "snat" in row.kind else row.after.dst)


def _is_in_one_kernel(row: Nat) -> bool:
    return row.latency_us is None or row.latency_us.min < MAX_KERNEL_DELAY_US


def _userland_proxy(context: Context) -> _Sign | None:
    """docker-proxy accepts a connection to the host's address and opens another one from the bridge's address."""
    segments = layer2_segments(context)
    owners = {
        (ip, mac): speaker
        for speakers in segments.speakers.values()
        for mac, speaker in speakers.items()
        for ip in speaker.claimed
    }
    for proxy in proxy_facts(context):
        client, server = proxy.client_side, proxy.server_side
        for (ip, _), speaker in owners.items():
            if ip == server.src and client.dst in speaker.own and same_network([ip, server.dst]):
                because = (
                    f"{ip}, the gateway of {server.dst}, carries on what is sent to {client.dst}: a userland proxy"
                )
                return _Sign(because, proxy.evidence, 0.8)
    return None


def _bridged_neighbours(context: Context) -> _Sign | None:
    """Two containers that reach each other over a bridge or veths without a change of address, MAC or TTL."""
    roles = {point.name: point.role for point in context.points}
    for path in path_facts(context):
        hops = path.hops
        if any(hop.tunnel for hop in hops) or len({hop.point for hop in hops}) < 3:
            continue
        is_unchanged = len({(hop.src, hop.dst, hop.smac, hop.dmac, hop.ttl) for hop in hops}) == 1
        if not is_unchanged or hops[0].smac is None:
            continue
        end_roles = {roles[hops[0].point], roles[hops[-1].point]}
        by_name = {roles[hop.point] for hop in hops} & _BRIDGE_ROLES if end_roles <= {"container", "veth"} else set()
        by_hops = end_roles == {"unknown"} and len(hops) >= MIN_BRIDGED_HOPS
        if by_name or by_hops:
            ends = " and ".join(sorted((path.flow.src, path.flow.dst)))
            # Without names, such a path may also be of a macvlan child, its VLAN interface and two network interfaces.
            # With them, a Linux bridge between two containers is what an internal network shows, which has no NAT.
            confidence = 0.85 if "bridge" in by_name else 0.6 if by_name else 0.45
            return _Sign(f"{ends} talk to each other across a bridge, unchanged", path.evidence, confidence)
    return None
