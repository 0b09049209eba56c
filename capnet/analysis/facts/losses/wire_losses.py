"""Wire losses: flows that leave an interface of one host and do not arrive at the interface of another one.

Input: stopped flows, interface points, speakers. Output: `WireLoss`es: the services of one host that cannot be reached
from the other host's interface, while other packets between the same interfaces arrive.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, host_of, ports, proto_name
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import StoppedFlow, stopped_flows
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.next_points import HOST, TWIN, is_answered
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ESP

_LINK = 18  # octets of an Ethernet header with a VLAN tag, which the length of a frame counts
CARD_ROLES = ("parent", "underlay", "unknown")  # of interfaces to other hosts


class LostService(NamedTuple):
    """What packets are for."""

    proto: str
    port: int  # -1 where the protocol has none

    def __str__(self) -> str:
        return self.proto if self.port < 0 else f"{self.proto} port {self.port}"


class WireLoss(NamedTuple):
    """Packets to one address that are lost between the interfaces of two hosts."""

    point: int  # where they leave
    due: int  # where they do not arrive
    destination: str
    flows: list[StoppedFlow]
    services: list[LostService]
    packets: int
    siblings: int  # flows of others that arrive there
    is_on_link: bool  # no router lies between, as far as the MACs tell
    is_heard: bool  # both interfaces showed packets at that time
    others_pass: bool  # packets arrived from the one interface at the other one after these began to be lost
    shorter_pass: bool  # packets to the same ports arrived, and each of them was shorter than these


@derived
def wire_losses(context: Context) -> list[WireLoss]:
    """Losses between the interfaces of two hosts, in order of points and addresses."""
    groups: dict[tuple[int, int, str, bool], list[StoppedFlow]] = {}
    for stopped in stopped_flows(context):
        row = context.flows[stopped.row]
        if not row[schema.FLOW_VIA] and are_cards_of_two_hosts(context, stopped.point, stopped.due):
            is_esp = row[schema.FLOW_PROTO] == ESP  # filtered as a protocol, others by port
            groups.setdefault((stopped.point, stopped.due, destination(row), bool(is_esp)), []).append(stopped)
    return [_loss(context, *key[:3], groups[key]) for key in sorted(groups)]


def are_cards_of_two_hosts(context: Context, point: int, other: int) -> bool:
    """Are two points interfaces of two hosts to others?"""
    points = context.points[point], context.points[other]
    host, other_host = (host_of(each.name) for each in points)
    return None not in (host, other_host) and host != other_host and all(each.role in CARD_ROLES for each in points)


def _loss(context: Context, point: int, due: int, address: str, stopped: list[StoppedFlow]) -> WireLoss:
    rows = [flow.row for flow in stopped]
    macs = {int(mac) for mac in context.flows[rows, schema.FLOW_DMAC].tolist()}
    is_on_link = all(due in interface_points(context).get(mac, []) or _owns(context, mac, address) for mac in macs)
    services = {
        LostService(
            proto_name(int(row[schema.FLOW_PROTO])), -1 if ports(row)[1] is None else int(row[schema.FLOW_DPORT])
        )
        for row in context.flows[rows]
    }
    siblings = max((flow.siblings for flow in stopped if flow.rank in (TWIN, HOST)), default=0)
    packets = int(packets_without_duplicates(context)[rows].sum())
    return WireLoss(
        point, due, address, stopped, sorted(services), packets, siblings, is_on_link,
        not all(flow.is_assumed for flow in stopped), _others_pass(context, point, due, rows),
        _shorter_pass(context, point, due, rows),
    )  # fmt: skip


def _others_pass(context: Context, point: int, due: int, rows: list[int]) -> bool:
    flows, links, (first, last) = context.flows, flow_links(context), flow_spans(context)
    is_between = (flows[links.source, schema.FLOW_POINT] == point) & (flows[links.target, schema.FLOW_POINT] == due)
    arrived = links.target[is_between]
    return bool(len(arrived)) and int(last[arrived].max()) >= int(first[rows].min())


def _shorter_pass(context: Context, point: int, due: int, rows: list[int]) -> bool:
    """Is length what tells packets that are lost from those to the same ports that arrive?

    A tunnel sends one conversation from other ports after each timeout (Linux, sk_rethink_txhash), so that its long
    packets are flows of their own.
    """
    flows, links = context.flows, flow_links(context)
    is_between = (flows[links.source, schema.FLOW_POINT] == point) & (flows[links.target, schema.FLOW_POINT] == due)
    service = [*schema.FLOW_ADDRESSES, schema.FLOW_PROTO, schema.FLOW_DPORT, schema.FLOW_VIA]
    arrived = links.target[is_between]
    of_services = {tuple(row) for row in flows[np.ix_(rows, service)].tolist()}
    largest: dict[tuple[int, ...], int] = {}
    for row, ends in zip(arrived.tolist(), flows[np.ix_(arrived, service)].tolist(), strict=True):
        if tuple(ends) in of_services:
            largest[tuple(ends)] = max(largest.get(tuple(ends), 0), int(flows[row, schema.FLOW_LARGEST_IP]))
    if len(largest) < len(of_services):
        return False
    longest_arrived = np.array([largest[tuple(ends)] for ends in flows[np.ix_(rows, service)].tolist()])
    mean_lost = flows[rows, schema.FLOW_BYTES] / flows[rows, schema.FLOW_PACKETS] - _LINK
    return bool((mean_lost > longest_arrived).all())


def _owns(context: Context, mac: int, address: str) -> bool:
    """Is an address the MAC's own, rather than one that it forwards for?"""
    speaker = speakers(context).get(mac)
    return speaker is not None and (address in speaker.own or address in speaker.claimed)


def have_talked(context: Context, loss: WireLoss) -> bool:
    """Were packets between the addresses of a loss answered while its packets were lost, or later?"""
    flows = context.flows
    rows = np.array([flow.row for flow in loss.flows])
    first, last = flow_spans(context)
    ends = schema.FLOW_ADDRESSES
    is_same_pair = (flows[:, schema.FLOW_VIA] == 0) & (flows[:, ends] == flows[rows[0], ends]).all(axis=1)
    return bool((is_same_pair & is_answered(context) & (last >= first[rows].min())).any())
