"""Packets that arrived in a network namespace and that no later point shows: what its rules and counters may explain.

Input: fates of flow chains, answers that stop, losses on flow links, interfaces of namespaces. Output: one
`MissingPackets` per flow row, where packets were last seen on their way into the namespace. A packet that is seen
on its way out has passed all rules; its direction is told by the MACs. What is sent to a MAC of several namespaces
(ipvlan) arrives where its destination is. An answer to what the host masqueraded is forwarded to who asked. Of answers,
each frame counts: TCP sends two equal SYN-ACKs within microseconds. Limits: MAX_MISSING flows, those with the most
packets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import (
    ICMP_PROTOCOLS,
    are_to_groups,
    destination,
    is_icmp_error,
    ports,
    proto_name,
    source,
)
from capnet.analysis.core.results import Point
from capnet.analysis.core.schema import FlowRow
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges, NamespaceInterface, namespaces
from capnet.analysis.facts.kernel.netfilter.rule_walk import Packet
from capnet.analysis.facts.kernel.netfilter.rules import EBTABLES
from capnet.analysis.fate.answers import is_reset, quoting_errors
from capnet.analysis.fate.chain_values import any_of_chain
from capnet.analysis.fate.fates import fates
from capnet.analysis.fate.hop_loss import lost_packets
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.verdict.stopped_answers import stopped_answers
from capnet.quick_tuple import NamedTuple
from capnet.topology import role_from_name
from capnet.topology.lookup import endpoints, network_of
from capnet.wire.addresses import mac_value
from capnet.wire.numbers import ICMP_ECHO_REQUEST, ICMPV6_ECHO_REQUEST, TCP

MAX_MISSING = 1000
# Octets before the IP header, by link type. Others are not known.
LINK_HEADERS = {"EN10MB": 14, "LINUX_SLL": 16, "LINUX_SLL2": 20, "RAW": 0}
VLAN_TAG = 4
SHORTEST_FRAME = 60  # IEEE 802.3: shorter frames are padded on a wire, behind what the IP header counts


class MissingPackets(NamedTuple):
    """Packets of one flow row that did not get on, or were refused."""

    row: int  # where they were last seen
    namespace: NamespaceChanges
    packets: int
    octets: int | None  # of their IP packets; None if not known
    is_padded: bool  # `octets` may count padding
    is_refused: bool  # by a RST or an ICMP error
    due: int  # point where they were due next, -1 if that is not known
    packet: Packet


class _Lost(NamedTuple):
    row: int
    packets: int
    is_refused: bool
    due: int
    request: int = -1  # where it was seen before its host translated it, if this is an answer


@derived
def missing_packets(context: Context) -> list[MissingPackets]:
    """The missing packets of all namespaces, in order of their flow rows."""
    by_point = {point: namespace for namespace in namespaces(context) for point in namespace.points}
    containers = _inner_namespaces(context)
    lost = {each.row: each for each in _lost(context)}
    busiest = sorted(lost.values(), key=lambda each: (-each.packets, each.row))[:MAX_MISSING]
    missing = []
    bridges = _bridges(context)
    for each in sorted(busiest):
        flow = context.flows[each.row]
        point = context.points[int(flow[schema.FLOW_POINT])]
        own = by_point.get(point.name)
        if own is None or flow[schema.FLOW_VIA]:
            continue
        for namespace in (own, *containers.get(own.name, [])):
            if (packet := _arrives(context, flow, point, namespace, own)) is not None:
                if each.request >= 0 and packet.is_local:
                    packet = packet._replace(asker=_asker(context, each.request, namespace))
                out = bridges.get((namespace.name, packet.dst))
                if out in namespace.interfaces and not packet.bridged and not packet.is_local:
                    packet = packet._replace(out=out)
                missing.append(_missing(context, each, namespace, packet))
                break
    return missing


def _bridges(context: Context) -> dict[tuple[str, str], str]:
    """(host, address of a container) → the bridge of its network, by which the host sends to it."""
    topology = context.topology
    bridges: dict[tuple[str, str], str] = {}
    for container, endpoint in endpoints(topology) if topology else ():
        network = network_of(topology, container, endpoint) if topology else None
        if network is not None and network.bridge:
            bridges |= {(container.host, address): network.bridge for address in endpoint.ips}
    return bridges


def _asker(context: Context, request: int, namespace: NamespaceChanges) -> tuple[str, int | None] | None:
    """Who sent the request; None if that is the namespace itself."""
    flow = context.flows[request]
    address = source(flow)
    return None if address in _addresses(namespace.interfaces.values()) else (address, ports(flow)[0])


def _inner_namespaces(context: Context) -> dict[str, list[NamespaceChanges]]:
    """Namespace → those that lie one veth away: of a container its host's, of a host its containers'."""
    hosts = {namespace.name: namespace for namespace in namespaces(context) if "/" not in namespace.name}
    neighbours: dict[str, list[NamespaceChanges]] = {}
    for namespace in namespaces(context):
        host = hosts.get(namespace.name.partition("/")[0])
        if host is not None and host is not namespace:
            neighbours.setdefault(namespace.name, []).append(host)
            neighbours.setdefault(host.name, []).append(namespace)
    return neighbours


def _lost(context: Context) -> Iterator[_Lost]:
    """Flow rows whose packets, or some of them, go no further, and those that were refused."""
    flows, packets = context.flows, packets_without_duplicates(context)
    refused = any_of_chain(context, is_reset(context)) | (
        quoting_errors(context) >= 0
    )  # a bridge shows no RST of a rule
    last, due = fates(context).last, fates(context).due
    ends = np.flatnonzero(~are_to_groups(context, last) & (~is_answered(context)[last] | refused[last]))
    for row, due_point in zip(last[ends].tolist(), due[ends].tolist(), strict=True):
        if not is_icmp_error(flows[row]):
            yield _Lost(row, int(packets[row]), bool(refused[row]), due_point)
    stopped = stopped_answers(context)
    for row, request in sorted(zip(stopped.answer.tolist(), stopped.request.tolist(), strict=True)):
        yield _Lost(row, int(flows[row, schema.FLOW_PACKETS]), False, int(flows[request, schema.FLOW_POINT]), request)
    links = flow_links(context)
    for link in np.flatnonzero(links.missing > 0)[:MAX_MISSING].tolist():
        if lost := lost_packets(context, links, link):
            due_point = int(flows[links.target[link], schema.FLOW_POINT])
            yield _Lost(int(links.source[link]), lost, False, due_point)


def _missing(context: Context, lost: _Lost, namespace: NamespaceChanges, packet: Packet) -> MissingPackets:
    flow = context.flows[lost.row]
    header = LINK_HEADERS.get(context.points[int(flow[schema.FLOW_POINT])].linktype)
    all_packets, octets = int(flow[schema.FLOW_PACKETS]), None
    if header is not None and lost.packets == all_packets:
        header += VLAN_TAG if flow[schema.FLOW_VLAN] >= 0 else 0
        octets = int(flow[schema.FLOW_BYTES]) - header * all_packets
    is_padded = int(flow[schema.FLOW_BYTES]) <= SHORTEST_FRAME * all_packets
    return MissingPackets(
        lost.row, namespace, lost.packets, octets, is_padded, lost.is_refused, lost.due, packet
    )  # fmt: skip


def _arrives(
    context: Context, flow: FlowRow, point: Point, namespace: NamespaceChanges, own: NamespaceChanges
) -> Packet | None:
    """What arrives in a namespace; None if the packet does not enter it from this point. `own`: that of the point."""
    interface = own.interfaces.get(point.device or "")
    smac, dmac = int(flow[schema.FLOW_SMAC]), int(flow[schema.FLOW_DMAC])
    macs = {each.mac for each in namespace.interfaces.values() if each.mac}
    if dmac in _shared_macs(context) and destination(flow) not in _addresses(namespace.interfaces.values()):
        return None
    if namespace is own:
        if interface is None:
            return None
        in_ = (interface.name, *([interface.master] if interface.master else []))
        if dmac in macs:
            return _packet(flow, namespace, in_, False)
        is_port = interface.master is not None or role_from_name(point.name) == "bridge"
        is_ip_filtered = _filters_bridged(namespace, flow)
        if smac not in macs and is_port and (is_ip_filtered or _has_bridge_rules(namespace)):
            return _packet(flow, namespace, in_, True)._replace(is_ip_filtered=is_ip_filtered)
        return _packet(flow, namespace, in_, False) if dmac < 0 and smac < 0 else None
    own_macs = {each.mac for each in own.interfaces.values() if each.mac}
    if smac in own_macs and dmac in macs:  # from one side of the veth pair to the other
        names = tuple(each.name for each in namespace.interfaces.values() if each.mac == dmac)
        return _packet(flow, namespace, names, False)
    return None


@derived
def _shared_macs(context: Context) -> frozenset[int]:
    """MACs of interfaces in several namespaces, as of ipvlan: the kernel chooses the namespace by the address."""
    owners = {(each.mac, namespace.name) for namespace in namespaces(context) for each in namespace.interfaces.values()}
    for container in context.topology.containers if context.topology else []:
        for endpoint in container.endpoints if not container.shares_network_with else []:
            with suppress(ValueError):
                owners.add((mac_value(endpoint.mac or ""), f"{container.host}/{container.name}"))
    numbers = Counter(mac for mac, _ in owners if mac)
    return frozenset(mac for mac, number in numbers.items() if number > 1)


def _filters_bridged(namespace: NamespaceChanges, flow: FlowRow) -> bool:
    """Do packets that a bridge forwards pass the rules (br_netfilter)?"""
    version = "iptables" if _family(flow) == "ip" else "ip6tables"
    return namespace.settings.get(f"net.bridge.bridge-nf-call-{version}") == "1"


def _has_bridge_rules(namespace: NamespaceChanges) -> bool:
    return any(table.tool == EBTABLES for table in namespace.tables)


def _family(flow: FlowRow) -> str:
    return "ip6" if ":" in source(flow) else "ip"


def _packet(flow: FlowRow, namespace: NamespaceChanges, in_: tuple[str, ...] | None, bridged: bool) -> Packet:
    proto = proto_name(int(flow[schema.FLOW_PROTO]))
    kind, icmp = int(flow[schema.FLOW_KIND]) >> 8, None
    if flow[schema.FLOW_PROTO] in ICMP_PROTOCOLS:
        icmp = "echo-request" if kind in (ICMP_ECHO_REQUEST, ICMPV6_ECHO_REQUEST) else str(kind)
    local = _addresses(namespace.interfaces.values())
    begins = icmp == "echo-request" or (
        flow[schema.FLOW_PROTO] == TCP and flow[schema.FLOW_SYNS] == flow[schema.FLOW_PACKETS]
    )
    sport, dport = ports(flow)
    return Packet(
        family=_family(flow), src=source(flow), dst=destination(flow), proto=proto, sport=sport, dport=dport, icmp=icmp,
        state="NEW" if begins else None, in_=in_, is_local=destination(flow) in local, bridged=bridged,
    )  # fmt: skip


def _addresses(interfaces: Iterable[NamespaceInterface]) -> frozenset[str]:
    return frozenset().union(*(interface.addresses for interface in interfaces))
