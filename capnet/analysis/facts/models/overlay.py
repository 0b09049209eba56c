"""overlay: containers' Ethernet frames in VXLAN between two hosts, Swarm's overlay driver; encrypted: in ESP.

Told apart by: VXLAN whose inside is Ethernet between private addresses of one network. Swarm takes VNIs from 4096 up
and gossips between the same hosts on port 7946.
Looks alike: any other VXLAN (flannel's VNI 1 on port 8472, a fabric's), which gets a confidence below one half.
Encrypted, the wire shows ESP between the hosts and no VXLAN; it counts as overlay where the plain frames were seen at
both ends, or between hosts that gossip.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_private, source
from capnet.analysis.core.results import Evidence, Model, Path, Tunnel
from capnet.analysis.core.schema import (
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST_FRAME,
    FLOW_SMAC,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_TTL,
    FLOW_VIA,
)
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.swarm_traffic import swarms_own
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.wire.addresses import address_value
from capnet.wire.numbers import PORT_SWARM_GOSSIP

FIRST_SWARM_VNI = 4096


def judge(context: Context) -> list[Model]:
    plain = [each for each in tunnel_facts(context) if each.kind == "vxlan" and each.frames and each.inner_ips]
    return _plain(context, plain) if plain else _encrypted(context)


def _plain(context: Context, tunnels: list[Tunnel]) -> list[Model]:
    because = []
    for vni in sorted({each.vni for each in tunnels if each.vni is not None}):
        mine = [each for each in tunnels if each.vni == vni]
        ends = " and ".join(mine[0].vteps)
        because.append(f"frames of VNI {vni} cross {mine[0].point} in VXLAN between {ends}")
    alike = [each for each in tunnels if _like_swarm(each)]
    confidence = 0.45
    gossip = next((each for each in tunnels if _gossips(context, each.vteps)), None)
    unwrapped = next((path for path in path_facts(context) if _leaves_a_tunnel(path)), None)
    if any(not each.one_way for each in alike):
        confidence = 0.95 if any(len(each.inner_ips) >= 2 for each in alike) else 0.9
    if alike and unwrapped:
        ends = f"{unwrapped.flow.src} and {unwrapped.flow.dst}"
        because.append(f"what {ends} exchange was seen inside the tunnel and outside of it")
        confidence = max(confidence, 0.95)
    if alike and gossip:
        because.append(f"{' and '.join(gossip.vteps)} gossip as nodes of a swarm (port {PORT_SWARM_GOSSIP})")
        confidence = 0.97
    if confidence < 0.5:
        because.append("but nothing says that it is Swarm's: any VXLAN looks the same")
    names = sorted({each.network for each in tunnels if each.network})
    if names:
        confidence = 0.99
        because.append("Docker calls the network " + ", ".join(names))
    return [
        Model("overlay", round(confidence, 2), because, _frames([e for each in tunnels[:4] for e in each.evidence]))
    ]


def _like_swarm(tunnel: Tunnel) -> bool:
    """A VNI that Swarm would take, and private addresses inside."""
    inside = [ip for ip in tunnel.inner_ips if ":" not in ip]
    return tunnel.vni is not None and tunnel.vni >= FIRST_SWARM_VNI and bool(inside) and all(map(is_private, inside))


def _leaves_a_tunnel(path: Path) -> bool:
    return len({hop.tunnel is None for hop in path.hops}) > 1


def _gossips(context: Context, vteps: list[str]) -> bool:
    flows = context.flows
    ends = [address_value(each) for each in vteps]
    rows = flows[swarms_own(context) & (flows[:, FLOW_DPORT] == PORT_SWARM_GOSSIP)][
        :, [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_DST_HI, FLOW_DST_LO]
    ]
    return any((row[0], row[1]) in ends and (row[2], row[3]) in ends for row in rows.tolist())


# -- encrypted ------------------------------------------------------------------------------------------
def _encrypted(context: Context) -> list[Model]:
    secret = [each for each in tunnel_facts(context) if each.kind == "esp"]
    for tunnel in secret:
        inside, evidence = _beyond(context, tunnel.vteps)
        gossip = _gossips(context, tunnel.vteps)
        ends = " and ".join(tunnel.vteps)
        because = [f"{ends} exchange ESP at {tunnel.point}: what crosses the wire is encrypted"]
        confidence = 0.2
        if inside:
            because.append(f"{' and '.join(inside)} reach each other unchanged on both sides of it, never on the wire")
            confidence = 0.8
        if gossip:
            because.append(f"{ends} gossip as nodes of a swarm (port {PORT_SWARM_GOSSIP})")
            confidence = 0.9 if inside else 0.6
        if context.topology and any(
            n.driver == "overlay" and "encrypted" in n.options for n in context.topology.networks
        ):
            because.append("Docker has an encrypted overlay network")
            confidence = 0.99
        if confidence > 0.2:
            return [Model("overlay", confidence, because, _frames([*tunnel.evidence[:5], *evidence]))]
    return []


def _beyond(context: Context, hosts: list[str]) -> tuple[list[str], list[Evidence]]:
    """Two addresses of one private network, not the hosts', whose packets pass three points or more unchanged."""
    found = flow_links(context)
    flows = context.flows
    for chain in found.chains(found.after[found.target] >= 0):
        rows = [int(found.source[chain[0]]), *(int(found.target[link]) for link in chain)]
        first = flows[rows[0]]
        ends = source(first), destination(first)
        if len(rows) < 3 or set(ends) & set(hosts) or any(":" in end or not is_private(end) for end in ends):
            continue
        same = all(
            (flows[row][[FLOW_SMAC, FLOW_TTL, FLOW_VIA]] == first[[FLOW_SMAC, FLOW_TTL, FLOW_VIA]]).all()
            for row in rows
        )
        if same and same_network(list(ends)):
            evidence = [context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in rows[:5]]
            return sorted(ends, key=address_value), evidence
    return [], []


def _frames(evidence: list[Evidence]) -> list[Evidence]:
    return sorted(set(evidence))[:10]
