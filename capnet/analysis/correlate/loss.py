"""Packets and octets of one hop that are missing at the next one.

Input: observations and the links between flows. Output: `LinkLoss`, one entry per link.
Method: a packet whose digest is at the next hop arrived. One whose digest is not may have arrived in other pieces,
because segmentation offload and fragmentation cut the same octets differently at different points. So octets are
compared: how often is each position of the sequence space (of IP datagrams: identification and fragment offset) at one
hop, and how often at the next? In a sample, the byte counters of the flows are compared instead.
A packet whose TTL ended at the router between both is not lost.
Limits: absence outside the time in which a point was listening proves nothing and is counted separately.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import combined_hash, distinct, is_among, numbered
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowRows, Mask, Observations, PerLink, PerObservation, Values
from capnet.analysis.correlate.clocks import flow_spans, listening_times
from capnet.analysis.correlate.duplicates import duplicates
from capnet.analysis.correlate.flow_links import first_link_of_flow
from capnet.analysis.correlate.lost_octets import octet_ranges, subtract_ranges
from capnet.analysis.correlate.recording_pauses import are_in_pauses
from capnet.quick_dataclass import frozen
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

MAX_SEGMENT_DELAY_NS = 1_000_000  # by which the last segment that a packet was cut into follows the first one


@frozen
class LinkEnds:
    """Links whose ends are compared, main links first. A side link starts or ends at a flow that has a main link too.

    A fragment that came before its packet's first one is in a flow without ports; `fragments` are the indexes of their
    observations, `fragment_links` the links that they came by.
    """

    source: FlowRows
    target: FlowRows
    main: PerLink  # the main link of that flow; of a main link itself
    votes: PerLink  # packets seen at both ends
    min_delays_ns: PerLink
    max_delays_ns: PerLink
    ttl_deltas: PerLink
    fragments: Values
    fragment_links: Values

    @property
    def side_links(self) -> Values:
        """Indexes of the links that are no main link."""
        return np.flatnonzero(self.main != np.arange(len(self.main)))


@frozen
class LinkLoss:
    """What became of the packets of each link's hop before."""

    matched: PerLink  # at the next hop too
    ambiguous: PerLink  # of the matched, those whose digest occurs more than once at their place
    missing: PerLink  # lost in whole or in part, while the next point was listening
    missing_acks: PerLink  # of the missing, TCP segments without an octet of the sequence space
    # Octets of TCP sequence space or IP payload that are lost; in a sample, of transport payload, -1 if unknown.
    missing_bytes: PerLink
    outside: PerLink  # not at the next hop, at a time when its point was not listening
    observed: PerLink  # packets compared


class _Crossings(NamedTuple):
    """Observations that leave by a link, and observations that came by one; side links count as their main link."""

    departures: Values
    departure_links: Values  # the link itself
    departure_mains: Values  # its main link
    arrivals: Values
    arrival_mains: Values


def measure_loss(
    context: Context, observations: Observations, rank: PerObservation, ambiguous: PerObservation, ends: LinkEnds
) -> LinkLoss:
    """Compare both ends of each link; what left by a side link is not missing on the main one.

    `observations`: by digest, without duplicates. `rank`: which packet of its digest in its flow each one is.
    """
    link_count = len(ends.source)
    crossings = _crossings(observations, ends, len(context.flows))
    departures, links, _, _, _ = crossings
    has_arrived = _has_arrived(observations, rank, crossings, link_count)
    was_listening = _was_listening(context, observations, crossings, ends)
    is_lost = ~has_arrived & was_listening
    is_lost[is_lost] = ~_came_otherwise(context, observations, crossings, ends, np.flatnonzero(is_lost))
    # A router forwards no packet whose TTL ends there (RFC 1812 section 5.3.1), as those of traceroute do.
    is_due = was_listening & (observations[departures, schema.OBS_TTL] > -ends.ttl_deltas[links])
    is_lost &= is_due
    if context.sample_share == 1.0:
        missing_bytes = _compare_octets(context, observations, crossings, ends, has_arrived, is_due, is_lost)
    else:
        # The first packets of flows are observed besides the sample: they show links, and count for no share.
        is_sampled = (observations[departures, schema.OBS_DIGEST] >> 8) & (round(1 / context.sample_share) - 1) == 0
        is_lost &= is_sampled
        was_listening |= ~is_sampled
        missing_bytes = _bytes_by_counters(context, ends)

    def per_link(is_counted: Mask) -> PerLink:
        return np.bincount(links[is_counted], minlength=link_count)

    matched, observed = per_link(has_arrived), np.bincount(links, minlength=link_count)
    _count_forks(matched, observed, ends, len(context.flows))
    return LinkLoss(
        matched=matched,
        ambiguous=np.minimum(per_link(has_arrived & ambiguous[departures]), matched),
        missing=per_link(is_lost),
        missing_acks=per_link(is_lost & _are_acks(context, observations[departures])),
        missing_bytes=missing_bytes,
        outside=per_link(~has_arrived & ~was_listening),
        observed=observed,
    )


