"""bridge: containers on a Linux bridge behind the host's address, masquerade outward, DNAT inward.

Told apart by: packets whose private source becomes the host's address, or whose destination becomes a private one,
with one router (TTL - 1) between; neighbours that reach each other over veths unchanged; a gateway with the MAC of a
bridge that Docker made.
Looks alike: any NAT router that is captured on both sides, and any bridge of virtual machines.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_private
from capnet.analysis.core.results import Path
from capnet.analysis.core.schema import Mask, Values
from capnet.analysis.core.wording import Text, endpoint_text, plural, several
from capnet.analysis.facts.layer2.model import network_of, same_network
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.models.container_signs import (
    SWARM_BRIDGE,
    bridge_gateways,
    container_macs,
    is_container_bridge,
    is_engine_point,
)
from capnet.analysis.facts.models.signs.sign import Sign, station_frames
from capnet.analysis.facts.nat.translation_rows import KINDS, Translations
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.proxies import proxy_facts
from capnet.analysis.fate.speakers import speakers
from capnet.wire.addresses import MAPPED, address_text, address_value, mac_text

MAX_KERNEL_DELAY_US = 1000.0  # a packet passes the bridge and NAT of one kernel in microseconds, seldom in 1 ms
MIN_BRIDGED_HOPS = 5  # container, veth, bridge, veth, container; a macvlan child has no veth before the parent
DOCKER_POOLS = tuple(f"172.{second}." for second in range(17, 32))  # where Docker takes bridges' subnets from first
BRIDGE_POOLS = (*DOCKER_POOLS[:-1], "10.88.", "10.89.", "10.244.")  # not 172.31, a cloud's; with Podman's, flannel's
MAX_TALKS = 1000  # flows between containers that are looked at: all of one kind
_BRIDGE_ROLES = {"bridge", "veth"}
_POOLS = tuple(int(first) << 8 | int(second) for first, second, _ in (pool.split(".") for pool in BRIDGE_POOLS))
_FLOW_ENDS = [schema.FLOW_SMAC, schema.FLOW_DMAC, *schema.FLOW_ADDRESSES]


# -- stations ---------------------------------------------------------------------------------------
def usual_subnet(context: Context) -> Iterator[Sign]:
    """A container, by its MAC or at a point named so, has an address that engines give bridge networks first."""
    if not _are_in_pools(context.stations[:, schema.STATION_IP_HI], context.stations[:, schema.STATION_IP_LO]).any():
        return
    containers = container_macs(context)
    for point in range(len(context.points)):
        is_named = is_engine_point(context.points[point].name, context.points[point].role)
        for mac, speaker in speakers(context, point).items():
            if not is_named and mac not in containers:
                continue
            ips = [ip for ip in speaker.own if ip.startswith(BRIDGE_POOLS)]
            if ips:
                ip = min(ips, key=address_value)
                says = Text(
                    en="{ip} is of the addresses that container engines give bridge networks first",
                    zh="{ip} 属于容器引擎首先分给网桥网络的地址",
                ).fill(ip=ip)
                yield Sign(says, station_frames(context, [mac], point))
                return


def _are_in_pools(high: Values, low: Values) -> Mask:
    """Per address, given by its halves: is it in BRIDGE_POOLS?"""
    mask: Mask = (high == 0) & (low >> 32 == MAPPED >> 32) & is_one_of(low >> 16 & 0xFFFF, _POOLS)
    return mask


def bridge_forwards(context: Context) -> Iterator[Sign]:
    """At a point with the name of an engine's bridge, a station forwards: the way out of a bridge network.

    Wrong when: it is docker_gwbridge, which is not counted.
    """
    for point in range(len(context.points)):
        name = context.points[point].name
        if is_container_bridge(name) and not name.endswith(SWARM_BRIDGE):
            for mac, speaker in speakers(context, point).items():
                if speaker.forwarded_ips:
                    says = Text(
                        en="at {name}, {mac} forwards for {ip}: the way in and out",
                        zh="在 {name}，{mac} 为 {ip} 转发：它是进出的通路",
                    ).fill(name=name, mac=mac_text(mac), ip=speaker.forwarded_ips[0])
                    yield Sign(says, station_frames(context, [mac], point))
                    return


def bridge_gateway(context: Context) -> Iterator[Sign]:
    """The gateway of a container has the MAC of a bridge that Docker made: 02:42 and no address of a container.

    Wrong when: it is docker_gwbridge, the way out of containers that have an overlay network.
    """
    for gateway, behind in bridge_gateways(context).items():
        says = Text(
            en="the gateway of {ip}, {gateway}, has a MAC as Docker gives its bridges",
            zh="{ip} 的网关 {gateway} 的 MAC 与 Docker 给网桥的一样",
        ).fill(ip=behind[0].ip, gateway=mac_text(gateway))
        yield Sign(says, station_frames(context, [gateway]))


def default_bridge(context: Context) -> Iterator[Sign]:
    """That bridge is the gateway of 172.17.0.0/16: docker0's subnet, which no other network of a swarm gets."""
    for gateway, behind in bridge_gateways(context).items():
        if any(container.ip.startswith("172.17.") for container in behind):
            yield Sign(
                Text(
                    en="172.17.0.0/16 behind such a gateway is docker0's own network",
                    zh="这样的网关后面的 172.17.0.0/16 是 docker0 自己的网络",
                ).fill(),
                station_frames(context, [gateway]),
            )


