"""The order of points whose time stamps of one packet are equal, or closer than clocks tell.

Input: observations by digest and time. Output: the same, those less than MAX_TIE_NS apart in the order of the way.
Method: the TTL falls along the way. Where it is equal, the packet first leaves the host of its source MAC, from the
inside out (container, veth, bridge, overlay, card), and then enters that of its destination MAC, from the outside in.
`own_ends` says which MAC is at which point. What neither tells stays in the order of the time stamps, and so does what
one capture at `any` heard.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, order_in_groups
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Point
from capnet.analysis.core.schema import FLOW_DMAC, FLOW_POINT, FLOW_SMAC, FlowTable, Mask, Observations, PerFlow, Values
from capnet.analysis.correlate.order.own_ends import INNER_ROLES, OwnEnds, own_ends, place_of
from capnet.quick_dataclass import frozen

MAX_TIE_NS = 1_000  # exclusive: programs that write microseconds cut what is below, and a veth takes less
# How far from the container a point is.
DEPTHS = {"container": 0, "loopback": 0, "veth": 1, "bridge": 2, "overlay": 3, "vlan": 4, "parent": 6, "underlay": 7}
UNKNOWN_DEPTH = 5
MAX_POINTS_OF_STATION = 2  # a container and its veth; of ipvlan, all children have the MAC of the card
OUT, BETWEEN, IN = 0, 1, 2
MAX_GROUPS_A_ROW = 64  # of numbered groups, for which a mask of all numbers is quicker than looking them up
SOURCE = schema.FLOW_SRC
TARGET = schema.FLOW_DST


@frozen
class FlowOrder:
    """Where on its way each flow row is, one entry per row."""

    leg: PerFlow  # OUT of the host of its source, IN to that of its destination, or BETWEEN
    depth: PerFlow  # of its point
    host: PerFlow  # of its point


def order_ties(context: Context, observations: Observations) -> Observations:
    """The observations, sorted by digest and time, ties in order of the way; their times never fall within a tie."""
    digest, time = observations[:, schema.OBS_DIGEST], observations[:, schema.OBS_TIME]
    is_tied = (digest[1:] == digest[:-1]) & (time[1:] - time[:-1] < MAX_TIE_NS)
    if not is_tied.any() or len(context.points) < 2:
        return observations
    in_tie = np.append(False, is_tied) | np.append(is_tied, False)
    tie = np.cumsum(np.append(True, ~is_tied))
    in_tie &= ~_is_of_one_capture(context, observations, tie)
    index = np.flatnonzero(in_tie)
    if not len(index):
        return observations
    tie = tie[index]
    of_flow, flow = flow_order(context), observations[index, schema.OBS_FLOW]
    leg = _complete_legs(tie, of_flow.host[flow], of_flow.leg[flow])
    depth = of_flow.depth[flow] * np.where(_goes_inwards(tie, leg), -1, 1)
    in_order = index[order_in_groups(tie, -observations[index, schema.OBS_TTL], leg, depth)]
    if (in_order == index).all():
        return observations
    rows = np.arange(len(observations))
    rows[index] = in_order
    ordered = observations.take(rows, axis=0)  # copies whole rows, which indexing does not
    ordered[index, schema.OBS_TIME] = _rising_times(observations[in_order, schema.OBS_TIME], tie)
    return ordered


def _is_of_one_capture(context: Context, observations: Observations, tie: Values) -> Mask:
    """For each observation: did one socket, at `any`, hear all of its tie, and so in the order of the way?"""
    if all(point.ifindex is None for point in context.points):
        return np.zeros(len(tie), dtype=bool)
    sockets = [(point.file, point.interface) for point in context.points]
    number = np.array(
        [-1 if point.ifindex is None else sockets.index(socket)
         for point, socket in zip(context.points, sockets, strict=True)]
    )  # fmt: skip
    socket = number[context.flows[observations[:, schema.OBS_FLOW], FLOW_POINT]]
    starts = np.flatnonzero(np.append(True, tie[1:] != tie[:-1]))
    lowest, highest = np.minimum.reduceat(socket, starts), np.maximum.reduceat(socket, starts)
    return ((lowest == highest) & (lowest >= 0))[tie - tie[0]]


def _complete_legs(tie: Values, host: Values, leg: Values) -> Values:
    """Legs of the observations; what a host of which nothing is known shows is before or behind what others show."""
    hosts = tie * (int(host.max()) + 1) + host
    is_unknown = (leg == BETWEEN) & ~_any_of(hosts, leg != BETWEEN)
    leg = np.where(is_unknown & _any_of(tie, leg == OUT), IN, leg)
    return np.where(is_unknown & ~_any_of(tie, leg == OUT) & _any_of(tie, leg == IN), OUT, leg)


def _goes_inwards(tie: Values, leg: Values) -> Mask:
    """For each observation: do packets pass its point on their way from the card to the container?"""
    return (leg == IN) | ((leg == BETWEEN) & _any_of(tie, leg == IN) & ~_any_of(tie, leg == OUT))


def _any_of(groups: Values, mask: Mask) -> Mask:
    """For each entry: does the mask hold for any entry of its group?"""
    if int(groups.max()) > MAX_GROUPS_A_ROW * len(groups):
        return is_among(groups, groups[mask])
    has_one = np.zeros(int(groups.max()) + 1, dtype=bool)
    has_one[groups[mask]] = True
    return has_one[groups]


def _rising_times(time: Values, tie: Values) -> Values:
    """These times, raised where they fall within a tie."""
    # Each tie has a stretch of numbers of its own, so that one running maximum serves all.
    base = np.minimum.reduceat(time, np.flatnonzero(np.append(True, tie[1:] != tie[:-1])))
    number = np.cumsum(np.append(False, tie[1:] != tie[:-1]))
    stretch = int((time - base[number]).max()) + 1
    result: Values = np.maximum.accumulate(time - base[number] + number * stretch) + base[number] - number * stretch
    return result


def depths_in_host(context: Context) -> PerFlow:
    """For each flow row a number that orders points with equal time stamps, the first one lowest.

    A frame is stamped once, when it is received. The bridge above the receiving port shows the same stamp, and so does
    a macvlan or ipvlan child of the receiving parent. What is sent gets a stamp of its own at each point. A capture at
    `any` has its frames in order.
    """
    depths = [1 if point.ifindex is not None else _depth_of(point) for point in context.points]
    return np.array(depths or [0])[context.flows[:, schema.FLOW_POINT]]


def _depth_of(point: Point) -> int:
    return 0 if point.role == "parent" else 2 if point.role == "bridge" or point.name.endswith("/br0") else 1


@derived
def flow_order(context: Context) -> FlowOrder:
    """On which leg of its way each flow is, and how far inside its point."""
    flows, ends = context.flows, own_ends(context)
    point, source, destination = (flows[:, column] for column in (FLOW_POINT, FLOW_SMAC, FLOW_DMAC))
    places = [place_of(point) for point in context.points]
    depth = np.array([DEPTHS.get(place, UNKNOWN_DEPTH) for place in places] or [0])
    starts, stops = (_is_at_home(ends, macs, point) for macs in (source, destination))
    leg = np.where(starts & ~stops, OUT, np.where(stops & ~starts, IN, BETWEEN))
    for number, place in enumerate(places):
        if place in INNER_ROLES:
            rows = np.flatnonzero(point == number)
            leg[rows] = _leg_at_station(ends, number, flows[rows])
    hosts = list(dict.fromkeys(ends.hosts))
    return FlowOrder(leg, depth[point], np.array([hosts.index(host) for host in ends.hosts] or [0])[point])


def _leg_at_station(ends: OwnEnds, point: int, flows: FlowTable) -> Values:
    """The leg of flows at the own interface of a container: what is not from its own address or MAC comes in."""
    leg = np.full(len(flows), BETWEEN)
    mac = ends.macs[point]
    if mac >= 0 and ends.macs.count(mac) <= MAX_POINTS_OF_STATION:
        leg = np.where(flows[:, FLOW_SMAC] == mac, OUT, IN)
    is_from, is_to = (_is_own(flows, ends.addresses[point], *columns) for columns in (SOURCE, TARGET))
    leg[is_from & ~is_to] = OUT
    leg[is_to & ~is_from] = IN
    return leg


def _is_at_home(ends: OwnEnds, macs: Values, point: Values) -> Mask:
    """For each MAC and point: does the MAC belong to the point's host?"""
    hosts = list(dict.fromkeys([*ends.hosts, *ends.host_of_mac.values()]))
    homes_by_mac = sorted(ends.host_of_mac.items())
    if not homes_by_mac:
        return np.zeros(len(macs), dtype=bool)
    keys = np.array([mac for mac, _ in homes_by_mac])
    homes = np.array([hosts.index(host) for _, host in homes_by_mac])
    index = np.minimum(np.searchsorted(keys, macs), len(keys) - 1)
    own_host = np.array([hosts.index(host) for host in ends.hosts])[point]
    return (keys[index] == macs) & (homes[index] == own_host)


def _is_own(flows: FlowTable, addresses: set[tuple[int, int]], high: int, low: int) -> Mask:
    """For each flow: is the address in these columns among `addresses`?"""
    mask = np.zeros(len(flows), dtype=bool)
    for of in addresses:
        mask |= (flows[:, high] == of[0]) & (flows[:, low] == of[1])
    return mask
