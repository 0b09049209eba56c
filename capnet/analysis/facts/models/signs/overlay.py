"""overlay: containers' Ethernet frames in VXLAN between two hosts, Swarm's overlay driver; encrypted: in ESP.

Told apart by: VXLAN whose inside is Ethernet between containers of one network, by their MACs, or between hosts that
gossip as nodes of a swarm do (port 7946). Swarm takes VNIs from 4096 up.
Looks alike: any other VXLAN. Switch fabrics and Calico have VNIs from 4096 up as well, flannel's is 1 on port 8472;
MetalLB's speakers gossip on port 7946. Those of Kubernetes route what they carry: inside, TTL is no longer initial.
Encrypted, the wire shows ESP between the hosts and no VXLAN.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, destination, is_private, source
from capnet.analysis.core.results import Evidence, Path, Tunnel
from capnet.analysis.core.wording import Text, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.models.container_signs import container_macs
from capnet.analysis.facts.models.signs.sign import Sign
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.swarm_traffic import swarm_flows
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_value
from capnet.wire.numbers import PORT_SWARM_GOSSIP

FIRST_SWARM_VNI = 4096
MAX_FRAMES = 2  # of one tunnel


# -- VXLAN ----------------------------------------------------------------------------------------------
def vxlan(context: Context) -> Iterator[Sign]:
    """Frames between private addresses cross in VXLAN, both ways, with a VNI that Swarm would take.

    Wrong when: it is of a switch fabric, of Calico, or of anything else that has VXLAN.
    """
    for tunnel in _vxlan(context):
        if not tunnel.one_way and _is_like_swarm(tunnel):
            ends = several(tunnel.vteps)
            says = Text(
                en="frames of VNI {vni} cross {point} in VXLAN between {ends}",
                zh="VNI {vni} 的帧以 VXLAN 经过 {point}，两端是 {ends}",
            ).fill(vni=tunnel.vni, point=tunnel.point, ends=ends)
            yield Sign(says, tunnel.evidence[:MAX_FRAMES])


def containers_inside(context: Context) -> Iterator[Sign]:
    """The frames inside a tunnel are of containers, by their MACs: Ethernet of containers crosses between hosts."""
    vteps = {vtep for tunnel in tunnel_facts(context) for vtep in tunnel.vteps}  # hosts, also of tunnels in tunnels
    containers = container_macs(context)
    for tunnel in _vxlan(context):
        macs = map(mac_value, tunnel.inner_macs)
        inside = [containers[mac] for mac in macs if mac in containers and containers[mac].ip not in vteps]
        if any(container.ip in tunnel.inner_ips for container in inside):
            ips = several(sorted({container.ip for container in inside}, key=address_value))
            yield Sign(
                Text(
                    en="{ips}, by MAC, speak as containers inside VNI {vni}",
                    zh="从 MAC 看，{ips} 是 VNI {vni} 内的容器",
                ).fill(ips=ips, vni=tunnel.vni),
                tunnel.evidence[:MAX_FRAMES],
            )


def gossip(context: Context) -> Iterator[Sign]:
    """Hosts with a tunnel between them gossip as nodes of a swarm do: UDP from port 7946 to port 7946.

    Wrong when: it is the gossip of MetalLB in a cluster with Calico.
    """
    for tunnel in tunnel_facts(context):
        if tunnel.kind in ("vxlan", "esp") and (frames := _gossip_frames(context, tunnel.vteps)):
            says = Text(
                en="{vteps} gossip as nodes of a swarm (port {port})",
                zh="{vteps} 作为 swarm 节点互相 gossip（端口 {port}）",
            ).fill(vteps=several(tunnel.vteps), port=PORT_SWARM_GOSSIP)
            yield Sign(says, frames)


def inside_and_outside(context: Context) -> Iterator[Sign]:
    """The same packets were seen inside a tunnel and, unchanged, outside of it."""
    path = next((path for path in path_facts(context) if _vxlan(context) and _leaves_a_tunnel(path)), None)
    if path:
        says = Text(
            en="what {src} and {dst} exchange was seen inside the tunnel and outside of it",
            zh="{src} 和 {dst} 之间的包在隧道内外都看到了",
        ).fill(src=path.flow.src, dst=path.flow.dst)
        yield Sign(says, path.evidence[:MAX_FRAMES])


def routed_inside(context: Context) -> Iterator[Sign]:
    """All packets inside were routed before, TTL is no longer initial: pods' packets, as flannel and Calico carry them.

    It speaks against an overlay network, whose frames come from the containers themselves.
    """
    flows = context.flows
    is_inside = (flows[:, schema.FLOW_VIA] > 0) & (flows[:, schema.FLOW_TTL] > 0)
    if _vxlan(context) and is_inside.any() and not is_one_of(flows[:, schema.FLOW_TTL][is_inside], INITIAL_TTLS).any():
        yield Sign(
            Text(
                en="but all packets inside the tunnel were routed before: pods' packets, or a router's",
                zh="但隧道内的包此前都经过路由：是 pod 的包，或路由器的包",
            ).fill()
        )


def _vxlan(context: Context) -> list[Tunnel]:
    return [tunnel for tunnel in tunnel_facts(context) if tunnel.kind == "vxlan" and tunnel.frames and tunnel.inner_ips]


def _is_like_swarm(tunnel: Tunnel) -> bool:
    """A VNI that Swarm would take, and private addresses inside."""
    inner_ips = [ip for ip in tunnel.inner_ips if ":" not in ip]
    has_swarm_vni = tunnel.vni is not None and tunnel.vni >= FIRST_SWARM_VNI
    return has_swarm_vni and bool(inner_ips) and all(map(is_private, inner_ips))


def _leaves_a_tunnel(path: Path) -> bool:
    return len({hop.tunnel is None for hop in path.hops}) > 1


def _gossip_frames(context: Context, vteps: list[str]) -> list[Evidence]:
    """The first frames of Swarm's gossip between these hosts, both ways; [] if there is none."""
    flows = context.flows
    ends = {address_value(vtep) for vtep in vteps}
    columns = schema.FLOW_ADDRESSES
    is_gossip = swarm_flows(context) & (flows[:, schema.FLOW_DPORT] == PORT_SWARM_GOSSIP)
    frames: dict[tuple[int, int], Evidence] = {}
    for row in np.flatnonzero(is_gossip).tolist():
        src_hi, src_lo, dst_hi, dst_lo = flows[row, columns].tolist()
        if (src_hi, src_lo) in ends and (dst_hi, dst_lo) in ends:
            evidence = context.first_frame(row)
            frames.setdefault((src_hi, src_lo), evidence)
    return list(frames.values())


