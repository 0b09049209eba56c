"""What became of each flow chain: delivered, stopped between two points, or not to be known.

Input: flow chains, next points, when points listened. Output: `Fates`, one entry per flow chain of one direction.
Method: a chain that gets no answer and ends before the point where it is due stops there, unless something refutes it
(`refutation`). Limits: of the chains without an answer, the MAX_CHAINS with the most packets; the others are UNKNOWN.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, are_to_groups, replies
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.listening import is_assumed
from capnet.analysis.fate.next_points import NETWORK, TWIN, chain_of, is_answered, next_points
from capnet.analysis.fate.refutation import GROUP, MIN_PACKETS, NOTHING, refutations
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP_REQUESTS, ICMPV6_ECHO_REQUEST

UNKNOWN, DELIVERED, STOPS = 0, 1, 2  # states
MAX_CHAINS = 10_000
# Reasons why a fate is UNKNOWN, beside those of `refutation`.
ONE_POINT, NEXT_UNKNOWN, TOO_MANY = 6, 7, 8


class Fates(NamedTuple):
    """One entry per flow chain."""

    last: FlowRows  # its last hop
    state: Values  # UNKNOWN, DELIVERED, STOPS
    due: Values  # point where its packets were due next, -1 if they do not stop
    rank: Values  # by which that point is known (`next_points`)
    siblings: Values  # flows that show it
    reason: Values  # of an UNKNOWN one, why: one of `refutation`, or of the constants below
    is_assumed: Mask  # its packets stop, and only by assumption did the due point listen when they passed


@derived
def fates(context: Context) -> Fates:
    """What became of each flow chain, in order of the last hops."""
    last = np.flatnonzero(flow_links(context).after < 0)
    state = np.full(len(last), UNKNOWN)
    due, rank, siblings = (np.full(len(last), value) for value in (-1, 0, 0))
    is_home, is_replied = _is_at_home(context, last), is_answered(context)[last]
    state[is_home | is_replied] = DELIVERED
    is_alone = len(context.points) < 2  # one point alone shows no stop
    reason = np.where(state == DELIVERED, NOTHING, ONE_POINT if is_alone else NEXT_UNKNOWN)
    unknown = np.flatnonzero(state == UNKNOWN)
    reason[unknown[are_to_groups(context, last[unknown])]] = GROUP
    chains = np.flatnonzero(~is_replied & (reason != GROUP) & ~_ask_nothing(context, last))
    if is_alone:
        return Fates(last, state, due, rank, siblings, reason, np.zeros(len(last), dtype=bool))
    if len(chains) > MAX_CHAINS:
        busiest = np.argsort(-context.flows[last[chains], schema.FLOW_PACKETS], kind="stable")[:MAX_CHAINS]
        reason[chains] = np.where(is_home[chains], NOTHING, TOO_MANY)
        chains = np.sort(chains[busiest])
        reason[chains] = np.where(is_home[chains], NOTHING, NEXT_UNKNOWN)
    for ranked in next_points(context, last[chains]):
        # A host's own interface is also where packets arrive for its containers, and those that it forwards: a twin
        # that went on, or the network of another interface, counts more.
        counts_more = is_one_of(ranked.rank, (TWIN, NETWORK))
        is_due = (ranked.point >= 0) & (~is_home[chains] | counts_more) & (state[chains] != STOPS)
        if not is_due.any():
            continue  # refuting goes through all flows
        rows, points = last[chains[is_due]], ranked.point[is_due]
        reasons = refutations(context, rows, points, ranked.rank[is_due] == TWIN)
        is_open = reason[chains[is_due]] == NEXT_UNKNOWN  # the first rank that names a point says why
        reason[chains[is_due][is_open]] = reasons[is_open]
        is_due[is_due] = reasons == NOTHING
        stops = chains[is_due]
        state[stops], reason[stops] = STOPS, NOTHING
        due[stops], rank[stops], siblings[stops] = (values[is_due] for values in ranked)
    assumed, stopped = np.zeros(len(last), dtype=bool), np.flatnonzero(state == STOPS)
    if len(stopped):
        assumed[stopped] = is_assumed(context, last[stopped], due[stopped])
    return Fates(last, state, due, rank, siblings, reason, assumed)


def _ask_nothing(context: Context, rows: FlowRows) -> Mask:
    """Is each row ICMP that no answer is due to? Errors and echo replies may arrive at another interface of a host."""
    proto, kind = (context.flows[rows, column] for column in (schema.FLOW_PROTO, schema.FLOW_KIND))
    mask: Mask = is_one_of(proto, ICMP_PROTOCOLS) & ~is_one_of(kind >> 8, (*ICMP_REQUESTS, ICMPV6_ECHO_REQUEST))
    return mask


def _is_at_home(context: Context, rows: FlowRows) -> Mask:
    """Is the point of each row the own interface of the MAC that the row is sent to? No frame in a tunnel is there."""
    homes = [(mac, point) for mac, points in interface_points(context).items() for point in points]
    if not homes:
        return np.zeros(len(rows), dtype=bool)
    ends = context.flows[rows[:, None], [schema.FLOW_DMAC, schema.FLOW_POINT]]
    is_outside = context.flows[rows, schema.FLOW_VIA] == 0
    return is_outside & is_among(row_hash(ends), row_hash(np.array(homes, dtype=np.int64)))


def unanswered_chains(context: Context) -> int:
    """Flow chains to one receiver of MIN_PACKETS packets or more that stop, or got nothing back."""
    outcome, chain = fates(context), chain_of(context)
    has_reply = np.zeros(len(chain), dtype=bool)
    has_reply[chain[replies(context) >= 0]] = True
    got_nothing = ~has_reply[chain[outcome.last]]
    rows = outcome.last[(outcome.state == STOPS) | ((outcome.state == UNKNOWN) & got_nothing)]
    rows = rows[context.flows[:, schema.FLOW_PACKETS][rows] >= MIN_PACKETS]
    return int((~are_to_groups(context, rows)).sum())
