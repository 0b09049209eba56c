"""Hosts to which nothing comes any more by a router that several of their peers are behind.

Input: a flow that is not answered any more, and since when. Output: a `LostWay`, or None. Method: from then until the
flow's last packet, its point shows no packet to this host from the MAC that the answers came from, while the host
sends to MIN_PEERS addresses or more that had answered by it. Limits: not where only a sample of packets is compared.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import Values
from capnet.quick_tuple import NamedTuple

MIN_PEERS = 3  # one that is silent is its own fault, two may share a host


class LostWay(NamedTuple):
    """A host at a point, the MAC that answers came from, and what it sent there in vain."""

    point: int
    host: tuple[int, int]
    router: int  # MAC; not above 0 where it is not known
    since: int  # when the last packet came from there [ns]


class _Traffic(NamedTuple):
    """When a host got packets by a router, and when it sent there, in order [ns]."""

    got: Values
    sent: Values
    peers: Values  # of `sent`: number of the address


def lost_way(context: Context, row: int, since: int) -> LostWay | None:
    """The way that the source of flow `row` has lost at time `since`, if the flow is not answered from then on."""
    answer = int(replies(context)[row])
    if answer < 0 or context.sample_share < 1.0:
        return None
    flow, router = context.flows[row], int(context.flows[answer, schema.FLOW_SMAC])
    point, host = int(flow[schema.FLOW_POINT]), (int(flow[schema.FLOW_SRC[0]]), int(flow[schema.FLOW_SRC[1]]))
    traffic = _traffic(context, point, *host, router)
    until = int(flow[schema.FLOW_LAST])
    begin, end = np.searchsorted(traffic.got, [since, until], side="right")
    in_vain = (traffic.sent >= since) & (traffic.sent <= until)
    if end > begin or begin == 0 or len(distinct(traffic.peers[in_vain])) < MIN_PEERS:
        return None
    return LostWay(point, host, router, int(traffic.got[begin - 1]))


@derived
def _traffic(context: Context, point: int, high: int, low: int, router: int) -> _Traffic:
    flows, answers = context.flows, replies(context)
    is_there = flows[:, schema.FLOW_POINT] == point
    came = np.flatnonzero(is_there & (flows[:, schema.FLOW_DST] == (high, low)).all(axis=1))
    if router > 0:
        came = came[flows[came, schema.FLOW_SMAC] == router]
    left = np.flatnonzero(is_there & (answers >= 0) & (flows[:, schema.FLOW_SRC] == (high, low)).all(axis=1))
    left = left[is_among(answers[left], came)]
    _, peers = np.unique(flows[left][:, schema.FLOW_DST], axis=0, return_inverse=True)
    peer_of = np.zeros(len(flows), dtype=np.int64)
    peer_of[left] = peers.reshape(-1)
    observed = context.observations[:, [schema.OBS_TIME, schema.OBS_FLOW]]
    sent = observed[is_among(observed[:, 1], left)]
    sent = sent[np.argsort(sent[:, 0], kind="stable")]
    got = np.sort(observed[is_among(observed[:, 1], came), 0])
    return _Traffic(got, sent[:, 0], peer_of[sent[:, 1]])