def _crossings(observations: Observations, ends: LinkEnds, flow_count: int) -> _Crossings:
    flow = observations[:, schema.OBS_FLOW]
    link_after = first_link_of_flow(ends.source, flow_count)
    link_before = first_link_of_flow(ends.target, flow_count)
    has_link = link_before >= 0
    link_before[has_link] = ends.main[link_before[has_link]]
    came_by = link_before[flow]
    came_by[ends.fragments] = ends.main[ends.fragment_links]
    arrivals = np.flatnonzero(came_by >= 0)
    departures = np.flatnonzero(link_after[flow] >= 0)
    departure_links = link_after[flow[departures]]
    return _Crossings(departures, departure_links, ends.main[departure_links], arrivals, came_by[arrivals])


def _has_arrived(observations: Observations, rank: PerObservation, crossings: _Crossings, link_count: int) -> Mask:
    """For each departure: the k-th packet with its digest has arrived if the next hop has k of them."""
    departures, _, departure_mains, arrivals, arrival_mains = crossings
    if not len(departures):
        return np.zeros(0, dtype=bool)
    digest = observations[:, schema.OBS_DIGEST]
    is_new_digest = np.ones(len(observations), dtype=bool)
    is_new_digest[1:] = digest[1:] != digest[:-1]
    group = np.cumsum(is_new_digest) - 1
    keys, counts = _count_values(group[arrivals] * link_count + arrival_mains)
    wanted = group[departures] * link_count + departure_mains
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return (keys[index] == wanted) & (counts[index] > rank[departures])


def _was_listening(context: Context, observations: Observations, crossings: _Crossings, ends: LinkEnds) -> Mask:
    """For each departure: was the point of the next hop listening all the time in which it may have arrived?"""
    departures, links, _, _, _ = crossings
    points, longest_ns = context.flows[ends.target, schema.FLOW_POINT], _longest_delays(context, ends)
    first_ns, last_ns = (times_ns[points] for times_ns in listening_times(context)[:2])
    mains = ends.main[ends.side_links]
    np.maximum.at(first_ns, mains, first_ns[ends.side_links])
    np.minimum.at(last_ns, mains, last_ns[ends.side_links])
    time = observations[departures, schema.OBS_TIME]
    was_listening = time + np.maximum(ends.min_delays_ns[links], 0) >= first_ns[links]
    was_listening &= time + longest_ns[links] <= last_ns[links]
    if context.pauses:
        is_due = time + np.maximum(ends.min_delays_ns[links], 0)
        was_listening &= ~are_in_pauses(context, points[links], is_due, is_due)
    return was_listening


def _longest_delays(context: Context, ends: LinkEnds) -> PerLink:
    """How long packets took at most between the two points of each link, in any flow: others may take as long."""
    points = context.flows[:, schema.FLOW_POINT]
    _, way = numbered(points[ends.source] * len(context.points) + points[ends.target])
    longest_ns = np.zeros(len(way), dtype=np.int64)
    np.maximum.at(longest_ns, way, ends.max_delays_ns)
    return longest_ns[way]


def _are_acks(context: Context, observations: Observations) -> PerObservation:
    """Per observation: is it a TCP segment without SYN, FIN and payload?"""
    is_tcp = context.flows[observations[:, schema.OBS_FLOW], schema.FLOW_PROTO] == TCP
    return is_tcp & (observations[:, schema.OBS_BYTES] == 0)


def _came_otherwise(
    context: Context, observations: Observations, crossings: _Crossings, ends: LinkEnds, rows: Values
) -> Mask:
    """For each of these departures: has the next point a TCP packet with its digest that no link explains?

    As of a SYN that a rule drops behind DNAT: each time it is sent again, another server may be chosen for it.
    """
    if not len(rows):
        return np.zeros(0, dtype=bool)
    departures, links, _, arrivals, _ = crossings
    flows, flow = context.flows, observations[:, schema.OBS_FLOW]
    is_stray = flows[flow, schema.FLOW_PROTO] == TCP
    is_stray[arrivals] = False
    strays = combined_hash([observations[is_stray, schema.OBS_DIGEST], flows[flow[is_stray], schema.FLOW_POINT]])
    points = flows[ends.target[links[rows]], schema.FLOW_POINT]
    return is_among(combined_hash([observations[departures[rows], schema.OBS_DIGEST], points]), strays)


