"""host exit: the SYNs are not at the point by which other packets of their client leave the host.

Method: other flows with the same two MACs at the point of the SYNs are seen at one other point of the host, whatever
their destination; there, nothing speaks against a loss (`fate.refutation`). Limits: a host may have another way to
these destinations.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, host_of
from capnet.analysis.core.wording import Text, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.facts.unanswered import is_same_network
from capnet.analysis.fate.refutation import NOTHING, refutations
from capnet.analysis.fate.speakers import speakers

SAYS = Text(
    en="; they are not seen at {exit}, by which other packets of {client} leave",
    zh="；它们没有出现在 {exit}，而 {client} 的其他包从那里离开",
)
FIX = Text(
    en="look on that host between {point} and {exit} first: a route that drops them or leads elsewhere (`ip route "
    "get {server}`, `ip rule`), a rule (`iptables -vnL FORWARD`, `nft list ruleset`); then check that {server} "
    "is up",
    zh="先在该主机上检查 {point} 和 {exit} 之间：丢弃它们或指向别处的路由（`ip route get {server}`、`ip rule`）、"
    "规则（`iptables -vnL FORWARD`、`nft list ruleset`）；然后检查 {server} 是否在线",
)
_WAY = [*schema.FLOW_PLACE, schema.FLOW_SMAC, schema.FLOW_DMAC]


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That the host drops them before that point, or sends them elsewhere."""
    exit_point = _exit_of_others(context, group.last_rows)
    if not exit_point:
        return None
    return Clue(
        FIX.fill(point=group.points[0], exit=exit_point, server=group.server),
        SAYS.fill(exit=exit_point, client=several(group.clients)),
    )


def _exit_of_others(context: Context, last_rows: list[int]) -> str:
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


def _is_for(context: Context, row: int) -> bool:
    """Is the flow for the very station that gets it, or for one of the sender's link? Then it goes no further."""
    if is_same_network(context.flows[row]):
        return True
    address, mac = destination(context.flows[row]), int(context.flows[row, schema.FLOW_DMAC])
    speaker = speakers(context).get(mac)
    is_own = speaker is not None and address in {*speaker.own, *speaker.claimed}
    return is_own or any(of.target == address and mac in of.target_macs for of in neighbours(context))