def direct_talk(context: Context) -> Iterator[Sign]:
    """Two containers of one network exchange packets directly, which a swarm's docker_gwbridge does not let them.

    Their network is one that engines give bridges first, or has such a gateway: containers of an overlay network talk
    directly as well, and what is seen of the bridge by which they go out is no evidence for it.
    Wrong when: the network is an overlay or macvlan network with such addresses.
    """
    behind_gateways = {network_of(each.ip) for behind in bridge_gateways(context).values() for each in behind}
    containers = container_macs(context)
    macs = np.array(sorted(containers), dtype=np.int64)
    flows = context.flows
    rows = np.flatnonzero((flows[:, schema.FLOW_VIA] == 0) & (flows[:, schema.FLOW_SMAC] != flows[:, schema.FLOW_DMAC]))
    for column in (schema.FLOW_SMAC, schema.FLOW_DMAC):
        rows = rows[is_among(flows[:, column][rows], macs)]
    rows = rows[:MAX_TALKS]
    if not behind_gateways:
        source = (flows[:, column][rows] for column in schema.FLOW_SRC)
        rows = rows[_are_in_pools(*source)]
    for row, (smac, dmac, *halves) in zip(rows.tolist(), flows[rows[:, None], _FLOW_ENDS].tolist(), strict=True):
        src, dst = address_text(*halves[:2]), address_text(*halves[2:])
        if not src.startswith(BRIDGE_POOLS) and network_of(src) not in behind_gateways:
            continue
        ends = {containers[smac].ip, containers[dmac].ip}
        if {src, dst} == ends and ":" not in src and same_network([src, dst]):
            frame = context.first_frame(row)
            yield Sign(
                Text(
                    en="the containers {src} and {dst} exchange packets directly", zh="容器 {src} 和 {dst} 直接交换包"
                ).fill(src=src, dst=dst),
                [frame],
            )
            return


# -- translations -----------------------------------------------------------------------------------
def masquerade(context: Context) -> Iterator[Sign]:
    """A private source becomes the address of another network within one kernel: at most 1 ms.

    Wrong when: a fast NAT router beside the host does it, or a cloud's gateway one to one.
    """
    rows = _translations(context).of_kinds("snat")
    if rows:
        hosts = rows.addresses("after", "src")
        says = Text(
            en="{connections} left as {hosts} (source NAT)", zh="{connections}以 {hosts} 发出（源地址转换）"
        ).fill(connections=plural(len(rows), "connection"), hosts=", ".join(hosts[:4]))
        yield Sign(says, [frame for row in rows[:2] for frame in row.evidence[:2]])


def published_port(context: Context) -> Iterator[Sign]:
    """A destination becomes a private address of another network within one kernel.

    Wrong when: a fast router with port forwarding does it.
    """
    rows = _translations(context).of_kinds("dnat")
    if rows:
        servers = sorted(
            endpoint_text(address, port) for address, port in rows.different("before.dst", "before.dport") if port
        )
        says = Text(
            en="{connections} to {servers} went on by DNAT", zh="到 {servers} 的 {connections}经目的地址转换继续前进"
        ).fill(connections=plural(len(rows), "connection"), servers=", ".join(servers[:4]) or rows[0].before.dst)
        yield Sign(says, [frame for row in rows[:2] for frame in row.evidence[:2]])


def container_behind_nat(context: Context) -> Iterator[Sign]:
    """The address behind that translation is a container's, by its MAC or by the name of the point."""
    translations = _translations(context)
    if not len(translations):
        return
    ips = {container.ip for container in container_macs(context).values()}
    engine_points = {point.name for point in context.points if is_engine_point(point.name, point.role)}
    is_of_container = np.zeros(len(translations), dtype=bool)
    for kind, side, end in (("snat", "before", "src"), ("dnat", "after", "dst")):
        pairs, pair = translations.address_pairs((side, end), (side, end))
        is_inner = np.array([inner in ips for inner, _ in pairs] or [False])[pair]
        points = translations.before_point if side == "before" else translations.after_point
        is_inner |= np.array([point.name in engine_points for point in context.points] or [False])[points]
        is_of_container |= (translations.kind == KINDS.index(kind)) & is_inner
    for row in translations.take(np.flatnonzero(is_of_container)[:1]):
        inner = row.before.src if row.kind == "snat" else row.after.dst
        says = Text(en="{inner}, which is translated, is a container's address", zh="被转换的 {inner} 是容器的地址")
        yield Sign(says.fill(inner=inner), row.evidence[:2])


