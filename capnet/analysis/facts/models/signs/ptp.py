"""ptp: containers without a bridge, each on a veth of its own, between which the host routes.

So join pods the CNI plugin ptp, Calico, Cilium and the plugins of Amazon's and Microsoft's clouds; LXD calls it routed.
Told apart by: the gateway of one network has another MAC at each veth; containers of one network reach each other with
TTL - 1; a gateway with the MAC ee:ee:ee:ee:ee:ee, which Calico gives each of its veths; names of veths.
Looks alike: virtual machines with routed interfaces; two small bridges of one host, in neighbouring networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence, Hop
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.layer2.arp import rival_claims
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.models import container_signs
from capnet.analysis.facts.models.container_signs import CALICO_MAC, is_routed_veth
from capnet.analysis.facts.models.signs.sign import Sign, station_frames
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.topology import Container, Endpoint
from capnet.topology.routed import is_routed
from capnet.wire.addresses import address_text, mac_text, mac_value

MAX_CLAIMS = 10_000  # rows of ARP that are looked at: one host has fewer containers
_AT_A_CONTAINER = {"container", "veth"}  # roles of points


def routed_containers(context: Context) -> Iterator[Sign]:
    """A container's veth is no port of a bridge, by the topology, and its address sends there.

    Wrong when: the topology is of another recording of the same network.
    """
    seen = [each for each in _routed_endpoints(context) if _sends(context, each.endpoint)]
    if seen:
        says = Text(
            en="the veth of {owners} is no port of a bridge: the host routes to it",
            zh="{owners} 的 veth 不是网桥的端口：由主机路由到它",
        ).fill(owners=several(sorted({each.owner.name for each in seen})))
        macs = [mac_value(each.endpoint.mac) for each in seen if each.endpoint.mac]
        yield Sign(says, station_frames(context, macs))


class _Routed(NamedTuple):
    owner: Container
    endpoint: Endpoint


def _routed_endpoints(context: Context) -> Iterator[_Routed]:
    """Interfaces of containers on no network of Docker's, whose host end is in the host's own namespace, on no bridge.

    On a network of Docker's, the veth was taken from its bridge, or leads to something else.
    """
    topology = context.topology
    of_docker = {network.name for network in topology.networks} if topology else set()
    for owner in topology.containers if topology else ():
        if any(endpoint.network in of_docker for endpoint in owner.endpoints):
            continue
        for endpoint in owner.endpoints:
            if endpoint.kind == "veth" and is_routed(endpoint):
                yield _Routed(owner, endpoint)


def _sends(context: Context, endpoint: Endpoint) -> bool:
    ips = set(endpoint.ips)
    return any(ips & speaker.own.keys() for speaker in speakers(context).values())


def calico_gateway(context: Context) -> Iterator[Sign]:
    """A station forwards with the MAC ee:ee:ee:ee:ee:ee, which Calico gives the host's end of each pod's veth."""
    speaker = container_signs.calico_gateway(context)
    if speaker:
        says = Text(
            en="{mac}, which Calico gives its veths, speaks for {ip}", zh="{mac} 是 Calico 给 veth 的 MAC，它代表 {ip}"
        ).fill(mac=mac_text(CALICO_MAC), ip=min([*speaker.claimed, *speaker.forwarded]))
        yield Sign(says, station_frames(context, [CALICO_MAC]))


def routed_veth_name(context: Context) -> Iterator[Sign]:
    """A point is called as Calico, Cilium and the plugins of Amazon and Azure call veths, which are on no bridge."""
    for number, point in enumerate(context.points):
        if point.packets and is_routed_veth(point.name):
            says = Text(
                en="{point} has the name of a veth that a plugin of Kubernetes routes to",
                zh="从名称看，{point} 是 Kubernetes 插件路由到的 veth",
            ).fill(point=point.name)
            yield Sign(says, station_frames(context, [*speakers(context, number)], number))
            return


def gateway_at_each_veth(context: Context) -> Iterator[Sign]:
    """Packets are routed between two interfaces that have one gateway address, with another MAC at each."""
    claims = _claims(context)
    for step in _routed_steps(context):
        first, second = claims.get(step.before.point, {}), claims.get(step.after.point, {})
        for gateway in sorted(first.keys() & second.keys()):
            macs = [mac_text(claim.mac) for claim in (first[gateway], second[gateway])]
            if macs[0] != macs[1] and step.before.dmac in (None, macs[0]) and step.after.smac in (None, macs[1]):
                says = Text(
                    en="the gateway {gateway} is {macs[0]} at {before} and {macs[1]} at {after}: routed",
                    zh="网关 {gateway} 在 {before} 是 {macs[0]}，在 {after} 是 {macs[1]}，中间经过路由",
                ).fill(gateway=gateway, macs=macs, before=step.before.point, after=step.after.point)
                yield Sign(says, [first[gateway].frame, second[gateway].frame, *step.frames])
                return


def routed_between_neighbours(context: Context) -> Iterator[Sign]:
    """Two containers of one network reach each other over their veths with TTL - 1: they are not switched.

    Wrong when: they are on two bridges of one host, whose networks are neighbours.
    """
    roles = {point.name: point.role for point in context.points}
    for step in _routed_steps(context):
        ends = [step.before.src, step.before.dst]
        are_veths = {roles[step.before.point], roles[step.after.point]} <= _AT_A_CONTAINER
        if are_veths and ":" not in ends[0] and same_network(ends):
            says = Text(
                en="{ends} are of one network, and packets between them are routed: TTL - 1",
                zh="{ends} 属于同一个网络，它们之间的包经过路由：TTL 减 1",
            ).fill(ends=several(sorted(ends)))
            yield Sign(says, step.frames)
            return


class _RoutedStep(NamedTuple):
    """Two hops of a path, one behind the other, between which one router passed the packets on, and nothing else."""

    before: Hop
    after: Hop
    frames: list[Evidence]  # one for each


@derived
def _routed_steps(context: Context) -> list[_RoutedStep]:
    """Of paths outside of tunnels."""
    steps = []
    for path in path_facts(context):
        for number, (before, after) in enumerate(pairwise(path.hops)):
            is_routed = after.change == ["routed"] and before.ttl is not None and after.ttl == before.ttl - 1
            if is_routed and not before.tunnel and not after.tunnel:
                steps.append(_RoutedStep(before, after, path.evidence[number : number + 2]))
    return steps


class _Claim(NamedTuple):
    """The MAC that an address has in ARP, and a frame that says so."""

    mac: int
    frame: Evidence


@derived
def _claims(context: Context) -> dict[str, dict[str, _Claim]]:
    """Point → address → its MAC, of addresses that one MAC alone claims there."""
    columns = [schema.ARP_POINT, schema.ARP_SENDER_LO, schema.ARP_SENDER_MAC, schema.ARP_FIRST_FRAME]
    claims: dict[str, dict[str, _Claim]] = {}
    rivals = {(claim.point, claim.ip) for claim in rival_claims(context)}
    arps = context.arps[context.arps[:, schema.ARP_VIA] == 0]
    for point, sender, mac, frame in arps[:MAX_CLAIMS][:, columns].tolist():
        ip = address_text(0, sender)
        if mac > 0 and sender & 0xFFFFFFFF and (point, ip) not in rivals:
            at_point = claims.setdefault(context.points[point].name, {})
            at_point.setdefault(ip, _Claim(mac, context.evidence(point, frame)))
    return claims
