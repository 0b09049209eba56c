"""Which repeat at one hop is which at the next one, when some were lost on the way.

Input: observations of digests that a flow shows more than once: a retry, a keepalive, a beacon without IP
identification.
Output: for each such packet its rank on the whole flow chain, where that is not its rank in its flow.
Method: equal packets are told apart by their order: the second at one hop is the second at the next. Where a hop saw
fewer of them, times decide: what arrives is the last one that was sent by then. `trace.packet_ids` uses the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from capnet.analysis.aggregate import hash_table
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import by_digest, is_among, repeated_positions
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowMask, Observations, PerFlow
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.correlate.duplicates import MAX_DUPLICATE_DELAY_NS
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.order.bridge_order import correct_bridge_times
from capnet.quick_tuple import NamedTuple
from capnet.wire.octets import mix

MAX_REPEATED = 1 << 18  # observations examined one by one; if there are more, they keep their order


class _FlowRepeats(NamedTuple):
    """The observations of one digest in one flow, by time."""

    flow: int
    observations: Observations


class _Packet(NamedTuple):
    """One of several equal packets: when the last hop that had it saw it, and its rank on the flow chain."""

    time: int  # ns
    rank: int


def rank_key(flow: int, digest: int, rank: int) -> int:
    """Key of the packet that is number `rank` of its digest in a flow row; never 0.

    It has the secret of `aggregate.hash_table` in it, as keys end up in a hash table and digests come from outside.
    """
    return mix(mix(mix(int(hash_table.SECRET[0]), flow), digest), rank) | 1


def moved_ranks(context: Context, links: Links, chain_of_flow: PerFlow, has_duplicates: FlowMask) -> dict[int, int]:
    """`rank_key` of a packet → its rank among the equal packets of its flow chain, where that differs from its own.

    `has_duplicates`: flows whose duplicates are left out.
    """
    moved: dict[int, int] = {}
    for repeats in _repeats_by_chain(_repeated_observations(context, chain_of_flow), chain_of_flow):
        times_of_flow = {flow: _packet_times(rows, bool(has_duplicates[flow])) for flow, rows in repeats}
        if len({len(times) for times in times_of_flow.values()}) == 1:
            continue
        digest = int(repeats[0].observations[0, schema.OBS_DIGEST])
        packets: list[_Packet] = []  # by time
        for flow in _by_hop(links, list(times_of_flow)):
            times = times_of_flow[flow]
            for rank, (time, index) in enumerate(zip(times, _assign(packets, times), strict=True)):
                if index is None:
                    packets.append(_Packet(time, len(packets)))
                    chain_rank = packets[-1].rank
                else:
                    chain_rank = packets[index].rank
                    packets[index] = _Packet(time, chain_rank)
                if chain_rank != rank:
                    moved[rank_key(flow, digest, rank)] = chain_rank
            packets.sort()
    return moved


def _repeated_observations(context: Context, chain_of_flow: PerFlow) -> Observations:
    """Observations of digests that a flow shows more than once, in chains of several flows, under one clock."""
    observations = correct_bridge_times(context, context.observations)
    is_linked = np.bincount(chain_of_flow, minlength=len(chain_of_flow))[chain_of_flow] > 1
    observations = observations[is_linked[observations[:, schema.OBS_FLOW]]]
    columns = (schema.OBS_DIGEST, schema.OBS_FLOW, schema.OBS_TIME, schema.OBS_SEQ)
    observations = observations[by_digest(*(observations[:, column] for column in columns))]
    observations = observations[repeated_positions(observations[:, schema.OBS_DIGEST])]
    digest, flow = observations[:, schema.OBS_DIGEST], observations[:, schema.OBS_FLOW]
    is_repeat = np.zeros(len(observations), dtype=bool)
    is_repeat[1:] = (digest[1:] == digest[:-1]) & (flow[1:] == flow[:-1])
    observations = observations[is_among(digest, digest[is_repeat])]
    if len(observations) > MAX_REPEATED:
        return observations[:0]
    observations[:, schema.OBS_TIME] = clocks(context).observation_times(context, observations)
    return observations


def _repeats_by_chain(observations: Observations, chain_of_flow: PerFlow) -> Iterator[list[_FlowRepeats]]:
    """For each digest and flow chain: the observations of each of its flows."""
    digest, flow = observations[:, schema.OBS_DIGEST], observations[:, schema.OBS_FLOW]
    observations = observations[np.lexsort((observations[:, schema.OBS_TIME], flow, chain_of_flow[flow], digest))]
    digest, flow = observations[:, schema.OBS_DIGEST], observations[:, schema.OBS_FLOW]
    is_first = np.ones(len(observations) + 1, dtype=bool)
    is_first[1:-1] = (flow[1:] != flow[:-1]) | (digest[1:] != digest[:-1])
    repeats: list[_FlowRepeats] = []
    last_key = None
    for start, stop in pairwise(np.flatnonzero(is_first).tolist()):
        key = int(chain_of_flow[flow[start]]), int(digest[start])
        if key != last_key and repeats:
            yield repeats
            repeats = []
        last_key = key
        repeats.append(_FlowRepeats(int(flow[start]), observations[start:stop]))
    if repeats:
        yield repeats


def _packet_times(observations: Observations, has_duplicates: bool) -> list[int]:
    """Times in ns of the packets of one flow and digest, duplicates left out."""
    times: list[int] = []
    previous = None
    for time in observations[:, schema.OBS_TIME].tolist():
        if not (has_duplicates and previous is not None and time - previous <= MAX_DUPLICATE_DELAY_NS):
            times.append(time)
        previous = time
    return times


def _by_hop(links: Links, flow_rows: list[int]) -> list[int]:
    """Flow rows of one chain, the first hop first."""

    def depth(flow: int) -> int:
        hops = 0
        while links.before[flow] >= 0:
            flow = int(links.source[links.before[flow]])
            hops += 1
        return hops

    return sorted(flow_rows, key=depth)


def _assign(packets: list[_Packet], times: list[int]) -> list[int | None]:
    """For each time the index of the last packet sent by then that no later time takes; None if there is none."""
    indexes: list[int | None] = []
    index = len(packets) - 1
    for time in reversed(times):
        while index >= 0 and packets[index].time > time:
            index -= 1
        indexes.append(index if index >= 0 else None)
        index -= index >= 0
    return indexes[::-1]
