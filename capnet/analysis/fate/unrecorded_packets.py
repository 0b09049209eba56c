"""Packets that passed a point without being recorded there: what looks like loss is the capture's own.

Input: flow links on which packets are missing, observations, replies. Output: counts per link, a mask per point.
Method: a missing packet passed if a later hop of its path recorded it. A TCP connection that both sides closed has lost
no data that was not sent again, nor an echo request that was answered.
Limits: packets of other protocols that only the last hop of a path misses may be lost or unrecorded. The MAX_LINKS
links with the most missing packets are examined.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FlowMask, FlowRows, Mask, PerFlow, PerLink, Values
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, ICMPV6, ICMPV6_ECHO_REQUEST, TCP, TCP_FIN

MAX_LINKS = 1000


@derived
def unrecorded_packets(context: Context) -> PerLink:
    """Per flow link: how many of its missing packets passed its second point, at least."""
    links = flow_links(context)
    counts = np.zeros(len(links), dtype=np.int64)
    lossy = np.flatnonzero(links.missing > 0)
    if not len(lossy):
        return counts
    lossy = lossy[np.argsort(-links.missing[lossy], kind="stable")[:MAX_LINKS]]
    sources = links.source[lossy]
    is_complete = _is_closed(context)[sources] | _is_echo_request(context)[sources]
    arrived = np.maximum(links.missing[lossy] - most_lost(context)[sources], 0)
    counts[lossy] = np.where(is_complete & (most_lost(context)[sources] >= 0), arrived, 0)
    rows_by_flow = _ObservationsByFlow(context)
    for link in lossy.tolist():
        counts[link] = max(int(counts[link]), _seen_later(links, link, rows_by_flow))
    return counts


@derived
def misses_packets(context: Context) -> Mask:
    """Per point: did packets pass it that it did not record?"""
    links, counts = flow_links(context), unrecorded_packets(context)
    misses = np.zeros(max(len(context.points), 1), dtype=bool)
    misses[context.flows[links.target[counts > 0], schema.FLOW_POINT]] = True
    return misses


@derived
def most_lost(context: Context) -> PerFlow:
    """Per flow: how many of its packets were lost behind its point at most; -1 where nothing limits that.

    TCP that was answered: as many as were sent again. Echo requests: as many as were not answered.
    """
    flows, reply = context.flows, replies(context)
    most = np.full(len(flows), -1, dtype=np.int64)
    tcp = np.flatnonzero((flows[:, schema.FLOW_PROTO] == TCP) & (reply >= 0))
    most[tcp] = retransmitted_segments(context)[tcp] + np.maximum(flows[tcp, schema.FLOW_SYNS] - 1, 0)
    asking = np.flatnonzero(_is_echo_request(context) & (reply >= 0))
    packets = packets_without_duplicates(context)
    most[asking] = np.maximum(packets[asking] - packets[reply[asking]], 0)
    return most


def _is_closed(context: Context) -> FlowMask:
    """Per flow: is it a direction of a TCP connection that both sides closed with FIN?"""
    flows, reply = context.flows, replies(context)
    has_fin = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_FIN != 0)
    return has_fin & (reply >= 0) & has_fin[reply]


def _is_echo_request(context: Context) -> FlowMask:
    protocol, kind = context.flows[:, schema.FLOW_PROTO], context.flows[:, schema.FLOW_KIND] >> 8
    return ((protocol == ICMP) & (kind == ICMP_ECHO_REQUEST)) | ((protocol == ICMPV6) & (kind == ICMPV6_ECHO_REQUEST))


class _ObservationsByFlow:
    """Digests of the packets of single flows."""

    def __init__(self, context: Context) -> None:
        flow = context.observations[:, schema.OBS_FLOW]
        order = np.argsort(flow, kind="stable")
        self._flow, self._digests = flow[order], context.observations[order, schema.OBS_DIGEST]

    def digests(self, rows: FlowRows) -> Values:
        """Of all packets of these flows."""
        spans = zip(np.searchsorted(self._flow, rows), np.searchsorted(self._flow, rows, side="right"), strict=True)
        parts = [self._digests[start:stop] for start, stop in spans]
        return np.concatenate(parts) if parts else self._digests[:0]


def _seen_later(links: Links, link: int, observations: _ObservationsByFlow) -> int:
    """Packets of the hop before a link that are missing behind it, and that a later hop of its path has."""
    later = links.target[links.chain(link)[1:]]
    if not len(later):
        return 0
    sent, seen = observations.digests(links.source[[link]]), observations.digests(links.target[[link]])
    missing = sent[~is_among(sent, seen)]
    return int(is_among(missing, observations.digests(later)).sum())