def _compare_octets(
    context: Context,
    observations: Observations,
    crossings: _Crossings,
    ends: LinkEnds,
    has_arrived: Mask,
    was_listening: Mask,
    is_lost: Mask,
) -> PerLink:
    """Octets that each link lost; corrects `is_lost`, which comes from digests, by the octets of each departure."""
    departures, _, departure_mains, arrivals, arrival_mains = crossings
    link_count = len(ends.source)
    # Only links on which the packets or their octets do not add up.
    sent_bytes = np.bincount(
        departure_mains[was_listening],
        weights=observations[departures[was_listening], schema.OBS_BYTES],
        minlength=link_count,
    )
    arrived_bytes = np.bincount(arrival_mains, weights=observations[arrivals, schema.OBS_BYTES], minlength=link_count)
    arrived = np.bincount(arrival_mains, minlength=link_count)
    is_odd = sent_bytes > arrived_bytes
    is_odd |= arrived != np.bincount(departure_mains[has_arrived], minlength=link_count)
    is_odd[departure_mains[is_lost]] = True
    is_compared = is_odd[departure_mains] & was_listening
    if not is_compared.any():
        return np.zeros(link_count, dtype=np.int64)
    sent = octet_ranges(context, observations[departures[is_compared]], departure_mains[is_compared], ends.source)
    is_odd_arrival = is_odd[arrival_mains]
    received = octet_ranges(context, observations[arrivals[is_odd_arrival]], arrival_mains[is_odd_arrival], ends.source)
    is_lost[is_compared], lost_bytes = subtract_ranges(sent, received, is_lost[is_compared], link_count)
    return lost_bytes


def _count_forks(matched: PerLink, observed: PerLink, ends: LinkEnds, flow_count: int) -> None:
    """Move the packets that left by a side link from its main link to it: they were counted with the main one's."""
    link_after = first_link_of_flow(ends.source, flow_count)
    for side_link in ends.side_links.tolist():
        if link_after[ends.source[side_link]] != side_link:
            main, votes = ends.main[side_link], ends.votes[side_link]
            for counts in (matched, observed):
                counts[main] -= min(votes, counts[main])
                counts[side_link] = votes


def _count_values(values: Values) -> tuple[Values, Values]:
    """The distinct values, sorted, and how often each occurs."""
    values = np.sort(values)
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    return values[starts], np.diff(np.append(starts, len(values)))


def _bytes_by_counters(context: Context, ends: LinkEnds) -> PerLink:
    """Octets of payload that each link lost by the counters of its flows; -1 where these do not tell.

    They do where each point listened as long as the flow lasted at the other one, and without a pause, neither recorded
    packets twice, nothing but TCP was cut, and no flow forks or joins.
    """
    flows, source, target = context.flows, ends.source, ends.target
    max_delays_ns = np.maximum(ends.max_delays_ns, 0) + MAX_SEGMENT_DELAY_NS
    first_ns, last_ns, _ = listening_times(context)
    begin_ns, end_ns = flow_spans(context)
    source_point, target_point = flows[source, schema.FLOW_POINT], flows[target, schema.FLOW_POINT]
    is_known = first_ns[target_point] <= begin_ns[source]
    is_known &= first_ns[source_point] <= begin_ns[target] - max_delays_ns
    is_known |= flows[source, schema.FLOW_FIRST_DIGEST] == flows[target, schema.FLOW_FIRST_DIGEST]
    is_known &= end_ns[source] <= last_ns[target_point]
    is_known &= end_ns[target] - max_delays_ns <= last_ns[source_point]
    paused = np.array(list(context.pauses), dtype=np.int64)
    is_known &= ~is_among(source_point, paused) & ~is_among(target_point, paused)
    points_with_duplicates = distinct(flows[duplicates(context).flow_rows, schema.FLOW_POINT])
    is_known &= ~is_among(source_point, points_with_duplicates) & ~is_among(target_point, points_with_duplicates)
    is_uncut = (flows[:, schema.FLOW_PROTO] == TCP) | (flows[:, schema.FLOW_FRAGMENTS] == 0)
    is_known &= is_uncut[source] & is_uncut[target]
    lost_bytes = flows[source, schema.FLOW_PAYLOAD] - flows[target, schema.FLOW_PAYLOAD]
    lost_bytes = np.where(is_known & (lost_bytes >= 0), lost_bytes, -1)
    lost_bytes[ends.side_links] = lost_bytes[ends.main[ends.side_links]] = -1
    return lost_bytes
