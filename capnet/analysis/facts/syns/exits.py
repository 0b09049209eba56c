"""By which point, or by which next hop, do packets without an answer go on?

Input: last hops of flows without an answer. Output: the name of a point of the same host by which other packets of a
sender go on that gives them to the same router, or ""; the host that forwards, and the one that it forwards to.
Method: other flows with the same two MACs at that point are seen at one other point of the host, whatever their
destination; there, nothing speaks against a loss (`fate.refutation`). A host forwards what has lost a hop, or what is
from an address that its MAC only passes on. Limits: a host may have another way to these destinations; hosts of which
the capture shows one address each.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, destination, host_of, source
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.analysis.facts.unanswered import is_same_network
from capnet.analysis.fate.refutation import NOTHING, refutations
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple

_WAY = [*schema.FLOW_PLACE, schema.FLOW_SMAC, schema.FLOW_DMAC]


def exit_of_others(context: Context, last_rows: list[int]) -> str:
    """The point that others pass next, if these flows are missing there; "" if that is not known."""
    flows, links = context.flows, flow_links(context)
    rows = np.array(last_rows, dtype=np.int64)
    if not len(rows) or (flows[rows, schema.FLOW_DMAC] <= 0).any() or any(_is_for(context, row) for row in last_rows):
        return ""
    goes_on = is_among(hash_of(flows, _WAY, links.source), hash_of(flows, _WAY, rows))
    goes_on &= flows[links.source, schema.FLOW_POINT] != flows[links.target, schema.FLOW_POINT]
    due = set(flows[links.target[goes_on], schema.FLOW_POINT].tolist())
    hosts = {host_of(context.points[point].name) for point in (*due, *flows[rows, schema.FLOW_POINT].tolist())}
    if len(due) != 1 or len(hosts) != 1 or None in hosts:
        return ""
    (point,) = due
    reasons = refutations(context, rows, np.full(len(rows), point), np.zeros(len(rows), dtype=bool))
    return context.points[point].name if (reasons == NOTHING).all() else ""


class Forwarding(NamedTuple):
    """The own addresses of two hosts of one link."""

    router: str
    next_hop: str


def forwarding_of(context: Context, last_rows: list[int]) -> Forwarding | None:
    """Who forwards these flows to whom, if the MACs of their last hops tell it and the receiver is not asked itself."""
    flows = context.flows
    hops = {tuple(hop) for hop in flows[np.array(last_rows, dtype=np.int64)][:, _WAY].tolist()}
    if len(hops) != 1:
        return None
    ((point, via, _, smac, dmac),) = hops
    sender, receiver = (speakers(context, point, outside_tunnels=True).get(mac) for mac in (smac, dmac))
    if via or sender is None or receiver is None or len(sender.own_ips) != 1 or len(receiver.own_ips) != 1:
        return None
    are_passed_on = all(
        flows[row, schema.FLOW_TTL] not in INITIAL_TTLS or source(flows[row]) in sender.forwarded for row in last_rows
    )
    is_asked = any(destination(flows[row]) in {*receiver.own, *receiver.claimed} for row in last_rows)
    return Forwarding(sender.own_ips[0], receiver.own_ips[0]) if are_passed_on and not is_asked else None


def _is_for(context: Context, row: int) -> bool:
    """Is the flow for the very station that gets it, or for one of the sender's link? Then it goes no further."""
    if is_same_network(context.flows[row]):
        return True
    address, mac = destination(context.flows[row]), int(context.flows[row, schema.FLOW_DMAC])
    speaker = speakers(context).get(mac)
    is_own = speaker is not None and address in {*speaker.own, *speaker.claimed}
    return is_own or any(of.target == address and mac in of.target_macs for of in neighbours(context))
