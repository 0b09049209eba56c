"""What the findings `not-masqueraded` and `no-return-route` have in common: questions that arrived, and no answer.

A question is a TCP SYN or an ICMP echo request; it arrived at another host's interface, or at the last point there is,
with the source address that its sender gave it, one that is private and not of the receiver's own network.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_multicast, is_private, replies, seen_by, source
from capnet.analysis.core.schema import (
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_KIND,
    FLOW_PROTO,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_SYNS,
    FLOW_VIA,
)
from capnet.analysis.correlate.link_building import flow_links
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, TCP

_ECHO = ICMP_ECHO_REQUEST * 256  # FLOW_KIND of an echo request (RFC 792)


def unanswered(context: Context) -> list[tuple[list[int], int]]:
    """(flow rows of the hops, link into the last hop) of every question that arrived and got no answer anywhere."""
    flows = context.flows
    answers = replies(context)
    found = flow_links(context)
    # Few paths end so; the others are not looked at one by one.
    end = found.target
    may_be = (found.after[end] < 0) & (answers[end] < 0) & (flows[end, FLOW_VIA] == 0)
    may_be &= (flows[end, FLOW_PROTO] == TCP) | (flows[end, FLOW_KIND] == _ECHO)
    may_be &= seen_by(context, ("parent", "underlay"))[end]
    begin = found.source[found.first_links]
    may_be &= (flows[begin, FLOW_SRC_HI] == flows[end, FLOW_SRC_HI]) & (
        flows[begin, FLOW_SRC_LO] == flows[end, FLOW_SRC_LO]
    )
    result = []
    for chain in found.chains(may_be):
        rows = [int(found.source[chain[0]]), *(int(found.target[link]) for link in chain)]
        last = flows[rows[-1]]
        if not _is_question(flows[rows]) or (answers[rows] >= 0).any():
            continue
        kept = (flows[rows][:, [FLOW_SRC_HI, FLOW_SRC_LO]] == last[[FLOW_SRC_HI, FLOW_SRC_LO]]).all()
        if kept and is_private(source(last)) and not is_multicast(destination(last)) and not _same_network(last):
            result.append((rows, chain[-1]))
    return result


def _is_question(rows: np.ndarray) -> bool:
    proto = rows[0, FLOW_PROTO]
    return bool((proto == TCP and rows[:, FLOW_SYNS].any()) or (proto == ICMP and rows[0, FLOW_KIND] == _ECHO))


def _same_network(row: np.ndarray) -> bool:
    """The first three octets, for want of a netmask."""
    if row[FLOW_SRC_HI] == 0 and row[FLOW_SRC_LO] >> 32 == MAPPED >> 32:
        return bool(row[FLOW_SRC_LO] >> 8 == row[FLOW_DST_LO] >> 8)
    return bool(row[FLOW_SRC_HI] == row[FLOW_DST_HI])
