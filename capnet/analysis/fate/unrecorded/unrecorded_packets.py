"""Packets that passed a point without being recorded there: what looks like loss is the capture's own.

Input: flow links on which packets are missing, observations, replies. Output: counts per link, a mask per point.
Method: a missing packet passed if a later hop of its path recorded it, and it passed this point if the point recorded a
later one of its flow. Else it took another way: a bridge forwards most packets past its own interface. A TCP connection
that both sides closed has lost no octet that was not sent again, nor has one octets that its receiver acknowledged;
nor was an echo request lost that was answered. No host sends a pure ACK again: of a missing one, nothing is known.
What a bridge floods to a container that it is not for has passed it, and did not have to go on doing so.
Limits: packets of other protocols that only the last hop of a path misses may be lost or unrecorded. The MAX_LINKS
links with the most missing packets are examined.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FlowMask, FlowRows, Mask, Observations, PerFlow, PerLink, PerObservation, Values
from capnet.analysis.correlate.duplicates import (
    duplicates,
    is_duplicate,
    packets_without_duplicates,
    repeated_in_flow,
    syns_without_duplicates,
)
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.lost_octets import octet_ranges, octets_sent_again
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import mac_value
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, ICMPV6, ICMPV6_ECHO_REQUEST, TCP, TCP_ACK, TCP_FIN, TCP_RST

MAX_LINKS = 1000
_HALF_CIRCLE = 1 << 31


@derived
def unrecorded_packets(context: Context) -> PerLink:
    """Per flow link: how many of its missing packets passed its second point, at least."""
    links = flow_links(context)
    counts = np.zeros(len(links), dtype=np.int64)
    lossy = _lossy_links(context)
    if not len(lossy):
        return counts
    sources = links.source[lossy]
    is_complete = _is_closed(context)[sources] | _is_echo_request(context)[sources]
    later = _seen_later(context)
    missing = links.missing[lossy] - links.missing_acks[lossy] - later.with_octets[lossy]
    arrived = np.maximum(missing - most_lost(context)[sources], 0)
    counts[lossy] = np.where(is_complete & (most_lost(context)[sources] >= 0), arrived, 0)
    for link in np.flatnonzero(counts).tolist():
        if were_sent_again(context, links, link):
            counts[link] = 0
    return np.maximum(np.maximum(counts, later.passed), _acknowledged(context))


@derived
def _lossy_links(context: Context) -> Values:
    """The links with the most missing packets, without what a bridge floods."""
    links = flow_links(context)
    lossy = np.flatnonzero(links.missing > 0)
    lossy = lossy[~_is_flooded(context, links.target[lossy])]
    return lossy[np.argsort(-links.missing[lossy], kind="stable")[:MAX_LINKS]]


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

    TCP that was answered, there or at the next hop: as many as were sent again. Echo requests: as many as were not
    answered.
    """
    flows, reply = context.flows, replies(context)
    most = np.full(len(flows), -1, dtype=np.int64)
    links, is_answered = flow_links(context), reply >= 0
    has_next = np.flatnonzero(links.after >= 0)
    is_answered[has_next] |= reply[links.target[links.after[has_next]]] >= 0
    tcp = np.flatnonzero((flows[:, schema.FLOW_PROTO] == TCP) & is_answered)
    most[tcp] = retransmitted_segments(context)[tcp] + np.maximum(syns_without_duplicates(context)[tcp] - 1, 0)
    asking = np.flatnonzero(_is_echo_request(context) & (reply >= 0))
    packets = packets_without_duplicates(context)
    most[asking] = np.maximum(packets[asking] - packets[reply[asking]], 0)
    return most


def were_sent_again(context: Context, links: Links, link: int) -> bool:
    """Were as many octets of TCP sent again as a link misses? A segment may send again what was lost of several."""
    rows = links.source[[link]]
    if context.flows[rows[0], schema.FLOW_PROTO] != TCP or context.sample_share < 1.0:
        return False
    segments = observations_by_flow(context).of(rows)
    ranges = octet_ranges(context, segments, np.zeros(len(segments), dtype=np.int64), rows)
    return octets_sent_again(ranges) >= links.missing_bytes[link]


