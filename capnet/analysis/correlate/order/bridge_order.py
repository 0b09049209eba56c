"""When a frame passed a bridge, which is not always when the bridge's own capture says.

Method: listening at a bridge makes it promiscuous. What is heard there is a duplicate that Linux passes up after the
frame has gone out of its port (net/bridge/br_input.c: br_handle_frame_finish forwards first). By its time stamp, a
frame would leave through a veth or a VXLAN device before it reached the bridge. Such a duplicate is given the time of
the port that the frame came in by; where that port was not captured, that of the veth of the container which the frame
is for. A frame that is translated on the bridge (br_netfilter) goes out in another form: it is known by the first
packet of its flow. If the bridge shows the form in which it went out, it has the time of that port.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import FlowMask, FlowRows, Observations, PerFlow, Values
from capnet.analysis.correlate.order.own_ends import own_ends
from capnet.quick_tuple import NamedTuple

# One bridged flow has the same values of these at every port of the bridge.
_BRIDGED_COLUMNS = [
    schema.FLOW_VIA, schema.FLOW_DEPTH, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT,
    schema.FLOW_DPORT, schema.FLOW_KIND, schema.FLOW_TTL,
]  # fmt: skip
MAX_KERNEL_NS = 1_000_000  # from a port to the bridge and to another port: longer means another clock
MAX_FORMS = 32  # of one packet at the points of a host: more are other packets, all with the same content
_PORT_ROLES = ("veth", "parent", "underlay", "unknown")  # of points that may be ports of a bridge
# One packet has the same values of these in each form that one host gives it.
_PACKET_COLUMNS = [schema.FLOW_VIA, schema.FLOW_DEPTH, schema.FLOW_PROTO, schema.FLOW_FIRST_DIGEST]


def correct_bridge_times(context: Context, observations: Observations) -> Observations:
    """The observations, late ones at bridges moved to 1 ns from their port's (`_Ports`); a copy if any moved."""
    ports = _ports_of_late(context)
    if not (ports.rows >= 0).any():
        return observations
    at_bridge = np.flatnonzero(ports.rows[observations[:, schema.OBS_FLOW]] >= 0)
    if not len(at_bridge):
        return observations
    keys = row_hash(observations[:, [schema.OBS_DIGEST, schema.OBS_FLOW]])
    order = np.argsort(keys, kind="stable")
    wanted = observations[at_bridge][:, [schema.OBS_DIGEST, schema.OBS_FLOW]]
    delay_ns = ports.delay_ns[wanted[:, 1]]
    wanted[:, 1] = ports.rows[wanted[:, 1]]
    at_port = order[np.minimum(np.searchsorted(keys[order], row_hash(wanted)), len(order) - 1)]
    is_same = (observations[at_port][:, [schema.OBS_DIGEST, schema.OBS_FLOW]] == wanted).all(axis=1)
    # Of a repeated digest the first packet at the port is taken. What the bridge did not see later stays as it is.
    is_late = is_same & (observations[at_port, schema.OBS_TIME] < observations[at_bridge, schema.OBS_TIME])
    observations = observations.copy()
    observations[at_bridge[is_late], schema.OBS_TIME] = (observations[at_port, schema.OBS_TIME] + delay_ns)[is_late]
    return observations


def is_at_bridge(context: Context) -> FlowMask:
    """Flow rows that were seen at a bridge."""
    is_bridge = [point.role == "bridge" or point.name.rpartition("/")[2] == "br0" for point in context.points]
    return np.array(is_bridge or [False])[context.flows[:, schema.FLOW_POINT]]


class _Ports(NamedTuple):
    """For each flow row at a bridge that other ports saw earlier: the row at its port, and how far behind it is.

    +1 ns behind the port that the frames came in by, -1 ns before the one that they left by in this form. Else -1, 0.
    """

    rows: PerFlow
    delay_ns: PerFlow