# -- ESP ------------------------------------------------------------------------------------------------
def clear_at_both_ends(context: Context) -> Iterator[Sign]:
    """Two hosts exchange ESP, and two private addresses reach each other unchanged on both sides of it.

    Wrong when: a bridge between them was captured beside a VPN.
    """
    inner = _inner_ends(context)
    esp = next((tunnel for tunnel in tunnel_facts(context) if tunnel.kind == "esp"), None)
    if inner and esp:
        says = Text(
            en="{ips} exchange the same packets on both sides of ESP, never on the wire",
            zh="{ips} 在 ESP 两侧交换同样的包，而线路上没有",
        ).fill(ips=several(inner.ips))
        yield Sign(says, [*inner.evidence[:MAX_FRAMES], *esp.evidence[:MAX_FRAMES]])


def containers_in_clear(context: Context) -> Iterator[Sign]:
    """These addresses are containers', by their MACs."""
    inner = _inner_ends(context)
    if inner and {*inner.ips} <= {container.ip for container in container_macs(context).values()}:
        yield Sign(
            Text(en="{ips} are containers, by their MACs", zh="从 MAC 看，{ips} 是容器").fill(ips=several(inner.ips)),
            inner.evidence[:MAX_FRAMES],
        )


class _InnerEnds(NamedTuple):
    """Two addresses inside the tunnel, sorted, and frames between them."""

    ips: list[str]
    evidence: list[Evidence]


@derived
def _inner_ends(context: Context) -> _InnerEnds | None:
    """Two addresses of one private network, not the hosts' of ESP, whose packets pass three points unchanged."""
    hosts = {vtep for tunnel in tunnel_facts(context) if tunnel.kind == "esp" for vtep in tunnel.vteps}
    if not hosts:
        return None
    links = flow_links(context)
    flows = context.flows
    unchanged = [schema.FLOW_SMAC, schema.FLOW_TTL, schema.FLOW_VIA]
    for chain in links.chains(links.after[links.target] >= 0):
        rows = [int(links.source[chain[0]]), *links.target[chain].tolist()]
        ends = [source(flows[rows[0]]), destination(flows[rows[0]])]
        if len(rows) < 3 or {*ends} & hosts or any(":" in end or not is_private(end) for end in ends):
            continue
        is_unchanged = (flows[rows][:, unchanged] == flows[rows[0]][unchanged]).all()
        if is_unchanged and same_network(ends):
            evidence = context.first_frames(rows[:5])
            return _InnerEnds(sorted(ends, key=address_value), evidence)
    return None