def _is_closed(context: Context) -> FlowMask:
    """Per flow: is it a direction of a TCP connection that both sides closed with FIN?"""
    flows, reply = context.flows, replies(context)
    has_fin = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_FIN != 0)
    return has_fin & (reply >= 0) & has_fin[reply]


def _is_echo_request(context: Context) -> FlowMask:
    protocol, kind = context.flows[:, schema.FLOW_PROTO], context.flows[:, schema.FLOW_KIND] >> 8
    return ((protocol == ICMP) & (kind == ICMP_ECHO_REQUEST)) | ((protocol == ICMPV6) & (kind == ICMPV6_ECHO_REQUEST))


def _is_flooded(context: Context, rows: FlowRows) -> Mask:
    """Per flow row: is it what a bridge floods to a container that it is not for, until it has learnt the port?"""
    flows = context.flows[rows]
    flooded = np.zeros(len(rows), dtype=bool)
    for point in distinct(flows[:, schema.FLOW_POINT]).tolist():
        macs = _container_macs(context).get(context.points[point].name)
        if macs:
            is_own = is_one_of(flows[:, schema.FLOW_DMAC], macs) | is_one_of(flows[:, schema.FLOW_SMAC], macs)
            flooded |= (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_DMAC] > 0) & ~is_own
    return flooded


@derived
def _container_macs(context: Context) -> dict[str, tuple[int, ...]]:
    """Point at a container's interface or host end → the MACs of that container."""
    if context.topology is None:
        return {}
    macs: dict[tuple[str, str], list[int]] = {}
    for container in context.topology.containers:
        for endpoint in container.endpoints:
            with suppress(ValueError):  # no MAC, as of a tunnel
                macs.setdefault((container.host, container.name), []).append(mac_value(endpoint.mac or ""))
    listening = [each for each in context.topology.points if each.role in ("container", "veth") and each.container]
    return {each.name: tuple(macs.get((each.host, each.container or ""), ())) for each in listening}


class ObservationsByFlow:
    """The observations of single flows, without duplicates."""

    def __init__(self, context: Context) -> None:
        observed = context.observations
        if len(duplicates(context).flow_rows):
            repeated = repeated_in_flow(context, observed)
            copies, key = repeated[is_duplicate(context, repeated)], [schema.OBS_FLOW, schema.OBS_SEQ]
            observed = observed[~is_among(hash_of(observed, key).view(np.int64), hash_of(copies, key).view(np.int64))]
        self._observations = observed[np.argsort(observed[:, schema.OBS_FLOW], kind="stable")]
        self._flow = self._observations[:, schema.OBS_FLOW]

    def of(self, rows: FlowRows) -> Observations:
        """Those of all packets of these flows."""
        spans = zip(np.searchsorted(self._flow, rows), np.searchsorted(self._flow, rows, side="right"), strict=True)
        parts = [self._observations[start:stop] for start, stop in spans]
        return np.concatenate(parts) if parts else self._observations[:0]


@derived
def observations_by_flow(context: Context) -> ObservationsByFlow:
    """The observations of a context, by flow row."""
    return ObservationsByFlow(context)


class SeenLater(NamedTuple):
    """Packets of the hop before each link that are missing behind it, and that a later hop of its path has."""

    packets: PerLink
    with_octets: PerLink  # of them, those that are no pure ACKs of TCP
    passed: PerLink  # of them, those before the last packet that the point behind the link recorded


@derived
def _seen_later(context: Context) -> SeenLater:
    links, observations = flow_links(context), observations_by_flow(context)
    counts = SeenLater(*np.zeros((3, len(links)), dtype=np.int64))
    for link in _lossy_links(context).tolist():
        later = links.target[links.chain(link)[1:]]
        if not len(later):
            continue
        sent, seen = observations.of(links.source[[link]]), observations.of(links.target[[link]])
        is_here = is_among(sent[:, schema.OBS_DIGEST], seen[:, schema.OBS_DIGEST])
        is_later = ~is_here & is_among(sent[:, schema.OBS_DIGEST], observations.of(later)[:, schema.OBS_DIGEST])
        is_tcp = context.flows[links.source[link], schema.FLOW_PROTO] == TCP
        if is_tcp:
            is_later[is_later] = ~begin_in_segments(sent[is_later], seen)
        last = sent[is_here, schema.OBS_SEQ].max(initial=-1)
        counts.packets[link] = is_later.sum()
        counts.with_octets[link] = (is_later & (~is_tcp | (sent[:, schema.OBS_BYTES] > 0))).sum()
        counts.passed[link] = (is_later & (sent[:, schema.OBS_SEQ] < last)).sum()
    return counts