def _ports_of_late(context: Context) -> _Ports:
    flows = context.flows
    ports = _Ports(np.full(len(flows), -1), np.zeros(len(flows), dtype=np.int64))
    bridge_rows: FlowRows = np.flatnonzero(is_at_bridge(context))
    if not len(bridge_rows):
        return ports
    macs, host = own_ends(context).macs, _host_numbers(context)
    first_ns = flows[:, schema.FLOW_FIRST]
    is_at_port = np.array([point.role in _PORT_ROLES for point in context.points])[flows[:, schema.FLOW_POINT]]
    bridged = _Groups(np.column_stack([flows[:, _BRIDGED_COLUMNS], host]), first_ns)
    packet = _Groups(np.column_stack([flows[:, _PACKET_COLUMNS], host]), first_ns)
    count = bridged.count_before(bridge_rows)
    receiver_behind = _are_to_veth(context, macs)
    # Behind a single port the bridge comes next, if nothing else shows the packet before. But by the veth of the
    # container that it is for, a frame has left the bridge.
    leaves = receiver_behind[bridged.first(bridge_rows)]
    may_be_late = (count > 1) | (count > 0) & ((packet.count_before(bridge_rows) > count) | leaves)
    for row in bridge_rows[may_be_late].tolist():
        earlier = [other for other in bridged.before(row) if first_ns[other] < first_ns[row]]
        if earlier and receiver_behind[earlier[0]]:
            ports.rows[row], ports.delay_ns[row] = earlier[0], -1
            continue
        first_points = flows[earlier[:2], schema.FLOW_POINT].tolist()
        roles = [context.points[point].role for point in first_points]
        # A frame comes in from a container's end of a veth and then its host end, or from one port.
        is_one_veth = len({macs[point] for point in first_points} - {-1}) < 2
        ingress_hops = 2 if roles == ["container", "veth"] and is_one_veth else 1
        if len(earlier) > ingress_hops:
            ports.rows[row], ports.delay_ns[row] = earlier[ingress_hops - 1], 1
        elif earlier and is_at_port[earlier[-1]]:
            alike = packet.before(row, since=int(first_ns[row]) - MAX_KERNEL_NS)
            if len(alike) > MAX_FORMS:
                continue
            forms = [other for other in alike if is_at_port[other] and bridged.keys[other] != bridged.keys[row]]
            is_before = {bool(first_ns[other] < first_ns[earlier[-1]]) for other in forms}
            if len(is_before) == 1:  # all other forms came in before, or went out behind
                ports.rows[row], ports.delay_ns[row] = earlier[-1], -1 if is_before == {True} else 1
    return ports


def _are_to_veth(context: Context, macs: list[int]) -> FlowMask:
    """Per flow row: is it at the host end of a veth, and for the container behind it?"""
    flows = context.flows
    is_veth = np.array([point.role == "veth" for point in context.points])[flows[:, schema.FLOW_POINT]]
    behind: FlowMask = np.array(macs)[flows[:, schema.FLOW_POINT]] == flows[:, schema.FLOW_DMAC]
    return is_veth & behind & (flows[:, schema.FLOW_DMAC] >= 0)


def _host_numbers(context: Context) -> PerFlow:
    """The number of each flow row's host."""
    hosts = [host_of(point.name) or "" for point in context.points]
    numbers = {name: number for number, name in enumerate(sorted(set(hosts)))}
    return np.array([numbers[name] for name in hosts])[context.flows[:, schema.FLOW_POINT]]


class _Groups:
    """Flow rows with the same values, in order of their first packets."""

    def __init__(self, values: np.ndarray, first_ns: PerFlow) -> None:
        self.keys = row_hash(values)
        self._order = np.lexsort((first_ns, self.keys))
        self._first_ns = first_ns[self._order]
        sorted_keys = self.keys[self._order]
        self._starts = np.searchsorted(sorted_keys, self.keys)
        self._places = np.empty_like(self._order)
        self._places[self._order] = np.arange(len(self._order))

    def count_before(self, rows: FlowRows) -> Values:
        """How many rows of its group come before each of these rows."""
        count: Values = self._places[rows] - self._starts[rows]
        return count

    def first(self, rows: FlowRows) -> FlowRows:
        """The first row of the group of each of these rows."""
        first: FlowRows = self._order[self._starts[rows]]
        return first

    def before(self, row: int, since: int | None = None) -> list[int]:
        """The rows of its group that come before a row, not earlier than `since`."""
        start, stop = int(self._starts[row]), int(self._places[row])
        if since is not None:
            start += int(np.searchsorted(self._first_ns[start:stop], since))
        rows: list[int] = self._order[start:stop].tolist()
        return rows
