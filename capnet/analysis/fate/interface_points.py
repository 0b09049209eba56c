"""Interface points: which capture points are the own interface of a station.

At its own interface, every unicast frame is from the station or to it. Where only two stations speak, the direction of
the flow links decides: packets start at the sender's interface and end at the receiver's. An interface of a container
without any such frame is that of the topology's MAC. Not where RARP is the last that was seen of the station: a
hypervisor announces so that it is somewhere else now, and that may be anywhere.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs, destination
from capnet.analysis.core.schema import FlowRows, FlowTable
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.speakers import speakers
from capnet.analysis.fate.verdict.moved_stations import announced_since
from capnet.analysis.user_mode_networks import user_mode_macs
from capnet.topology.lookup import endpoints
from capnet.topology.model import Endpoint
from capnet.wire.addresses import mac_value

_ROLES_WITHOUT_A_STATION = ("bridge", "veth", "overlay", "loopback")


@derived
def interface_points(context: Context) -> dict[int, list[int]]:
    """MAC → capture points that are its own interface."""
    flows = context.flows
    links = flow_links(context)
    by_mac: dict[int, list[int]] = {}
    for number, point in enumerate(context.points):
        if point.role in _ROLES_WITHOUT_A_STATION:
            continue
        rows = _unicast_rows(flows, number)
        macs = [mac for mac in _macs_in_all(flows, rows) if mac not in user_mode_macs(context)]
        endpoint = endpoints_at_points(context).get(number)
        if not len(rows) and endpoint and endpoint.mac and (mac := mac_value(endpoint.mac)) in speakers(context):
            macs = [mac]
        if len(macs) > 1:
            macs = [mac for mac in _most_common_end(flows, rows, links) if mac in macs]
        if len(macs) == 1 and (macs[0], number) not in announced_since(context):
            by_mac.setdefault(macs[0], []).append(number)
    return by_mac


@derived
def endpoints_at_points(context: Context) -> dict[int, Endpoint]:
    """Capture point → the container's end of a veth that it is, by the topology.

    Not a child of another interface, where its packets are seen as well.
    """
    if not context.topology:
        return {}
    by_place = {
        (container.host, container.name, endpoint.interface): endpoint
        for container, endpoint in endpoints(context.topology)
        if endpoint.kind == "veth"
    }
    places = [(point.host, point.container, point.device) for point in context.points]
    return {number: by_place[place] for number, place in enumerate(places) if place in by_place}


def is_at_own_interface(context: Context, row: int) -> bool:
    """Is a row at the own interface of the station that it is sent to, and is its destination the station's own there?

    Two stations of one bridge may have one MAC: then either gets what is for the other one.
    """
    flow = context.flows[row]
    address = destination(flow)
    mac, point = int(flow[schema.FLOW_DMAC]), int(flow[schema.FLOW_POINT])
    speaker = speakers(context, point, outside_tunnels=True).get(mac)
    has_address = speaker is not None and (address in speaker.own or address in speaker.claimed)
    return bool(has_address and not flow[schema.FLOW_VIA] and point in interface_points(context).get(mac, ()))


def _unicast_rows(flows: FlowTable, point: int) -> FlowRows:
    """Flows at a point outside of tunnels that have both MACs, the destination no group."""
    source_mac, destination_mac = flows[:, schema.FLOW_SMAC], flows[:, schema.FLOW_DMAC]
    is_outside = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0)
    rows = np.flatnonzero(is_outside & (source_mac > 0) & (destination_mac > 0))
    return rows[~are_multicast_macs(destination_mac[rows])]


def _macs_in_all(flows: FlowTable, rows: FlowRows) -> list[int]:
    """MACs that are the source or the destination of all these flows: of the first one, then."""
    source_mac, destination_mac = (flows[:, column][rows] for column in (schema.FLOW_SMAC, schema.FLOW_DMAC))
    candidates = {*source_mac[:1].tolist(), *destination_mac[:1].tolist()}
    return [mac for mac in candidates if ((source_mac == mac) | (destination_mac == mac)).all()]


def _most_common_end(flows: FlowTable, rows: FlowRows, links: Links) -> list[int]:
    """The MAC at which most paths of these flows begin or end; empty if none does."""
    has_before, has_after = links.before[rows] >= 0, links.after[rows] >= 0
    first_rows, last_rows = rows[~has_before & has_after], rows[has_before & ~has_after]
    ends = Counter([*flows[first_rows, schema.FLOW_SMAC].tolist(), *flows[last_rows, schema.FLOW_DMAC].tolist()])
    return [max(ends, key=ends.__getitem__)] if ends else []  # most_common imports heapq
