"""overlay: containers' Ethernet frames in VXLAN between two hosts, Swarm's overlay driver; encrypted: in ESP.

Told apart by: VXLAN whose inside is Ethernet between private addresses of one network. Swarm takes VNIs from 4096 up
and gossips between the same hosts on port 7946.
Looks alike: any other VXLAN (flannel's VNI 1 on port 8472, a fabric's), which gets a confidence below one half.
Encrypted, the wire shows ESP between the hosts and no VXLAN. It counts as overlay where the plain frames were seen at
both ends, or between hosts that gossip.
"""

from __future__ import annotations

from typing import NamedTuple

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_private, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Model, Path, Tunnel
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.swarm_traffic import swarm_flows
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.wire.addresses import address_value
from capnet.wire.numbers import PORT_SWARM_GOSSIP

FIRST_SWARM_VNI = 4096
MIN_CONFIDENCE = 0.5  # of 0 to 1: below, the tunnel may be of any other VXLAN
_UNKNOWN_VXLAN_CONFIDENCE = 0.45
_UNKNOWN_ESP_CONFIDENCE = 0.2


def judge(context: Context) -> list[Model]:
    """At most one model: of all VXLAN tunnels, or of the first pair of hosts with ESP that looks like one."""
    tunnels = tunnel_facts(context)
    vxlan = [tunnel for tunnel in tunnels if tunnel.kind == "vxlan" and tunnel.frames and tunnel.inner_ips]
    if vxlan:
        return [_plain(context, vxlan)]
    for tunnel in tunnels:
        if tunnel.kind == "esp":
            model = _encrypted(context, tunnel)
            if model.confidence > _UNKNOWN_ESP_CONFIDENCE:
                return [model]
    return []


# -- VXLAN ----------------------------------------------------------------------------------------------
def _plain(context: Context, tunnels: list[Tunnel]) -> Model:
    because = []
    for vni in sorted({tunnel.vni for tunnel in tunnels if tunnel.vni is not None}):
        tunnel = next(tunnel for tunnel in tunnels if tunnel.vni == vni)
        because.append(f"frames of VNI {vni} cross {tunnel.point} in VXLAN between {' and '.join(tunnel.vteps)}")
    swarm_like = [tunnel for tunnel in tunnels if _is_like_swarm(tunnel)]
    confidence = _UNKNOWN_VXLAN_CONFIDENCE
    if any(not tunnel.one_way for tunnel in swarm_like):
        confidence = 0.95 if any(len(tunnel.inner_ips) >= 2 for tunnel in swarm_like) else 0.9
    path = next((path for path in path_facts(context) if _leaves_a_tunnel(path)), None)
    if swarm_like and path:
        ends = f"{path.flow.src} and {path.flow.dst}"
        because.append(f"what {ends} exchange was seen inside the tunnel and outside of it")
        confidence = max(confidence, 0.95)
    gossiping = next((tunnel for tunnel in tunnels if _gossip(context, tunnel.vteps)), None)
    if swarm_like and gossiping:
        because.append(_gossip_reason(gossiping))
        confidence = 0.97
    if confidence < MIN_CONFIDENCE:
        because.append("but nothing says that it is Swarm's: any VXLAN looks the same")
    names = sorted({tunnel.network for tunnel in tunnels if tunnel.network})
    if names:
        because.append("Docker calls the network " + ", ".join(names))
        confidence = 0.99
    evidence = {frame for tunnel in tunnels[:4] for frame in tunnel.evidence}
    return Model("overlay", round(confidence, 2), because, sorted(evidence)[:MAX_EVIDENCE])


def _is_like_swarm(tunnel: Tunnel) -> bool:
    """A VNI that Swarm would take, and private addresses inside."""
    inner_ips = [ip for ip in tunnel.inner_ips if ":" not in ip]
    has_swarm_vni = tunnel.vni is not None and tunnel.vni >= FIRST_SWARM_VNI
    return has_swarm_vni and bool(inner_ips) and all(map(is_private, inner_ips))


def _leaves_a_tunnel(path: Path) -> bool:
    return len({hop.tunnel is None for hop in path.hops}) > 1


def _gossip(context: Context, vteps: list[str]) -> bool:
    """Do these hosts exchange Swarm's gossip?"""
    flows = context.flows
    ends = {address_value(vtep) for vtep in vteps}
    columns = [schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_DST_HI, schema.FLOW_DST_LO]
    rows = flows[swarm_flows(context) & (flows[:, schema.FLOW_DPORT] == PORT_SWARM_GOSSIP)][:, columns].tolist()
    return any((src_hi, src_lo) in ends and (dst_hi, dst_lo) in ends for src_hi, src_lo, dst_hi, dst_lo in rows)


def _gossip_reason(tunnel: Tunnel) -> str:
    return f"{' and '.join(tunnel.vteps)} gossip as nodes of a swarm (port {PORT_SWARM_GOSSIP})"


# -- ESP ------------------------------------------------------------------------------------------------
def _encrypted(context: Context, tunnel: Tunnel) -> Model:
    because = [f"{' and '.join(tunnel.vteps)} exchange ESP at {tunnel.point}: what crosses the wire is encrypted"]
    confidence = _UNKNOWN_ESP_CONFIDENCE
    inner = _inner_ends(context, tunnel.vteps)
    if inner:
        ends = " and ".join(inner.ips)
        because.append(f"{ends} reach each other unchanged on both sides of it, never on the wire")
        confidence = 0.8
    if _gossip(context, tunnel.vteps):
        because.append(_gossip_reason(tunnel))
        confidence = 0.9 if inner else 0.6
    networks = context.topology.networks if context.topology else []
    if any(network.driver == "overlay" and "encrypted" in network.options for network in networks):
        because.append("Docker has an encrypted overlay network")
        confidence = 0.99
    evidence = {*tunnel.evidence[:5], *(inner.evidence if inner else ())}
    return Model("overlay", confidence, because, sorted(evidence)[:MAX_EVIDENCE])


class _InnerEnds(NamedTuple):
    """Two addresses inside the tunnel, sorted, and frames between them."""

    ips: list[str]
    evidence: list[Evidence]


def _inner_ends(context: Context, hosts: list[str]) -> _InnerEnds | None:
    """Two addresses of one private network, not the hosts', whose packets pass three points or more unchanged."""
    links = flow_links(context)
    flows = context.flows
    unchanged = [schema.FLOW_SMAC, schema.FLOW_TTL, schema.FLOW_VIA]
    for chain in links.chains(links.after[links.target] >= 0):
        rows = [int(links.source[chain[0]]), *links.target[chain].tolist()]
        ends = [source(flows[rows[0]]), destination(flows[rows[0]])]
        if len(rows) < 3 or {*ends} & {*hosts} or any(":" in end or not is_private(end) for end in ends):
            continue
        is_unchanged = (flows[rows][:, unchanged] == flows[rows[0]][unchanged]).all()
        if is_unchanged and same_network(ends):
            evidence = [context.flow_evidence(row, int(flows[row, schema.FLOW_FIRST_FRAME])) for row in rows[:5]]
            return _InnerEnds(sorted(ends, key=address_value), evidence)
    return None
