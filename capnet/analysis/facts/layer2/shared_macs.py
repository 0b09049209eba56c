"""Shared MACs: one MAC that speaks for several addresses of its own, at several interfaces. That is ipvlan."""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, is_multicast_mac, source
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.facts.layer2.model import Segments, SharedMac, unicast
from capnet.wire.addresses import address_value


def shared_macs(context: Context, segments: Segments, nat_addresses: set[str]) -> list[SharedMac]:
    """MACs with several addresses of their own; `nat_addresses` are those that NAT writes into packets.

    On a bridge, hairpin NAT puts the host's address into frames of a container's MAC.
    """
    by_mac: dict[int, dict[int, list[str]]] = {}  # MAC → point → addresses
    for point, speakers in segments.speakers.items():
        for mac, speaker in speakers.items():
            own = [ip for ip in speaker.own_ips if ip not in nat_addresses or ip in speaker.claimed]
            if own and not is_multicast_mac(mac):
                by_mac.setdefault(mac, {})[point] = own
    several = []
    for mac, ips_at in by_mac.items():
        if len({ip for ips in ips_at.values() for ip in ips}) > 1:
            claimed = {
                ip for point, ips in ips_at.items() for ip in segments.speakers[point][mac].claimed.intersection(ips)
            }
            several.append(SharedMac(mac, ips_at, sorted(claimed, key=address_value)))
    for shared in several:
        rows = _self_flows(context, shared.mac).tolist()
        shared.self_flows = [row for row in rows if not _ends(context, row) & nat_addresses]
        for point in shared.ips_at:
            ips = sorted(_ips_in_all(context, point) & shared.ip_set)
            if len(ips) == 1 and point in segments.interface_points.get(shared.mac, ()):
                shared.interfaces[point] = ips[0]
    return several


def _ends(context: Context, row: int) -> set[str]:
    flow = context.flows[row]
    return {source(flow), destination(flow)}


@derived
def _ips_in_all(context: Context, point: int) -> set[str]:
    """Addresses that every unicast flow at a point is from or to."""
    rows = unicast(context, point)
    if not len(rows):
        return set()
    sources, destinations = (context.flows[rows[:, None], columns] for columns in (schema.FLOW_SRC, schema.FLOW_DST))
    ips = set()
    for ip in _ends(context, int(rows[0])):  # only an end of the first flow can be an end of all
        value = address_value(ip)
        is_end = (sources == value).all(axis=1) | (destinations == value).all(axis=1)
        if is_end.all():
            ips.add(ip)
    return ips


def _self_flows(context: Context, mac: int) -> FlowRows:
    """Flows from a MAC to itself between two addresses: both interfaces have the parent's MAC."""
    flows = context.flows
    is_self = (flows[:, schema.FLOW_SMAC] == mac) & (flows[:, schema.FLOW_DMAC] == mac)
    rows = np.flatnonzero(is_self & (flows[:, schema.FLOW_VIA] == 0))
    return rows[(flows[rows][:, schema.FLOW_SRC] != flows[rows][:, schema.FLOW_DST]).any(axis=1)]