def userland_proxy(context: Context) -> Iterator[Sign]:
    """docker-proxy accepts a connection to the host's address and opens another one from the bridge's address."""
    owners = {
        (ip, mac): speaker
        for stations in layer2_segments(context).speakers.values()
        for mac, speaker in stations.items()
        for ip in speaker.claimed
    }
    for proxy in proxy_facts(context):
        client, server = proxy.client_side, proxy.server_side
        for (ip, _), speaker in owners.items():
            if ip == server.src and client.dst in speaker.own and same_network([ip, server.dst]):
                says = Text(
                    en="{ip}, the gateway of {server}, carries on what is sent to {client}: a userland proxy",
                    zh="{server} 的网关 {ip} 接着传送发给 {client} 的内容：这是 userland proxy",
                ).fill(ip=ip, server=server.dst, client=client.dst)
                yield Sign(says, proxy.evidence)
                return


@derived
def _translations(context: Context) -> Translations:
    """Translations of one end that hide a private address behind one of another network, in one kernel.

    Within one network, or of both ends, it is a load balancer's (IPVS), or a cloud's. Loopback is not private.
    """
    translations = nat_facts(context)
    is_wanted = ~translations.is_timed | (translations.delays_ns[:, 0] < 1000 * MAX_KERNEL_DELAY_US)
    hides_network = np.zeros(len(translations), dtype=bool)
    for kind, inner, outer in (("snat", "before", "after"), ("dnat", "after", "before")):
        end = "src" if kind == "snat" else "dst"
        pairs, pair = translations.address_pairs((inner, end), (outer, end))
        hides = np.array([_hides_a_network(*ends) for ends in pairs] or [False])
        hides_network |= (translations.kind == KINDS.index(kind)) & hides[pair]
    return translations.take(np.flatnonzero(is_wanted & hides_network))


def _hides_a_network(inner: str, outer: str) -> bool:
    return is_private(inner) and (":" in inner or ":" in outer or not same_network([inner, outer]))


# -- paths ------------------------------------------------------------------------------------------
def bridged_path(context: Context) -> Iterator[Sign]:
    """A container's interface or veth sees the same packets as a bridge, nothing changed.

    Wrong when: it is docker_gwbridge, which is not counted.
    """
    roles = {point.name: point.role for point in context.points if not point.name.endswith(SWARM_BRIDGE)}
    for path in _unchanged_paths(context, 2):
        hop_roles = {roles.get(hop.point, "unknown") for hop in path.hops}
        if "bridge" in hop_roles and hop_roles & {"container", "veth"} and hop_roles <= {"bridge", "container", "veth"}:
            yield _bridged(path)
            return


def veth_path(context: Context) -> Iterator[Sign]:
    """The same with a veth, and no bridge captured; without names, over five points or more.

    Wrong when: a macvlan child, its VLAN interface and two network interfaces are in the capture, without names.
    """
    roles = {point.name: point.role for point in context.points}
    for path in _unchanged_paths(context, 3):
        hop_roles = {roles[hop.point] for hop in path.hops}
        ends = {roles[path.hops[0].point], roles[path.hops[-1].point]}
        by_name = hop_roles & _BRIDGE_ROLES and ends <= {"container", "veth"}
        if by_name or (ends == {"unknown"} and len(path.hops) >= MIN_BRIDGED_HOPS):
            yield _bridged(path)
            return


def _unchanged_paths(context: Context, min_points: int) -> Iterator[Path]:
    """Paths over so many points or more whose packets keep addresses, MACs and TTL, outside of tunnels."""
    for path in path_facts(context):
        hops = path.hops
        if any(hop.tunnel for hop in hops) or len({hop.point for hop in hops}) < min_points or hops[0].smac is None:
            continue
        if len({(hop.src, hop.dst, hop.smac, hop.dmac, hop.ttl) for hop in hops}) == 1:
            yield path


def _bridged(path: Path) -> Sign:
    ends = several(sorted((path.flow.src, path.flow.dst)))
    return Sign(
        Text(
            en="{ends} talk to each other across {points} points directly: no NAT, no encapsulation",
            zh="{ends} 经过 {points} 个抓包点直接通信：没有地址转换，没有封装",
        ).fill(ends=ends, points=len(path.hops)),
        path.evidence[:4],
    )
