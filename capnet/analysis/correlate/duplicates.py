"""What one point recorded twice: copies that the capture made, of packets that were sent once.

An `any` capture shows a packet at every interface of its host. Listening makes a bridge promiscuous, and its host may
route a second copy of what it only bridges. `correlate.link_building` follows a packet without its copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capnet.analysis.core.arrays import ByDigest, in_company, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import (
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_PACKETS,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_FRAME,
    OBS_SEQ,
    OBS_TIME,
    OBS_TTL,
)
from capnet.analysis.correlate.bridge_order import is_bridge

# Equal packets in one flow at one point closer than this are copies made by the capture.
COPIES_NS = 1_000_000


@dataclass(frozen=True)
class Duplicates:
    """Packets that one point recorded twice in one flow, one entry per flow row that has any."""

    flow: np.ndarray
    count: np.ndarray
    frames: np.ndarray  # (n, 2): the first such packet and its copy
    ttl_delta: np.ndarray  # of that pair


@derived
def duplicates(context: Context, within_ns: int = COPIES_NS) -> Duplicates:
    """Equal digests in one flow within `within_ns`: copies made by the capture, not sent twice by a host.

    A host that sends again does so with a new IP identification, or after a timeout far above a millisecond.
    """
    seen = in_doubt(context, context.observations)
    copy = np.flatnonzero(copies(seen, within_ns))
    copy = copy[np.lexsort((seen[copy, OBS_TIME], seen[copy, OBS_FLOW]))]
    flow, first, count = np.unique(seen[copy, OBS_FLOW], return_index=True, return_counts=True)
    copy = copy[first]
    frames = np.stack([seen[copy - 1, OBS_FRAME], seen[copy, OBS_FRAME]], axis=1)
    return Duplicates(flow, count, frames, seen[copy, OBS_TTL] - seen[copy - 1, OBS_TTL])


@derived
def observations_by_digest(context: Context) -> ByDigest:
    """The observations of a context by digest."""
    return ByDigest.of(context.observations[:, OBS_DIGEST])


@derived
def counted_once(context: Context) -> np.ndarray:
    """Packets per flow row, those that one point recorded twice counted once."""
    packets = context.flows[:, FLOW_PACKETS].copy()
    twice = duplicates(context)
    share = context.sample_share
    packets[twice.flow] -= np.minimum(np.rint(twice.count / share).astype(np.int64), packets[twice.flow] // 2)
    return packets


def in_doubt(context: Context, seen: np.ndarray) -> np.ndarray:
    """Of the context's observations, those of digests that their flow shows more than once.

    `seen`: all of them, perhaps with other times. In order of digest, flow and time.
    """
    seen = seen[_repeated_in_flow(context)]
    return seen[np.lexsort((seen[:, OBS_SEQ], seen[:, OBS_TIME], seen[:, OBS_FLOW], seen[:, OBS_DIGEST]))]


@derived
def _repeated_in_flow(context: Context) -> np.ndarray:
    """Indexes of the observations whose digest their flow shows more than once."""
    by_digest = observations_by_digest(context)
    shared = by_digest.order[by_digest.company]
    key = row_hash(context.observations[shared[:, None], [OBS_DIGEST, OBS_FLOW]])
    order = np.argsort(key)
    return shared[order[in_company(key[order])]]


def copies(seen: np.ndarray, within_ns: int) -> np.ndarray:
    """Per observation, sorted by digest, flow and time: is it a copy of the one before?"""
    copy = np.zeros(len(seen), dtype=bool)
    same = (seen[1:, OBS_DIGEST] == seen[:-1, OBS_DIGEST]) & (seen[1:, OBS_FLOW] == seen[:-1, OBS_FLOW])
    copy[1:] = same & (seen[1:, OBS_TIME] - seen[:-1, OBS_TIME] <= within_ns)
    return copy


def strays(context: Context, seen: np.ndarray, copied: np.ndarray) -> np.ndarray:
    """Per observation, sorted by digest, flow and time: does a copy that a bridge's capture made pass here?

    Listening makes a bridge promiscuous, and its host may route a second copy of what it only bridges, one TTL less,
    to where the packet itself goes anyway.
    """
    stray = np.zeros(len(seen), dtype=bool)
    bridge = np.array([is_bridge(point.name, point.role) for point in context.points] or [False])
    made = copied.copy()
    made[1:] &= seen[1:, OBS_TTL] < seen[:-1, OBS_TTL]
    made &= bridge[context.flows[seen[:, OBS_FLOW], FLOW_POINT]]
    ends = [FLOW_PROTO, FLOW_SRC_HI, FLOW_SRC_LO, FLOW_SPORT, FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
    for number in np.flatnonzero(made).tolist():
        digest, time, flow, ttl = seen[number, [OBS_DIGEST, OBS_TIME, OBS_FLOW, OBS_TTL]].tolist()
        start, stop = np.searchsorted(seen[:, OBS_DIGEST], [digest, digest + 1])
        group = np.arange(start, stop)
        later = group[(seen[group, OBS_TIME] > time) & (seen[group, OBS_FLOW] != flow)]
        if (seen[later, OBS_TTL] > ttl).any():  # the packet itself went on
            same = (context.flows[seen[later, OBS_FLOW]][:, ends] == context.flows[flow][ends]).all(axis=1)
            stray[later[same & (seen[later, OBS_TTL] == ttl)]] = True
    return stray
