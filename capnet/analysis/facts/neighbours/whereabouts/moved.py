"""Addresses that moved to a MAC at another point of one link, while others go on sending to the old MAC.

Input: neighbours, flows. Output: `MacChange`s without frames. Method: the answers of both MACs are seen at different
points, as at the interfaces of two nodes. One and the same question is at both, so they are one link: hosts use the
same private addresses. Then SYNs and echo requests go to the old MAC in vain, and others to the new one are answered.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.mac_changes import MacChange
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.addresses import address_value

MAX_APART_NS = 100_000_000  # of one question at two points, whose clocks may differ


def moved_to_other_points(context: Context) -> list[MacChange]:
    """All of them, by address."""
    answers: dict[tuple[str, str], list[Exchange]] = {}
    for of in neighbours(context):
        if of.replies and len(of.target_macs) == 1 and not (of.via or of.is_announcement or of.is_probe):
            answers.setdefault((of.kind, of.target), []).append(of)
    changes = []
    for _, of_address in sorted(answers.items()):
        macs = {of.target_macs[0] for of in of_address}
        if len(macs) == 2:
            change = _change(context, sorted(of_address, key=lambda of: of.first_reply))
            changes += [change] if change else []
    return changes


def _change(context: Context, of_address: list[Exchange]) -> MacChange | None:
    """`of_address`: the answers of two MACs for one address, by time."""
    old, new = of_address[0].target_macs[0], of_address[-1].target_macs[0]
    before, after = ([of for of in of_address if of.target_macs[0] == mac] for mac in (old, new))
    since = after[0].first_reply
    if (
        old == new
        or max(of.last_reply for of in before) >= since
        or {of.point for of in before} & {of.point for of in after}
    ):
        return None
    if not any(_is_same_question(context, of, {other.point for other in before}) for of in after):
        return None
    rows = _lost(context, old, after[0].target, since)
    flows, address = context.flows, address_value(after[0].target)
    is_to_it = (flows[:, schema.FLOW_DST_HI] == address[0]) & (flows[:, schema.FLOW_DST_LO] == address[1])
    serves = is_to_it & (flows[:, schema.FLOW_DMAC] == new) & is_answered(context)
    is_from_old = (flows[:, schema.FLOW_SMAC] == old) & (flows[:, schema.FLOW_LAST] > since)
    speaks = any(source(flows[row]) == after[0].target for row in np.flatnonzero(is_from_old).tolist())
    if not len(rows) or not serves.any() or speaks:
        return None
    lost = flows[rows]
    return MacChange(
        int(lost[0, schema.FLOW_POINT]), after[0].target, old, new, int(lost[:, schema.FLOW_FIRST].min()),
        int(lost[:, schema.FLOW_LAST].max()), [], rows.tolist(), int(lost[:, schema.FLOW_PACKETS].sum()),
    )  # fmt: skip


def _is_same_question(context: Context, asked: Exchange, points: set[int]) -> bool:
    """Is a question at one of these points, too, from the same MAC and at the same time?"""
    same = (asked.kind, asked.asker_mac, asked.asker, asked.target)
    return asked.asker_mac > 0 and any(
        of.point in points
        and of.requests > of.unicast_requests
        and abs(of.first_request - asked.first_request) <= MAX_APART_NS
        for of in _exchanges_of(context).get(same, ())
    )


@derived
def _exchanges_of(context: Context) -> dict[tuple[str, int, str, str], list[Exchange]]:
    """Protocol, asker's MAC and address, and target → the exchanges at each point."""
    exchanges: dict[tuple[str, int, str, str], list[Exchange]] = {}
    for of in neighbours(context):
        exchanges.setdefault((of.kind, of.asker_mac, of.asker, of.target), []).append(of)
    return exchanges


def _lost(context: Context, mac: int, address: str, since: int) -> FlowRows:
    """First hops of SYNs to an address at a MAC that begin later than that, and get no answer."""
    flows, (high, low) = context.flows, address_value(address)
    is_lost = (flows[:, schema.FLOW_DST_HI] == high) & (flows[:, schema.FLOW_DST_LO] == low)
    is_lost &= (flows[:, schema.FLOW_DMAC] == mac) & (flows[:, schema.FLOW_SYNS] > 0) & ~is_answered(context)
    is_lost &= (flow_links(context).before < 0) & (flows[:, schema.FLOW_FIRST] > since)
    return np.flatnonzero(is_lost)
