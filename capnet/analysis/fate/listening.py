"""When, and for what, each capture point listened.

Absence at a point proves something only where the point listened: at that time, for that kind of packet, and without
dropping any.

Output: arrays of one entry per point. Times are ns under the reference clock.
Method: a recording says when each capture began and ended. Other captures show their first and last frame only; those
that overlap in time are assumed to have been started and stopped together, and what rests on that is less certain. The
interface of a container ends with it, and its capture with the interface: the last frame is the last sign of either. A
recording also says whether it had a filter; of other captures, what all packets have in common may be one. A point that
records one direction only proves nothing by absence.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import distinct, hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import (
    ARP_OPERATION,
    ARP_PACKETS,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_TARGET_LO,
    ARP_VIA,
    ARP_VIA_VNI,
    FLOW_DPORT,
    FLOW_DST_LO,
    FLOW_ENDS,
    FLOW_KIND,
    FLOW_OPPOSITE_ENDS,
    FLOW_PACKETS,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
    FLOW_SRC_LO,
    FLOW_TCP_FLAGS,
    OBS_CONTROL,
    OBS_FLOW,
    FlowMask,
    FlowRows,
    Mask,
    Values,
)
from capnet.analysis.correlate.clocks import flow_spans, listening_times
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import (
    ARP_REPLY,
    ARP_REQUEST,
    ICMP_ECHO_REPLY,
    ICMPV6_ECHO_REPLY,
    TCP,
    TCP_ACK,
    TCP_RST,
    TCP_SYN,
    TCP_SYN_ACK,
)

PROTOCOLS = 256
MIN_FILTER_PACKETS = 20  # fewer packets with one port in common are no capture filter
MIN_FILTER_FLOWS = 3
_ECHO_REPLIES = (ICMP_ECHO_REPLY << 8, ICMPV6_ECHO_REPLY << 8)  # values of FLOW_KIND
MIN_ANSWERS_ALONE = 2  # to different questions, none of which was recorded
ROLES_OF_CONTAINERS = ("container", "veth", "overlay")  # of interfaces that end with their container, or the last one
MIN_UNFILTERED_KINDS = 3  # protocols, ARP being one: `arp or icmp` is a capture filter, three kinds are traffic


class Listening(NamedTuple):
    """One entry per point; `hears`: points × IP protocol numbers.

    `since`, `until`: when it listened; `heard_from`, `heard_to`: when it certainly did, without a recording from the
    first to the last frame. `filter_port`, `filter_address`: what all of its packets have in common, -1 if nothing.
    """

    since: Values
    until: Values
    heard_from: Values
    heard_to: Values
    is_dropping: Mask
    hears: Mask
    filter_port: Values
    filter_address: Values  # low half


@derived
def listening(context: Context) -> Listening:
    """When each point listened, and for what."""
    count = max(len(context.points), 1)
    heard_from, heard_to, is_recorded = listening_times(context)
    since, until = _together(heard_from, heard_to)
    since, until = np.where(is_recorded, heard_from, since), np.where(is_recorded, heard_to, until)
    ends_with_container = np.array([point.role in ROLES_OF_CONTAINERS for point in context.points] or [False])
    until = np.where(ends_with_container, heard_to, until)
    is_dropping = np.array([bool(point.dropped) for point in context.points] or [False])
    flows = context.flows
    hears = np.zeros((count, PROTOCOLS), dtype=bool)
    in_range = (flows[:, FLOW_PROTO] >= 0) & (flows[:, FLOW_PROTO] < PROTOCOLS)
    hears[flows[in_range, FLOW_POINT], flows[in_range, FLOW_PROTO]] = True
    kinds = hears.sum(axis=1)
    kinds[distinct(context.arps[:, ARP_POINT])] += 1
    hears[kinds >= MIN_UNFILTERED_KINDS] = True
    hears[records_one_direction(context)] = False
    unfiltered = sorted(context.unfiltered)
    hears[unfiltered] = True
    filters = np.array([_common(context, point) for point in range(count)], dtype=np.int64)
    filters[unfiltered] = -1
    return Listening(since, until, heard_from, heard_to, is_dropping, hears, filters[:, 0], filters[:, 1])


def is_assumed(context: Context, rows: FlowRows, points: Values) -> Mask:
    """For each flow row and a point: is it only assumed that the point listened when these packets passed?"""
    first, last = flow_spans(context)
    times = listening(context)
    return (first[rows] > times.heard_to[points]) | (last[rows] < times.heard_from[points])


def _together(first: Values, last: Values) -> tuple[Values, Values]:
    """Programs that captured at overlapping times are assumed to have been started and stopped together."""
    since, until = first.copy(), last.copy()
    order = np.argsort(first, kind="stable")
    group: list[int] = []
    end = np.iinfo(np.int64).min
    for point in order.tolist():
        if last[point] < first[point]:
            continue  # silent: nothing says when it listened
        if group and first[point] > end:
            since[group], until[group] = first[group].min(), end
            group = []
        end = max(end, int(last[point])) if group else int(last[point])
        group.append(point)
    if group:
        since[group], until[group] = first[group].min(), end
    return since, until


@derived
def records_one_direction(context: Context) -> Mask:
    """Per point, does it record one direction of all traffic, as `tcpdump -Q out` and one half of a tap do?

    No flow there has its opposite, and one of them answers or acknowledges what was not recorded. A RST may end what
    passed before the capture, and so may an ARP reply: several do not.
    """
    flows, is_one_way = context.flows, np.ones(max(len(context.points), 1), dtype=bool)
    is_one_way[flows[replies(context) >= 0, FLOW_POINT]] = False
    if is_one_way.any():
        rows = np.flatnonzero(is_one_way[flows[:, FLOW_POINT]])
        both = (FLOW_ENDS, FLOW_OPPOSITE_ENDS)
        forms, opposites = (hash_of(flows, [FLOW_POINT, FLOW_PROTO, *ends], rows) for ends in both)
        is_one_way[flows[rows[is_among(forms.view(np.int64), opposites.view(np.int64))], FLOW_POINT]] = (
            False  # outside the tunnel, or in another one
        )
    if not is_one_way.any():
        return is_one_way
    flags, is_tcp = flows[:, FLOW_TCP_FLAGS], flows[:, FLOW_PROTO] == TCP
    answers = is_tcp & (flags & TCP_SYN_ACK == TCP_SYN_ACK)  # a SYN with ACK, or ACKs after a SYN
    answers |= is_one_of(flows[:, FLOW_KIND], _ECHO_REPLIES)
    answers |= _acknowledges_more(context, is_tcp & is_one_way[flows[:, FLOW_POINT]])
    is_one_sided = np.zeros(len(is_one_way), dtype=bool)
    is_one_sided[flows[answers, FLOW_POINT]] = True
    refuses = is_tcp & (flags & (TCP_SYN | TCP_RST | TCP_ACK) == TCP_RST | TCP_ACK)
    is_one_sided |= np.bincount(flows[refuses, FLOW_POINT], minlength=len(is_one_sided)) >= MIN_ANSWERS_ALONE
    is_one_sided |= _replies_alone(context) >= MIN_ANSWERS_ALONE
    return is_one_sided & is_one_way


def _replies_alone(context: Context) -> Values:
    """Per point: ARP replies to questions that it does not show."""
    arps, ends = context.arps, [ARP_POINT, ARP_VIA, ARP_VIA_VNI]
    is_reply = (arps[:, ARP_OPERATION] == ARP_REPLY) & (arps[:, ARP_SENDER_LO] != arps[:, ARP_TARGET_LO])
    answered, asked = np.flatnonzero(is_reply), np.flatnonzero(arps[:, ARP_OPERATION] == ARP_REQUEST)
    is_alone = ~is_among(
        hash_of(arps, [*ends, ARP_SENDER_LO, ARP_TARGET_LO], answered).view(np.int64),
        hash_of(arps, [*ends, ARP_TARGET_LO, ARP_SENDER_LO], asked).view(np.int64),
    )
    alone = answered[is_alone]
    points = max(len(context.points), 1)
    return np.bincount(arps[alone, ARP_POINT], weights=arps[alone, ARP_PACKETS], minlength=points)


def _acknowledges_more(context: Context, wanted: FlowMask) -> FlowMask:
    """Which of the wanted TCP flows acknowledge more and more, so that their opposite must have brought octets?"""
    segments = context.observations[wanted[context.observations[:, OBS_FLOW]]]
    control = segments[:, OBS_CONTROL]
    has_ack = (control >= 0) & (control >> 48 & (TCP_ACK | TCP_RST) == TCP_ACK)
    rows, acks = segments[has_ack, OBS_FLOW], control[has_ack] & 0xFFFFFFFF
    first = np.full(len(wanted), -1, dtype=np.int64)
    first[rows[::-1]] = acks[::-1]
    acknowledges_more = np.zeros(len(wanted), dtype=bool)
    acknowledges_more[rows[acks != first[rows]]] = True
    return acknowledges_more


def _common(context: Context, point: int) -> tuple[int, int]:
    """Port and address (low half) that all packets of a point share, as after `tcpdump port 8080`; -1: none.

    ARP has no ports, so a point with ARP has no filter for a port; nor one for an address that some ARP does not name.
    """
    flows, arps = context.flows, context.arps
    rows = np.flatnonzero(flows[:, FLOW_POINT] == point)
    if len(rows) < MIN_FILTER_FLOWS or flows[rows, FLOW_PACKETS].sum() < MIN_FILTER_PACKETS:
        return -1, -1
    named = arps[(arps[:, ARP_POINT] == point) & (arps[:, ARP_VIA] == 0)][:, [ARP_SENDER_LO, ARP_TARGET_LO]]
    port = -1 if len(named) else next(iter(_shared(flows[rows, FLOW_SPORT], flows[rows, FLOW_DPORT])), -1)
    addresses = _shared(flows[rows, FLOW_SRC_LO], flows[rows, FLOW_DST_LO])
    return port, next((address for address in addresses if (named == address).any(axis=1).all()), -1)


def _shared(sources: Values, destinations: Values) -> list[int]:
    """The values that each pair of source and destination has."""
    firsts = int(sources[0]), int(destinations[0])
    return [value for value in firsts if value >= 0 and ((sources == value) | (destinations == value)).all()]
