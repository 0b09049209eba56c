"""Builds the links between flows from packets that were seen at two points.

Input: observations, matched with the same packet's observation at the hop before (`packet_matching`).
Output: `Links`, main links first, then side links.
Method: each matched packet votes for a link from its flow at the hop before to its flow at this hop; a link stands
when it is the best one of both flows (`link_votes`). A packet whose digest occurs more than once at one place is
ambiguous: it votes too, is counted, and lowers the confidence. What is missing at the next hop is counted by `loss`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import first_of_groups, sorted_in_groups
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs
from capnet.analysis.core.schema import FlowRows, Mask, Observations, PerFlow, PerLink, PerObservation, Values
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.correlate.flow_links import Links, first_link_of_flow, main_chains
from capnet.analysis.correlate.flow_similarity import (
    PLACE_COLUMNS,
    SOURCE_COLUMNS,
    TARGET_COLUMNS,
    is_group_address,
)
from capnet.analysis.correlate.link_votes import (
    MIN_SIDE_VOTES,
    PairVotes,
    count_votes,
    main_pairs,
    side_pairs,
    without_detours,
)  # fmt: skip
from capnet.analysis.correlate.loss import LinkEnds, measure_loss
from capnet.analysis.correlate.order.flooded_copies import originals_of_copies
from capnet.analysis.correlate.packet_matching import (
    Repeats,
    comparable_observations,
    count_repeats,
    is_ambiguous,
    match_packets,
)
from capnet.analysis.correlate.translation_evidence import false_translations, measure_pairs, rewriting_pairs
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

_CONNECTION = [*schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
DELAY_SHARES = (0.0, 0.5, 0.99, 1.0)  # of a link's packets: minimum, median, 99th percentile, maximum


class _Election(NamedTuple):
    """The links that stand: their ends, the main link of each, and the link that each vote is for (-1: none)."""

    source: FlowRows
    target: FlowRows
    main: PerLink
    link_of_vote: Values


class _Measures(NamedTuple):
    """What the packets of each link show."""

    packets: PerLink
    delays_ns: PerLink  # (links, 4), by DELAY_SHARES
    ttl_deltas: PerLink  # medians
    frames: PerLink  # (links, 2): frame numbers of the first packet at both ends


@derived
def flow_links(context: Context) -> Links:
    """Which flows are the same packets at the next point."""
    observations = comparable_observations(context)
    ambiguous = is_ambiguous(context, observations)
    repeats = count_repeats(observations[:, schema.OBS_DIGEST], observations[:, schema.OBS_FLOW])
    ends, measures = _voted_links(context, observations, repeats, ambiguous)
    loss = measure_loss(context, observations, repeats.rank, ambiguous, ends)
    capture_clocks = clocks(context)
    clock = capture_clocks.of_flows(context)
    after, before = _with_copies(
        context, *(first_link_of_flow(end, len(context.flows)) for end in (ends.source, ends.target))
    )
    return Links(
        source=ends.source,
        target=ends.target,
        matched=loss.matched,
        ambiguous=loss.ambiguous,
        missing=loss.missing,
        missing_acks=loss.missing_acks,
        missing_bytes=loss.missing_bytes,
        outside=loss.outside,
        observed=loss.observed,
        ttl_delta=measures.ttl_deltas,
        delays_ns=measures.delays_ns,
        is_timed=capture_clocks.are_comparable(clock[ends.source], clock[ends.target]),
        frames=measures.frames,
        after=after,
        before=before,
    )


def _with_copies(context: Context, after: PerFlow, before: PerFlow) -> tuple[PerFlow, PerFlow]:
    """The links behind and before each flow row, where flooded copies have those of their original.

    So a copy is neither the first nor the last hop of any way.
    """
    originals = originals_of_copies(context)
    copies = np.flatnonzero(originals >= 0)
    behind, ahead = after[originals[copies]], before[originals[copies]]
    after[copies] = np.where(behind >= 0, behind, ahead)
    before[copies] = np.where(ahead >= 0, ahead, behind)
    return after, before


def _voted_links(
    context: Context, observations: Observations, repeats: Repeats, ambiguous: PerObservation
) -> tuple[LinkEnds, _Measures]:
    """The links that packets vote for, and what these show. Arrays with an entry per packet are freed on return."""
    previous = match_packets(context, observations, repeats, ambiguous)
    later = np.flatnonzero(previous >= 0)
    earlier = previous[later]
    source, target, main, link = _elect(context, observations, ambiguous, earlier, later)
    has_link = link >= 0
    fragments, fragment_links = _fragments_without_ports(
        context, observations, earlier[~has_link], later[~has_link], source, target
    )
    earlier, later, link = earlier[has_link], later[has_link], link[has_link]
    measures = _measure(observations, earlier, later, link, len(source))
    ends = LinkEnds(
        source=source,
        target=target,
        main=main,
        votes=measures.packets,
        min_delays_ns=measures.delays_ns[:, 0],
        max_delays_ns=measures.delays_ns[:, 3],
        ttl_deltas=measures.ttl_deltas,
        fragments=fragments,
        fragment_links=fragment_links,
    )
    return ends, measures


def _elect(
    context: Context, observations: Observations, ambiguous: PerObservation, earlier: Values, later: Values
) -> _Election:
    """The links that stand by the votes of packets, each with an observation `earlier` and one `later`."""
    flows = context.flows
    votes = count_votes(observations[earlier, schema.OBS_FLOW], observations[later, schema.OBS_FLOW], len(flows))
    pairs = votes.pairs
    counts = without_detours(pairs, votes.counts)
    # Later fragments have no ports: a flow with ports does not go on in them, though some of its packets seem to.
    has_no_ports = flows[pairs, schema.FLOW_SPORT] < 0
    counts[has_no_ports[:, 0] != has_no_ports[:, 1]] = 0
    is_clear = ~(ambiguous[earlier] | ambiguous[later])
    main = main_pairs(pairs, counts)
    false = _false_translations(context, observations, votes, main, _Voters(earlier, later, is_clear))
    if len(false):
        counts[false] = 0
        main = main_pairs(pairs, counts)
    side = _side_pairs(context, votes, counts, votes.pair_of_vote[is_clear], main)
    linked = np.concatenate([main, side])
    link_of_pair = np.full(len(pairs), -1)
    link_of_pair[linked] = np.arange(len(linked))
    main_after = first_link_of_flow(pairs[main, 0], len(flows))
    main_before = first_link_of_flow(pairs[main, 1], len(flows))
    main_of_fork = main_after[pairs[side, 0]]
    main_of_side = np.where(main_of_fork >= 0, main_of_fork, main_before[pairs[side, 1]])
    return _Election(
        source=pairs[linked, 0],
        target=pairs[linked, 1],
        main=np.concatenate([np.arange(len(main)), main_of_side]),
        link_of_vote=link_of_pair[votes.pair_of_vote],
    )


class _Voters(NamedTuple):
    """Packets that were seen twice: their two observations, and whether they equal no other packet."""

    earlier: Values
    later: Values
    is_clear: Mask


def _false_translations(
    context: Context, observations: Observations, votes: PairVotes, main: Values, voters: _Voters
) -> Values:
    """Indexes of the pairs that are two connections with equal packets."""
    pairs = votes.pairs
    candidates = rewriting_pairs(context.flows, pairs)
    if not len(candidates):
        return candidates
    is_candidate = np.zeros(len(pairs), dtype=bool)
    is_candidate[candidates] = True
    of_candidate = np.flatnonzero(is_candidate[votes.pair_of_vote])
    packets = measure_pairs(
        observations,
        voters.earlier[of_candidate],
        voters.later[of_candidate],
        votes.pair_of_vote[of_candidate],
        voters.is_clear[of_candidate],
        len(pairs),
    )
    return false_translations(context, pairs, candidates, main_chains(pairs[main], len(context.flows)), packets)


def _side_pairs(context: Context, votes: PairVotes, counts: Values, clear_votes: Values, main: Values) -> Values:
    """Indexes of the pairs that are side links; `clear_votes`: the pair of each vote that is not ambiguous.

    Multicast takes several ways at once: its pairs are no side links. One segment suffices where it keeps its addresses
    and ports: a SYN that a route by hash sends by another interface.
    """
    flows, pairs = context.flows, votes.pairs
    if len(main) == len(pairs) or not len(pairs):
        return np.zeros(0, dtype=np.int64)
    source, target = pairs[:, 0], pairs[:, 1]
    clear_counts = np.bincount(clear_votes, minlength=len(pairs))
    is_multicast = is_group_address(flows[target, schema.FLOW_DST_HI], flows[target, schema.FLOW_DST_LO])
    is_multicast |= (flows[source, schema.FLOW_DMAC] > 0) & are_multicast_macs(flows[source, schema.FLOW_DMAC])
    is_kept = (flows[source, schema.FLOW_PROTO] == TCP) & (clear_counts > 0)
    is_kept[is_kept] = (flows[source[is_kept]][:, _CONNECTION] == flows[target[is_kept]][:, _CONNECTION]).all(axis=1)
    clear_counts[is_kept] = np.maximum(clear_counts[is_kept], MIN_SIDE_VOTES)
    clear_counts[is_multicast] = 0
    return side_pairs(pairs, counts, clear_counts, main, len(flows))


def _measure(observations: Observations, earlier: Values, later: Values, link: Values, link_count: int) -> _Measures:
    """Packets, delays, TTL change and first frames of each link, of its packets `earlier` and `later`."""
    first_ns = observations[earlier, schema.OBS_TIME]
    delays_ns = sorted_in_groups(link, observations[later, schema.OBS_TIME] - first_ns)
    ttl_deltas = sorted_in_groups(link, observations[later, schema.OBS_TTL] - observations[earlier, schema.OBS_TTL])
    packets = np.bincount(link, minlength=link_count)
    starts = np.cumsum(packets) - packets
    ranks = (np.maximum(np.ceil(share * packets).astype(np.int64) - 1, 0) for share in DELAY_SHARES)
    spread_ns = np.stack([delays_ns[starts + rank] for rank in ranks], axis=1)
    first = first_of_groups(link, first_ns, link_count)
    frames = np.stack(
        [observations[earlier[first], schema.OBS_FRAME], observations[later[first], schema.OBS_FRAME]], axis=1
    )
    return _Measures(packets, spread_ns, ttl_deltas[starts + (packets - 1) // 2], frames)


class _Fragments(NamedTuple):
    """Fragments in flows without ports: their observations, and the link that the rest of each packet took."""

    observations: Values
    links: Values


def _fragments_without_ports(
    context: Context, observations: Observations, earlier: Values, later: Values, source: FlowRows, target: FlowRows
) -> _Fragments:
    """Fragments that came before the first one of their packet, which alone has the ports.

    `earlier`, `later`: observations of packets that no link joins. `source`, `target`: flow rows of each link.
    """
    flows = context.flows
    link_after = first_link_of_flow(source, len(flows))
    earlier_flow, later_flow = observations[earlier, schema.OBS_FLOW], observations[later, schema.OBS_FLOW]
    is_fragment = (flows[later_flow, schema.FLOW_SPORT] < 0) & (flows[later_flow, schema.FLOW_FRAGMENTS] > 0)
    is_fragment &= (flows[earlier_flow, schema.FLOW_SPORT] >= 0) & (link_after[earlier_flow] >= 0)
    later, later_flow = later[is_fragment], later_flow[is_fragment]
    link = link_after[earlier_flow[is_fragment]]
    columns = [*PLACE_COLUMNS, *SOURCE_COLUMNS, *TARGET_COLUMNS]
    is_next_hop = (flows[later_flow[:, None], columns] == flows[target[link][:, None], columns]).all(axis=1)
    return _Fragments(later[is_next_hop], link[is_next_hop])
