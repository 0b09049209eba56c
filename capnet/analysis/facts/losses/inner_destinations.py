"""Routed flows that end at one point of a host, though the address that they are for is at another point of this host.

Input: flow chains without an answer, addresses that speak at each point. Output: one `InnerDestination` per flow whose
packets were repeated, and of which the other point shows nothing, while it listened. Limits: the host's own addresses
do not count, because packets to them pass no inner point; MAX_FLOWS flows.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, host_of, is_multicast
from capnet.analysis.core.schema import FlowMask, FlowRows
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.listening import listening
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.refutation import NOTHING, refutations
from capnet.analysis.fate.speakers import Speaker, speakers
from capnet.quick_tuple import NamedTuple
from capnet.topology import INNER_ROLES
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, ICMPV6, ICMPV6_ECHO_REQUEST, TCP, UDP

MIN_PACKETS = 2  # of one flow: a single one may be the last of the capture
MAX_FLOWS = 10_000  # those with the most packets


class InnerDestination(NamedTuple):
    """A flow that does not reach the point where its destination is."""

    row: int  # flow row of its last hop
    point: int  # of this hop
    home: int  # point where the destination speaks


_ROW, _HOME = 0, 2  # places of `InnerDestination`


class _Home(NamedTuple):
    """Where an address speaks."""

    points: list[int]  # inner points of one host
    macs: set[int]


@derived
def inner_destinations(context: Context) -> list[InnerDestination]:
    """Flows outside of tunnels that end before the point of their destination, in order of their last hops."""
    homes = _homes(context)
    if not homes:
        return []
    flows = context.flows
    is_candidate = (flow_links(context).after < 0) & ~is_answered(context) & (flows[:, schema.FLOW_VIA] == 0)
    is_candidate &= (packets_without_duplicates(context) >= MIN_PACKETS) & (flows[:, schema.FLOW_DMAC] > 0)
    rows = np.flatnonzero(is_candidate & asks(context))
    addresses = np.array(sorted({address_value(address) for _, address in homes}), dtype=np.int64)
    at = flows[rows[:, None], schema.FLOW_DST]
    rows = rows[is_among(row_hash(at), row_hash(addresses))]
    rows = np.sort(rows[np.argsort(-packets_without_duplicates(context)[rows], kind="stable")[:MAX_FLOWS]])
    return _that_stop(context, [flow for row in rows.tolist() for flow in _away(context, homes, row)])


def asks(context: Context) -> FlowMask:
    """Per flow: does its sender ask, by a SYN, an echo request, or datagrams from a port that no packet was sent to?"""
    flows = context.flows
    proto, kind = flows[:, schema.FLOW_PROTO], flows[:, schema.FLOW_KIND] >> 8
    asks = (proto == TCP) & (flows[:, schema.FLOW_SYNS] > 0) & (flows[:, schema.FLOW_SYNACK_TIME] < 0)
    asks |= (proto == ICMP) & (kind == ICMP_ECHO_REQUEST) | (proto == ICMPV6) & (kind == ICMPV6_ECHO_REQUEST)
    datagrams = np.flatnonzero(proto == UDP)
    senders = hash_of(flows, schema.FLOW_SRC_END, datagrams)
    receivers = hash_of(flows, schema.FLOW_DST_END, datagrams)
    asks[datagrams[~is_among(senders, receivers)]] = True
    return asks


def _that_stop(context: Context, away: list[InnerDestination]) -> list[InnerDestination]:
    """Those of which nothing speaks for an arrival at the other point."""
    if not away:
        return []
    rows, home = (np.array([flow[column] for flow in away], dtype=np.int64) for column in (_ROW, _HOME))
    reasons = refutations(context, rows, home, np.zeros(len(rows), dtype=bool))
    return [flow for flow, reason in zip(away, reasons.tolist(), strict=True) if reason == NOTHING]


def _homes(context: Context) -> dict[tuple[str, str], _Home]:
    """Host and address → the inner points where the address speaks with its own MAC. Not: the host's addresses."""
    homes: dict[tuple[str, str], _Home] = {}
    for number, point in enumerate(context.points):
        host = host_of(point.name)
        if host is None or point.role not in INNER_ROLES:
            continue
        for speaker in speakers(context, number, outside_tunnels=True).values():
            if _is_router(speaker):
                continue
            for address in speaker.own:
                home = homes.setdefault((host, address), _Home([], set()))
                home.points.append(number)
                home.macs.add(speaker.mac)
    return homes


def _is_router(speaker: Speaker) -> bool:
    """Does a station send or get packets of other addresses than its own?"""
    return bool(speaker.forwarded) or any(
        address not in speaker.own and not is_multicast(address) for address in speaker.received
    )


def _away(context: Context, homes: dict[tuple[str, str], _Home], row: int) -> list[InnerDestination]:
    """The flow, if it is sent to a router at a point of a host where its destination is not, but elsewhere in it."""
    flow = context.flows[row]
    point = int(flow[schema.FLOW_POINT])
    home = homes.get((host_of(context.points[point].name) or "", destination(flow)))
    if home is None or point in home.points or int(flow[schema.FLOW_DMAC]) in home.macs:
        return []
    heard = [number for number in home.points if not listening(context).is_dropping[number]]
    return [InnerDestination(row, point, heard[0])] if heard else []


def passed(context: Context, point: int, home: int, rows: FlowRows) -> bool:
    """Did other packets go from one point to the other with the destination of one of these rows, unanswered or not?"""
    flows, links = context.flows, flow_links(context)
    ends = schema.FLOW_DST
    source, target = flows[links.source], flows[links.target]
    is_between = (source[:, schema.FLOW_POINT] == point) & (target[:, schema.FLOW_POINT] == home)
    is_between &= (source[:, ends] == target[:, ends]).all(axis=1)
    return bool(is_among(row_hash(source[is_between][:, ends]), row_hash(flows[rows][:, ends])).any())