@derived
def _acknowledged(context: Context) -> PerLink:
    """Missing segments whose octets were sent once, and that the receiver acknowledged.

    Of them, those before the last segment that the point behind the link recorded.
    """
    links, observations, flows = flow_links(context), observations_by_flow(context), context.flows
    counts = np.zeros(len(links), dtype=np.int64)
    has_reply = (replies(context) >= 0) & (flows[:, schema.FLOW_PROTO] == TCP) & (context.sample_share == 1.0)
    lossy = _lossy_links(context)
    for link in lossy[has_reply[links.source[lossy]]].tolist():
        sent, seen = observations.of(links.source[[link]]), observations.of(links.target[[link]])
        is_here = is_among(sent[:, schema.OBS_DIGEST], seen[:, schema.OBS_DIGEST])
        last = sent[is_here, schema.OBS_SEQ].max(initial=-1)
        sent = sent[(sent[:, schema.OBS_BYTES] > 0) & (sent[:, schema.OBS_FROM] >= 0)]
        missing = sent[~is_among(sent[:, schema.OBS_DIGEST], seen[:, schema.OBS_DIGEST])]
        missing = missing[missing[:, schema.OBS_SEQ] < last]
        missing = missing[~begin_in_segments(missing, seen)]
        acks = observations.of(replies(context)[links.source[[link]]])
        control = acks[:, schema.OBS_CONTROL]
        acks = (control & 0xFFFFFFFF)[(control >= 0) & ((control >> 48) & (TCP_ACK | TCP_RST) == TCP_ACK)]
        if len(missing) and len(acks):
            base = int(sent[0, schema.OBS_FROM])
            starts, begins, reached = (
                sequence_distance(base, of) for of in (sent[:, schema.OBS_FROM], missing[:, schema.OBS_FROM], acks)
            )
            stops, ends = starts + sent[:, schema.OBS_BYTES], begins + missing[:, schema.OBS_BYTES]
            times = np.searchsorted(np.sort(starts), ends) - np.searchsorted(np.sort(stops), begins, side="right")
            counts[link] = ((times == 1) & (ends <= reached.max())).sum()
    return counts


def seen_at_later_hops(context: Context, link: int) -> int:
    """How many of the packets that a link misses does a later hop of its path have?"""
    return int(_seen_later(context).packets[link])


def begin_in_segments(packets: Observations, segments: Observations) -> PerObservation:
    """Per packet: is its first octet in one of the segments, as of a packet that offload joined with its neighbours?"""
    segments = segments[segments[:, schema.OBS_BYTES] > 0]
    has_octets = (packets[:, schema.OBS_BYTES] > 0) & (packets[:, schema.OBS_FROM] >= 0)
    if not len(segments):
        return np.zeros(len(packets), dtype=bool)
    base = int(segments[0, schema.OBS_FROM])
    starts, first = (sequence_distance(base, of[:, schema.OBS_FROM]) for of in (segments, packets))
    order = np.argsort(starts, kind="stable")
    ends = np.maximum.accumulate(starts[order] + segments[order, schema.OBS_BYTES])
    before = np.searchsorted(starts[order], first, side="right") - 1
    inside: PerObservation = has_octets & (before >= 0) & (ends[before] > first)
    return inside


def sequence_distance(base: Any, numbers: Any) -> Any:
    """How far sequence numbers are ahead of one; they wrap around (RFC 1982)."""
    return ((numbers - base + _HALF_CIRCLE) & 0xFFFFFFFF) - _HALF_CIRCLE
