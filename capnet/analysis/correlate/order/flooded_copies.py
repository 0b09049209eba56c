"""Copies of frames that a bridge flooded to ports which do not lead to the destination.

A bridge sends a frame for a MAC that it has not learnt, or forgot, to all its ports. At the interface of a station that
is neither end, and at its veth, the copy is no hop: nothing takes it there, and the way does not go on.
Method: both MACs of a frame outside of tunnels are at other ports of the same bridge than the one of this point
(`own_ends`, the topology), and another point shows the frame's flow no later. What has a MAC that is at no known port,
such as a virtual machine's behind the bridge of a container, is no copy.
Wrong when: without a topology, a container joins two bridges as a bridge itself, with one end on each.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import Hashes, combined_hash, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs
from capnet.analysis.core.schema import FlowRows, Mask, Observations, PerFlow, Values
from capnet.analysis.correlate.order.own_ends import INNER_ROLES, own_ends, place_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import mac_value

_FLOW = [schema.FLOW_PROTO, *schema.FLOW_ENDS, schema.FLOW_SMAC, schema.FLOW_DMAC]


class _Ports(NamedTuple):
    """Ports of bridges: the bridge of each point, -1 if that is not known, and the MACs at ports, beside bridges."""

    bridges: Values
    macs: Values  # of stations, and of bridges themselves
    at: Values  # the bridge of each MAC


@derived
def originals_of_copies(context: Context) -> PerFlow:
    """For each flow row, if its frames were flooded to a station which is neither end: a row of the same frames that is
    on their way. Else -1."""
    flows = context.flows
    result = np.full(len(flows), -1)
    inner = [place_of(point) in INNER_ROLES for point in context.points]
    if sum(inner) < 2 or not len(flows):
        return result
    points, source, destination = (flows[:, c] for c in (schema.FLOW_POINT, schema.FLOW_SMAC, schema.FLOW_DMAC))
    own = np.array(own_ends(context).macs)[points]
    is_foreign = np.array(inner)[points] & (flows[:, schema.FLOW_VIA] == 0) & (source != own) & (destination != own)
    rows = np.flatnonzero(is_foreign & (destination > 0) & ~are_multicast_macs(destination))
    if not len(rows):
        return result
    ports = _ports(context)
    bridge = ports.bridges[points]
    rows = rows[bridge[rows] >= 0]
    at_ports = combined_hash([ports.macs, ports.at]).view(np.int64)
    for end in (source, destination):
        rows = rows[is_among(combined_hash([end[rows], bridge[rows]]).view(np.int64), at_ports)]
    rows = rows[(own[rows] >= 0) | _are_ends_elsewhere(context, rows)]
    if len(rows):
        is_foreign[:] = False
        is_foreign[rows] = True
        result[rows] = _same_flow_elsewhere(context, rows, np.flatnonzero(~is_foreign))
    return result


def without_copies(context: Context, observations: Observations) -> Observations:
    """The observations without those of flooded copies."""
    is_copy = originals_of_copies(context) >= 0
    return observations[~is_copy[observations[:, schema.OBS_FLOW]]] if is_copy.any() else observations


def _ports(context: Context) -> _Ports:
    """By the topology; without one, the veths of a host are taken for ports of one bridge."""
    keys: dict[tuple[str, str], int] = {}
    ends: list[tuple[int, int]] = []  # MAC, bridge
    at_end: dict[tuple[str, str, str], int] = {}  # host, container or "", interface → bridge
    topology = context.topology
    for container in topology.containers if topology else ():
        for endpoint in container.endpoints:
            if endpoint.veth and endpoint.bridge and endpoint.mac and endpoint.veth_netns is None:
                bridge = keys.setdefault((container.host, endpoint.bridge), len(keys))
                ends.append((mac_value(endpoint.mac), bridge))
                at_end[container.host, container.name, endpoint.interface] = bridge
                at_end[container.host, "", endpoint.veth] = bridge
    for host in topology.hosts if topology else ():
        ends += [
            (mac_value(each.mac), keys[host.name, each.name])
            for each in host.interfaces
            if each.mac and (host.name, each.name) in keys
        ]
    own, bridges = own_ends(context), []
    for number, point in enumerate(context.points):
        listening = topology.point(point.name) if topology else None
        if listening is not None:
            inside = at_end.get((listening.host, listening.container or "", listening.interface), -1)
            bridges.append(max(inside, at_end.get((listening.host, "", listening.interface), -1)))
        elif topology is None and place_of(point) in INNER_ROLES:
            bridges.append(keys.setdefault((own.hosts[number], ""), len(keys)))
            if place_of(point) == "veth" and own.macs[number] > 0:
                ends.append((own.macs[number], bridges[-1]))
        else:
            bridges.append(-1)
    columns = np.array(ends, dtype=np.int64).reshape(-1, 2)
    return _Ports(np.array(bridges), columns[:, 0], columns[:, 1])


def _are_ends_elsewhere(context: Context, rows: FlowRows) -> Mask:
    """For each row: are both MACs the own ones of points with the role of its point?

    A station has one veth and one interface on a bridge: another one that shows the frame is a third station's.
    """
    flows, macs = context.flows, own_ends(context).macs
    result = np.zeros(len(rows), dtype=bool)
    for role in INNER_ROLES:
        points = [number for number, point in enumerate(context.points) if place_of(point) == role]
        own = np.array([macs[number] for number in points if macs[number] > 0], dtype=np.int64)
        ends = [is_among(flows[rows, column], own) for column in (schema.FLOW_SMAC, schema.FLOW_DMAC)]
        result |= is_one_of(flows[rows, schema.FLOW_POINT], points) & ends[0] & ends[1]
    return result


def _same_flow_elsewhere(context: Context, rows: FlowRows, others: FlowRows) -> FlowRows:
    """For each row the first of the others, at another point of its host, that shows the flow no later; else -1."""
    flows = context.flows
    hosts = own_ends(context).hosts
    numbers = {name: number for number, name in enumerate(dict.fromkeys(hosts))}
    host = np.array([numbers[name] for name in hosts])[flows[:, schema.FLOW_POINT]]

    def keys(of: FlowRows) -> Hashes:
        return combined_hash([*(flows[:, column][of] for column in _FLOW), host[of]])

    others = others[flows[others, schema.FLOW_VIA] == 0]
    order = np.lexsort((flows[others, schema.FLOW_FIRST], keys(others)))
    others = others[order]
    if not len(others):
        return np.full(len(rows), -1)
    at = np.minimum(np.searchsorted(keys(others), keys(rows)), len(others) - 1)
    is_shown = keys(others)[at] == keys(rows)
    is_shown &= flows[others[at], schema.FLOW_FIRST] <= flows[rows, schema.FLOW_FIRST]
    return np.where(is_shown, others[at], -1)
